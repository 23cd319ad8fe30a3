"""Which answer about an order counts, and what it may fill, replace or clear.

Answers overtake one another: a list is read before a page of it is taken in, a notification is sent twice. So one that was
asked for earlier, or shows an earlier state, or is only a row of a list, may fill what is empty and replaces nothing.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from backoffice import money
from backoffice.rows import as_read, save_changed
from inventory.models import Offer, Product
from marketplaces.masking import mask_json
from marketplaces.types import OrderState, RemoteOrder, RemoteOrderLine
from orders import contacts, timeline
from orders.models import Order, OrderLine

# Fields of an answer that it may say to be empty now, and what they are then. States, ids and lines are never cleared.
CLEARED: Mapping[str, Any] = {
    "payment_word": "", "amount": None, "fee": None, "buyer": "", "number": "", "channel": "", "shipping_methods": [],
}  # fmt: skip
# Words that belong together: another one's detail would be a lie.
STATE = ("state", "state_detail", "status_word")
# How far an order has come. Other states are no step on that way.
STEPS = (
    OrderState.AWAITING_PAYMENT, OrderState.NEW, OrderState.ACCEPTED, OrderState.READY_TO_SHIP, OrderState.SHIPPED,
    OrderState.DELIVERED, OrderState.COMPLETED,
)  # fmt: skip


def may_replace(order: Order, remote: RemoteOrder) -> bool:
    """Say whether an answer counts for more than what is known of the order."""
    if remote.is_summary and not order.is_summary:
        return False
    if order.asked_at and remote.asked_at and remote.asked_at < order.asked_at:
        return False
    known = order.remote_updated_at
    if known is None:
        return True
    if remote.updated_at is not None:
        return remote.updated_at >= known
    return remote.asked_at is not None  # else nobody knows when it was true


def merge(order: Order, remote: RemoteOrder, *, is_hearsay: bool = False) -> bool:
    """Write into the order what the answer may change; True when it replaced what was known. Does not save."""
    replaces = may_replace(order, remote)
    before = order.state, order.state_detail
    _merge_columns(order, remote, replaces=replaces)
    _merge_contact(order, remote, replaces=replaces)
    raw = mask_json(money.json_safe(remote.raw), order.account.service_class.secret_keys)
    order.raw = {**order.raw, **raw} if replaces else {**raw, **order.raw}
    if replaces and not remote.is_summary:
        order.is_summary, order.is_hearsay = False, is_hearsay
        order.asked_at = remote.asked_at or order.asked_at
        order.remote_updated_at = remote.updated_at or order.remote_updated_at
    if (order.state, order.state_detail) != before:
        _tell_of_state(order, before[0], remote.status_word)
    contacts.keep_until(order, order.state)
    return replaces


def _merge_columns(order: Order, remote: RemoteOrder, *, replaces: bool) -> None:
    is_read = replaces and not remote.is_summary
    for name in remote.emptied & CLEARED.keys() if is_read else ():
        setattr(order, name, CLEARED[name])
    if remote.status_word or remote.state != OrderState.UNKNOWN:
        is_unsaid = order.state == OrderState.UNKNOWN and not order.status_word
        if replaces or is_unsaid:
            for name, value in zip(STATE, (remote.state, remote.state_detail, remote.status_word[:60]), strict=True):
                setattr(order, name, value or getattr(order, name))
    for name, value in _said(remote).items():
        if replaces or not getattr(order, name):
            setattr(order, name, value)
    # A flag can't be left unsaid, so only reading the order itself takes it back.
    order.needs_shipping = remote.needs_shipping or (order.needs_shipping and not (is_read and remote.asked_at))


def _said(remote: RemoteOrder) -> dict[str, Any]:
    values = {
        "payment_word": remote.payment_word[:60],
        "currency": remote.currency,
        "amount": remote.amount,
        "fee": remote.fee,
        "refunded_amount": remote.refunded_amount,
        "buyer": "" if contacts.is_person(remote) else remote.buyer[:200],
        "number": remote.number[:100],
        "channel": remote.channel[:60],
        "shipping_methods": [asdict(method) for method in remote.shipping_methods],
    }
    return {name: value for name, value in values.items() if value is not None and value not in ("", [])}


def _merge_contact(order: Order, remote: RemoteOrder, *, replaces: bool) -> None:
    said = contacts.said_in(remote)
    emptied = remote.emptied & set(contacts.PARTS) if replaces and not remote.is_summary else frozenset[str]()
    if contacts.is_erased(order) or not (said or emptied):
        return
    contact = contacts.merged(order.contact, said, replaces=replaces, emptied=emptied)
    if contact != order.contact:
        contacts.put(order, contact)


def _tell_of_state(order: Order, before: str, word: str) -> None:
    detail = f" ({order.state_detail.replace('_', ' ')})" if order.state_detail else ""
    text = f"The marketplace shows it as {order.get_state_display()}{detail}."
    if before in STEPS and order.state in STEPS and STEPS.index(order.state) < STEPS.index(before):
        timeline.warn(order, "state", f"{text} Before it was {before.replace('_', ' ')}.", data={"word": word})
    else:
        timeline.write(order, "state", text, data={"word": word})


# --- lines -----------------------------------------------------------------------------------------------------------


def merge_lines(order: Order, remote: RemoteOrder, *, replaced: bool) -> list[OrderLine]:
    """Write the lines of an answer and return the order's; one that an answer lacks stays. Saves them."""
    # Locked as by who picks codes for them: what was picked is counted after this.
    rows = order.lines.select_for_update(of=("self",), no_key=True).select_related("product").order_by("pk")
    known = {line.external_id: line for line in rows}
    for line in known.values():
        line.order = order  # else each would read it once more
    may_add = replaced or not known
    for said in remote.lines:
        if said.external_id not in known and may_add:
            known[said.external_id] = OrderLine(order=order, external_id=said.external_id)
        if said.external_id in known:
            _merge_line(known[said.external_id], said, replaces=replaced)
    return list(known.values())


def _merge_line(line: OrderLine, remote: RemoteOrderLine, *, replaces: bool) -> None:
    before = as_read(line)
    facts = {
        "external_offer_id": remote.external_offer_id,
        "external_product_id": remote.external_product_id,
        "name": remote.name[:300],
        "sku": remote.sku[:100],
        "quantity": remote.quantity,
        "unit_price": remote.unit_price,
    }
    totals = {"delivered": remote.delivered, "refunded": remote.refunded}  # 0 is no empty field of theirs
    for name, value in facts.items():
        if value not in (None, "") and (replaces or not getattr(line, name)):
            setattr(line, name, value)
    for name, value in totals.items():
        if value is not None and (replaces or line._state.adding):
            setattr(line, name, value)
    is_by_sku = link(line)
    if line._state.adding:
        line.save()
    else:
        save_changed(line, before)
    if is_by_sku:
        text = f"Line {line.external_id} is taken for our {line.product}: the marketplace repeats its SKU."
        timeline.write(line.order, "linked", text, event_id=f"line {line.pk}")


def link(line: OrderLine) -> bool:
    """Find our offer and product of a line, when they are not known yet; True when the SKU alone told. Does not save."""
    if line.product_id is not None:
        return False
    if line.external_offer_id:
        offers = Offer.objects.filter(account=line.order.account_id, external_id=line.external_offer_id)
        line.offer = offers.select_related("product").first()
        line.product = line.offer.product if line.offer else None
    if line.product_id is None and line.sku:
        line.product = Product.objects.filter(sku=line.sku).first()
        return line.product is not None
    return False
