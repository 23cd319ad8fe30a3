"""What a run stands on: a database of its own, settings of its own, free ports, and the facts of the machine."""

import base64
import os
import platform
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import django
import psycopg

from tests import postgres

HOST = "127.0.0.1"
# What decides how much a COMMIT costs, and how much is cached.
SHOWN = ("fsync", "synchronous_commit", "shared_buffers")


@dataclass(frozen=True)
class Ground:
    """Where a run takes place. `url` is its database, which `fresh` empties."""

    url: str
    web_port: int
    sandbox_port: int

    @property
    def web(self) -> str:
        return f"http://{HOST}:{self.web_port}"

    @property
    def sandbox(self) -> str:
        return f"http://{HOST}:{self.sandbox_port}"

    def fresh(self) -> None:
        """Make the database anew, migrated and empty; whoever is still connected is thrown out."""
        from django.db import connections

        connections.close_all()
        name = _name(self.url)
        with _server(self.url) as server:
            server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{name}_empty"')


@contextmanager
def prepared(settings: str = "backoffice.settings") -> Iterator[Ground]:
    """Set Django up on a database that is dropped at the end, with the product's own settings or a module that has them."""
    with postgres.running() as given:
        if "TEST_DATABASE_URL" not in os.environ:
            _make_durable(given)
        url = _renamed(given, f"{_name(given)}_bench_{os.getpid()}")
        place = Ground(url, *free_ports(2))
        os.environ |= {**_settings(place), "DJANGO_SETTINGS_MODULE": settings}
        names = [_name(url), f"{_name(url)}_empty"]
        try:
            with _server(url) as server:
                server.execute(f'CREATE DATABASE "{names[0]}"')
            _migrate()
            with _server(url) as server:
                server.execute(f'ALTER DATABASE "{names[0]}" RENAME TO "{names[1]}"')
            yield place
        finally:
            _close()
            with _server(url) as server:
                for name in names:
                    server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def machine(place: Ground) -> dict[str, str]:
    """What a reader has to know of the machine to make sense of a figure."""
    with _server(place.url) as server:
        version = server.info.server_version
        shown = {name: server.execute(f"SHOW {name}").fetchone()[0] for name in SHOWN}
    return {
        "processor": f"{os.cpu_count()} × {_processor()}",
        "load": f"{os.getloadavg()[0]:.1f} before the run",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "PostgreSQL": f"{version // 10000}.{version % 10000}, on the same machine ("
        + ", ".join(f"{name} {value}" for name, value in shown.items())
        + ")",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _settings(place: Ground) -> dict[str, str]:
    """The environment of this run and of its processes: neither a `.env` nor the shell can lead it to real data."""

    def key() -> str:
        return base64.b64encode(secrets.token_bytes(32)).decode()

    return {
        "DATABASE_URL": place.url,
        "SECRET_KEY": secrets.token_urlsafe(48),
        "CODE_KEYS": f"bench:{key()}",
        "CODE_INDEX_KEY": key(),
        "PUBLIC_BASE_URL": place.web,
        "ALLOWED_HOSTS": HOST,
        "CSRF_TRUSTED_ORIGINS": HOST,
        "ALLOW_LOCAL_MARKETPLACES": "True",
        "TWO_FACTOR": "off",
        "DEBUG": "False",
        "CACHE_URL": "",
        "SENTRY_DSN": "",
        "EMAIL_URL": "consolemail://",
        "TIME_ZONE": "UTC",
        "LOG_FORMAT": "text",
        "LOG_LEVEL": "WARNING",
        "Q_WORKERS": "4",
        "PYTHONUNBUFFERED": "1",
    }


def _migrate() -> None:
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    _close()


def _make_durable(url: str) -> None:
    """A server that was started for tests forgets in a power cut, and so is faster than any that sells codes."""
    with _server(url) as server:
        for name in postgres.FAST:
            server.execute(f"ALTER SYSTEM RESET {name}")
        server.execute("SELECT pg_reload_conf()")


def _close() -> None:
    from django.db import connections

    if django.apps.apps.ready:
        connections.close_all()


def _server(url: str) -> psycopg.Connection:
    return psycopg.connect(_renamed(url, "postgres"), autocommit=True)


def _name(url: str) -> str:
    return urlsplit(url).path.removeprefix("/") or "backoffice"


def _renamed(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
