"""Stock sent to Ginee and read back (GIN-C04, GIN-C05, GIN-C06)."""

from decimal import Decimal
from typing import Any

import pytest

from inventory import publishing
from inventory.models import Offer
from marketplaces.exceptions import ConfigurationError, NotFound, PermanentError, UnknownOutcome
from marketplaces.types import OfferChange, OfferContent, OfferStatus
from tests import make
from tests.desk import Desk
from tests.marketplaces.services.ginee.conftest import Peer, open_line

QUANTITY = frozenset({"quantity"})


def content(sku: str, quantity: int) -> OfferContent:
    return OfferContent(sku, Decimal(0), "", quantity=quantity)


def change(sku: str, quantity: int) -> OfferChange:
    return OfferChange(sku, content(sku, quantity), QUANTITY)


def answer(*rows: tuple[str, int]) -> dict[str, Any]:
    return {"stockList": [{"masterSku": sku, "quantity": None, "warehouseStock": units} for sku, units in rows]}


def line(**options: Any) -> Any:
    return open_line(options={"warehouse_id": "WW1"} | options)


def test_forty_five_rows_go_in_three_requests(peer: Peer) -> None:
    """GIN-T52"""
    rows = [(f"SKU-{number}", number + 1) for number in range(45)]
    for part in (rows[:20], rows[20:40], rows[40:]):
        peer.says(answer(*part))
    results = line().update_offers([change(*row) for row in rows])
    assert [len(body["stockList"]) for body in peer.bodies] == [20, 20, 5]
    assert peer.bodies[0]["stockList"][0] == {"masterSku": "SKU-0", "quantity": 1}
    assert peer.bodies[0]["warehouseId"] == "WW1"
    assert [(result.offer_id, result.confirmed, result.problem) for result in results] == [
        (sku, QUANTITY, "") for sku, _ in rows
    ]


def test_after_a_lost_answer_it_looks_and_does_not_send_again(ginee: Desk) -> None:
    """GIN-T52: a time-out leads to GIN-C06 before any re-send."""
    ginee.fault("GIN-C04", "drop_after_commit")
    results = ginee.account.service(is_patient=True).update_offers([change("SKU-RED-M", 7), change("800151", 8)])
    assert [result.confirmed for result in results] == [QUANTITY, QUANTITY]
    ginee.fault("GIN-C04", "timeout")
    results = ginee.account.service(is_patient=True).update_offers([change("SKU-RED-M", 9), change("800151", 8)])
    assert [result.confirmed for result in results] == [frozenset(), QUANTITY], "the second is what it already was"
    operations = [call["op"] for call in ginee.sandbox.calls]
    assert operations == ["GIN-C05", "GIN-C04", "GIN-C06", "GIN-C04", "GIN-C06"]


def test_what_can_not_be_looked_up_stays_unknown(peer: Peer) -> None:
    peer.breaks().says(code="SERVICE_BUSY")
    with pytest.raises(UnknownOutcome):
        line().update_offers([change("SKU", 7)])


def test_a_refused_zero_is_flagged_and_the_others_are_sent(ginee: Desk) -> None:
    """GIN-T53"""
    ginee.sandbox.switches.set(refuse_zero=True)
    changes = [change("SKU-RED-M", 0), change("800151", 8), change("CAP-RED", 9)]
    results = {result.offer_id: result for result in ginee.account.service(is_patient=True).update_offers(changes)}
    assert {sku for sku, result in results.items() if result.confirmed == QUANTITY} == {"800151", "CAP-RED"}
    assert "stock of 0 was refused" in results["SKU-RED-M"].problem
    shelf = ginee.sandbox.goods.shelf("test-access")
    assert (shelf["800151"].warehouse, shelf["CAP-RED"].warehouse, shelf["SKU-RED-M"].is_set) == (8, 9, False)

    with pytest.raises(PermanentError, match="stock of 0 was refused"):
        ginee.account.service(is_patient=True).update_offer("SKU-RED-M", content("SKU-RED-M", 0), QUANTITY)


def test_a_request_refused_for_another_reason_is_refused_as_a_whole(ginee: Desk) -> None:
    with pytest.raises(PermanentError) as caught:
        ginee.account.service(is_patient=True).update_offers([change("SKU-RED-M", 5), change("NO-SUCH-SKU", 5)])
    assert caught.value.kind == "invalid"
    with pytest.raises(PermanentError):
        ginee.account.service(is_patient=True).update_offers([change("SKU-RED-M", 0), change("NO-SUCH-SKU", 5)])


