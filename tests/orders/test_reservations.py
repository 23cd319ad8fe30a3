"""Units that a marketplace holds with us: reserve, renew, release, expire."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

import orders.tasks
from inventory import pauses, stock
from inventory.models import Code, Hold, Offer, StockChange
from marketplaces.services.g2a.service import Service
from orders import reservations
from orders.models import Order, Reservation
from orders.verify import verify
from tests import make
from tests.orders.merchant import NOBODY, PRODUCT, begin

pytestmark = pytest.mark.django_db
SECOND = PRODUCT + 1


@pytest.fixture
def merchant(db):
    return begin(codes=5).sign_in()


@pytest.fixture
def clock(time_machine):
    """The time stands still; shift() moves it."""
    time_machine.move_to(datetime.now(UTC), tick=False)
    return time_machine


def with_second_product(merchant, codes):
    other = make.product("GAME-2", codes=codes)
    make.offer(other, merchant.account, external_product_id=str(SECOND), price="3", currency="EUR")
    return other


def wish(first, second):
    return [{"product_id": SECOND, "quantity": second}, {"product_id": PRODUCT, "quantity": first}]


# --- reserve -------------------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_it_holds_real_codes_and_shows_none(merchant):
    """G2A-T48: the answer has no code; `inventory_size` is after the hold."""
    StockChange.objects.all().delete()
    answer = merchant.reserve(3)

    assert answer.status_code == 200
    assert answer.json()["stock"] == [{"product_id": PRODUCT, "inventory_size": 2}]
    assert set(answer.json()) == {"reservation_id", "stock"}
    reservation = merchant.reservation(answer.json()["reservation_id"])
    assert reservation.until - reservation.created_at == timedelta(seconds=1800)
    assert (merchant.count("held"), merchant.count("available")) == (3, 2)
    assert Hold.objects.get().reference == f"reservation {reservation.pk}"
    assert StockChange.objects.filter(product=merchant.product).exists()  # other channels show less within seconds
    assert verify().problems == []


def test_it_holds_all_entries_or_none(merchant):
    """G2A-T48"""
    other = with_second_product(merchant, 2)

    answer = merchant.call("POST", "reservation", wish(5, 3))
    assert (answer.status_code, answer.json()["code"]) == (400, "OUT_OF_STOCK")
    assert (stock.sellable(merchant.product.pk), stock.sellable(other.pk)) == (5, 2)
    assert not Hold.objects.exists()

    answer = merchant.call("POST", "reservation", wish(4, 2))
    assert answer.json()["stock"] == [
        {"product_id": SECOND, "inventory_size": 0}, {"product_id": PRODUCT, "inventory_size": 1},
    ]  # fmt: skip


def test_a_product_that_stands_twice_counts_twice(merchant):
    lines = [{"product_id": PRODUCT, "quantity": 2}, {"product_id": str(PRODUCT), "quantity": 3}]
    answer = merchant.call("POST", "reservation", lines)
    assert answer.json()["stock"] == [{"product_id": PRODUCT, "inventory_size": 0}]
    assert merchant.call("POST", "reservation", lines).status_code == 400


def test_two_of_their_products_may_be_one_of_ours(merchant):
    make.offer(merchant.product, merchant.account, external_product_id=str(SECOND), price="3", currency="EUR")
    reservation_id = merchant.call("POST", "reservation", wish(2, 3)).json()["reservation_id"]
    assert merchant.count("held") == 5
    lines = merchant.order(reservation_id).json()["stock"]
    assert {line["product_id"]: len(line["inventory"]) for line in lines} == {PRODUCT: 2, SECOND: 3}
    assert verify().problems == []


def test_two_equal_calls_are_two_holds(merchant):
    assert merchant.reserved(2) != merchant.reserved(2)
    assert merchant.count("held") == 4


def test_an_unknown_product_is_not_found(merchant):
    answer = merchant.reserve(1, PRODUCT + 5)
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


def test_another_accounts_offer_is_unknown(merchant):
    other = begin(codes=3, name="Second shop", sku="OTHER").sign_in()
    Offer.objects.filter(account=merchant.account).delete()
    assert merchant.reserve().status_code == 404
    assert other.reserve().status_code == 200


@pytest.mark.parametrize("how", ["offer", "account"])
def test_what_is_not_for_sale_is_out_of_stock(merchant, how):
    if how == "offer":
        Offer.objects.update(is_active=False)
    else:
        pauses.pause(pauses.target(merchant.account), by="ann", reason="moving house")
    answer = merchant.reserve()
    assert (answer.status_code, answer.json()["code"]) == (400, "OUT_OF_STOCK")
    assert merchant.count("available") == 5


@pytest.mark.parametrize(
    ("percent", "price", "status"),
    [(0, "0.01", 200), (80, "4.78", 400), (80, "4.79", 200), (80, "text", 200), (80, "", 200), (100, "5.98", 200)],
)
def test_a_unit_price_under_the_floor_is_too_low(percent, price, status):
    """G2A-P47: the floor is a part of the offer's price, 5.98; without a price there is nothing to compare."""
    merchant = begin(codes=2, lowest_price_percent=percent).sign_in()
    answer = merchant.reserve(1, unit_price=price)

    assert answer.status_code == status
    assert status == 200 or answer.json()["code"] == "PRICE_TOO_LOW"


