"""Django's PostgreSQL backend, which asks the server less: whether a kept connection is alive, and how to go about a
statement that it is asked for all the time.
"""

import select
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from django.db.backends.postgresql.operations import DatabaseOperations


class _Operations(DatabaseOperations):
    def last_executed_query(self, cursor: Any, sql: Any, params: Any) -> Any:
        """What is written down of a statement; one that is kept has its values apart."""
        return super().last_executed_query(cursor, sql, params) or str(sql)


class _Kept(psycopg.Cursor[Any]):
    """Has the server keep each of its statements. Django's own cursors bind values here, and have it keep nothing."""

    def execute(self, query: Any, params: Any = None, **how: Any) -> Any:
        # The threshold is the connection's: left there, the driver would note down every other statement, too.
        self.connection.prepare_threshold = 0
        try:
            return super().execute(query, params, **how)
        finally:
            self.connection.prepare_threshold = None


class DatabaseWrapper(base.DatabaseWrapper):
    ops_class = _Operations

    def is_usable(self) -> bool:
        """Say whether the connection can be used.

        A server that ends a connection says so, and its word waits in the socket. Silence is as good as an answer to
        SELECT 1, which every request and every task would wait for before its first statement.
        """
        if self.connection is None or self.connection.closed:
            return False
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        return bool(super().is_usable()) if poll.poll(0) else True

    def init_connection_state(self) -> None:
        """Have the server compile no plan: a report that takes two seconds spends a quarter of it on that."""
        super().init_connection_state()
        with self.cursor() as cursor:
            cursor.execute("SET jit = off")

    def prepared_cursor(self) -> Any:
        """A cursor for the few statements that are asked for all the time: to read and plan one costs as much as to do it.

        The server reads it once for a connection, until a rollback, and keeps its plan where one does for all values. So it
        is not for tables that are empty at one time and full at another. Values travel apart from the text: their types
        have to be clear from where they stand, or be cast.
        """
        self.close_if_health_check_failed()
        self.ensure_connection()
        with self.wrap_database_errors:
            return self._prepare_cursor(_Kept(self.connection))  # type: ignore[attr-defined]
