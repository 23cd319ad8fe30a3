"""Send prepared requests over connections that stay open, from processes of their own, and time every answer.

The requests are bytes that were made beforehand, so that the sender costs little; a line against an address that does
nothing says how much.
"""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.bench.measuring import Round, by_clients, check

PROCESSES = 2
TIMEOUT = 30


@dataclass(frozen=True)
class Message:
    """A POST on its way to `path`."""

    path: str
    headers: dict[str, str]
    body: bytes


def send_all(
    address: str, messages: Sequence[Message], *, connections: int, warm_up: int = 0, per_second: float | None = None
) -> Round:
    """Send every message once over so many connections; `per_second` paces them, whatever the answers take.

    A paced message's time counts from the moment it was due, so that waiting for a slow answer before it counts, too.
    Each connection begins with `warm_up` messages more than are counted, which are the first of its share.
    """
    host = urlsplit(address)
    requests = [_to_bytes(message, host.netloc) for message in messages]
    shares = [requests[number::connections] for number in range(connections)]

    def prepare(number: int) -> Callable[[], tuple[list[float], list[int]]]:
        own = range(number, connections, PROCESSES)
        lines = [_Line(host.hostname or "", host.port or 80) for _ in own]
        statuses = [
            line.exchange(one) for line, which in zip(lines, own, strict=True) for one in shares[which][:warm_up]
        ]

        def work() -> tuple[list[float], list[int]]:
            begun = time.perf_counter()
            threads = []
            for line, which in zip(lines, own, strict=True):
                step = None if per_second is None else (begun + which / per_second, connections / per_second)
                threads.append(threading.Thread(target=line.send, args=[shares[which][warm_up:], step]))
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            pieces = [piece for line in lines for piece in line.pieces]
            return pieces, [*statuses, *(status for line in lines for status in line.statuses)]

        return work

    done = by_clients(PROCESSES, prepare)
    statuses = [status for brought in done.brought for status in brought]
    check(len(statuses) == len(messages), f"{len(messages)} messages were sent, {len(statuses)} were answered")
    return done


def _to_bytes(message: Message, host: str) -> bytes:
    headers = {"Host": host, "Content-Length": str(len(message.body)), **message.headers}
    lines = [f"POST {message.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + message.body


class _Line:
    """One connection."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), timeout=TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pieces: list[float] = []
        self.statuses: list[int] = []

    def send(self, requests: Sequence[bytes], step: tuple[float, float] | None) -> None:
        for number, request in enumerate(requests):
            due = time.perf_counter()
            if step is not None:
                wait = step[0] + number * step[1] - due
                due += wait
                if wait > 0:
                    time.sleep(wait)
            self.statuses.append(self.exchange(request))
            self.pieces.append(time.perf_counter() - due)

    def exchange(self, request: bytes) -> int:
        self._socket.sendall(request)
        got = b""
        while b"\r\n\r\n" not in got:
            got += self._more()
        head, _, body = got.partition(b"\r\n\r\n")
        length = _length(head)
        while len(body) < length:
            body += self._more()
        return int(head[9:12])

    def _more(self) -> bytes:
        piece = self._socket.recv(65536)
        if not piece:
            raise ConnectionError("the server hung up")
        return piece


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    raise ConnectionError("an answer without a length")
