"""Let something happen at an exact moment: just before a statement that is about to run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection


@contextmanager
def before(fragment: str, act: Callable[[], object]) -> Iterator[None]:
    """Run `act` once, before the first statement that contains `fragment`: as if it had been committed by then."""
    left = [act]

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if left and fragment in sql:
            left.pop()()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield
    assert not left, f"no statement contained {fragment}"
