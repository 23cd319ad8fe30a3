"""A sandbox behind a real socket, for tests whose other half is a process of its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from marketplaces.sandbox import Sandbox
from marketplaces.sandbox_wire import Application, Server

TIMERS_SECONDS = 0.05


@contextmanager
def serving(app: Application, sandbox: Sandbox) -> Iterator[str]:
    """Serve `app`, in which `sandbox` stands, and let its timers run; yields the address of its root."""
    server, closing = Server(0, app), threading.Event()

    def live() -> None:
        while not closing.wait(TIMERS_SECONDS):
            sandbox.run_due()

    threads = [threading.Thread(target=work, daemon=True) for work in (server.serve_forever, live)]
    for thread in threads:
        thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        closing.set()
        server.shutdown()
        server.server_close()