def test_a_hold_shorter_than_half_an_hour_cannot_be_set():
    """G2A-T53: a setting under 30 min is refused; what is in the database all the same does not count."""
    field = next(option for option in Service.options if option.name == "hold_seconds")
    assert field.minimum == 1800
    merchant = begin(codes=1, hold_seconds=60).sign_in()
    reservation = merchant.reservation(merchant.reserved())
    assert reservation.until - reservation.created_at == timedelta(seconds=1800)


# --- renew ---------------------------------------------------------------------------------------------------------


def test_what_is_still_held_is_held_longer(merchant, clock):
    """G2A-T50"""
    reservation_id = merchant.reserved(3)
    clock.shift(1000)
    answer = merchant.call("PUT", f"reservation/{reservation_id}")

    assert answer.status_code == 200
    assert answer.json() == {"reservation_id": reservation_id, "stock": [{"product_id": PRODUCT, "inventory_size": 2}]}
    assert merchant.reservation(reservation_id).until == timezone.now() + timedelta(seconds=1800)
    clock.shift(1799)
    sweep()
    assert merchant.count("held") == 3


def sweep():
    stock.end_holds(timezone.now())
    orders.tasks.sweep()


def test_what_has_expired_is_held_again_if_there_is_stock(merchant, clock):
    """G2A-T50: with stock 200, without 400."""
    reservation_id = merchant.reserved(3)
    clock.shift(1801)
    sweep()
    assert merchant.reservation(reservation_id).state == "expired"
    assert merchant.count("available") == 5

    assert merchant.call("PUT", f"reservation/{reservation_id}").json()["reservation_id"] == reservation_id
    assert merchant.count("held") == 3
    assert merchant.order(reservation_id).status_code == 200
    clock.shift(1801)


def test_what_has_expired_and_is_sold_is_out_of_stock(merchant, clock):
    """G2A-T50"""
    reservation_id = merchant.reserved(3)
    clock.shift(1801)
    sweep()
    merchant.reserved(3)
    answer = merchant.call("PUT", f"reservation/{reservation_id}")

    assert (answer.status_code, answer.json()["code"]) == (400, "OUT_OF_STOCK")
    assert merchant.reservation(reservation_id).state == "expired"
    assert verify().problems == []


def test_a_renewal_may_name_other_quantities(merchant):
    reservation_id = merchant.reserved(3)
    body = [{"product_id": PRODUCT, "quantity": 1}]
    assert merchant.call("PUT", f"reservation/{reservation_id}", body).status_code == 200
    assert merchant.count("held") == 1
    assert merchant.call("PUT", f"reservation/{reservation_id}", [{**body[0], "quantity": 6}]).status_code == 400
    assert merchant.count("held") == 1
    assert len(merchant.order(reservation_id).json()["stock"][0]["inventory"]) == 1


def test_a_renewal_may_name_another_product(merchant):
    other = with_second_product(merchant, 2)
    reservation_id = merchant.reserved(3)
    assert (
        merchant.call("PUT", f"reservation/{reservation_id}", [{"product_id": SECOND, "quantity": 2}]).status_code
        == 200
    )
    assert (stock.sellable(merchant.product.pk), stock.sellable(other.pk)) == (5, 0)
    assert verify().problems == []


def test_what_was_released_or_ordered_is_not_renewed(merchant):
    released, ordered = merchant.reserved(), merchant.reserved()
    merchant.call("DELETE", f"reservation/{released}")
    merchant.order(ordered)

    answers = [merchant.call("PUT", f"reservation/{pk}") for pk in (released, ordered, NOBODY)]
    assert [answer.status_code for answer in answers] == [404, 400, 404]
    assert [answer.json()["code"] for answer in answers] == ["NOT_FOUND", "BAD_REQUEST", "NOT_FOUND"]


