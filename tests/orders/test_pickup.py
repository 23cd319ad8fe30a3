"""Orders whose codes the marketplace fetches: once, the same on every read, late when stock is late, and back again."""

import base64
import json
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

import inventory.tasks
import orders.tasks
from inventory import codes, kinds, stock
from inventory.models import Code
from marketplaces.exceptions import PermanentError
from marketplaces.models import WebhookEvent
from marketplaces.shop import CodeKind
from orders.models import Delivery, DeliveryItem, OrderEvent
from orders.verify import verify
from tests import make
from tests.drain import drain
from tests.orders.merchant import G2A_ORDER, NOBODY, PRODUCT, begin, codes_in, ids_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def merchant(db):
    return begin(codes=5).sign_in()


@pytest.fixture
def waiting(db):
    """A merchant who takes orders without stock, with an order of two units and one code."""
    merchant = begin(codes=1, orders_without_stock="yes").sign_in()
    answer = merchant.order(merchant.reserved(2))
    merchant.answer = answer
    merchant.order_id = answer.json()["order_id"]
    drain()
    return merchant


@pytest.fixture
def clock(time_machine):
    """The time stands still; shift() moves it."""
    time_machine.move_to(datetime.now(UTC), tick=False)
    return time_machine


# --- with stock ----------------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_an_order_hands_over_its_codes_once(merchant):
    """G2A-T52: 200 with the codes once; the second call gets 409 and no code, whatever order id it brings."""
    reservation_id = merchant.reserved(2)
    answer = merchant.order(reservation_id)

    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    [line] = answer.json()["stock"]
    assert (line["product_id"], line["inventory_size"]) == (PRODUCT, 3)
    assert [item["kind"] for item in line["inventory"]] == ["text", "text"]
    assert len(set(codes_in([line]))) == 2
    for g2a_order_id in (G2A_ORDER, G2A_ORDER + 1):
        again = merchant.order(reservation_id, g2a_order_id)
        assert (again.status_code, set(again.json())) == (409, {"code", "message"})
        assert again.json()["code"] == "ORDER_EXISTS"
        assert answer.json()["order_id"] in again.json()["message"]
    assert merchant.count("sent") == 2


def test_what_left_is_in_our_books_as_an_order(merchant):
    answer = merchant.ordered(2)
    drain()

    order, delivery = merchant.the_order(), merchant.the_delivery()
    assert (order.external_id, order.state, order.status_word) == (str(G2A_ORDER), "delivered", "fulfilled")
    assert (str(order.amount), order.currency, str(order.reservation.order_number)) == (
        "11.9600", "EUR", answer["order_id"],
    )  # fmt: skip
    assert (delivery.status, delivery.state, delivery.confirmed) == ("delivered", "done", 2)
    assert merchant.count("delivered") == 2
    assert [entry.kind for entry in OrderEvent.objects.all()] == ["created", "submitted"]
    assert verify().problems == []


def test_the_unit_price_that_they_name_is_the_orders(merchant):
    reservation_id = merchant.reserve(2, unit_price="4.10").json()["reservation_id"]
    merchant.order(reservation_id)
    assert str(merchant.the_order().amount) == "8.2000"


def test_an_order_id_of_another_reservation_yields_no_code(merchant):
    first = merchant.ordered(1)
    answer = merchant.order(merchant.reserved(1), G2A_ORDER)
    assert (answer.status_code, answer.json()["code"]) == (409, "ORDER_EXISTS")
    assert first["order_id"] in answer.json()["message"]
    assert merchant.count("sent") == 1


def test_every_read_shows_the_same(merchant):
    """G2A-T54, G2A-P41: same ids and values on every read, also after the worker has closed it."""
    answer = merchant.ordered(2)
    reads = [merchant.inventory(answer["order_id"]).json() for _ in range(2)]
    drain()
    reads.append(merchant.inventory(answer["order_id"]).json())

    assert reads == [answer["stock"]] * 3
    assert DeliveryItem.objects.count() == 2


def test_another_accounts_order_is_unknown(merchant):
    other = begin(codes=1, name="Second shop", sku="OTHER").sign_in()
    assert merchant.inventory(other.ordered()["order_id"]).status_code == 404


