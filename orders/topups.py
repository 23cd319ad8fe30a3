"""Top-ups: a person charges the buyer's account and reports it; the worker tells the marketplace and follows its answer.

The report is a wish on the delivery. It is sent once: after a call without an answer we look, look again, and only then say
the same numbers once more. What the buyer filled in is erased when the delivery has been over for a while.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from marketplaces import outgoing
from marketplaces.base import MarketplaceService
from marketplaces.exceptions import MarketplaceError, PermanentError, UnknownOutcome
from marketplaces.outgoing import Again
from marketplaces.types import (
    DeliveryIssue,
    DeliveryKind,
    DeliveryResult,
    OrderState,
    RemoteDelivery,
    Urgency,
)
from orders import intake, results, timeline, topup_stock
from orders.models import Delivery, Order, OrderLine

State = Delivery.State
Status = Delivery.Status

BY_HAND = "by_hand"
LONGEST_REFERENCE = 100
ERASED_AT_ONCE = 500


class NotReportable(Exception):
    """The report can't be taken; the text says why."""


# --- what a person does --------------------------------------------------------------------------------------------


def can_report(delivery: Delivery) -> bool:
    """Whether a person may say what was handed over: it is a top-up, open, and the marketplace was not told yet."""
    is_open = delivery.kind == DeliveryKind.TOP_UP and delivery.status in Delivery.OPEN
    return is_open and delivery.report_sent_at is None


def waits_for_a_person(delivery: Delivery) -> bool:
    """Whether a top-up waits for somebody who does it, and nothing else."""
    return can_report(delivery) and delivery.state == State.NEEDS_ATTENTION and delivery.failure == BY_HAND


def report(
    delivery: Delivery,
    *,
    delivered: int,
    issue: DeliveryIssue = DeliveryIssue.OTHER,
    reference: str = "",
    by: str,
) -> None:
    """Take in that a person handed over `delivered` of the requested units; the marketplace is told within seconds.

    `issue` says why it was less, and counts for nothing else. `reference` is the person's own. Raises NotReportable. Until
    the marketplace was told a second report replaces the first.
    """
    if not 0 <= delivered <= delivery.requested:
        raise NotReportable(f"{delivered} units can't be reported: {delivery.requested} were asked for")
    if len(reference) > LONGEST_REFERENCE:
        raise NotReportable(f"The reference is longer than {LONGEST_REFERENCE} characters")
    is_short = delivered < delivery.requested
    with transaction.atomic():
        _lock_order(delivery)
        rows = Delivery.objects.select_for_update(of=("self",)).select_related("line__order", "line__product")
        row = rows.get(pk=delivery.pk)
        if not can_report(row):
            raise NotReportable(f"Delivery {row} is {row.get_status_display()}: there is nothing to report any more")
        row.reported, row.reported_by, row.reported_at = delivered, by, timezone.now()
        row.report_issue, row.report_reference = issue if is_short else "", reference
        row.save(update_fields=["reported", "reported_by", "reported_at", "report_issue", "report_reference"])
        why = f" ({row.get_report_issue_display()})" if is_short else ""
        text = f"{by} handed over {delivered} of {row.requested} units{why}; the marketplace is being told."
        timeline.write(row.order, "reported", text, data={"delivery": row.external_id, "reference": reference})
        _keep_books(row)
        mine = Delivery.objects.filter(pk=row.pk)
        outgoing.mark_due(mine)
        outgoing.wake_all(mine)


def _lock_order(delivery: Delivery) -> None:
    """Whoever moves stock for an order locks it first."""
    Order.objects.select_for_update(no_key=True, of=("self",)).only("pk").get(lines=delivery.line_id)


def _keep_books(delivery: Delivery) -> None:
    """Take what was handed over out of stock, and hold what is still to come; the order is locked. Safe to repeat."""
    if topup_stock.is_counted(delivery.line):
        topup_stock.account_for(delivery.line)
        intake.set_aside(delivery.line)


def erase(now: datetime) -> int:
    """Erase what buyers filled in for deliveries that ended long enough ago; returns how many. Safe to repeat."""
    over = Delivery.objects.filter(erase_at__lte=now).order_by("erase_at")[:ERASED_AT_ONCE]
    for delivery in over:
        delivery.buyer_fields, delivery.erase_at = {}, None
        delivery.save(update_fields=["buyer_fields", "erase_at"])
    return len(over)


