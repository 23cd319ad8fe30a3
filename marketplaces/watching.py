"""Alerts about accounts and jobs: what a look at their rows finds, by the clock."""

from datetime import datetime, timedelta

from django.db.models import Q
from django.urls import reverse

from backoffice import alerts
from backoffice.alerts import Cause
from marketplaces.models import Account, Job

# A marketplace that is away for a moment is no news.
FAILING_FOR = timedelta(minutes=5)


def look(now: datetime) -> None:
    """Raise and settle the alerts about accounts in trouble and stuck jobs. Asks nobody; safe to repeat."""
    alerts.match(alerts.Kind.ACCOUNT, dict(_accounts(now)))
    alerts.match(alerts.Kind.JOB_STUCK, dict(_jobs()))


def _accounts(now: datetime) -> list[tuple[str, Cause]]:
    is_failing = Q(failing_since__lt=now - FAILING_FOR)
    found = Account.objects.filter(~Q(trouble="") | is_failing, is_enabled=True)
    return [(account.name, Cause(_said(account), _page("account", account.pk))) for account in found]


def _said(account: Account) -> str:
    """What is wrong, without the marketplace's own words: what it answers may name anything."""
    if account.trouble:
        return f"Account “{account}” is set up wrong, and nothing is sent for it. Its page says what to mend."
    return f"Account “{account}”: the marketplace can't be reached since {account.failing_since:%Y-%m-%d %H:%M} UTC."


def _jobs() -> list[tuple[str, Cause]]:
    stuck = Job.objects.filter(is_stuck=True, state__in=[Job.State.DUE, Job.State.UNKNOWN]).select_related("account")
    return [
        (
            f"{job.account_id}:{job.external_id}",
            Cause(f"Job {job} of account “{job.account}” takes longer than any should.", _page("job", job.pk)),
        )
        for job in stuck
    ]


def _page(model: str, pk: object) -> str:
    return reverse(f"admin:marketplaces_{model}_change", args=[pk])