def test_a_code_that_does_not_open_is_replaced(merchant):
    Code.objects.filter(pk=Code.objects.order_by("position").values("pk")[:1]).update(sealed=b"broken")
    answer = merchant.ordered(2)
    drain()

    assert len(codes_in(answer["stock"])) == 2
    assert (merchant.count("faulty"), merchant.count("delivered"), merchant.count("available")) == (1, 2, 2)
    assert OrderEvent.objects.filter(kind="faulty", level="warning").count() == 1
    assert verify().problems == []


def test_a_random_key_in_the_wrong_form_does_not_leave(merchant):
    """G2A-P46: 202 and a warning instead of a code that the buyer can't use."""
    merchant.offer.attributes = {"random_keys": True}
    merchant.offer.save()
    answer = merchant.order(merchant.reserved(2))
    assert (answer.status_code, codes_in(answer.json()["stock"])) == (202, [])
    assert merchant.count("faulty") == 5

    make.add_codes(merchant.product, 2, prefix='"Game": "KEY"; "Other": "K')
    stock.changed(merchant.product.pk)
    drain()
    assert len(codes_in(merchant.inventory(answer.json()["order_id"]).json())) == 2


# --- without stock ---------------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_an_order_without_stock_is_filled_when_stock_comes(waiting):
    """G2A-T54: 202, then an empty list, then the codes, same ids on every read."""
    assert waiting.answer.status_code == 202
    assert waiting.answer.json()["stock"] == [{"product_id": PRODUCT, "inventory_size": 0, "inventory": []}]
    order_id = waiting.order_id
    empty = waiting.inventory(order_id)
    assert (empty.status_code, empty.json()) == (200, waiting.answer.json()["stock"])
    assert waiting.the_delivery().status == "short"
    assert (waiting.the_order().state, waiting.the_order().status_word) == ("new", "awaiting_stock")

    make.add_codes(waiting.product, 1)
    stock.changed(waiting.product.pk)
    drain()
    assert waiting.count("held") == 2  # nothing has left while nobody fetched it
    reads = [waiting.inventory(order_id).json() for _ in range(3)]
    drain()
    assert reads[0] == reads[1] == reads[2] == waiting.inventory(order_id).json()
    assert len(codes_in(reads[0])) == 2
    assert waiting.the_order().status_word == "fulfilled"
    assert waiting.count("delivered") == 2
    assert verify().problems == []


def test_who_comes_again_while_stock_is_late_gets_409(waiting):
    reservation = waiting.the_order().reservation
    assert waiting.order(str(reservation.pk)).status_code == 409


def test_what_nobody_fetches_is_shown_to_a_person_and_still_handed_over(waiting, clock):
    make.add_codes(waiting.product, 1)
    stock.changed(waiting.product.pk)
    drain()
    for _ in range(2):
        clock.shift(13 * 3600)
        orders.tasks.sweep()
        drain()
    delivery = waiting.the_delivery()
    assert (delivery.state, delivery.failure) == ("needs_attention", "unfetched")

    assert len(codes_in(waiting.sign_in().inventory(waiting.order_id).json())) == 2
    drain()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.status) == ("done", "delivered")


def test_without_that_option_nobody_reserves_what_is_not_there():
    merchant = begin(codes=1).sign_in()
    assert merchant.reserve(2).json()["code"] == "OUT_OF_STOCK"


def test_the_fast_buyer_of_late_stock_is_the_one_who_waited(waiting):
    """What comes in fills the waiting order before anybody new can have it, as soon as a worker runs."""
    make.add_codes(waiting.product, 1)
    stock.changed(waiting.product.pk)
    drain()
    waiting.inventory(waiting.order_id)
    assert stock.sellable(waiting.product.pk) == 0


# --- back again ------------------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_returned_units_leave_the_order_and_are_not_sold_again(merchant):
    """G2A-T55"""
    answer = merchant.ordered(3)
    drain()
    first, *others = ids_in(answer["stock"])

    for _ in range(2):
        assert merchant.give_back(answer["order_id"], first).status_code == 204
    assert ids_in(merchant.inventory(answer["order_id"]).json()) == others
    assert (merchant.count("returned"), merchant.count("available")) == (1, 2)
    order = merchant.the_order()
    assert (order.state, order.status_word, order.lines.get().refunded) == ("delivered", "partly_returned", 1)

    assert merchant.give_back(answer["order_id"], *others).status_code == 204
    order.refresh_from_db()
    assert (order.state, order.status_word) == ("returned", "returned")
    assert merchant.inventory(answer["order_id"]).json()[0]["inventory"] == []
    drain()
    assert merchant.count("returned") == 3
    assert verify().problems == []


