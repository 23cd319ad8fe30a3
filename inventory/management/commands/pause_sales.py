"""The kill switch for programs."""

import getpass
from typing import Any

from django.core.management.base import CommandParser

from backoffice.commands import Report, ReportingCommand, Unusable
from inventory import pauses, products
from inventory.models import Offer
from marketplaces import accounts, services


def add_scope(parser: CommandParser) -> None:
    """Add the arguments that name one thing to pause."""
    one = parser.add_mutually_exclusive_group(required=True)
    one.add_argument("--offer", metavar="ID", help="the marketplace's id of an offer")
    one.add_argument("--sku", help="a product of ours, on all channels")
    one.add_argument("--account", metavar="NAME")
    one.add_argument("--marketplace", choices=services.all_services(), help="all accounts there")
    one.add_argument("--everything", action="store_true")


def target(options: dict[str, Any]) -> pauses.Target:
    """What the arguments name. Raises Unusable when there is no such thing, or more than one."""
    if options["everything"]:
        return pauses.EVERYTHING
    if options["marketplace"]:
        return pauses.target(options["marketplace"])
    try:
        if options["sku"]:
            return pauses.target(products.by_sku(options["sku"]))
        if options["account"]:
            return pauses.target(accounts.chosen(options["account"])[0])
    except (products.UnknownSku, accounts.UnusableAccount) as error:
        raise Unusable(str(error)) from error
    found = list(Offer.objects.filter(external_id=options["offer"])[:2])
    if len(found) != 1:
        raise Unusable(f"There {'are several offers' if found else 'is no offer'} with the id {options['offer']}.")
    return pauses.target(found[0])


class Command(ReportingCommand):
    help = "Stop the sale of an offer, a product, an account, a marketplace or everything. Safe to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_scope(parser)
        parser.add_argument("--reason", required=True, help="kept and shown beside what is paused")

    def report(self, **options: Any) -> Report:
        what = target(options)
        count = pauses.pause(what, by=getpass.getuser(), reason=options["reason"])
        text = f"Paused ({what.scope}): {count:,} offers are being shown as out of stock."
        return Report({"ok": True, "paused": what.scope, "offers": count}, [text])
