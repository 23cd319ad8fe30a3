"""TCP from a port to one of several others: what stands between two machines, and can be cut."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future

HOST = "127.0.0.1"
PIECE = 65_536


class Wires:
    """A thread that carries bytes for any number of wires."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def lay(self, targets: Sequence[int], port: int = 0) -> "Wire":
        """Listen on a port, any that is free unless it is named, and carry to the targets in turn."""
        wire = Wire(targets)
        started: Future[int] = asyncio.run_coroutine_threadsafe(wire.listen(port), self._loop)
        wire.port = started.result(10)
        return wire

    def cut(self, wire: "Wire", *, is_cut: bool) -> None:
        """Break what is under way and let nothing through, or mend it."""
        self._loop.call_soon_threadsafe(wire.cut, is_cut)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)


class Wire:
    """One of them. A target that does not answer is passed over, as a load balancer does."""

    port: int

    def __init__(self, targets: Sequence[int]) -> None:
        self._targets = list(targets)
        self._turn = 0
        self._is_cut = False
        self._open: set[asyncio.StreamWriter] = set()

    async def listen(self, port: int) -> int:
        server = await asyncio.start_server(self._carry, HOST, port)
        return int(server.sockets[0].getsockname()[1])

    def cut(self, is_cut: bool) -> None:
        self._is_cut = is_cut
        if is_cut:
            for end in list(self._open):
                end.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other = None if self._is_cut else await self._connected()
        if other is None:
            writer.transport.abort()
            return
        there = other[1]
        self._open |= {writer, there}
        try:
            await asyncio.gather(_pour(reader, there), _pour(other[0], writer))
        finally:
            self._open -= {writer, there}
            for end in (writer, there):
                end.transport.abort()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        self._turn += 1
        for number in range(len(self._targets)):
            try:
                return await asyncio.open_connection(HOST, self._targets[(self._turn + number) % len(self._targets)])
            except OSError:
                continue
        return None


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
    except (OSError, RuntimeError):  # the other end is gone
        writer.transport.abort()
