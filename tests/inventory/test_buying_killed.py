"""kill -9, with real processes: buying fifty codes is broken off and begun again until it is done."""

import json
import os
import random
import subprocess
import sys
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.utils.module_loading import import_string

from inventory import codes
from inventory.models import Code, Purchase
from marketplaces import services
from marketplaces.models import Account
from marketplaces.sandbox_wire import Street
from orders import verify
from tests import make
from tests.inventory.test_buying import PRODUCT
from tests.other_side import serving
from tests.postgres import url_of

pytestmark = [pytest.mark.processes, pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

KEY = "/order/key/"
MOST_RUNS = 30
ENOUGH = 12


class Killer:
    """Stands before the sandbox and kills whoever calls, now before their request is heard and now after it was done.

    A key is given once: who is killed with it in hand takes it along, so there it only kills before.
    """

    def __init__(self, app, seed):
        self.app, self.dice = app, random.Random(seed)
        self.process = None
        self.kills = 0
        self.next_at = 3

    def __call__(self, environ, start_response):
        self.next_at -= 1
        is_due = self.process is not None and self.next_at <= 0 and self.kills < ENOUGH
        is_after = self.dice.random() < 0.5 and KEY not in environ["PATH_INFO"]
        if is_due and not is_after:
            self._kill()
            start_response("503 Service Unavailable", [])
            return []
        answer = self.app(environ, start_response)
        if is_due:
            self._kill()
        return answer

    def _kill(self):
        self.process.kill()
        self.process.wait()
        self.process, self.kills, self.next_at = None, self.kills + 1, self.dice.randint(3, 25)


def minutes_pass():
    """What two minutes do to the rows of whoever was killed: their workers are missed, and answers are due."""
    gone = timedelta(minutes=2)
    times = ("in_flight_since", "next_try_at", "ordered_at", "pay_asked_at")
    Purchase.objects.update(**{name: F(name) - gone for name in times})


def buy(killer):
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "TEST_DATABASE_URL": url_of(connection.settings_dict),
    }
    process = subprocess.Popen(
        [sys.executable, "manage.py", "buy_codes", "--account", "Main", "--product", PRODUCT, "--sku", "GAME",
         "--quantity", "50", "--max-price", "5", "--json"],
        cwd=settings.BASE_DIR, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    killer.process = process
    out, errors = process.communicate(timeout=120)
    killer.process = None
    return process.returncode, out, errors


def test_fifty_codes_survive_kill_9():
    sandbox = import_string("marketplaces.services.g2a.sandbox.Sandbox")(requests_per_second=1000.0, seed=1)
    sandbox.catalogue.change(PRODUCT, qty=500, price="4.00")
    sandbox.options["complete_seconds"] = 0.2
    killer = Killer(Street({"g2a": sandbox}), seed=7)
    make.product("GAME")
    with serving(killer, sandbox) as address:
        credentials = dict(services.get_service("g2a").sandbox_credentials)
        Account.objects.create(
            name="Main", marketplace="g2a", base_url=f"{address}/g2a", is_sandbox=True, credentials=credentials,
            options={"requests_per_minute": 6000},
        )  # fmt: skip
        for _ in range(MOST_RUNS):
            status, out, errors = buy(killer)
            if status != -9:
                break
            minutes_pass()

    assert status == 0, errors
    assert killer.kills == ENOUGH
    assert (json.loads(out)["bought"], json.loads(out)["in_stock"], json.loads(out)["spent"]) == (50, 50, "200.00")
    paid = [order for order in sandbox.purchases.all.values() if order.status == "complete"]
    assert [(order.reads, order.paid_again) for order in paid] == [(1, 0)] * 50
    stored = codes.plaintexts(list(Code.objects.values_list("pk", flat=True)))
    assert set(stored.values()) == {order.key for order in paid}
    assert len(set(Purchase.objects.values_list("run", flat=True))) == 1
    assert verify.verify().problems == []
