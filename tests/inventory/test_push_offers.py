from datetime import timedelta

import pytest
from django.core.management import call_command
from django_q.models import OrmQ

from inventory.models import Offer
from marketplaces.models import ApiCall
from marketplaces.sandbox_faults import Fault
from marketplaces.services.g2g.sandbox_catalogue import ITUNES_CARD
from tests import make
from tests.command import outcome
from tests.orders.story import CHOICES

pytestmark = [pytest.mark.django_db, pytest.mark.smoke]


@pytest.fixture
def offer(g2g):
    product = make.product("GAME", codes=3)
    return make.offer(product, g2g.account, external_product_id=ITUNES_CARD, attributes=CHOICES)


def push(*arguments):
    return outcome("push_offers", *arguments)


def test_a_dry_run_says_what_it_would_take_and_does_nothing(offer, capsys):
    data, status, _ = push("--dry-run")
    assert status == 0
    assert (data["offers"], data["differ"], data["requests"], data["pushed"], data["failed"]) == (1, 1, 1, 0, [])
    assert data["differences"][0]["fields"]["price"] == {"pushed": None, "wanted": "9.99"}
    call_command("push_offers", "--dry-run")
    assert "price nothing → 9.99" in capsys.readouterr().out
    assert not ApiCall.objects.exists()
    assert not OrmQ.objects.exists()


def test_without_waiting_it_wakes_the_workers(g2g, offer):
    data, status, _ = push()
    assert (data, status) == ({"offers": 1, "differ": 1, "requests": 1, "pushed": 0, "failed": []}, 0)
    g2g.settle()
    offer.refresh_from_db()
    assert g2g.sandbox.offers.all[offer.external_id].available == 3


def test_waiting_it_pushes_without_any_worker_and_then_nothing_differs(g2g, offer):
    data, status, _ = push("--wait")
    assert (data["pushed"], data["failed"], status) == (1, [], 0)
    offer.refresh_from_db()
    assert g2g.sandbox.offers.all[offer.external_id].available == 3
    assert push("--wait").data == {"offers": 1, "differ": 0, "requests": 0, "pushed": 0, "failed": []}


def test_an_offer_that_fails_is_told_and_the_others_are_pushed(g2g, offer):
    make.offer(offer.product, g2g.account, external_product_id="no-such-product", attributes=CHOICES)
    data, status, words = push("--wait")
    assert (data["pushed"], status) == (1, 1)
    assert [failure["account"] for failure in data["failed"]] == ["Main G2G"]
    assert data["failed"][0]["reason"]
    assert "1 offers could not be pushed" in words


def test_an_offer_without_a_price_is_told_before_anything_is_sent(g2g, offer):
    Offer.objects.update(price=None)
    data, status, _ = push("--dry-run")
    assert (data["differ"], status) == (0, 1)
    assert "price" in data["failed"][0]["reason"]


def test_it_does_not_wait_for_what_can_not_come_in_time(g2g, offer, monkeypatch):
    g2g.sandbox.faults.add(Fault("G2G-05", "http_error", status=503, times=None))
    monkeypatch.setattr("marketplaces.outgoing.pause", lambda attempts, error: timedelta(hours=1))
    data, status, words = push("--wait")
    assert (data["pushed"], status) == (0, 1)
    assert "gave up" in words
    assert len(data["failed"]) == 1


def test_offers_are_chosen_by_account_and_sku(g2g, offer):
    other = make.account("Other", "g2g")
    make.offer(offer.product, other)
    make.offer(make.product("SECOND"), g2g.account)
    make.offer(None, g2g.account)
    make.offer(offer.product, g2g.account, external_id="G1", seen_status="removed")
    assert push("--dry-run").data["offers"] == 3
    assert push("--dry-run", "--account", "Other").data["offers"] == 1
    assert push("--dry-run", "--account", "Main G2G", "--sku", "GAME").data["offers"] == 1
    assert push("--dry-run", "--sku", "GAME", "--sku", "SECOND").data["offers"] == 3


@pytest.mark.parametrize(("options", "named"), [(["--account", "Main"], "Main G2G"), (["--sku", "GAMES"], "GAME")])
def test_an_unknown_account_or_sku_is_refused_with_the_nearest(offer, options, named):
    data, status, words = push(*options)
    assert (data, status) == (None, 2)
    assert named in words
