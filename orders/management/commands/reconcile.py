"""Compare offers and open orders with the marketplaces, field by field."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandParser

from backoffice import progress
from backoffice.commands import Report, ReportingCommand, Unusable
from marketplaces import accounts, outgoing
from marketplaces.exceptions import TemporaryError
from marketplaces.models import Account
from orders import reconcile

SHOWN = 200  # differences of an account that are printed; --json has all


class Command(ReportingCommand):
    help = (
        "Compare every mirrored offer and every open order with its marketplace, field by field, and print the differences."
        " Safe to repeat; one account's failure stops no other."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--account", metavar="NAME", help="only this account; else all that are switched on")
        parser.add_argument(
            "--fix", action="store_true",
            help="push what we want where it differs, and read orders anew; deletes nothing and takes nothing over",
        )  # fmt: skip

    def report(self, **options: Any) -> Report:
        try:
            chosen = accounts.chosen(options["account"])
        except accounts.UnusableAccount as error:
            raise Unusable(str(error)) from error
        results = [_compare(account, options["fix"]) for account in progress.track(chosen, label="Comparing")]
        found = [difference for result in results for difference in result.pop("differences")]
        problems = [result["name"] for result in results if result["problem"]]
        lines = [line for result in results for line in _lines(result, found)]
        data = {"ok": not (found or problems), "accounts": results, "differences": found}
        return Report(data, lines or ["There is no account to compare."], _words(len(found), problems))


def _compare(account: Account, fix: bool) -> dict[str, Any]:
    """Compare one account; what goes wrong becomes its problem."""
    named = {"name": account.name, "marketplace": account.marketplace}
    try:
        result = reconcile.run(account, fix=fix)
        outgoing.worked(account)
    except reconcile.BeingCompared as error:
        return named | reconcile.Result(problem=str(error)).as_json()
    except Exception as error:
        text = accounts.problem_of(account, error)
        again = f"{text}. Run it again later" if isinstance(error, TemporaryError) else text
        return named | reconcile.Result(problem=again).as_json()
    return named | result.as_json()


def _lines(result: dict[str, Any], found: list[dict[str, Any]]) -> Iterator[str]:
    mine = [difference for difference in found if difference["account"] == result["name"]]
    kinds = ", ".join(
        f"{count:,} {kind.replace('_', ' ')}" for kind, count in sorted(Counter(d["kind"] for d in mine).items())
    )
    facts = f"{result['offers']:,} offers and {result['orders']:,} orders compared"
    left_out = f", {result['on_their_way']:,} left out while a change is on its way" if result["on_their_way"] else ""
    fixed = f", {result['fixed']:,} mended" if result["fixed"] else ""
    yield f"{result['name']} ({result['marketplace']}): {facts}{left_out}{fixed}; {kinds or 'no difference'}"
    if result["problem"]:
        yield f"PROBLEM: {result['problem']}"
    for one in mine[:SHOWN]:
        subject = f"order {one['order']}" if one["order"] else f"offer {one['offer']}"
        values = f"ours {one['ours'] or '–'}, theirs {one['theirs'] or '–'}"
        yield f"  {one['kind'].replace('_', ' ')}: {subject}, {one['field']}: {values}"
    if len(mine) > SHOWN:
        yield f"  … and {len(mine) - SHOWN:,} more: see “Differences” in the back office, or use --json"


def _words(found: int, problems: list[str]) -> str:
    said = []
    if found:
        said.append(f"{found:,} difference{'s' if found != 1 else ''} left")
    if problems:
        said.append(f"look at: {', '.join(problems)}")
    return "; ".join(said)
