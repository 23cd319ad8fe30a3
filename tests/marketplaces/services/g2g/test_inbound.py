"""What comes from G2G: is it G2G's, which event is it, and whom does it concern (sections 2.2 and 4)."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from marketplaces.exceptions import PermanentError, Refused, Unsupported
from marketplaces.services.g2g import inbound
from marketplaces.services.g2g.signing import webhook_signature
from marketplaces.types import Call, DeliveryKind, OrderState
from tests.marketplaces.services.g2g.conftest import HOOK_URL, connection, open_line, sample
from tests.marketplaces.services.g2g.test_signing import TIMESTAMP, W1, W2, W3

pytestmark = pytest.mark.smoke

NOW = datetime(2022, 5, 23, 4, 8, 4, tzinfo=UTC)  # the vector's moment
ORDER, DELIVERY = "1670568841157TEST-1", "D1671693034000"
SELLER = connection(credentials={"user_id": "1000001"})


def call(body: bytes = b"{}", *, signature: str = W1, timestamp: str = TIMESTAMP) -> Call:
    headers = {"g2g-signature": signature, "g2g-timestamp": timestamp}
    return Call("POST", "", "", {name: value for name, value in headers.items() if value}, body, NOW)


def reason(given: Call, now: datetime = NOW, **changes: Any) -> str:
    with pytest.raises(Refused) as refusal:
        inbound.verify(connection(**changes), given, now)
    assert refusal.value.status == 401
    return refusal.value.reason


# --- verification ------------------------------------------------------------------------------------------------


def test_the_published_webhook_is_accepted() -> None:
    """G2G-T39: W1, also through the service itself."""
    inbound.verify(connection(), call(), NOW)
    open_line().verify(call())


@pytest.mark.parametrize("signature", [W2, W3, W1.upper(), "", "ä" * 64])
def test_other_signatures_are_refused(signature: str) -> None:
    """G2G-T39: with the API key in it, with a slash after the URL, and none at all."""
    assert "signature" in reason(call(signature=signature))


def test_the_registered_url_counts_to_the_letter() -> None:
    """G2G-P07: and the refusal names it, to be compared."""
    assert f"{HOOK_URL}/" in reason(call(), hook_url=f"{HOOK_URL}/")
    inbound.verify(connection(hook_url=f"{HOOK_URL}/"), call(signature=W3), NOW)


def test_every_secret_of_the_account_counts() -> None:
    """G2G-T40"""
    inbound.verify(connection(webhook_secrets=["another", "gBW1wXgBNnA "]), call(), NOW)
    assert "2 webhook secret" in reason(call(), webhook_secrets=["another", "third"])
    assert "no webhook secret" in reason(call(), webhook_secrets=[])


def test_secrets_are_compared_in_constant_time() -> None:
    """G2G-T40: by what the product compares secrets with, and by nothing else."""
    source = Path(inbound.__file__).read_text()
    assert "from backoffice.crypto import same" in source
    assert "signature ==" not in source
    assert "== signature" not in source


@pytest.mark.parametrize("seconds", [301, -301])
def test_a_stale_or_early_call_is_refused(seconds: int) -> None:
    """G2G-T41"""
    assert "301 s" in reason(call(), NOW + timedelta(seconds=seconds))
    inbound.verify(connection(), call(), NOW + timedelta(seconds=seconds * 299 / 301))


def test_the_window_is_an_option() -> None:
    """G2G-T41"""
    wide = {"webhook_window_seconds": 400}
    inbound.verify(connection(options=wide), call(), NOW + timedelta(seconds=301))
    assert "10 s allowed" in reason(call(), NOW + timedelta(seconds=11), options={"webhook_window_seconds": 10})


@pytest.mark.parametrize("timestamp", ["", "soon", "-1", "9" * 5000, "1e400"])
def test_a_timestamp_that_is_no_time_is_refused(timestamp: str) -> None:
    token = connection().webhook_secrets[0]
    signature = webhook_signature(secret=token, url=HOOK_URL, user_id="100000", timestamp=timestamp)
    assert "g2g-timestamp" in reason(call(signature=signature, timestamp=timestamp))


# --- notice ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "subject"),
    [
        ("order.created", "order.created", "1654240349966TEKP-1"),
        ("order.api_delivery", "order.api_delivery", ORDER),
        ("offer.low_stock", "offer.low_stock", "G1650341633714BW"),
    ],
)
def test_an_event_says_what_it_is_about(name: str, kind: str, subject: str) -> None:
    """G2G-T57, the notice's part"""
    event = sample(name)
    notice = inbound.notice(call(json.dumps(event).encode()))
    assert (notice.event_id, notice.kind, notice.subject) == (event["id"], kind, subject)
    assert notice.happened_at is not None
    assert notice.happened_at.timestamp() * 1000 == event["event_happened_at"]


