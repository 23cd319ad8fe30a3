"""Buying a code: each step leaves what the next one needs, and money and keys move once."""

import base64
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connections
from django.utils import timezone
from django_q.models import OrmQ

import inventory.tasks
from inventory import bought_keys, buying, codes, kinds, purchasing
from inventory.models import Batch, Code, Purchase
from marketplaces import outgoing
from marketplaces.exceptions import TemporaryError
from marketplaces.models import ApiCall
from marketplaces.sandbox_faults import Fault
from orders import verify
from tests import make

State, Stage = Purchase.State, Purchase.Stage
PRODUCT = "10000027819004"
UNANSWERED = ("timeout", "drop_after_commit", "http_error")


@pytest.fixture
def game(db):
    return make.product("GAME")


@pytest.fixture
def shop(g2a, game):
    return Buyer(g2a, game)


class Buyer:
    """A desk with a product to fill, and the other side's books."""

    def __init__(self, desk, product):
        self.desk, self.product = desk, product
        self.theirs = desk.sandbox.purchases
        desk.sandbox.catalogue.change(PRODUCT, qty=200, price="4.00")

    def order(self, quantity=1, max_price="5", **fields):
        wish = {"external_product_id": PRODUCT, "product": self.product, "currency": "EUR", "by": "anna", **fields}
        return purchasing.order(account=self.desk.account, quantity=quantity, max_price=Decimal(max_price), **wish)

    def fault(self, op, mode, **details):
        self.desk.sandbox.faults.add(Fault(op, mode, **details))

    def wait(self, seconds=10):
        self.desk.advance(seconds)

    def sweep(self):
        inventory.tasks.sweep()
        self.desk.settle()

    def calls(self, operation):
        return ApiCall.objects.filter(operation=operation).count()

    @property
    def purchase(self):
        return Purchase.objects.get()

    def paid(self):
        return [order for order in self.theirs.all.values() if order.status in ("paid", "complete")]

    def is_whole(self, units):
        """Our books and theirs: as many paid and in stock, none paid twice, each key the one that they gave."""
        bought = {order.key for order in self.paid()}
        stored = codes.plaintexts(list(Code.objects.filter(product=self.product).values_list("pk", flat=True)))
        assert len(bought) == len(self.paid()) == units
        assert set(stored.values()) == bought
        assert sum(order.paid_again for order in self.theirs.all.values()) == 0
        assert Purchase.objects.filter(stage=Stage.STORED, state=State.DONE).count() == units
        assert verify.verify().problems == []
        return True


@pytest.mark.smoke
def test_codes_are_bought_and_land_in_one_batch_with_their_cost(shop):
    run = shop.order(3)
    shop.wait()

    assert shop.is_whole(3)
    batch = Batch.objects.get()
    assert (batch.cost, batch.currency, batch.imported, batch.supplier.name) == (Decimal("4.00"), "EUR", 3, "G2A")
    done = purchasing.progress(run)
    assert (done.wanted, done.bought, done.in_stock, done.spent) == (3, 3, 3, Decimal("12.00"))
    assert {code.purchase.batch for code in Code.objects.all()} == {batch}


def test_a_code_that_cost_something_else_has_its_own_cost(shop):
    shop.order(2)
    shop.wait(0.1)
    Purchase.objects.filter(pk=Purchase.objects.latest("pk").pk).update(price=Decimal("4.50"))
    shop.wait()

    assert Batch.objects.count() == 1
    costs = sorted(code.batch.cost if code.cost is None else code.cost for code in Code.objects.all())
    assert costs == [Decimal("4.00"), Decimal("4.50")]
    assert Code.objects.filter(cost=None).count() == 1


def test_an_order_names_product_currency_and_ceiling(shop):
    """G2A-T15."""
    shop.order(1)
    shop.wait()
    assert f'"product_id": "{PRODUCT}"' in ApiCall.objects.get(operation="G2A-04").request
    assert '"max_price": 5' in ApiCall.objects.get(operation="G2A-04").request


def test_the_same_run_twice_is_one_order(shop):
    run = shop.order(2)
    shop.order(2, run=run)
    assert Purchase.objects.count() == 2


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"quantity": 0}, "1 to 1,000 can"),
        ({"quantity": 1001}, "1 to 1,000 can"),
        ({"max_price": "0"}, "above 0"),
        ({"max_price": "1.999"}, "2 decimal places"),
        ({"currency": "eur"}, "three letters"),
        ({"external_product_id": ""}, "which product"),
    ],
)
def test_what_cannot_be_ordered_is_refused_in_words(shop, fields, words):
    with pytest.raises(purchasing.CannotBuy, match=words):
        shop.order(**fields)
    assert not Purchase.objects.exists()


