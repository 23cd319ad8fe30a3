"""What G2A may do at once, from threads on PostgreSQL; how long it waits; and what of it is left lying about."""

import logging
import statistics
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connections
from django.utils import timezone

from inventory import stock
from marketplaces.models import Account
from orders import reservations
from orders.models import Order, Reservation
from orders.verify import verify
from tests import make
from tests.drain import drain
from tests.orders.merchant import CLIENT, G2A_ORDER, PRODUCT, begin, codes_in
from tests.test_secrets import everything_in_the_database, forms_of

races = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


def at_once(*works):
    """Run the works in threads of their own that begin together; returns their results in order."""
    barrier = Barrier(len(works))

    def run(work):
        try:
            barrier.wait(30)
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


class TestRaces:
    pytestmark = races

    def test_fifty_at_once_hold_exactly_what_there_is(self):
        """G2A-T49, G2A-T59: fifty buyers, ten codes: ten are held, and everybody is answered in time."""
        merchant = begin(codes=10).sign_in()

        def reserve():
            begun = time.monotonic()
            return merchant.reserve().status_code, time.monotonic() - begun

        answers = at_once(*[reserve] * 50)

        assert Counter(status for status, _ in answers) == {200: 10, 400: 40}
        assert (merchant.count("held"), merchant.count("available")) == (10, 0)
        assert Reservation.objects.count() == 10
        waits = sorted(seconds for _, seconds in answers)
        logging.getLogger(__name__).warning(
            "50 at once: median %.2f s, slowest %.2f s", statistics.median(waits), waits[-1]
        )
        assert waits[-1] < 9
        assert verify().problems == []

    def test_baskets_that_cross_do_not_block_each_other(self):
        """Two products in two orders: all or nothing for each, and nobody waits in a circle."""
        merchant = begin(codes=6).sign_in()
        other = make.product("GAME-2", codes=6)
        make.offer(other, merchant.account, external_product_id=str(PRODUCT + 1), price="3", currency="EUR")
        lines = [{"product_id": PRODUCT, "quantity": 2}, {"product_id": PRODUCT + 1, "quantity": 2}]

        works = [lambda turn=turn: merchant.call("POST", "reservation", lines[::turn]) for turn in (1, -1) * 5]
        statuses = Counter(answer.status_code for answer in at_once(*works))

        assert statuses == {200: 3, 400: 7}
        assert (stock.sellable(merchant.product.pk), stock.sellable(other.pk)) == (0, 0)
        assert verify().problems == []

    def test_parallel_orders_are_one(self):
        """G2A-T52: also in parallel the second call gets 409 and no code."""
        merchant = begin(codes=10).sign_in()
        reservation_id = merchant.reserved(2)
        answers = at_once(*[lambda n=n: merchant.order(reservation_id, G2A_ORDER + n % 2) for n in range(10)])

        assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 9}
        assert sum(len(codes_in(answer.json().get("stock", []))) for answer in answers) == 2
        assert Order.objects.count() == 1
        assert (merchant.count("sent"), merchant.count("available")) == (2, 8)
        drain()
        assert verify().problems == []

    def test_two_reservations_with_one_order_id_are_one_order(self):
        merchant = begin(codes=10).sign_in()
        ids = [merchant.reserved(1) for _ in range(6)]
        answers = at_once(*[lambda pk=pk: merchant.order(pk) for pk in ids])
        assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 5}

    def test_an_order_and_a_release_that_cross_have_one_winner(self):
        """Whoever commits first wins (section 4.3)."""
        merchant = begin(codes=20).sign_in()
        for round_number in range(8):
            reservation_id = merchant.reserved(2)
            ordered, released = at_once(
                lambda pk=reservation_id, n=round_number: merchant.order(pk, G2A_ORDER + n),
                lambda pk=reservation_id: merchant.call("DELETE", f"reservation/{pk}"),
            )
            assert (ordered.status_code, released.status_code) in {(200, 400), (404, 204)}
        assert merchant.count("sent") + merchant.count("available") == 20
        drain()
        assert verify().problems == []

    def test_an_order_and_the_sweep_that_cross_have_one_winner(self):
        merchant = begin(codes=10).sign_in()
        sold = 0
        for round_number in range(8):
            reservation_id = merchant.reserved(1)
            over = timezone.now() + timedelta(hours=1)
            ordered, ended = at_once(
                lambda pk=reservation_id, n=round_number: merchant.order(pk, G2A_ORDER + n),
                lambda now=over: reservations.end_expired(now),
            )
            assert (ordered.status_code, ended) in {(200, 0), (410, 1)}
            sold += ordered.status_code == 200
        assert (merchant.count("sent"), merchant.count("available")) == (sold, 10 - sold)
        assert verify().problems == []

    def test_one_order_id_reserved_at_once_is_one_reservation(self):
        """G2A-T58"""
        merchant = begin(codes=10).sign_in()
        body = {"orderId": "A-1", "productId": str(PRODUCT), "quantity": 2}
        answers = at_once(*[lambda: merchant.call("POST", "reservations", body)] * 8)
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["reservationId"] for answer in answers}) == 1
        assert merchant.count("held") == 2

    def test_late_codes_that_are_fetched_at_once_leave_once(self):
        """G2A-T54: who polls in parallel reads the same codes, while a worker fills the order."""
        merchant = begin(orders_without_stock="yes").sign_in()
        order_id = merchant.order(merchant.reserved(3)).json()["order_id"]
        make.add_codes(merchant.product, 3)
        stock.changed(merchant.product.pk)
        at_once(*[lambda: merchant.inventory(order_id)] * 4, drain)
        drain()
        answers = at_once(*[lambda: merchant.inventory(order_id)] * 8)
        assert len({answer.content for answer in answers}) == 1
        assert len(codes_in(answers[0].json())) == 3
        drain()
        assert merchant.count("delivered") == 3
        assert verify().problems == []

    def test_what_is_returned_twice_at_once_is_returned_once(self):
        merchant = begin(codes=4).sign_in()
        answer = merchant.ordered(2)
        item_ids = [item["id"] for item in answer["stock"][0]["inventory"]]
        statuses = at_once(*[lambda: merchant.give_back(answer["order_id"], *item_ids).status_code] * 6, drain)
        assert set(statuses[:-1]) == {204}
        drain()
        assert merchant.count("returned") == 2
        assert merchant.the_order().lines.get().refunded == 2
        assert verify().problems == []