def test_an_item_of_another_order_changes_nothing(merchant):
    """G2A-T55: 400, nothing returned."""
    answer = merchant.ordered(1)
    [item_id] = ids_in(answer["stock"])
    refused = merchant.give_back(answer["order_id"], item_id, NOBODY)
    assert (refused.status_code, refused.json()["code"]) == (400, "BAD_REQUEST")
    assert merchant.give_back(answer["order_id"]).status_code == 400
    assert merchant.count("returned") == 0


def test_a_person_may_sell_returned_codes_again(merchant):
    answer = merchant.ordered(5)
    drain()
    merchant.give_back(answer["order_id"], *ids_in(answer["stock"]))
    returned = list(Code.objects.filter(state="returned").values_list("pk", flat=True))

    assert stock.sell_again(returned) == 5
    again = merchant.order(merchant.reserved(5), G2A_ORDER + 1).json()
    drain()
    assert set(codes_in(again["stock"])) == set(codes_in(answer["stock"]))
    assert ids_in(again["stock"]) != ids_in(answer["stock"])
    assert merchant.inventory(answer["order_id"]).json()[0]["inventory"] == []
    assert verify().problems == []


# --- files and logins --------------------------------------------------------------------------------------------------


def add(merchant, kind, *texts):
    kinds.add(product=merchant.product, kind=kind, texts=texts)


@pytest.mark.smoke
def test_a_file_is_read_by_itself():
    """G2A-T56: data, fileName, mimeType; a text item gives 404."""
    merchant = begin(codes=1).sign_in()
    add(merchant, CodeKind.FILE, kinds.file_code(name="key.jpg", data=b"hello", mime_type="image/jpeg"))
    answer = merchant.ordered(2)
    items = {item["kind"]: item for item in answer["stock"][0]["inventory"]}
    path = f"order/{answer['order_id']}/inventory"

    assert items["file"]["value"] == ""
    found = merchant.call("GET", f"{path}/{items['file']['id']}")
    assert found.json() == {
        "data": base64.b64encode(b"hello").decode(),
        "fileName": "key.jpg",
        "mimeType": "image/jpeg",
    }
    assert found["Cache-Control"] == "no-store"
    assert merchant.call("GET", f"{path}/{items['text']['id']}").status_code == 404
    assert merchant.call("GET", f"{path}/{items['file']['id']}/account").status_code == 404
    merchant.give_back(answer["order_id"], items["file"]["id"])
    assert merchant.call("GET", f"{path}/{items['file']['id']}").status_code == 404


def test_a_login_is_read_by_itself():
    """G2A-T56"""
    merchant = begin().sign_in()
    pin = [{"label": "PIN", "details": "0000"}]
    add(
        merchant, CodeKind.ACCOUNT,
        kinds.account_code(username="user1", password="p1", email="a@example.com", email_password="p2", optional=pin),
    )  # fmt: skip
    answer = merchant.ordered(1)
    [item_id] = ids_in(answer["stock"])

    found = merchant.call("GET", f"order/{answer['order_id']}/inventory/{item_id}/account").json()
    assert found == {
        "username": "user1", "password": "p1", "email": "a@example.com", "emailPassword": "p2", "optional": pin,
    }  # fmt: skip
    assert merchant.call("GET", f"order/{answer['order_id']}/inventory/{item_id}").status_code == 404