# --- release -------------------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_a_release_frees_the_stock_at_once(merchant):
    """G2A-T51: 204; repeat 204."""
    reservation_id = merchant.reserved(5)
    for _ in range(2):
        answer = merchant.call("DELETE", f"reservation/{reservation_id}")
        assert (answer.status_code, answer.content) == (204, b"")
        assert merchant.count("available") == 5
    assert merchant.order(reservation_id).status_code == 404
    assert verify().problems == []


def test_a_release_after_an_order_is_refused(merchant):
    """G2A-T51: after an order 400."""
    reservation_id = merchant.reserved(2)
    merchant.order(reservation_id)
    answer = merchant.call("DELETE", f"reservation/{reservation_id}")

    assert (answer.status_code, answer.json()["code"]) == (400, "BAD_REQUEST")
    assert merchant.count("sent") == 2


def test_a_release_of_what_expired_is_done(merchant, clock):
    reservation_id = merchant.reserved()
    clock.shift(1801)
    sweep()
    assert merchant.call("DELETE", f"reservation/{reservation_id}").status_code == 204


def test_another_accounts_reservation_is_unknown(merchant):
    other = begin(codes=1, name="Second shop", sku="OTHER").sign_in()
    reservation_id = other.reserved()
    assert merchant.call("DELETE", f"reservation/{reservation_id}").status_code == 404
    assert merchant.order(reservation_id).status_code == 404


# --- expire --------------------------------------------------------------------------------------------------------


def test_it_holds_to_the_last_second_and_no_longer(merchant, clock):
    """G2A-T53: at 29:59 min the hold is valid, past expiry 410, though the codes may still be there."""
    in_time, too_late = merchant.reserved(2), merchant.reserved(2)
    clock.shift(1799)
    sweep()
    assert merchant.order(in_time).status_code == 200
    clock.shift(1)
    answer = merchant.order(too_late)
    assert (answer.status_code, answer.json()["code"]) == (410, "RESERVATION_EXPIRED")
    assert Order.objects.count() == 1


def test_the_sweep_frees_what_expired_and_can_come_twice(merchant, clock):
    merchant.reserved(4)
    clock.shift(1801)
    assert [reservations.end_expired(timezone.now()) for _ in range(2)] == [1, 0]
    assert merchant.count("available") == 5
    assert Reservation.objects.get().state == "expired"
    assert Code.objects.exclude(hold=None).count() == 0


def test_the_books_tell_of_a_sweep_that_does_not_come(merchant, clock):
    merchant.reserved()
    clock.shift(1800 + 16 * 60)
    assert [problem["check"] for problem in verify().problems] == ["reserved too long"]


def test_the_books_tell_of_units_that_are_held_for_nobody(merchant):
    reservation_id = merchant.reserved()
    Reservation.objects.filter(pk=reservation_id).update(state="released")
    assert [problem["check"] for problem in verify().problems] == ["reserved for nobody"]


# --- with an order's id (IN-12) --------------------------------------------------------------------------------------


def test_the_same_order_id_is_the_same_reservation(merchant):
    """G2A-T58: equal content gives the same reservation, other content 400."""
    body = {"orderId": 80201000000192, "productId": str(PRODUCT), "quantity": 2}
    first, second = (merchant.call("POST", "reservations", body).json() for _ in range(2))

    assert first == second
    assert first["orderId"] == "80201000000192"
    assert (first["productId"], first["quantity"], first["status"]) == (str(PRODUCT), 2, "reserved")
    assert merchant.count("held") == 2
    for other in ({"quantity": 3}, {"productId": str(SECOND)}):
        answer = merchant.call("POST", "reservations", body | other)
        assert (answer.status_code, answer.json()["code"]) == (400, "BAD_REQUEST")
    assert merchant.count("held") == 2


def test_an_order_id_whose_reservation_failed_can_be_tried_again(merchant):
    body = {"orderId": "A-1", "productId": str(PRODUCT), "quantity": 6}
    assert merchant.call("POST", "reservations", body).json()["code"] == "OUT_OF_STOCK"
    make.add_codes(merchant.product, 1)
    assert merchant.call("POST", "reservations", body).status_code == 200


@pytest.mark.django_db
def test_a_line_without_a_product_of_ours_cannot_be_meant(merchant):
    Offer.objects.update(product=None)
    assert merchant.reserve().status_code == 404
    with pytest.raises(ValidationError):
        Reservation(account=merchant.account, state="ordered", until=timezone.now()).validate_constraints()
