"""Buying from the command line, which goes on where it was broken off."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
import time_machine
from django.core.management import call_command

from inventory import buying, purchasing
from inventory.management.commands import buy_codes
from inventory.models import Purchase
from marketplaces.models import ApiCall
from tests import make
from tests.command import outcome
from tests.inventory.test_buying import PRODUCT, Buyer

State, Stage = Purchase.State, Purchase.Stage


@pytest.fixture
def shop(g2a, monkeypatch):
    """While the command waits, a second passes and the other side works; no worker of ours does."""
    shop = Buyer(g2a, make.product("GAME"))
    with time_machine.travel(datetime.now(UTC)) as clock:

        def wait(seconds):
            clock.shift(1)
            g2a.sandbox.run_due()

        monkeypatch.setattr(buy_codes.time, "sleep", wait)
        yield shop


def buy(*arguments, quantity="3", ceiling="5", account="Main G2A", sku="GAME", product=PRODUCT):
    wanted = ("--account", account, "--product", product, "--sku", sku, "--quantity", quantity, "--max-price", ceiling)
    return outcome("buy_codes", *wanted, *arguments)


@pytest.mark.smoke
def test_it_buys_without_any_worker_and_says_what_was_spent(shop, capsys):
    data, status, _ = buy()
    run = str(Purchase.objects.first().run)
    assert data == {
        "run": run, "wanted": 3, "bought": 3, "in_stock": 3, "needs_attention": [], "spent": "12.00", "currency": "EUR",
    }  # fmt: skip
    assert status == 0
    assert shop.is_whole(3)
    assert "4.00 EUR at the lowest now, 200 in stock." in capsys.readouterr().err


def test_it_says_it_in_words(shop, capsys):
    call_command(
        "buy_codes", account="Main G2A", product=PRODUCT, sku="GAME", quantity=2, max_price=Decimal("5"), currency="EUR"
    )
    assert "2 of 2 codes bought for 8.00 EUR, 2 in stock." in capsys.readouterr().out


def test_once_all_is_in_stock_it_buys_as_many_again(shop):
    first, second = buy(quantity="1").data, buy(quantity="1").data
    assert first["run"] != second["run"]
    assert shop.is_whole(2)


def test_what_is_unfinished_is_continued_up_to_the_number_in_total(shop, capsys):
    run = shop.order(2)
    data, status, _ = buy(quantity="5")
    assert (data["run"], data["wanted"], data["in_stock"], status) == (str(run), 5, 5, 0)
    assert shop.is_whole(5)
    assert f"Going on with run {run}: 2 codes were ordered before, 3 more." in capsys.readouterr().err


def test_a_higher_ceiling_counts_for_what_is_not_ordered_yet(shop):
    shop.order(2, max_price="3")
    for purchase in Purchase.objects.all():
        assert buying.advance(purchase.pk)
    assert Purchase.objects.filter(state=State.NEEDS_ATTENTION).count() == 2

    data, status, _ = buy(quantity="2")
    assert (data["in_stock"], status) == (2, 0)


def test_a_key_that_is_lost_ends_with_1_and_is_not_bought_anew(shop):
    shop.fault("G2A-06", "drop_after_commit")
    data, status, words = buy(quantity="2")
    (lost,) = data["needs_attention"]
    assert (data["bought"], data["in_stock"], lost["stage"], lost["kind"], status) == (2, 1, "key_lost", "key_lost", 1)
    assert lost["order"] in lost["reason"]
    assert "purchases that need a person: 1" in words

    again = buy(quantity="2")
    assert (again.data["bought"], again.status, len(shop.theirs.all)) == (2, 1, 2)
    assert purchasing.give_up(Purchase.objects.filter(pk=lost["purchase"])) == 1
    assert buy(quantity="1").status == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"ceiling": "3.99"}, "the lowest price is 4.00 EUR, above the ceiling of 3.99 EUR"),
        ({"quantity": "201"}, "201 are wanted and 200 are in stock there"),
        ({"quantity": "0"}, "1 to 1,000 can"),
        ({"account": "Other"}, 'no account "Other"'),
        ({"sku": "GAMES"}, "Nearest: GAME"),
        ({"product": "10000000000000"}, "10000000000000"),
        ({"ceiling": "0"}, "Nothing was ordered"),
    ],
)
def test_what_cannot_be_bought_is_refused_before_anything_is_ordered(shop, arguments, words):
    data, status, said = buy(**arguments)
    assert (data, status) == (None, 2)
    assert words in said
    assert not Purchase.objects.exists()
    assert not ApiCall.objects.filter(operation="G2A-04").exists()


def test_a_marketplace_that_sells_us_nothing_is_refused(db):
    make.account("Main G2G")
    make.product("GAME")
    _, status, said = buy(account="Main G2G")
    assert (status, "sells us no codes" in said) == (2, True)


def test_a_marketplace_out_of_reach_ends_with_1(shop):
    shop.fault("G2A-03", "timeout", times=None)
    _, status, said = buy()
    assert (status, "Nothing was ordered" in said) == (1, True)


def test_ctrl_c_leaves_the_rest_to_the_workers(shop, monkeypatch):
    def interrupt(pk):
        raise KeyboardInterrupt

    monkeypatch.setattr(buy_codes.buying, "advance", interrupt)
    data, status, words = buy(quantity="2")
    assert (data["wanted"], data["in_stock"], status) == (2, 0, 1)
    assert "the workers go on" in words
    monkeypatch.undo()
    shop.wait(10)
    assert shop.is_whole(2)


def test_it_gives_up_waiting_when_nothing_moves(shop, monkeypatch):
    monkeypatch.setattr(buy_codes, "PATIENCE_SECONDS", 0)
    shop.desk.sandbox.options["complete_seconds"] = 10**6
    data, status, words = buy(quantity="1")
    assert (data["bought"], data["in_stock"], status) == (1, 0, 1)
    assert "still under way: 1; the workers go on" in words