# --- one step of a top-up ------------------------------------------------------------------------------------------


def step(delivery: Delivery) -> Again | None:
    """Take a top-up's next step: wait for a person, tell the marketplace, follow the result."""
    is_to_tell = delivery.reported is not None and delivery.submitted_at is None
    service = delivery.account.service()
    service.plan(2 + is_to_tell, Urgency.DELIVERY)
    remote = results.read(delivery, service)
    _count(delivery)
    if delivery.report_sent_at is None and _stop(delivery):
        return None
    _conclude(delivery, remote)
    if delivery.status not in Delivery.OPEN:
        return None
    if delivery.submitted_at is not None:
        return _wait_for_the_result(delivery)
    if delivery.report_sent_at is None and not results.may_be_delivered(delivery):
        return results.not_yet(delivery)
    if delivery.reported is None:
        if again := _short(delivery):
            return again
        raise _by_hand(delivery)
    return _tell(delivery, service)


def _stop(delivery: Delivery) -> bool:
    """End a top-up whose order is over before the marketplace was told of anything."""
    order = delivery.order
    is_over = order.state in intake.OVER or order.state == OrderState.DELIVERED
    if not is_over or results.may_be_delivered(delivery):
        return False
    with transaction.atomic():
        results.set_status(delivery, Status.STOPPED)
        done = f" {delivery.reported} units were reported by {delivery.reported_by}." if delivery.reported else ""
        text = f"The marketplace is told of no top-up: the order is {order.get_state_display()}.{done}"
        timeline.warn(order, "stopped", text)
    return True


def _count(delivery: Delivery) -> None:
    """Bring stock in step with what the marketplace says now."""
    if topup_stock.is_counted(delivery.line):
        with transaction.atomic():
            _lock_order(delivery)
            lines = OrderLine.objects.select_related("order", "product", "hold")
            delivery.line = lines.get(pk=delivery.line_id)
            _keep_books(delivery)


def _short(delivery: Delivery) -> Again | None:
    """Wait for stock where units are counted and some are missing; nobody is asked to top up what is not there."""
    missing = topup_stock.missing(delivery)
    if not missing:
        if delivery.status == Status.SHORT:
            results.set_status(delivery, Status.REQUESTED)
        return None
    because = f"{missing} of {delivery.requested} units are missing: no stock of {delivery.line.product}."
    if delivery.status != Status.SHORT:
        with transaction.atomic():
            results.set_status(delivery, Status.SHORT)
            timeline.warn(delivery.order, "short", f"{because} It waits until units come in.")
    return Again(timezone.now() + results.SHORT_AGAIN, because)


def _by_hand(delivery: Delivery) -> PermanentError:
    text = f"A person has to top up {delivery.requested} units, and then report it on the delivery's page."
    timeline.write(delivery.order, "by_hand", text, event_id=delivery.external_id)
    return PermanentError(
        "It waits for a person; nothing is wrong. Charge the buyer's account with the data shown on this page:"
        f" {delivery.requested} units. Then press “Report as done”",
        kind=BY_HAND,
    )


def _tell(delivery: Delivery, service: MarketplaceService) -> Again:
    if delivery.report_sent_at is not None:
        if again := _unanswered(delivery):
            return again
    else:
        delivery.report_sent_at = timezone.now()
        delivery.save(update_fields=["report_sent_at"])
    if not _has_arrived(delivery):
        _send(delivery, service)
    delivery.submitted_at = timezone.now()
    with transaction.atomic():
        delivery.save(update_fields=["submitted_at"])
        results.set_status(delivery, Status.SUBMITTED)
        text = f"The marketplace was told of {delivery.reported} of {delivery.requested} units."
        timeline.write(delivery.order, "submitted", text)
    return _wait_for_the_result(delivery)


def _has_arrived(delivery: Delivery) -> bool:
    """Whether the numbers there have moved as far as was reported; that it is worked on proves nothing."""
    return bool(delivery.reported) and delivery.confirmed >= (delivery.reported or 0)


