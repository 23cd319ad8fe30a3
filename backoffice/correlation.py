"""One id in every line of the log that is about the same thing, from a marketplace's call at the door to the last answer.

The thing is mostly an order: account and order id are known to whoever knocks, to the event that is stored, and to every row
that works on the order, so the id need not be handed on, and lines of different days and machines are found by it.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

_current: ContextVar[str] = ContextVar("correlation", default="")


def of(account_id: UUID, subject: str) -> str:
    """The id for what a marketplace calls `subject`, mostly an order. Short, and the same everywhere."""
    return f"{account_id.hex[:8]}/{subject}"


def current() -> str:
    """The id of what is being worked on; empty when it is nothing in particular."""
    return _current.get()


@contextmanager
def about(name: str) -> Iterator[None]:
    """Work on something until the block ends."""
    token = _current.set(name)
    try:
        yield
    finally:
        _current.reset(token)


def narrow(name: str) -> None:
    """Say more closely what is being worked on, until the end of the block that is open."""
    _current.set(name)


class Correlated(logging.Filter):
    """Write the id into each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.correlation = current() or "-"
        return True
