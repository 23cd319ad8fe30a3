"""kill -9, with real processes: a bulk run goes on where all its workers died, and nothing is changed twice."""

import os
import signal
import threading
import time
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import F
from django.utils.module_loading import import_string

import backoffice.tasks
import inventory.tasks
from backoffice import runs, supervisor
from backoffice.models import Run
from inventory import bulk_publishing, publishing
from inventory.models import Offer
from inventory.offer_runs import ChangePrice
from inventory.shelves import Shelves
from marketplaces import services
from marketplaces.models import Account, Pump
from marketplaces.sandbox_wire import Street
from marketplaces.services.g2g.sandbox_catalogue import ITUNES_CARD
from tests import make
from tests.backoffice import world
from tests.bench.processes import running
from tests.inventory.goods import STOCK
from tests.other_side import serving
from tests.postgres import url_of

pytestmark = [pytest.mark.processes, pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

OFFERS, STRIKES_AT, PATIENCE = 200, 80, 120
TEN_PERCENT_MORE = {"way": "percent", "value": "10"}


class Killer:
    """Stands before the sandbox and kills a group of processes when it has heard so many changes; the last was done."""

    def __init__(self, app, changes):
        self.app, self.left = app, changes
        self.group, self.has_struck = 0, threading.Event()

    def __call__(self, environ, start_response):
        answer = self.app(environ, start_response)
        if environ["REQUEST_METHOD"] == "PATCH":
            self.left -= 1
            if not self.left:
                os.killpg(self.group, signal.SIGKILL)
                self.has_struck.set()
        return answer


def shelf(account, sandbox):
    """Offers that say the same here and there: 10.00, and all units in stock."""
    product, seller_id = make.product(codes=STOCK), account.credentials["user_id"]
    rows = []
    for _ in range(OFFERS):
        there = sandbox.offers.by_hand(product_id=ITUNES_CARD, seller_id=seller_id, unit_price=10.0, api_qty=STOCK)
        offer = Offer(
            account=account, product=product, external_id=there.id, external_product_id=ITUNES_CARD,
            price=Decimal(10), currency="USD", state=Offer.State.DONE, pushed_quantity=STOCK,
        )  # fmt: skip
        offer.pushed = publishing.as_json(publishing.wanted(offer, Shelves(units={product.pk: STOCK})))
        rows.append(offer)
    Offer.objects.bulk_create(rows)


def workers():
    environment = {"DJANGO_SETTINGS_MODULE": "tests.settings", "TEST_DATABASE_URL": url_of(connection.settings_dict)}
    return running(supervisor.manage("qcluster"), env=environment)


def minutes_pass():
    """What two minutes do: the dead are missed, and the clock's own rounds wake others for what they left."""
    gone = timedelta(minutes=2)
    Offer.objects.update(in_flight_since=F("in_flight_since") - gone)
    Pump.objects.update(leased_until=F("leased_until") - gone, planned_at=F("planned_at") - gone)
    Run.objects.update(created_at=F("created_at") - gone, stepped_at=F("stepped_at") - gone)
    backoffice.tasks.sweep_runs()
    inventory.tasks.sweep()


def is_over(run):
    until = time.monotonic() + PATIENCE
    while not Run.objects.filter(pk=run.pk, ended_at__isnull=False).exists():
        if time.monotonic() > until:
            return False
        time.sleep(0.2)  # for other processes, which tell nobody
    return True


def test_a_run_goes_on_where_all_its_workers_were_killed():
    sandbox = import_string("marketplaces.services.g2g.sandbox.Sandbox")(requests_per_second=100_000.0, seed=1)
    killer = Killer(Street({"g2g": sandbox}), changes=STRIKES_AT)
    boss = world.staff("boss")
    with serving(killer, sandbox) as address:
        account = Account.objects.create(
            name="Main", marketplace="g2g", base_url=f"{address}/g2g", is_sandbox=True,
            credentials=dict(services.get_service("g2g").sandbox_credentials), options={"requests_per_minute": 6000},
        )  # fmt: skip
        shelf(account, sandbox)
        fewest = bulk_publishing.requests_needed(account, OFFERS)

        def press():
            return runs.start(ChangePrice(), rows=Offer.objects.all(), said=TEN_PERCENT_MORE, by=boss, token="t")

        run = press()
        with workers() as cluster:
            killer.group = cluster.pid
            assert killer.has_struck.wait(PATIENCE)
            cluster.wait()
        assert not Run.objects.get().ended_at
        assert press() == run, "the button is pressed again while it runs"
        minutes_pass()
        with workers():
            assert is_over(run)

    found = runs.tally(run)
    assert found == dict.fromkeys(found, 0) | {"done": OFFERS}
    assert all(text == "10.00 USD → 11.00 USD" or not text for _, _, text in runs.results(run))
    assert Run.objects.count() == 1
    # On both sides each price was raised once; only the change whose answer was killed may have been said again.
    assert set(Offer.objects.values_list("price", "state")) == {(Decimal(11), Offer.State.DONE)}
    assert {offer.fields["unit_price"] for offer in sandbox.offers.all.values()} == {11.0}
    changes = Counter(call["path"] for call in sandbox.calls if call["method"] == "PATCH")
    assert len(changes) == fewest == OFFERS
    assert sum(changes.values()) <= fewest + 1
