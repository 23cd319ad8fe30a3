"""Check our own books. Reads only; calls nobody; says what is wrong in words a person can act on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models import Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from inventory.models import Batch, Code, Hold, Level, Movement, Product, Purchase, Upload
from marketplaces.models import Outgoing, WebhookEvent
from marketplaces.types import DeliveryKind, OrderState
from orders import verify_parcels
from orders.models import Delivery, DeliveryItem, Order, OrderLine, Reservation, Shipment
from orders.problems import MOST, Problem, problem as _problem

State = Code.State
# A paid order for which nobody asked us to deliver for so long was forgotten by somebody.
FORGOTTEN_AFTER = timedelta(days=1)
# Goods have to be packed, and carriers rest at weekends.
UNSHIPPED_AFTER = timedelta(days=3)
# The sweep comes by every minute.
UNSWEPT_AFTER = timedelta(minutes=15)


@dataclass
class Report:
    checked: dict[str, int] = field(default_factory=dict)
    problems: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_ok(self) -> bool:
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        return {"ok": self.is_ok, "checked": self.checked, "problems": self.problems}


def verify() -> Report:
    """Run every check; never raises for what it finds. Safe to run at any moment, also while sales go on."""
    report = Report(
        checked={
            "products": Product.objects.count(),
            "codes": Code.objects.count(),
            "orders": Order.objects.count(),
            "deliveries": Delivery.objects.count(),
            "uploads": Upload.objects.count(),
            "reservations": Reservation.objects.count(),
            "purchases": Purchase.objects.count(),
            "shipments": Shipment.objects.count(),
            # No fault of the books, but a person's work.
            "deliveries_need_attention": Delivery.objects.filter(state=Outgoing.State.NEEDS_ATTENTION).count(),
            "shipments_need_attention": Shipment.objects.filter(state=Outgoing.State.NEEDS_ATTENTION).count(),
            "events_need_attention": WebhookEvent.objects.filter(state=Outgoing.State.NEEDS_ATTENTION).count(),
        }
    )
    for check in CHECKS:
        for number, problem in enumerate(check()):
            if number == MOST:
                report.problems.append({"check": problem["check"], "text": f"more than {MOST} of this kind"})
                break
            report.problems.append(problem)
    return report


def batches_add_up() -> Iterator[Problem]:
    """Every code that was imported is still in exactly one state: none vanished, none came from nowhere."""
    for batch in Batch.objects.annotate(there=Count("codes")).exclude(imported=F("there")):
        yield _problem(
            "conservation",
            f"Batch {batch}: {batch.imported} codes were imported, {batch.there} are in stock's books.",
            batch=batch.pk,
        )


def levels_add_up() -> Iterator[Problem]:
    """A counted product's numbers are the sum of their movements, and what is set aside is what the holds say."""
    moved = Movement.objects.filter(product=OuterRef("pk")).order_by().values("product")
    of_holds = Hold.objects.filter(product=OuterRef("pk"), released_at=None).order_by().values("product")

    def total(rows: QuerySet[Any], column: str) -> Coalesce:
        return Coalesce(Subquery(rows.values(total=Sum(column)), output_field=IntegerField()), 0)

    levels = Level.objects.annotate(
        moved_on_hand=total(moved, "on_hand"), moved_held=total(moved, "held"), of_holds=total(of_holds, "units")
    )
    wrong = levels.exclude(on_hand=F("moved_on_hand"), held=F("moved_held"))
    for level in (wrong | levels.exclude(held=F("of_holds"))).select_related("product")[: MOST + 1]:
        yield _problem(
            "conservation",
            f"{level.product}: {level.on_hand} units and {level.held} set aside by the level, {level.moved_on_hand} and"
            f" {level.moved_held} by its movements, {level.of_holds} by the holds.",
            product=level.pk,
        )