def _unanswered(delivery: Delivery) -> Again | None:
    """Look long after a report without an answer, let the same be said once more, then ask a person."""
    if _has_arrived(delivery):
        return None
    again = results.unanswered(
        delivery, since=delivery.report_sent_at or timezone.now(), patience=results.UNANSWERED_FOR,
        was_last=delivery.repeated_at is not None,
        because="The report was sent and the answer never came; looking whether it arrived.",
        ask=f"The top-up of order {delivery.order} was reported twice and the marketplace shows neither. Report it in the"
        " marketplace's own pages, then press “Deliver now”",
    )  # fmt: skip
    if again:
        return again
    delivery.save(update_fields=["repeated_at"])
    timeline.warn(delivery.order, "repeated", "The report never arrived; the same is said once more.")
    return None


def _send(delivery: Delivery, service: MarketplaceService) -> None:
    try:
        service.report_units(
            delivery.order.external_id,
            delivery.external_id,
            delivered=delivery.reported or 0,
            requested=delivery.requested,
            delivered_before=_delivered_before(delivery),
            at=delivery.reported_at or timezone.now(),
            issue=DeliveryIssue(delivery.report_issue or DeliveryIssue.OTHER),
            reference=delivery.report_reference,
        )
    except UnknownOutcome:
        raise
    except MarketplaceError:  # it certainly was not taken, so it is still to be said, or to be corrected
        if delivery.repeated_at is None:
            delivery.report_sent_at = None
        delivery.repeated_at = None
        delivery.save(update_fields=["report_sent_at", "repeated_at"])
        raise
    for warning in service.warnings:
        timeline.warn(delivery.order, "warning", warning)


def _delivered_before(delivery: Delivery) -> int:
    """Units of the order's other deliveries, by the marketplace's count of the order or by what it confirmed of each."""
    others = Delivery.objects.filter(line__order=delivery.order).exclude(pk=delivery.pk)
    confirmed = others.aggregate(units=Sum("confirmed"))["units"] or 0
    return max(delivery.line.delivered - delivery.confirmed, int(confirmed))


def _wait_for_the_result(delivery: Delivery) -> Again:
    return Again(timezone.now() + results.pause(delivery), "Reported; waiting for the marketplace to confirm.")


# --- its end -------------------------------------------------------------------------------------------------------


def _conclude(delivery: Delivery, remote: RemoteDelivery) -> None:
    was_told = delivery.report_sent_at is not None
    is_past = delivery.expires_at is not None and delivery.expires_at <= timezone.now()
    match remote.result:
        case DeliveryResult.DELIVERED:
            _end(delivery, Status.DELIVERED, is_as_reported=True)
        case DeliveryResult.PARTIAL if was_told and not _is_on_its_way(delivery):
            _end(delivery, Status.PARTIAL, is_as_reported=delivery.confirmed == delivery.reported)
        case DeliveryResult.UNFULFILLED:
            _end(delivery, Status.UNFULFILLED, is_as_reported=was_told and delivery.reported == 0)
        case DeliveryResult.EXPIRED:
            _end(delivery, Status.EXPIRED, is_as_reported=False)
        case _ if is_past and not was_told:
            _end(delivery, Status.EXPIRED, is_as_reported=False)


def _is_on_its_way(delivery: Delivery) -> bool:
    """Whether a part that is confirmed may be older than a report whose answer never came."""
    return delivery.submitted_at is None and not _has_arrived(delivery)


def _end(delivery: Delivery, status: Status, *, is_as_reported: bool) -> None:
    """Close a delivery as the marketplace did; what differs from the report, or was never reported, is a person's."""
    word = delivery.status_word or status.label
    text = f"The marketplace says “{word}”: {delivery.confirmed} of {delivery.requested} units."
    with transaction.atomic():
        results.set_status(delivery, status)
        if is_as_reported:
            elsewhere = " It was reported elsewhere." if delivery.report_sent_at is None else ""
            timeline.write(delivery.order, status.value, f"{text}{elsewhere}")
        else:
            timeline.warn(delivery.order, status.value, text)
    if not is_as_reported:
        told = "nothing was reported" if delivery.reported is None else f"{delivery.reported} units were reported"
        raise PermanentError(f"{text} From here {told}. Look at the order there", kind=status.value)