def test_a_number_that_is_not_taken_as_absolute_raises_an_alarm(ginee: Desk) -> None:
    """GIN-P20"""
    ginee.sandbox.switches.set(stock_is_difference=True)
    (result,) = ginee.account.service(is_patient=True).update_offers([change("SKU-RED-M", 5)])
    assert (result.confirmed, result.problem) == (
        frozenset(),
        "A stock of 5 was sent, and Ginee shows 35. Look at it there",
    )


def test_an_answer_that_tells_no_figure_proves_nothing(peer: Peer) -> None:
    peer.says({"stockList": [{"masterSku": "SKU", "warehouseStock": None}]}).says("done").says(None)
    for _ in range(3):
        (result,) = line().update_offers([change("SKU", 5)])
        assert (result.confirmed, result.problem) == (frozenset(), "")


def test_a_row_that_failed_is_told_apart(peer: Peer) -> None:
    peer.says(
        {"successList": [{"masterSku": "A", "warehouseStock": 1}], "failedList": [{"masterSku": "B", "message": "No"}]}
    )
    results = line().update_offers([change("A", 1), change("B", 2)])
    assert (results[0].confirmed, results[1].confirmed) == (QUANTITY, frozenset())
    assert results[1].problem == "Ginee refused this row: No"


def test_more_than_ginee_can_write_down_is_written_as_the_most_it_can(peer: Peer) -> None:
    peer.says(answer(("SKU", 999_998)))
    (result,) = line().update_offers([change("SKU", 5_000_000)])
    assert result.confirmed == QUANTITY
    assert peer.bodies[0]["stockList"][0]["quantity"] == 999_998


def test_the_warehouse_is_the_enabled_default_and_asked_for_once_in_an_hour(ginee: Desk) -> None:
    for quantity in (5, 6):
        ginee.account.service(is_patient=True).update_offers([change("SKU-RED-M", quantity)])
    assert [call["op"] for call in ginee.sandbox.calls] == ["GIN-C05", "GIN-C04", "GIN-C04"]
    assert ginee.sandbox.goods.shelf("test-access")["SKU-RED-M"].warehouse == 6


@pytest.mark.django_db
def test_no_default_warehouse_is_for_a_person_to_mend(peer: Peer) -> None:
    peer.says({"content": [{"id": "WW1", "isDefault": True, "status": "DISABLE"}, {"id": "WW2", "status": "ENABLE"}]})
    with pytest.raises(ConfigurationError, match="warehouse_id"):
        open_line(account_id="without-default").update_offers([change("SKU", 5)])


# --- offers --------------------------------------------------------------------------------------------------------


def test_stock_is_read_twenty_in_a_request_and_what_is_gone_is_missing(ginee: Desk) -> None:
    """GIN-T54: figures as text."""
    skus = [*list(ginee.sandbox.goods.all)[:24], "GONE"]
    offers = ginee.account.service(is_patient=True).get_offers(skus)
    assert [offer.external_id for offer in offers] == skus[:-1]
    assert {(offer.quantity, offer.available, offer.status) for offer in offers} == {(30, 28, OfferStatus.LIVE)}
    assert [call["op"] for call in ginee.sandbox.calls] == ["GIN-C06", "GIN-C06"]
    with pytest.raises(NotFound):
        ginee.account.service(is_patient=True).get_offer("GONE")


def test_an_offer_takes_over_the_sku_that_is_there_and_makes_none(ginee: Desk) -> None:
    service = ginee.account.service(is_patient=True)
    assert service.find_offer(content("SKU-RED-M", 1)) == service.get_offer("SKU-RED-M")
    offer = service.create_offer(content("SKU-RED-M", 1))
    assert (offer.external_id, offer.was_there) == ("SKU-RED-M", True)
    assert service.find_offer(content("GONE", 1)) is None
    with pytest.raises(PermanentError, match="no master SKU “GONE”. Make it there"):
        service.create_offer(content("GONE", 1))


def test_only_the_quantity_is_wanted_there_and_no_price_is_needed(ginee: Desk) -> None:
    product = make.product(codes=4)
    fields: dict[str, Any] = {"external_product_id": "SKU-RED-M", "price": None, "currency": "", "title": "Ours alone"}
    offer = make.offer(product, ginee.account, state="due", **fields)
    for _ in range(2):
        publishing.push(offer.pk)
    offer.refresh_from_db()
    assert (offer.state, offer.external_id, offer.last_error) == (Offer.State.DONE, "SKU-RED-M", "")
    assert ginee.sandbox.goods.shelf("test-access")["SKU-RED-M"].warehouse == 4
    assert publishing.differences(offer) == {}
