"""Create or change what offers should say, from a CSV."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from backoffice import progress
from backoffice.commands import Report, ReportingCommand, Unusable
from inventory import offers, publishing
from inventory.limits import Book
from inventory.models import Offer
from marketplaces import accounts
from marketplaces.exceptions import PermanentError


class Command(ReportingCommand):
    help = (
        "Create or change what an account's offers should say. It reaches the marketplace with --push, or push_offers."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "file",
            metavar="FILE",
            help=f"CSV with {','.join(offers.REQUIRED)} and, as you like, {','.join(offers.OPTIONAL)}; an empty quantity"
            " means: follow stock",
        )
        parser.add_argument("--account", required=True, metavar="NAME")
        parser.add_argument("--push", action="store_true", help="bring the marketplace to it now")

    def report(self, **options: Any) -> Report:
        try:
            account = accounts.by_name(options["account"])
            # What is no UTF-8 becomes a mark, by which its row alone is refused.
            with Path(options["file"]).open(encoding="utf-8-sig", errors="replace", newline="") as lines:
                done = offers.import_offers(account=account, lines=lines, progress=_tracked)
        except OSError as error:
            raise Unusable(f"{options['file']} can't be read: {error.strerror}.") from error
        except (accounts.UnusableAccount, offers.UnusableHeader) as error:
            raise Unusable(str(error)) from error
        data = {
            "read": done.read,
            "created": done.created,
            "changed": done.changed,
            "unchanged": done.unchanged,
            "rejected": len(done.errors),
            "errors": [{"line": number, "reason": reason} for number, reason in done.errors],
        }
        lines_out = [
            f"{done.read:,} rows read: {done.created:,} offers created, {done.changed:,} changed, {done.unchanged:,} as they"
            f" were, {len(done.errors):,} rows refused.",
            *(f"  line {number}: {reason}" for number, reason in done.errors),
        ]
        if options["push"]:
            lines_out.append(f"{_push(done.named):,} offers are on their way to the marketplace.")
        return Report(data, lines_out, f"{len(done.errors):,} rows were refused" if done.errors else "")


def _tracked(rows: Iterable[Any]) -> Iterator[Any]:
    return progress.track(rows, label="Importing offers")


def _push(named: list[int]) -> int:
    """Request a push of every offer in the file that differs, also when it was changed by an import before."""
    found = list(Offer.objects.filter(pk__in=named).select_related("account"))
    book = Book(found)
    differing = [offer.pk for offer in found if _differs(offer, book)]
    return publishing.request(Offer.objects.filter(pk__in=differing))


def _differs(offer: Offer, book: Book) -> bool:
    try:
        return bool(publishing.differences(offer, book))
    except PermanentError:
        return True  # the push records on the offer what is missing
