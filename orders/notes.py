"""What is worth knowing about a parcel: kept with it, for it may have no order yet, and in its order's timeline."""

from django.utils import timezone

from orders import timeline
from orders.models import OrderEvent, Shipment

MOST = 50
Level = OrderEvent.Level


def note(shipment: Shipment, kind: str, text: str, *, event_id: str = "", level: str = Level.INFO) -> None:
    """Add a note to a locked parcel that the caller saves; one for each kind and event. Nothing personal in it."""
    if event_id and any(known["kind"] == kind and known["event"] == event_id for known in shipment.notes):
        return
    entry = {"at": timezone.now().isoformat(), "kind": kind, "level": level, "text": text, "event": event_id}
    shipment.notes = [*shipment.notes, entry][-MOST:]
    if shipment.order is not None:
        about = f"Parcel {shipment}: {text}"
        timeline.write(
            shipment.order, kind, about, level=level, event_id=event_id, data={"shipment": shipment.pk}
        )  # fmt: skip


def warn(shipment: Shipment, kind: str, text: str, *, event_id: str = "") -> None:
    """Add a note that a person should see."""
    note(shipment, kind, text, event_id=event_id, level=Level.WARNING)