@pytest.mark.parametrize(
    ("kind", "text"),
    [(CodeKind.FILE, '{"name": "a", "data": "not base64!"}'), (CodeKind.FILE, '{"data": "aGVsbG8="}'),
     (CodeKind.ACCOUNT, '{"username": "a"}'), (CodeKind.ACCOUNT, "[]"), (CodeKind.ACCOUNT, "planted"),
     (CodeKind.ACCOUNT, '{"username": "a", "password": 1}')],
)  # fmt: skip
def test_a_code_without_the_parts_of_its_kind_is_not_taken_in(kind, text):
    merchant = begin()
    with pytest.raises(ValueError) as caught:
        add(merchant, kind, text)
    assert "Code 1 can't be used" in str(caught.value)
    assert "planted" not in str(caught.value)
    assert not Code.objects.exists()


def test_a_file_is_not_sent_as_a_text():
    merchant = begin()
    add(merchant, CodeKind.FILE, kinds.file_code(name="key.jpg", data=b"hello"))
    with pytest.raises(PermanentError, match="can't be sent as a text"):
        codes.plaintexts([Code.objects.get().pk])


def test_the_same_login_is_taken_in_once():
    merchant = begin()
    text = kinds.account_code(username="user1", password="p1")
    add(merchant, CodeKind.ACCOUNT, text, text)
    add(merchant, CodeKind.ACCOUNT, text)
    assert Code.objects.get().kind == "account"


# --- as the brief words it ---------------------------------------------------------------------------------------------


def test_the_brief_confirms_first_and_fetches_later(merchant):
    """G2A-T58: confirmed once; keys only when ready, always the same."""
    body = {"orderId": "A-1", "productId": str(PRODUCT), "quantity": 2}
    reservation_id = merchant.call("POST", "reservations", body).json()["reservationId"]
    before = merchant.call("GET", "inventory/A-1")
    assert (before.status_code, before.json()) == (200, {"orderId": "A-1", "stockReady": False})

    for _ in range(2):
        answer = merchant.call("POST", f"reservations/{reservation_id}/confirm")
        assert answer.status_code == 200
        assert answer.json() == {"reservationId": reservation_id, "status": "confirmed", "stockReady": True}
    assert merchant.count("sent") == 0
    drain()
    reads = [merchant.call("GET", "integration-api/v1/inventory/A-1").json() for _ in range(2)]
    drain()
    assert reads[0] == reads[1] == merchant.call("GET", "inventory/A-1").json()
    assert reads[0]["stockReady"] is True
    assert len(set(reads[0]["keys"])) == 2
    assert merchant.count("delivered") == 2
    assert merchant.order(reservation_id).status_code == 409
    assert verify().problems == []


def test_the_brief_waits_for_stock_too():
    """G2A-T58: IN-13 202, then 200; IN-14 keys only when ready."""
    merchant = begin(orders_without_stock="yes").sign_in()
    body = {"orderId": "A-1", "productId": str(PRODUCT), "quantity": 1}
    reservation_id = merchant.call("POST", "reservations", body).json()["reservationId"]
    confirm = f"reservations/{reservation_id}/confirm"
    first = merchant.call("POST", confirm)
    assert (first.status_code, first.json()["stockReady"]) == (202, False)
    drain()
    assert merchant.call("GET", "inventory/A-1").json() == {"orderId": "A-1", "stockReady": False}

    make.add_codes(merchant.product, 1)
    stock.changed(merchant.product.pk)
    drain()
    assert merchant.call("POST", confirm).status_code == 200
    assert len(merchant.call("GET", "inventory/A-1").json()["keys"]) == 1


def test_what_expired_or_was_released_is_not_confirmed(merchant, clock):
    released, expired = merchant.reserved(), merchant.reserved()
    merchant.call("DELETE", f"reservation/{released}")
    clock.shift(1801)
    statuses = [merchant.call("POST", f"reservations/{pk}/confirm").status_code for pk in (released, expired)]
    assert statuses == [404, 410]


# --- evidence and cost ---------------------------------------------------------------------------------------------------


def test_every_question_is_kept_without_what_it_gave_away(merchant):
    answer = merchant.ordered(2)
    merchant.give_back(answer["order_id"], NOBODY)

    kept = [(event.kind, event.answer_status, event.state) for event in WebhookEvent.objects.order_by("pk")]
    assert kept == [
        ("G2A-IN-01 token", 200, "done"), ("G2A-IN-03 reserve", 200, "done"), ("G2A-IN-06 order", 200, "done"),
        ("G2A-IN-08 return", 400, "done"),
    ]  # fmt: skip
    token, reserve, order, back = WebhookEvent.objects.order_by("pk")
    assert token.body == ""
    assert (reserve.subject, order.subject) == (str(merchant.the_order().reservation.pk), str(G2A_ORDER))
    assert b'"quantity"' in reserve.body.encode()
    assert back.last_error.startswith("BAD_REQUEST: ")
    drain()
    assert WebhookEvent.objects.filter(attempts__gt=0).count() == 0


