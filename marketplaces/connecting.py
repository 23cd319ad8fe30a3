"""How far an account's connection is: steps from its credentials to the first news, each with what is left to do."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.utils.formats import date_format
from django.utils.timezone import localtime

from backoffice.crypto import CannotOpen
from marketplaces.models import Account, WebhookEvent

CREDENTIALS, CONNECTION, WEBHOOK, READING = "credentials", "connection", "webhook", "reading"


@dataclass(frozen=True)
class Step:
    """One step; `guide` says what to do, `facts` what is known. A step that is not needed is done, and says why."""

    name: str
    title: str
    is_done: bool
    guide: Sequence[str] = ()
    facts: Sequence[str] = field(default_factory=list)


def steps(account: Account, read: Iterable[tuple[str, bool]] = ()) -> list[Step]:
    """The account's steps in their order. `read` are what was read of it so far: words, and whether any is there."""
    return [_credentials(account), _connection(account), _webhook(account), _reading(account, list(read))]


def _guide(account: Account, name: str) -> Sequence[str]:
    return account.service_class.guide.get(name, ())


def _credentials(account: Account) -> Step:
    title, declared = "Credentials stored", account.service_class.credentials
    try:
        stored = [field for field in declared if account.credentials.get(field.name)]
    except CannotOpen as error:
        return Step(CREDENTIALS, title, False, _guide(account, CREDENTIALS), [f"They can't be opened. {error.advice}."])
    missing = [field.label for field in declared if field.required and field not in stored]
    facts = [f"Stored: {', '.join(one.label for one in stored)}." if stored else "Nothing is stored."]
    facts += [f"Missing: {', '.join(missing)}."] if missing else []
    return Step(CREDENTIALS, title, bool(stored) and not missing, _guide(account, CREDENTIALS), facts)


def _connection(account: Account) -> Step:
    facts = []
    if account.trouble:
        facts.append(account.trouble)
    if account.last_success_at:
        facts.append(f"Last success: {_when(account.last_success_at)}.")
    works = account.last_success_at is not None and not account.trouble
    return Step(CONNECTION, "Connection tested", works, _guide(account, CONNECTION), facts or ["Not tested yet."])


def _webhook(account: Account) -> Step:
    service = account.service_class
    if not service.calls_us():
        words = f"Not needed: {service.label} sends nothing by itself, so it is asked for news every few minutes."
        return Step(WEBHOOK, "Webhook address", True, (), [words])
    events = WebhookEvent.objects.filter(account=account, source=WebhookEvent.Source.HOOK)
    last = events.order_by("-received_at").values_list("received_at", flat=True).first()
    facts = [f"Last event: {_when(last)}." if last else "No event has come in yet."]
    if account.refused_calls:
        at = f", last {_when(account.last_refused_at)}" if account.last_refused_at else ""
        facts.append(f"{account.refused_calls:,} calls were refused{at}: {account.last_refused}")
    return Step(WEBHOOK, "Webhook address entered there", last is not None, _guide(account, WEBHOOK), facts)


def _reading(account: Account, read: Sequence[tuple[str, bool]]) -> Step:
    facts = [words for words, _ in read]
    is_done = any(is_there for _, is_there in read)
    return Step(READING, "First offers or orders read", is_done, _guide(account, READING), facts)


def _when(at: object) -> str:
    return date_format(localtime(at), "DATETIME_FORMAT")  # type: ignore[arg-type]
