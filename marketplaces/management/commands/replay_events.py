"""Process stored webhook events again."""

from datetime import datetime, time
from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from backoffice import progress
from backoffice.commands import Report, ReportingCommand, Unusable
from marketplaces import accounts, outgoing
from marketplaces.models import WebhookEvent

State = WebhookEvent.State

STATUSES = {
    "failed": Q(state=State.NEEDS_ATTENTION) | ~Q(failure=""),
    "all": Q(),
    **{state.value: Q(state=state) for state in State if state != State.IN_FLIGHT},
}
TOGETHER = 200


class Command(ReportingCommand):
    help = "Process stored webhook events again. Processing is safe to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--account", metavar="NAME", help="only this account's events")
        parser.add_argument("--status", default="failed", help=f"one of: {', '.join(STATUSES)}; failed unless you say")
        parser.add_argument("--since", default="", metavar="TIME", help="received since, such as 2026-05-01T12:00")

    def report(self, **options: Any) -> Report:
        status = options["status"]
        if status not in STATUSES:
            raise Unusable(f'--status takes one of: {", ".join(STATUSES)}; not "{status}".')
        events = (
            WebhookEvent.objects.filter(STATUSES[status]).exclude(state=State.IN_FLIGHT).exclude(WebhookEvent.ERASED)
        )
        if options["account"]:
            try:
                events = events.filter(account=accounts.by_name(options["account"]))
            except accounts.UnusableAccount as error:
                raise Unusable(str(error)) from error
        if options["since"]:
            events = events.filter(received_at__gte=_time(options["since"]))
        pks = list(events.order_by("received_at").values_list("pk", flat=True))
        replayed = 0
        lots = [pks[start : start + TOGETHER] for start in range(0, len(pks), TOGETHER)]
        for lot in progress.track(lots, label="Replaying events"):
            with transaction.atomic():
                replayed += sum(
                    outgoing.try_again(event) for event in WebhookEvent.objects.filter(pk__in=lot).only("pk")
                )
        return Report({"replayed": replayed}, [f"{replayed:,} events are due again; the workers process them now."])


def _time(text: str) -> datetime:
    """Read a time, or the beginning of a day, in this installation's time zone unless it names its own."""
    try:
        at = parse_datetime(text)
        day = None if at else parse_date(text)
    except ValueError:
        at = day = None
    if at is None and day is None:
        raise Unusable(f'--since takes a time such as 2026-05-01T12:00, or a date; not "{text}".')
    at = at or datetime.combine(day, time.min)  # type: ignore[arg-type]
    return at if timezone.is_aware(at) else timezone.make_aware(at)