@pytest.mark.parametrize(
    ("call", "most"), [("token", 12), ("reserve", 30), ("release", 22), ("order", 60), ("inventory", 16)]
)
def test_an_answer_costs_few_queries(merchant, call, most):
    ready, again = merchant.reserved(2), merchant.reserved(1)
    order_id = merchant.order(again).json()["order_id"]
    work = {
        "token": merchant.ask_token,
        "reserve": lambda: merchant.reserve(2),
        "release": lambda: merchant.call("DELETE", f"reservation/{ready}"),
        "order": lambda: merchant.order(ready, G2A_ORDER + 1),
        "inventory": lambda: merchant.inventory(order_id),
    }[call]
    with CaptureQueriesContext(connection) as queries:
        assert work().status_code < 300
    assert len(queries) <= most


def test_stock_that_moves_reaches_the_other_offers(merchant):
    merchant.ordered(2)
    inventory.tasks.sweep()
    assert Delivery.objects.get().requested == 2


@pytest.mark.parametrize(
    ("kind", "content"), [("account", b'{"username": "user1", "password": "p1"}\n'), ("file", b"\xff\xd8picture")]
)
def test_staff_bring_them_in_from_the_command_line(tmp_path, kind, content):
    merchant = begin().sign_in()
    file = tmp_path / "key.jpg"
    file.write_bytes(content)
    for imported in (1, 0):
        out = StringIO()
        call_command("import_codes", str(file), "--sku", "GAME-1", "--kind", kind, "--json", stdout=out)
        assert json.loads(out.getvalue())["imported"] == imported

    answer = merchant.ordered(1)
    [item_id] = ids_in(answer["stock"])
    path = f"order/{answer['order_id']}/inventory/{item_id}"
    found = merchant.call("GET", path if kind == "file" else f"{path}/account").json()
    expected = {"fileName": "key.jpg", "mimeType": "image/jpeg"} if kind == "file" else {"username": "user1"}
    assert expected.items() <= found.items()


@pytest.mark.parametrize("content", [b"planted", b'{"username": "planted"}', b"\xffplanted"])
def test_a_file_of_logins_that_cannot_be_read_is_refused_whole(tmp_path, content):
    begin()
    file = tmp_path / "logins.jsonl"
    file.write_bytes(b'{"username": "user1", "password": "p1"}\n' + content)
    with pytest.raises(CommandError) as caught:
        call_command("import_codes", str(file), "--sku", "GAME-1", "--kind", "account")
    assert "planted" not in str(caught.value)
    assert not Code.objects.exists()


def test_a_person_sells_returned_codes_again_by_a_button(merchant, admin_client):
    """G2A-T55: by hand, after a question."""
    answer = merchant.ordered(2)
    merchant.give_back(answer["order_id"], *ids_in(answer["stock"]))
    chosen = {"action": "run_sellagain", "_selected_action": list(Code.objects.values_list("pk", flat=True))}
    page = reverse("admin:inventory_code_changelist")

    assert b"2 of 5 chosen rows change" in admin_client.post(page, chosen).content
    assert merchant.count("returned") == 2
    admin_client.post(page, {**chosen, "answered": "1", "confirmed": "1", "token": "t"})
    drain()
    assert (merchant.count("returned"), merchant.count("available")) == (0, 5)


def test_a_reservation_is_found_by_any_of_its_ids(merchant, admin_client):
    answer = merchant.ordered(1)
    reservation = merchant.the_order().reservation
    page = reverse("admin:orders_reservation_changelist")
    for text in (str(reservation.pk), answer["order_id"]):
        assert str(reservation.pk) in admin_client.get(page, {"q": text}).content.decode()
    assert str(reservation.pk) not in admin_client.get(page, {"q": "x' or 1"}).content.decode()
