"""Run a management command as a program would."""

import io
import json
from typing import Any, NamedTuple

from django.core.management import CommandError, call_command


class Outcome(NamedTuple):
    """What `--json` printed, the exit status, and the one line on standard error."""

    data: Any
    status: int
    words: str


def outcome(name: str, *arguments: str) -> Outcome:
    out = io.StringIO()
    status, words = 0, ""
    try:
        call_command(name, *arguments, "--json", stdout=out)
    except CommandError as error:
        status, words = error.returncode, str(error)
    text = out.getvalue()
    return Outcome(json.loads(text) if text else None, status, words)
