"""Keep requests out of what is logged: an address may carry a secret in its query."""

import logging
import re
import traceback
from typing import Any

FRAMES_SHOWN = 3


# A marketplace's own address may go on with a secret of the account.
SECRET_PATH = re.compile(r"(/hooks/[^/\s]+/)[^\s?]+")


class WithoutRequest(logging.Filter):
    """Take the request off a record, whose text a formatter or a collector would write down with its query, and what
    may be secret out of the path that is named.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        record.__dict__.pop("request", None)
        if isinstance(record.args, tuple):
            record.args = tuple(without_path(value) if isinstance(value, str) else value for value in record.args)
        return True


def without_path(text: str) -> str:
    """Take out of addresses of the webhook door what comes after the account's id."""
    return SECRET_PATH.sub(r"\1•••", text)


def without_query(event: Any, hint: Any) -> Any:
    """Take the query and the headers out of an event for Sentry."""
    request = event.get("request")
    if request:
        for part in ("query_string", "headers", "cookies", "data"):
            request.pop(part, None)
        if "url" in request:
            request["url"] = without_path(str(request["url"]))
    return event


def place_of(error: BaseException) -> str:
    """Say what broke and where, without the error's text: it may quote the values it broke on."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES_SHOWN:]
    places = " > ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames)
    return f"{type(error).__name__} at {places or 'an unknown place'}"