def test_nothing_is_bought_where_nothing_is_sold_to_us(db, game):
    with pytest.raises(purchasing.CannotBuy, match="sells us no codes"):
        purchasing.order(
            account=make.account(), external_product_id="1", product=game, quantity=1, max_price=Decimal("1"),
            currency="EUR", by="anna",
        )  # fmt: skip


# --- order -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", UNANSWERED)
def test_an_order_without_an_answer_is_unknown_and_not_made_again_at_once(shop, mode):
    """G2A-T16: after a while another one is made; the first lapses and costs nothing."""
    shop.fault("G2A-04", mode, status=502)
    shop.order(1)
    shop.wait(50)
    assert (shop.purchase.state, shop.purchase.stage, shop.calls("G2A-04")) == (State.UNKNOWN, Stage.WANTED, 1)

    shop.wait(30)
    assert shop.is_whole(1)
    assert (shop.purchase.creates, shop.calls("G2A-04")) == (2, 2)


def test_a_second_order_without_an_answer_is_left_to_lapse_before_a_third(shop):
    shop.fault("G2A-04", "drop_after_commit", times=2)
    shop.order(1)
    shop.wait(25 * 60)
    assert shop.calls("G2A-04") == 2

    shop.wait(10 * 60)
    assert shop.is_whole(1)


def test_after_many_orders_in_vain_a_person_is_asked(shop):
    shop.fault("G2A-04", "drop_after_commit", times=None)
    shop.order(1)
    shop.wait(3 * 3600)
    assert (shop.purchase.state, shop.purchase.failure) == (State.NEEDS_ATTENTION, "unanswered")
    assert shop.calls("G2A-04") == buying.MOST_ORDERS


def test_a_price_above_the_ceiling_is_never_paid(shop):
    shop.order(1, max_price="3.99")
    shop.wait()
    assert (shop.purchase.state, shop.purchase.creates) == (State.NEEDS_ATTENTION, 0)
    assert shop.calls("G2A-07") == 0

    shop.desk.sandbox.catalogue.change(PRODUCT, price="3.50")
    assert purchasing.process_again(Purchase.objects.all()) == 1
    shop.wait()
    assert shop.is_whole(1)


def test_a_marketplace_that_forgets_the_ceiling_is_not_paid(shop, monkeypatch):
    shop.desk.sandbox.catalogue.change(PRODUCT, price="4.00")
    shop.order(1)
    Purchase.objects.update(stage=Stage.CREATED, external_id="1", price=Decimal("5.01"))
    shop.wait()
    purchase = shop.purchase
    assert (purchase.failure, purchase.lapsed, purchase.external_id) == ("price", ["1"], "")
    assert "costs 5.01 EUR, the ceiling is 5.00 EUR" in purchase.last_error
    assert shop.calls("G2A-07") == 0


@pytest.mark.parametrize("op", ["G2A-04", "G2A-05", "G2A-06", "G2A-07"])
@pytest.mark.parametrize("mode", ["extra_keys", "missing_optional", "wrapped_data"])
def test_odd_answers_do_no_harm(shop, op, mode):
    shop.fault(op, mode, times=None)
    shop.order(1)
    shop.wait(30)
    assert shop.is_whole(1)


def test_an_account_without_a_card_is_told_so(shop):
    shop.desk.sandbox.options["hashes_without_card"] = [shop.desk.account.credentials["api_hash"]]
    shop.order(1)
    shop.wait()
    assert shop.purchase.state == State.NEEDS_ATTENTION
    assert "payment card" in shop.purchase.last_error


