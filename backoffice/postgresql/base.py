"""Django's PostgreSQL backend, which asks the server whether a kept connection is alive only when there is reason to."""

import select

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