# --- secrets -------------------------------------------------------------------------------------------------------


@pytest.mark.smoke
@pytest.mark.django_db
def test_no_secret_lies_about_after_g2a_has_called(caplog, settings):
    """G2A-T46, G2A-T60: no code, token or secret in the database, the cache, the logs."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("django.request").setLevel(logging.DEBUG)
    merchant = begin(codes=3).sign_in()
    second = merchant.ask_token(by_post=True).json()["access_token"]
    merchant.ask_token(client_secret="planted-wrong-secret")
    answer = merchant.ordered(2)
    merchant.inventory(answer["order_id"])
    merchant.call("GET", "healthcheck", authorization="Bearer planted-wrong-token")
    drain()
    account = Account.objects.get()
    secrets = [
        *codes_in(answer["stock"]), merchant.token, second, CLIENT["client_secret"], "planted-wrong-secret",
        "planted-wrong-token", account.credentials["api_key"],
    ]  # fmt: skip

    for table, row in everything_in_the_database():
        for secret in secrets:
            for form in forms_of(secret):
                assert form not in row, f"a secret lies open in {table}"
    for secret in secrets:
        assert secret not in caplog.text
        assert not any(secret in repr(record.__dict__) for record in caplog.records)


@pytest.mark.django_db
def test_a_token_call_that_breaks_leaves_no_secret_in_the_log(caplog, monkeypatch):
    """G2A-P42: the query of that call has the secret, and the request that goes with a log record has the query."""
    merchant = begin()
    monkeypatch.setattr("django.core.cache.backends.db.DatabaseCache.add", lambda *args, **kwargs: False)
    answer = merchant.ask_token()

    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL")
    assert CLIENT["client_secret"] not in caplog.text
    assert not any(CLIENT["client_secret"] in repr(record.__dict__) for record in caplog.records)
    assert any(record.name == "django.request" for record in caplog.records)