# --- pay ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ["contract", "live"])
@pytest.mark.parametrize(
    "fault", [{"mode": "drop_after_commit"}, {"mode": "timeout"}, {"mode": "http_error", "status": 502, "code": "ORD122"},
              {"mode": "http_error", "status": 502, "code": "empty"}, {"mode": "malformed_json"}],
)  # fmt: skip
def test_a_payment_without_an_answer_is_looked_at_before_another(shop, fault, dialect):
    """G2A-T24."""
    shop.desk.sandbox.options["dialect"] = dialect
    shop.fault("G2A-07", **fault)
    shop.order(1)
    shop.wait(5)
    assert (shop.purchase.state, shop.purchase.stage, shop.calls("G2A-07")) == (State.UNKNOWN, Stage.PAYING, 1)

    shop.wait(120)
    assert shop.is_whole(1)
    operations = list(ApiCall.objects.order_by("pk").values_list("operation", flat=True))
    assert operations[operations.index("G2A-07") + 1] == "G2A-05"


def test_a_payment_that_no_answer_ever_comes_to_is_a_persons(shop):
    shop.fault("G2A-07", "timeout", times=None)
    shop.order(1)
    shop.wait(600)
    assert (shop.purchase.failure, shop.calls("G2A-07")) == ("unanswered", buying.MOST_PAYMENTS)

    shop.desk.sandbox.faults.waiting.clear()
    purchasing.process_again(Purchase.objects.all())
    shop.wait(120)
    assert shop.is_whole(1)


@pytest.mark.parametrize(("option", "code"), [("wallet", "ORD112"), ("day_limit", "ORD121")])
def test_without_funds_a_person_is_asked_and_then_it_is_paid(shop, option, code):
    """G2A-T25."""
    shop.desk.sandbox.options[option] = 1
    shop.order(1)
    shop.wait()
    purchase = shop.purchase
    assert (purchase.state, purchase.stage, purchase.failure) == (
        State.NEEDS_ATTENTION,
        Stage.UNFUNDED,
        "insufficient_funds",
    )
    assert code in purchase.last_error
    assert "press “Process again”" in purchase.last_error

    shop.desk.sandbox.options[option] = 100
    shop.theirs.wallet(next(iter(shop.theirs.all.values())).account).balance = Decimal(100)
    purchasing.process_again(Purchase.objects.all())
    shop.wait()
    assert shop.is_whole(1)
    assert len(shop.theirs.all) == 1


def test_an_order_that_lapsed_before_it_was_paid_is_made_anew(shop):
    """G2A-T25, ORD114."""
    shop.desk.sandbox.options["wallet"] = 1
    shop.order(1)
    shop.wait(2000)
    shop.theirs.wallet(next(iter(shop.theirs.all.values())).account).balance = Decimal(100)
    purchasing.process_again(Purchase.objects.all())
    shop.wait()

    assert shop.is_whole(1)
    assert shop.purchase.lapsed == [next(iter(shop.theirs.all))]


@pytest.mark.parametrize("code", ["ORD03", "ORD05"])
def test_a_payment_that_is_not_ready_is_looked_at(shop, code):
    """G2A-T25."""
    shop.fault("G2A-07", "http_error", status=403 if code == "ORD03" else 402, code=code)
    shop.order(1)
    shop.wait(5)
    assert shop.calls("G2A-07") == 1
    shop.wait(120)
    assert shop.is_whole(1)


# --- wait and read the key ---------------------------------------------------------------------------------------


def test_a_paid_order_is_asked_after_gently(shop):
    """G2A-P24: 0.7 s, every 2 s for a minute, every minute for a day, and then it is a person's."""
    shop.desk.sandbox.options["complete_seconds"] = 10**7
    shop.order(1)
    shop.wait(0.5)
    assert shop.calls("G2A-05") == 0
    shop.wait(61)
    quick = shop.calls("G2A-05")
    assert 28 <= quick <= 32
    shop.wait(600)
    assert shop.calls("G2A-05") - quick == 10
    assert shop.calls("G2A-06") == 0
    Purchase.objects.update(paid_at=timezone.now() - timedelta(hours=25))
    shop.wait(120)
    assert (shop.purchase.state, shop.purchase.failure) == (State.NEEDS_ATTENTION, "overdue")


def test_a_word_that_nobody_knows_is_not_final(shop):
    """G2A-T17."""
    shop.fault("G2A-05", "unknown_status", times=3)
    shop.order(1)
    shop.wait(4)
    assert (shop.purchase.stage, shop.purchase.status_word) == (Stage.PAID, "word_of_tomorrow")
    shop.wait(10)
    assert shop.is_whole(1)


@pytest.mark.parametrize("mode", ["timeout", "http_error", "empty_body"])
def test_a_key_that_did_not_come_is_asked_for_again(shop, mode):
    shop.fault("G2A-06", mode, status=502, times=2 if mode != "empty_body" else 0)
    shop.order(1)
    shop.wait(30)
    assert shop.is_whole(1)


