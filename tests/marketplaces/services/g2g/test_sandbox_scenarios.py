"""The sandbox's stories, played with the product opposite: the whole way from a webhook to the buyer's code."""

import pytest
from django.core.management import call_command

from inventory.models import Offer, Product
from marketplaces.services.g2g.sandbox_catalogue import ITUNES_CARD, RAGNAROK_CREDIT
from marketplaces.services.g2g.sandbox_scenarios import SCENARIOS
from marketplaces.tasks import recover_missed_events
from orders.models import Delivery
from tests.drain import drain
from tests.marketplaces.services.g2g.caller import CARD, TOP_UP, control, payload

STOCK = 30
# Stories that want something of the product besides its workers.
ALONE = [name for name in SCENARIOS if name not in ("lost_webhook", "top_up_happy")]


@pytest.fixture
def stocked(g2g, tmp_path):
    """Thirty codes in stock, and one live offer of them."""
    (tmp_path / "codes.txt").write_text("".join(f"CODE-{number:04}\n" for number in range(STOCK)))
    call_command("import_codes", tmp_path / "codes.txt", sku="CARD", create=True, json=True)
    offer_id = payload(g2g.sandbox, "POST", "/v2/offers", CARD | {"api_qty": STOCK})["offer_id"]
    Offer.objects.create(
        product=Product.objects.get(sku="CARD"),
        account=g2g.account,
        external_id=offer_id,
        external_product_id=ITUNES_CARD,
        currency="USD",
    )
    return g2g


def failed(report):
    return [check for check in report["checks"] if not check["ok"]]


@pytest.mark.django_db
@pytest.mark.parametrize("name", ALONE)
def test_the_product_passes(stocked, name):
    report = stocked.sandbox.run_scenario(name, rounds=30)
    assert failed(report) == []
    assert report["ok"]
    assert stocked.sandbox.state()["doubles"]["sold_twice"] == 0


@pytest.mark.django_db
def test_a_lost_webhook_is_found_in_the_log_within_one_sweep(stocked):
    """G2G-T34."""

    def work_and_sweep():
        recover_missed_events()
        drain()

    stocked.sandbox.idle = work_and_sweep
    assert failed(stocked.sandbox.run_scenario("lost_webhook", rounds=10)) == []


@pytest.mark.django_db
def test_a_top_up_waits_for_a_person(g2g):
    payload(g2g.sandbox, "POST", "/v2/offers", TOP_UP)
    report = g2g.sandbox.run_scenario("top_up_happy", rounds=5)
    assert "the top-up is reported" in [check["check"] for check in failed(report)]
    assert Delivery.objects.get().kind == "top_up"
    assert g2g.sandbox.state()["offers"][0]["product_id"] == RAGNAROK_CREDIT


@pytest.mark.django_db
def test_a_story_without_an_offer_says_what_it_needs(g2g):
    report = control(g2g.sandbox, "POST", "run", {"scenario": "storm"})
    assert not report["ok"]
    assert "20 available" in report["checks"][0]["check"]


@pytest.mark.django_db
def test_advancing_lets_both_sides_live_through_the_time_between(stocked):
    """The buyer's three days pass with every timer and every wake-up at its own moment."""
    order = stocked.buy(stocked.sandbox.state()["offers"][0]["offer_id"], 2)
    stocked.advance(10)
    assert order.status == "awaiting_buyer_confirmation"
    stocked.advance(3 * 86400)
    assert order.status == "delivered"
    assert Delivery.objects.get().status == "delivered"
