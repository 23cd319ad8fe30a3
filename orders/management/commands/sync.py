"""Read from the marketplaces into the mirror."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from backoffice import progress
from backoffice.commands import Report, ReportingCommand, Unusable
from inventory import mirror
from marketplaces import accounts, catalogue, outgoing, recovery
from marketplaces.exceptions import TemporaryError, Unsupported
from marketplaces.models import Account
from orders import polling
from orders.models import Poll

Result = dict[str, Any]


def _catalog(account: Account) -> Result:
    found = {"products": catalogue.sync_catalogue(account, is_patient=True)}
    if account.service_class.supports("fetch_bestsellers"):
        found["bestsellers"] = catalogue.sync_bestsellers(account, is_patient=True)
    return found


def _offers(account: Account) -> Result:
    return asdict(mirror.sync_offers(account, is_patient=True))


def _orders(account: Account) -> Result:
    if polling.has(account, Poll.Kind.ORDERS):
        found = asdict(polling.read_now(account, Poll.Kind.ORDERS))
        if polling.has(account, Poll.Kind.PURCHASE_ORDERS):
            found["purchase_orders"] = polling.read_now(account, Poll.Kind.PURCHASE_ORDERS).seen
        return found
    return {"new": recovery.recover(account, is_patient=True)}


def _shipments(account: Account) -> Result:
    if not polling.has(account, Poll.Kind.SHIPMENTS):
        return {"note": "Parcels are not kept here"}
    return {"seen": polling.read_now(account, Poll.Kind.SHIPMENTS).seen}


# What is read: how, and the operations of which a marketplace must have one for it.
READERS: dict[str, tuple[Callable[[Account], Result], tuple[str, ...]]] = {
    "catalog": (_catalog, ("fetch_catalogue",)),
    "offers": (_offers, ("fetch_offers",)),
    "orders": (_orders, ("fetch_orders", "missed_events")),
    "shipments": (_shipments, ("fetch_shipments",)),
}


class Command(ReportingCommand):
    help = "Read from the marketplaces into the mirror. Safe to repeat; one account's failure stops no other."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("what", choices=list(READERS))
        parser.add_argument("--account", metavar="NAME", help="only this account; else all that are switched on")

    def report(self, **options: Any) -> Report:
        what = options["what"]
        try:
            chosen = accounts.chosen(options["account"])
        except accounts.UnusableAccount as error:
            raise Unusable(str(error)) from error
        results = [_read(what, account) for account in progress.track(_once(what, chosen), label=f"Reading {what}")]
        broken = [result["name"] for result in results if result["problem"]]
        lines = [_line(result) for result in results] or [
            "There is no account to read from; make one with add_account."
        ]
        data = {"ok": not broken, "what": what, "accounts": results}
        return Report(data, lines, f"Not read to the end: {', '.join(broken)}" if broken else "")


def _once(what: str, chosen: list[Account]) -> list[Account]:
    """Of accounts that would read the same catalogue, the first."""
    if what != "catalog":
        return chosen
    return list({(account.marketplace, account.base_url): account for account in reversed(chosen)}.values())[::-1]


def _read(what: str, account: Account) -> Result:
    """Read for one account; what goes wrong becomes its problem, and an unsupported operation is none."""
    read, operations = READERS[what]
    result: Result = {"name": account.name, "marketplace": account.marketplace, "problem": ""}
    try:
        if not any(account.service_class.supports(operation) for operation in operations):
            return result | {"note": f"{account.service_class.label} has no list of {what}"}
        found = read(account)
        outgoing.worked(account)
    except Unsupported as error:
        return result | {"note": str(error)}
    except polling.BeingRead as error:
        return result | {"problem": str(error)}
    except Exception as error:
        return result | {"problem": _problem(account, error)}
    return result | found


def _problem(account: Account, error: Exception) -> str:
    text = accounts.problem_of(account, error)
    return f"{text}. Run it again later" if isinstance(error, TemporaryError) else text


def _line(result: Result) -> str:
    facts = [f"{name} {value:,}" for name, value in result.items() if isinstance(value, int)]
    said = result["problem"] or result.get("note") or ", ".join(facts)
    return f"{result['name']} ({result['marketplace']}): {said}"
