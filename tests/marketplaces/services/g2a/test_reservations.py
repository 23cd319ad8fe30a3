"""The contract's reservations as we would make them; in truth G2A makes them with us."""

from datetime import UTC, datetime

import pytest

from marketplaces.exceptions import NotFound, PermanentError, UnknownOutcome, Unsupported
from tests.marketplaces.services.g2a.peer import Answer, sample, timed_out

ORDER, RESERVATION = "80201000000192", "2b1d7c44-6f0c-4c1c-8a53-7e0f0f6a9d21"
RESERVE = "/integration-api/v1/reservations"
CONFIRM = f"{RESERVE}/{RESERVATION}/confirm"
INVENTORY = f"/integration-api/v1/inventory/{ORDER}"


def reserve(service, quantity=2):
    return service.reserve(order_id=ORDER, product_id="10000068865001", quantity=quantity)


def test_stock_is_held(peer, service):
    peer.on("POST", RESERVE, Answer(200, sample("create_reservation")))
    held = reserve(service)
    assert peer.asked()[0].json == sample("create_reservation.request")
    assert (held.external_id, held.order_id, held.quantity, held.status_word) == (RESERVATION, ORDER, 2, "reserved")
    assert held.expires_at == datetime(2025, 6, 1, 10, 50, 30, tzinfo=UTC)
    assert peer.timeouts[-1] == 9


def test_a_reservation_without_an_answer_is_looked_at_and_not_made_again(peer, service):
    """G2A-T41: after 9 s, G2A-18."""
    peer.on("POST", RESERVE, timed_out()).on("GET", INVENTORY, Answer(200, sample("check_inventory.not_ready")))
    with pytest.raises(UnknownOutcome):
        reserve(service)
    assert not service.check_inventory(ORDER).is_ready
    assert [seen.method for seen in peer.asked()] == ["POST", "GET"]


def test_times_may_be_seconds_since_1970(peer, service):
    peer.on(
        "POST", RESERVE, Answer(200, {**sample("create_reservation"), "expiresAt": 1748774430, "createdAt": "soon"})
    )
    held = reserve(service)
    assert held.expires_at == datetime(2025, 6, 1, 10, 40, 30, tzinfo=UTC)
    assert held.created_at is None


@pytest.mark.parametrize(
    ("answer", "is_ready"),
    [
        (Answer(202, sample("confirm_reservation")), False),
        (Answer(202, b""), False),
        (Answer(200, {"reservationId": RESERVATION, "stockReady": False}), False),
        (Answer(200, {"reservationId": RESERVATION, "stockReady": True}), True),
        (Answer(200, {"reservationId": RESERVATION}), True),
    ],
)
def test_a_confirmation_tells_whether_the_stock_is_there(peer, service, answer, is_ready):
    """G2A-T42: 202 or stockReady false mean that the inventory is to be asked for."""
    peer.on("POST", CONFIRM, answer)
    confirmed = service.confirm_reservation(RESERVATION)
    assert (confirmed.external_id, confirmed.is_ready) == (RESERVATION, is_ready)
    sent = peer.asked()[0]
    assert (sent.body, sent.headers["Content-Length"], peer.timeouts[-1]) == (b"", "0", 9)


def test_keys_are_read_once_they_are_ready(peer, service):
    """G2A-T43: none before, each once afterwards."""
    early = {"orderId": ORDER, "stockReady": False, "keys": ["EARLY-EARLY"]}
    ready = sample("check_inventory")
    ready["keys"] += ready["keys"][:1]
    peer.on("GET", INVENTORY, Answer(200, early), Answer(200, ready))

    assert service.check_inventory(ORDER).keys == ()
    stock = service.check_inventory(ORDER)
    assert (stock.is_ready, stock.keys) == (True, ("AAAAA-BBBBB-CCCCC", "DDDDD-EEEEE-FFFFF"))
    assert "AAAAA" not in repr(stock)


def test_an_expired_or_unknown_reservation_is_told(peer, service):
    peer.on("POST", CONFIRM, Answer(410, {"message": "expired"}), Answer(404, {}))
    with pytest.raises(UnknownOutcome) as expired:
        service.confirm_reservation(RESERVATION)
    assert expired.value.kind == "conflict"
    with pytest.raises(NotFound):
        service.confirm_reservation(RESERVATION)


def test_nothing_is_not_reserved(peer, service):
    with pytest.raises(PermanentError):
        reserve(service, quantity=0)
    assert peer.seen == []


def test_live_has_no_reservations_of_ours(peer, live):
    for do in (
        lambda: reserve(live),
        lambda: live.confirm_reservation(RESERVATION),
        lambda: live.check_inventory(ORDER),
    ):
        with pytest.raises(Unsupported, match="not available in G2A's dialect live") as error:
            do()
        assert error.value.kind == "invalid"
    assert peer.seen == []
