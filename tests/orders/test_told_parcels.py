"""Parcels that a marketplace only tells of, end to end over the wire: storms, and stories of one parcel."""

from datetime import datetime

import pytest

from marketplaces.models import WebhookEvent
from orders.models import Shipment
from orders.verify import verify

EVENTS, OBJECTS = 200, 20
COLUMNS = {
    "sourceOrderId": "external_order_id",
    "sourceOrderSn": "order_number",
    "deliveryOrderSn": "number",
    "deliveryOrderStatus": "status_word",
    "channel": "channel",
    "waybillUrl": "label_url",
    "trackingNumber": "tracking_number",
    "logisticsProvider": "carrier_name",
}
ADDRESSES = {"shippingAddress": "ship_to", "senderAddress": "ship_from"}


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


def differences(shipment, payload):
    found = [
        (theirs, getattr(shipment, ours), payload[theirs])
        for theirs, ours in COLUMNS.items()
        if theirs in payload and getattr(shipment, ours) != payload[theirs]
    ]
    for theirs, ours in ADDRESSES.items():
        if theirs in payload:
            said, wanted = shipment.contact[ours], payload[theirs]
            found += (
                [] if (said["name"], said["city"]) == (wanted["name"], wanted["city"]) else [(theirs, said, wanted)]
            )
    items = {item.external_id: item.confirmed for item in shipment.items.all()}
    wanted = {row["deliveryOrderItemId"]: int(row["quantity"]) for row in payload.get("orderItems", ())}
    found += [("orderItems", items, wanted)] if items.items() < wanted.items() else []
    if moment(payload.get("lastUpdateAt")) not in (None, shipment.version):
        found.append(("lastUpdateAt", shipment.version, payload["lastUpdateAt"]))
    return found


@pytest.mark.parametrize("seed", [7])
def test_a_storm_over_the_wire_ends_as_the_newest_state_of_each_parcel(seed, ginee):
    """GIN-T07, T10 to T12, T14 to T20: shuffled, a tenth twice, a tenth with gaps."""
    ginee.sandbox.switches.set(generation="mixed", decimals="mixed")
    storm = ginee.sandbox.storm(EVENTS, OBJECTS, seed=seed)
    storm.send()
    ginee.advance(5)

    told = {key.split()[1]: wanted for key, wanted in storm.expected.items() if key.startswith("delivery-order")}
    rows = {row.external_id: row for row in Shipment.objects.prefetch_related("items")}
    assert rows.keys() == told.keys()
    wrong = {id: differences(rows[id], wanted["payload"]) for id, wanted in told.items()}
    assert {id: found for id, found in wrong.items() if found} == {}
    assert {id for id, row in rows.items() if row.deleted_at} == {
        id for id, wanted in told.items() if wanted["is_deleted"]
    }
    about_parcels = WebhookEvent.objects.filter(kind__startswith="delivery-order")
    assert not about_parcels.exclude(state="done").exists()
    assert [problem for problem in verify().problems if "arcel" in problem["text"]] == []