def test_without_an_id_an_event_is_known_by_its_content() -> None:
    """G2G-T58: as a message of the portal's test button."""
    body = json.dumps(sample("portal_test")).encode()
    notice = inbound.notice(call(body))
    assert (notice.event_id, notice.kind) == (sha256(b"order.created\n" + body).hexdigest(), "order.created")
    assert (notice.subject, notice.happened_at) == ("", None)
    assert inbound.notice(call(body + b" ")).event_id != notice.event_id


@pytest.mark.parametrize(
    "body",
    [b"", b"no json", b"[]", b'"text"', b"\xff\xfe", b'{"id": NaN}', b"[" * 100_000, b'{"id": 1e99999999999999999999}'],
)
def test_what_cannot_be_read_is_still_known(body: bytes) -> None:
    """G2G-T58"""
    notice = inbound.notice(call(body))
    assert (notice.event_id, notice.kind) == (sha256(b"\n" + body).hexdigest(), "unreadable")


def test_a_notice_can_always_be_stored() -> None:
    """NUL and half a surrogate pair are valid JSON, and no database takes them."""
    body = rb'{"id": "a\u0000b\ud800", "event_type": "x\u0000", "payload": {"order_id": "1\u0000"}}'
    notice = inbound.notice(call(body))
    assert (notice.event_id, notice.kind, notice.subject) == ("ab?", "x", "1")
    long = inbound.notice(call(json.dumps({"id": "x" * 999, "event_type": "y" * 999}).encode()))
    assert (len(long.event_id), len(long.kind)) == (64, 100)


# --- who is told -------------------------------------------------------------------------------------------------


class Ear:
    """Stands where the shop does and writes down what it is told: no shop of ours runs without a database."""

    def __init__(self) -> None:
        self.told: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *values: self.told.append((name, values))