def topups_are_booked() -> Iterator[Problem]:
    """What was handed over of counted top-ups left stock, once; see orders.topup_stock."""
    of_line = Delivery.objects.filter(line=OuterRef("pk"), kind=DeliveryKind.TOP_UP).order_by().values("line")

    def units(*, is_replacement: bool) -> Coalesce:
        rows = of_line.filter(is_replacement=is_replacement)
        total = Sum(Greatest(Coalesce("reported", 0), "confirmed", output_field=IntegerField()))
        return Coalesce(Subquery(rows.values(total=total), output_field=IntegerField()), 0)

    ours = Q(booked__gt=0) | Q(hold__isnull=False)
    lines = OrderLine.objects.filter(ours, product__kind=Product.Kind.COUNTED, order__needs_shipping=False).annotate(
        should=Greatest(units(is_replacement=False), F("delivered"), output_field=IntegerField())
        + units(is_replacement=True)
    )
    wrong = lines.exclude(booked=F("should")).select_related("order", "product")
    for line in wrong.defer("order__raw", "order__contact")[: MOST + 1]:
        yield _problem(
            "top-up and stock",
            f"Order {line.order}: {line.should} units of {line.product} were handed over, {line.booked} were booked out of"
            " stock.",
            line=line.pk,
        )


def no_code_twice() -> Iterator[Problem]:
    """No code stands in two deliveries."""
    twice = (
        DeliveryItem.objects.filter(withdrawn_at=None, returned_at=None)
        .values("code")
        .annotate(times=Count("pk"))
        .filter(times__gt=1)
    )
    for row in twice[: MOST + 1]:
        yield _problem("code twice", f"Code {row['code']} stands in {row['times']} deliveries.", code=row["code"])


def codes_are_accounted_for() -> Iterator[Problem]:
    """A code that is out of the pool has a reason, and one that is in the pool has none to be out."""
    item = DeliveryItem.objects.filter(code=OuterRef("pk"), withdrawn_at=None, returned_at=None)
    given = Upload.objects.filter(code=OuterRef("pk"), withdrawn_at=None)
    sold_there = given.filter(status=Upload.Status.SOLD)
    codes = Code.objects.annotate(has_item=Exists(item), is_given=Exists(given), is_sold_there=Exists(sold_there))
    is_out = Q(state__in=[State.SENT, State.DELIVERED]) | Q(state=State.HELD, hold=None)
    stray = codes.filter(is_out, has_item=False, is_sold_there=False)
    for code in stray.only("pk", "state")[: MOST + 1]:
        yield _problem(
            "stray code", f"Code {code.pk} is {code.state}, but stands in no delivery and no hold.", code=code.pk
        )
    for code in codes.filter(state=State.AVAILABLE, has_item=True).only("pk")[: MOST + 1]:
        yield _problem("sold code", f"Code {code.pk} stands in a delivery and is for sale again.", code=code.pk)
    for code in codes.filter(has_item=True, is_given=True).only("pk")[: MOST + 1]:
        yield _problem(
            "code twice", f"Code {code.pk} stands in a delivery and in an offer's own inventory.", code=code.pk
        )


def uploads_are_accounted_for() -> Iterator[Problem]:
    """A code that was given to a marketplace has exactly one upload that says where it is."""
    lying = Upload.objects.filter(withdrawn_at=None).exclude(status=Upload.Status.SOLD)
    lost = Code.objects.filter(~Exists(lying.filter(code=OuterRef("pk"))), state=State.UPLOADED)
    for code in lost.only("pk")[: MOST + 1]:
        yield _problem("lost upload", f"Code {code.pk} is uploaded, but nobody knows where to.", code=code.pk)
    for row in lying.exclude(code__state=State.UPLOADED).select_related("code").defer("code__sealed")[: MOST + 1]:
        yield _problem(
            "false upload", f"{row} is not there by our books: the code is {row.code.state}.", code=row.code_id
        )


def holds_are_honest() -> Iterator[Problem]:
    """A hold that was released holds nothing."""
    codes = Code.objects.filter(hold=OuterRef("pk"))
    for hold in Hold.objects.exclude(released_at=None).filter(Exists(codes))[: MOST + 1]:
        yield _problem("released hold", f"The hold “{hold}” was released and still holds codes.", hold=hold.pk)