@pytest.mark.parametrize("dialect", ["contract", "live"])
def test_a_key_that_was_given_and_never_arrived_is_shown_to_a_person_as_such(shop, dialect):
    """G2A-T20: ORD004 and ORD04, with nothing stored."""
    shop.desk.sandbox.options["dialect"] = dialect
    shop.fault("G2A-06", "drop_after_commit")
    run = shop.order(1)
    shop.wait(60)

    purchase = shop.purchase
    assert (purchase.state, purchase.stage, purchase.failure) == (State.NEEDS_ATTENTION, Stage.KEY_LOST, "key_lost")
    assert f"The key of order {purchase.external_id} was read before" in purchase.last_error
    assert "support" in purchase.last_error
    assert not Code.objects.exists()
    done = purchasing.progress(run)
    assert (done.bought, done.in_stock, [row.pk for row in done.needs_attention]) == (1, 0, [purchase.pk])
    assert verify.verify().problems == []


def test_a_key_that_was_read_before_and_is_stored_goes_into_stock(shop, monkeypatch):
    """G2A-T20: another worker, believed dead, stored the answer while this one was refused."""
    service = shop.desk.account.service_class
    ask = service.fetch_purchased_key

    def ask_after_another(self, purchase_id):
        rival = shop.purchase
        rival.answer, rival.stage = ask(self, purchase_id).decode("latin-1"), Stage.KEY_READ
        rival.save(update_fields=["answer", "stage"])
        return ask(self, purchase_id)

    monkeypatch.setattr(service, "fetch_purchased_key", ask_after_another)
    shop.order(1)
    shop.wait()
    assert shop.calls("G2A-06") == 2
    assert shop.is_whole(1)


def test_an_answer_that_comes_after_it_was_believed_lost_is_used(shop):
    shop.fault("G2A-06", "drop_after_commit")
    shop.order(1)
    shop.wait(60)
    (theirs,) = shop.theirs.all.values()
    late = shop.purchase
    late.answer = f'{{"key": "{theirs.key}"}}'
    late.save(update_fields=["answer"])

    purchasing.process_again(Purchase.objects.all())
    shop.wait()
    assert shop.is_whole(1)


def test_the_answer_is_kept_when_it_cannot_be_read(shop, monkeypatch, caplog):
    """G2A-T19: an injected failure of the parser leaves the key recoverable, and says nothing of it."""

    def broken(body):
        raise ValueError(f"cannot read {body}")

    service = shop.desk.account.service_class
    with monkeypatch.context() as patch:
        patch.setattr(service, "read_purchased_key", broken)
        shop.order(1)
        shop.wait()
    (theirs,) = shop.theirs.all.values()
    purchase = shop.purchase
    assert (purchase.state, purchase.stage, purchase.failure) == (State.NEEDS_ATTENTION, Stage.KEY_READ, "unreadable")
    assert theirs.key in purchase.answer
    assert theirs.key not in purchase.last_error + caplog.text

    assert purchasing.process_again(Purchase.objects.all()) == 1
    shop.wait()
    assert shop.is_whole(1)
    assert theirs.reads == 1


def test_a_key_that_is_a_file_is_stored_as_a_file(shop):
    """G2A-T22."""
    shop.desk.sandbox.catalogue.products[PRODUCT].is_file = True
    shop.order(1)
    shop.wait()
    (theirs,) = shop.theirs.all.values()
    code = Code.objects.get()
    (content,) = codes.contents([code.pk]).values()
    assert (code.kind, content.kind, shop.purchase.stage) == ("file", "file", Stage.STORED)
    assert kinds.parts(content.text) == {"name": "key.bin", "mime_type": "application/octet-stream", "data": theirs.key}


@pytest.mark.parametrize(
    ("content", "name", "data"),
    [
        (base64.b64encode(b"\x89PNG..").decode(), "key.png", b"\x89PNG.."),
        (base64.b64encode(b"%PDF-1.7").decode(), "key.pdf", b"%PDF-1.7"),
        ("https://keys.example/1?a=b", "key.txt", b"https://keys.example/1?a=b"),
    ],
)
def test_a_file_is_known_by_its_beginning_and_a_link_is_kept_as_it_is(content, name, data):
    found = kinds.parts(bought_keys._file(content))
    assert (found["name"], base64.b64decode(found["data"])) == (name, data)


