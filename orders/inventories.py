"""Units that a marketplace hands over from an offer's own inventory: they need nothing from us, but our books follow."""

from inventory import uploads
from inventory.models import Upload
from orders import timeline
from orders.models import DeliveryItem, OrderLine


def follow(line: OrderLine) -> None:
    """Note units that came out of an offer's inventory, and have its codes looked at. Safe to repeat."""
    if not line.delivered or line.offer_id is None:
        return
    if not Upload.objects.filter(offer=line.offer_id, withdrawn_at=None).exists():
        return
    ours = DeliveryItem.objects.filter(delivery__line=line).exclude(sent_at=None).count()
    units = line.delivered - ours
    if units <= 0:
        return
    text = f"{units} of {line.quantity} units came out of the codes uploaded to offer {line.external_offer_id}."
    if timeline.write(line.order, "inventory", text, event_id=f"{line.pk}-{units}"):
        uploads.may_have_sold(line.offer_id)