def told(event: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
    ear = Ear()
    inbound.process(call(json.dumps(event).encode()), ear, SELLER)
    (once,) = ear.told
    return once


@pytest.mark.parametrize(
    ("name", "verb", "state"),
    [
        ("order.created", "order_changed", OrderState.AWAITING_PAYMENT),
        ("order.confirmed", "order_changed", OrderState.NEW),
        ("order.cancelled", "order_changed", OrderState.CANCELLED),
        ("order.completed", "order_changed", OrderState.COMPLETED),
        ("order.refunded", "order_refunded", OrderState.RETURNED),
        ("order.rollback_cancelled", "order_reopened", OrderState.AWAITING_PAYMENT),
        ("order.rollback_completed", "order_reopened", OrderState.READY_TO_SHIP),
        ("order.case_opened", "order_disputed", OrderState.READY_TO_SHIP),
    ],
)
def test_an_events_order_reaches_the_shop_as_a_hint(name: str, verb: str, state: OrderState) -> None:
    """G2G-WH-01, 02, 05 to 10"""
    event = sample(name)
    heard, (hint, *more) = told(event)
    assert (heard, hint.external_id, hint.state) == (verb, "1654240349966TEKP-1", state)
    if verb != "order_changed":
        assert more[0] == event["id"]
    if verb == "order_disputed":
        assert more[1] == "C1654240350000"


def test_only_an_event_tells_offer_product_fee_and_payment() -> None:
    """G2G-P28"""
    _, (hint,) = told(sample("order.created"))
    (line,) = hint.lines
    assert (line.external_offer_id, line.external_product_id) == (
        "G1650341633714BW",
        "4a610301-4e3a-4cc7-b242-35ebc1a521a7",
    )
    assert (line.quantity, line.unit_price) == (2, Decimal(10))
    assert (hint.fee, hint.amount, hint.currency, hint.buyer) == (Decimal(1), Decimal(20), "USD", "1000000002")
    assert (hint.payment_word, hint.status_word) == ("to_pay", "unpaid")


def test_a_low_stock_event_names_its_offer() -> None:
    """G2G-T57: the numbers in it are not believed."""
    assert told(sample("offer.low_stock")) == ("offer_changed", ("G1650341633714BW",))


def test_a_result_names_its_delivery_flat_or_nested() -> None:
    event = sample("order.delivery_status")
    assert told(event) == ("delivery_changed", ("1654240349966TEKP-1", "D1650341633714"))
    del event["payload"]["delivery_id"]
    assert told(event)[0] == "order_changed"
    event["payload"]["delivery_summary"] = {"delivery_id": "D7"}
    assert told(event) == ("delivery_changed", ("1654240349966TEKP-1", "D7"))


def test_codes_are_asked_for_in_the_requested_quantity() -> None:
    """G2G-T45, the request's part: purchased 3, requested 2."""
    verb, (request, hint) = told(sample("order.api_delivery"))
    assert verb == "delivery_requested"
    assert (request.order_id, request.delivery_id, request.quantity) == (ORDER, DELIVERY, 2)
    assert (request.kind, request.is_replacement, request.case_id) == (DeliveryKind.CODES, False, "")
    assert request.expires_at - request.requested_at == timedelta(minutes=15)
    assert hint.lines[0].external_offer_id == "G1650341633714BW"


def test_a_top_up_brings_what_the_buyer_filled_in() -> None:
    """Readable by name, with the key that stays (G2G-P20)."""
    _, (request, hint) = told(sample("order.api_delivery.top_up"))
    assert request.kind == DeliveryKind.TOP_UP
    assert dict(request.buyer_fields) == {
        "User ID (delivery_info_1)": "hello_world",
        "Servers (Ragnarok X: Next Generation) (delivery_info_2)": "Aldebaran",
    }
    assert request.expires_at is None
    assert "hello_world" not in repr(request)
    assert "hello_world" not in json.dumps(hint.raw)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"delivery_summary": {}, "delivery_id": "D5", "delivery_qty": 1}, ("D5", 1)),
        ({"delivery_summary": {"delivery_id": "D6"}, "delivery_id": "D5"}, ("D6", None)),
        ({"delivery_summary": {"delivery_id": "", "requested_qty": "2"}}, ("", 2)),
        ({"delivery_summary": None}, ("", None)),
    ],
    ids=["flat", "nested first", "empty text", "nothing"],
)
def test_other_forms_of_the_request_are_read(change: dict[str, Any], expected: tuple[str, int | None]) -> None:
    """G2G-T47, the request's part: no purchased quantity ever stands in (G2G-P15)."""
    event = sample("order.api_delivery")
    event["payload"] |= change
    _, (request, _) = told(event)
    assert (request.delivery_id, request.quantity) == expected
    assert told(sample("order.api_delivery.flat"))[1][0].quantity == 2


def test_a_replacement_brings_its_case() -> None:
    """G2G-T48, the request's part"""
    event = sample("order.api_delivery")
    event["payload"]["delivery_summary"] |= {"delivery_mode": "Replacement", "case_id": "C1"}
    _, (request, _) = told(event)
    assert (request.is_replacement, request.case_id) == (True, "C1")


# --- what nobody is told -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [
        {"event_type": "order.invented", "payload": {"order_id": "1-1"}},
        {"event_type": ["order.created"]},
        {},
        {"event_type": "order.created", "payload": {}},
        {"event_type": "order.created", "payload": []},
        {"event_type": "offer.low_stock", "payload": {"order_id": "1-1"}},
        {"event_type": "order.created", "payload": {"order_id": "x" * 101}},
    ],
)
def test_events_without_work_are_unsupported_and_need_nobody(event: dict[str, Any]) -> None:
    """G2G-T58: unknown types, the portal's test message, a missing id."""
    with pytest.raises(Unsupported):
        told(event)


def test_an_unreadable_event_is_a_persons_case() -> None:
    """G2G-T58"""
    with pytest.raises(PermanentError, match="no JSON object") as failure:
        inbound.process(call(b"[]"), Ear(), SELLER)
    assert not isinstance(failure.value, Unsupported)


def test_an_event_for_another_seller_is_not_ours() -> None:
    event = sample("order.created")
    event["payload"]["seller_id"] = "999"
    with pytest.raises(PermanentError, match="another seller \\(999\\)"):
        told(event)
    event["payload"]["seller_id"] = 1000001
    assert told(event)[0] == "order_changed"
