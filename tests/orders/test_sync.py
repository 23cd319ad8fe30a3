import pytest

from inventory.models import Offer
from marketplaces.models import CatalogueProduct, WebhookEvent
from marketplaces.sandbox_faults import Fault
from tests import make
from tests.command import outcome
from tests.inventory.test_mirror import put_on_the_shelf
from tests.orders import story

pytestmark = [pytest.mark.django_db, pytest.mark.smoke]


def sync(*arguments):
    return outcome("sync", *arguments)


def test_offers_are_read_into_the_mirror(g2g):
    put_on_the_shelf(g2g, 2)
    data, status, _ = sync("offers")
    assert status == 0
    assert data == {
        "ok": True,
        "what": "offers",
        "accounts": [
            {"name": "Main G2G", "marketplace": "g2g", "problem": "", "seen": 2, "new": 2, "gone": 0, "duplicates": []},
        ],
    }
    assert Offer.objects.count() == 2


def test_a_catalogue_that_accounts_share_is_read_once(g2g):
    make.account("Second", base_url=g2g.account.base_url, credentials=g2g.account.credentials)
    data, status, _ = sync("catalog")
    assert status == 0
    assert [entry["products"] for entry in data["accounts"]] == [CatalogueProduct.objects.count()]


def test_orders_whose_webhooks_never_came_are_found(g2g):
    shop = story.begin(g2g, codes=3)
    g2g.sandbox.faults.add(Fault("*", "drop", times=None))
    order_id = shop.buy(1)
    g2g.advance(2.5)
    assert not WebhookEvent.objects.filter(subject=order_id).exists()
    data, status, _ = sync("orders")
    assert (status, data["ok"]) == (0, True)
    assert data["accounts"][0]["new"] == WebhookEvent.objects.count() > 0
    assert sync("orders").data["accounts"][0]["new"] == 0


def test_a_marketplace_without_shipments_says_so(g2g):
    data, status, _ = sync("shipments")
    assert (status, data["ok"]) == (0, True)
    assert data["accounts"][0]["note"] == "G2G has no list of shipments"


def test_one_accounts_failure_stops_no_other(g2g):
    put_on_the_shelf(g2g)
    make.account("A broken one", base_url="http://127.0.0.1:9", credentials=g2g.account.credentials)
    data, status, words = sync("offers")
    assert status == 1
    assert "A broken one" in words
    broken, whole = data["accounts"]
    assert (broken["name"], whole["name"], whole["new"], whole["problem"]) == ("A broken one", "Main G2G", 1, "")
    assert broken["problem"]
    assert sync("offers", "--account", "Main G2G").status == 0


def test_a_marketplace_without_such_a_list_is_no_failure(g2g):
    g2g.account.options = {**g2g.account.options, "version": "v1"}
    g2g.account.save()
    data, status, _ = sync("offers")
    assert (status, data["accounts"][0]["problem"]) == (0, "")
    assert data["accounts"][0]["note"]


def test_a_listing_that_lost_too_many_offers_needs_a_person(g2g):
    offers = put_on_the_shelf(g2g, 10)
    sync("offers")
    for offer in offers[:5]:
        offer.status = "deleted"
    data, status, words = sync("offers")
    assert status == 1
    assert "too many" in data["accounts"][0]["problem"]
    assert "Main G2G" in words


@pytest.mark.parametrize("arguments", [["offers", "--account", "Nobody"], ["everything"]])
def test_unusable_arguments_are_refused(arguments):
    data, status, _ = sync(*arguments)
    assert data is None
    assert status
