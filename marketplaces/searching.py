"""What can be found of accounts, jobs and events."""

from django.db.models import F, Q

from backoffice.search import Facts, Kind, Term, label, line, moment
from marketplaces.models import Account, Job, WebhookEvent


def _anywhere(term: Term, name: str) -> Q:
    """Rows of any account with this whole id, by the index that begins with the account."""
    return Q(account__in=Account.objects.values("pk"), **{f"{name}__in": term.spellings})


def _show_account(row: Facts) -> tuple[str, str]:
    return row["name"], line("account", row["marketplace"])


def _show_job(row: Facts) -> tuple[str, str]:
    result = label(Job, "result", row["result"]) if row["result"] else label(Job, "state", row["state"])
    return row["id"], line(row["account"], row["purpose"], result, moment(row["at"]))


def _show_event(row: Facts) -> tuple[str, str]:
    about = f"about {row['subject']}" if row["subject"] else ""
    state = label(WebhookEvent, "state", row["state"])
    return row["id"], line(row["account"], row["kind"], about, state, moment(row["at"]))


KINDS = [
    Kind(
        WebhookEvent,
        "whole event id; or the id of the order that it is about, whole or its beginning",
        {
            "id": F("event_id"), "kind": F("kind"), "subject": F("subject"), "state": F("state"), "at": F("received_at"),
            "account": F("account__name"),
        },
        _show_event,
        whole=lambda term: _anywhere(term, "event_id"),
        part=lambda term: term.beginning("subject") or Q(subject__in=term.spellings),
    ),
    Kind(
        Job,
        "job id, whole or its beginning",
        {
            "id": F("external_id"), "purpose": F("purpose"), "state": F("state"), "result": F("result"),
            "at": F("started_at"), "account": F("account__name"),
        },
        _show_job,
        whole=lambda term: term.whole("external_id"),
        part=lambda term: term.beginning("external_id"),
    ),
    Kind(
        Account,
        "any part of an account's name",
        {"name": F("name"), "marketplace": F("marketplace")},
        _show_account,
        part=lambda term: Q(name__icontains=term.text),
    ),
]  # fmt: skip
