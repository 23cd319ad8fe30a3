"""Keep requests out of what is logged: an address may carry a secret in its query."""

import logging
import traceback
from typing import Any

FRAMES_SHOWN = 3


class WithoutRequest(logging.Filter):
    """Take the request off a record, whose text a formatter or a collector would write down with its query."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.__dict__.pop("request", None)
        return True


def without_query(event: Any, hint: Any) -> Any:
    """Take the query and the headers out of an event for Sentry."""
    request = event.get("request")
    if request:
        for part in ("query_string", "headers", "cookies", "data"):
            request.pop(part, None)
    return event


def place_of(error: BaseException) -> str:
    """Say what broke and where, without the error's text: it may quote the values it broke on."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES_SHOWN:]
    places = " > ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames)
    return f"{type(error).__name__} at {places or 'an unknown place'}"
