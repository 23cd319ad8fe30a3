"""What a check of our books finds: which check, in words for people, and facts for programs."""

from typing import Any

MOST = 100  # problems of one kind that are named one by one

Problem = dict[str, Any]


def problem(check: str, text: str, **facts: Any) -> Problem:
    return {"check": check, "text": text, **facts}