def test_a_key_that_is_in_stock_already_is_never_dropped_in_silence(shop):
    shop.desk.sandbox.options["complete_seconds"] = 10
    shop.order(1)
    shop.wait(5)
    dice = shop.desk.sandbox.random.getstate()
    shop.wait(20)
    known = Code.objects.get()

    run = shop.order(1)
    shop.wait(5)
    shop.desk.sandbox.random.setstate(dice)  # the same key once more
    shop.wait(20)
    second = Purchase.objects.get(run=run)
    assert (second.state, second.stage, second.failure) == (State.NEEDS_ATTENTION, Stage.KEY_READ, "duplicate")
    assert f"code {known.pk}, batch “{known.batch}” of GAME" in second.last_error
    assert (Code.objects.count(), Batch.objects.count()) == (1, 1)
    assert second.answer

    assert purchasing.give_up(Purchase.objects.filter(pk=second.pk)) == 1
    assert purchasing.progress(run).spent == Decimal("4.00")
    assert verify.verify().problems == []


# --- who goes on, and who decides --------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_two_workers_for_one_purchase_send_one_request_each_time(g2a, transactional_db):
    """G2A-T21."""
    shop = Buyer(g2a, make.product("GAME"))
    shop.desk.sandbox.options["complete_seconds"] = 0
    shop.order(1)

    def work(_):
        try:
            return buying.advance(shop.purchase.pk)
        finally:
            connections.close_all()

    for _ in range(5):
        Purchase.objects.exclude(state=State.DONE).update(next_try_at=timezone.now())
        shop.desk.sandbox.run_due()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
    assert [shop.calls(f"G2A-0{number}") for number in (4, 7, 6)] == [1, 1, 1]
    assert shop.is_whole(1)


def test_who_took_too_long_changes_nothing_any_more(shop):
    shop.order(1)
    slow = outgoing.claim(Purchase, shop.purchase.pk)
    Purchase.objects.update(in_flight_since=timezone.now() - timedelta(minutes=2))
    shop.sweep()
    with pytest.raises(TemporaryError, match="Another worker"):
        buying.STEPS[Stage.WANTED](slow)
    assert shop.calls("G2A-04") == 0 or shop.theirs.all
    shop.wait()
    assert shop.is_whole(1)


@pytest.mark.smoke
def test_a_thousand_codes_are_one_wake_up_and_stay_within_the_budget(shop):
    shop.desk.account.options = {"requests_per_minute": 60}
    shop.desk.account.save()
    shop.order(10)
    assert OrmQ.objects.count() == 1
    shop.wait(20)
    asked = ApiCall.objects.count()
    assert 10 <= asked <= 40
    shop.wait(600)
    assert shop.is_whole(10)


def test_what_is_not_paid_can_be_given_up_and_what_is_paid_cannot(shop):
    shop.desk.sandbox.options["complete_seconds"] = 1000
    run = shop.order(1)
    shop.wait(5)
    wanted = shop.order(2)
    assert purchasing.give_up(Purchase.objects.all()) == 2
    shop.wait(60)
    assert shop.calls("G2A-04") == 1
    assert purchasing.progress(wanted).wanted == 0
    shop.wait(1000)
    assert purchasing.progress(run).in_stock == 1


def test_books_that_forgot_a_purchase_are_found_out(shop):
    shop.order(2)
    shop.wait()
    first, second = Purchase.objects.order_by("pk")
    Purchase.objects.filter(pk=first.pk).update(stage=Stage.PAID)
    Purchase.objects.filter(pk=second.pk).update(code=None)
    found = {problem["check"]: problem["purchase"] for problem in verify.verify().problems}
    assert found == {"asleep purchase": first.pk, "empty purchase": second.pk}


def test_no_key_is_readable_anywhere(shop, caplog):
    """G2A-T60: not in the call log, the rows' texts, or what is logged."""
    caplog.set_level("DEBUG")
    shop.fault("G2A-06", "drop_after_commit")
    shop.order(3)
    shop.wait(60)
    keys = [order.key for order in shop.paid()]
    assert len(keys) == 3
    text = caplog.text + repr(list(Purchase.objects.values())) + repr(list(ApiCall.objects.values()))
    assert not [key for key in keys if key in text]