def reservations_are_honest() -> Iterator[Problem]:
    """A reservation holds units while it is held, and none after; one whose time is up is ended."""
    ended = Reservation.objects.exclude(state=Reservation.State.HELD)
    still = ended.filter(lines__hold__isnull=False, lines__hold__released_at=None).distinct()
    for reservation in still[: MOST + 1]:
        yield _problem(
            "reserved for nobody",
            f"Reservation {reservation} is {reservation.state}, and units are still held for it.",
            reservation=str(reservation),
        )
    late = Reservation.objects.filter(state=Reservation.State.HELD, until__lt=timezone.now() - UNSWEPT_AFTER)
    for reservation in late[: MOST + 1]:
        yield _problem(
            "reserved too long",
            f"Reservation {reservation} should have ended at {reservation.until:%Y-%m-%d %H:%M}. Do the workers run?",
            reservation=str(reservation),
        )


def returned_codes_came_back() -> Iterator[Problem]:
    """A code that waits as returned was in an order that gave it back, and no order has it now."""
    mine = DeliveryItem.objects.filter(code=OuterRef("pk"))
    returned = Code.objects.filter(state=State.RETURNED)
    stray = returned.exclude(Exists(mine.exclude(returned_at=None))) | returned.filter(
        Exists(mine.filter(withdrawn_at=None, returned_at=None))
    )
    for code in stray.only("pk")[: MOST + 1]:
        yield _problem("returned code", f"Code {code.pk} is returned, but no order gave it back.", code=code.pk)


def deliveries_send_what_was_asked() -> Iterator[Problem]:
    """No delivery has more codes than were asked for, and none that is finished has codes nobody accounts for."""
    live = Count("items", filter=Q(items__withdrawn_at=None))
    for delivery in Delivery.objects.annotate(codes=live).filter(codes__gt=F("requested"))[: MOST + 1]:
        yield _problem(
            "too many",
            f"Delivery {delivery} has {delivery.codes} codes for {delivery.requested} units.",
            delivery=delivery.pk,
        )


def nothing_is_forgotten() -> Iterator[Problem]:
    """What is open will be taken up again, and a paid order has somebody who works on it."""
    asleep = Delivery.objects.filter(status__in=Delivery.OPEN, state=Delivery.State.DONE)
    for delivery in asleep[: MOST + 1]:
        yield _problem(
            "asleep", f"Delivery {delivery} is open, but nothing will take it up again.", delivery=delivery.pk
        )
    paid = Order.objects.filter(
        state__in=[OrderState.NEW, OrderState.READY_TO_SHIP], seen_at__lt=timezone.now() - FORGOTTEN_AFTER,
        needs_shipping=False,
    )  # fmt: skip
    asked = Delivery.objects.filter(line__order=OuterRef("pk"))
    is_worked_on = Q(status__in=[*Delivery.OPEN, Delivery.Status.DELIVERED]) | Q(state=Delivery.State.NEEDS_ATTENTION)
    nobodys = paid.annotate(was_asked=Exists(asked)).filter(~Exists(asked.filter(is_worked_on)))
    for order in nobodys.defer("raw", "contact")[: MOST + 1]:
        why = "its deliveries were stopped. Press “Deliver now”" if order.was_asked else "nobody asked for its delivery"
        yield _problem("forgotten", f"Order {order} was paid over a day ago and {why}.", order=order.external_id)


def nothing_recalled_is_for_sale() -> Iterator[Problem]:
    """A code that was called back can be sold to nobody."""
    free = Code.objects.filter(state=State.AVAILABLE, recalled__isnull=False)
    for code in free.only("pk")[: MOST + 1]:
        yield _problem("recalled code", f"Code {code.pk} was called back and is for sale.", code=code.pk)


