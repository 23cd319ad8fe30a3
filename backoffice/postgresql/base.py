"""Django's PostgreSQL backend, which asks the server less: whether a kept connection is alive, and how to go about a
statement that it is asked for all the time.
"""

import select
from typing import Any

import psycopg
from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
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
        """A cursor for the few statements that are asked for all the time: planning one costs more than to do it.

        Values travel apart from the text, so their types have to be clear from where they stand, or be cast.
        """
        self.close_if_health_check_failed()
        self.ensure_connection()
        self.connection.prepare_threshold = 0  # at once; Django's own cursors bind values here, and prepare nothing
        with self.wrap_database_errors:
            return self._prepare_cursor(psycopg.Cursor(self.connection))  # type: ignore[attr-defined]