def goods_are_shipped() -> Iterator[Problem]:
    """Goods that are paid leave in reasonable time. Nobody asks for them, so an order that is left lying says nothing."""
    paid = Order.objects.filter(
        state__in=[OrderState.NEW, OrderState.ACCEPTED, OrderState.READY_TO_SHIP], needs_shipping=True,
        ordered_at__lt=timezone.now() - UNSHIPPED_AFTER, deleted_at=None,
        ordered_at__gt=F("account__created_at"),  # what lay there before was not ours to send
    )  # fmt: skip
    for order in paid.defer("raw", "contact").order_by("ordered_at")[: MOST + 1]:
        yield _problem(
            "not shipped",
            f"Order {order} was paid over {UNSHIPPED_AFTER.days} days ago and is not shipped. Send it, or say at the"
            " marketplace what became of it.",
            order=order.external_id,
        )


def what_left_is_in_a_parcel() -> Iterator[Problem]:
    """Units that were set aside for goods leave stock with their parcel; one that nobody knows would keep them for ever."""
    left = Order.objects.filter(
        state__in=[OrderState.SHIPPED, OrderState.DELIVERED, OrderState.COMPLETED],
        lines__hold__isnull=False, lines__hold__released_at=None, seen_at__lt=timezone.now() - FORGOTTEN_AFTER,
    )  # fmt: skip
    for order in left.distinct().defer("raw", "contact")[: MOST + 1]:
        yield _problem(
            "no parcel",
            f"Order {order} is {order.get_state_display()}, yet units are still set aside for it: no parcel of it is known"
            " here. Read the shipments, or enter its parcel.",
            order=order.external_id,
        )


def no_event_is_forgotten() -> Iterator[Problem]:
    """What the marketplace told of an order was taken in, or the order is here all the same."""
    account, subject = OuterRef("account"), OuterRef("subject")
    failed = WebhookEvent.objects.filter(state=Outgoing.State.NEEDS_ATTENTION, answer_status=None).exclude(subject="")
    # The kind is the marketplace's word; one that is about an order says so, and others speak of offers.
    missing = failed.filter(
        ~Exists(Order.objects.filter(account=account, external_id=subject)), kind__icontains="order"
    )
    for event in missing.defer("body", "headers")[: MOST + 1]:
        yield _problem(
            "forgotten",
            f"The event “{event.kind}” about {event.subject} failed for good, and nothing of that id is here:"
            f" {event.last_error or event.failure}. Press “Process again” on the event's page.",
            event=event.pk,
        )


def purchases_come_to_an_end() -> Iterator[Problem]:
    """What is paid for comes into stock, or somebody is asked about it; and what is in stock was paid for."""
    asleep = Purchase.objects.filter(state=Purchase.State.DONE).exclude(stage__in=Purchase.OVER)
    for purchase in asleep.defer("answer")[: MOST + 1]:
        yield _problem(
            "asleep purchase",
            f"Purchase {purchase} is {purchase.get_stage_display()}, but nothing will take it up again.",
            purchase=purchase.pk,
        )
    stored = Purchase.objects.filter(stage=Purchase.Stage.STORED)
    for purchase in stored.filter(Q(code=None) | Q(paid_at=None)).defer("answer")[: MOST + 1]:
        missing = "no code" if purchase.code_id is None else "never paid"
        yield _problem("empty purchase", f"Purchase {purchase} is in stock with {missing}.", purchase=purchase.pk)


CHECKS: tuple[Callable[[], Iterator[Problem]], ...] = (
    batches_add_up,
    levels_add_up,
    topups_are_booked,
    no_code_twice,
    codes_are_accounted_for,
    uploads_are_accounted_for,
    holds_are_honest,
    reservations_are_honest,
    returned_codes_came_back,
    deliveries_send_what_was_asked,
    nothing_is_forgotten,
    goods_are_shipped,
    what_left_is_in_a_parcel,
    purchases_come_to_an_end,
    nothing_recalled_is_for_sale,
    no_event_is_forgotten,
    *verify_parcels.CHECKS,
)
