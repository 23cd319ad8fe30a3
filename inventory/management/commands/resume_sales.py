"""The other side of the kill switch."""

import getpass
from typing import Any

from django.core.management.base import CommandParser

from backoffice.commands import Report, ReportingCommand
from inventory import pauses
from inventory.management.commands.pause_sales import add_scope, target


class Command(ReportingCommand):
    help = "Go on with the sale of what was paused. What a wider pause stops stays stopped. Safe to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_scope(parser)

    def report(self, **options: Any) -> Report:
        what = target(options)
        count = pauses.resume(what, by=getpass.getuser())
        text = f"Resumed ({what.scope}): {count:,} offers show their stock again." if count else "It was not paused."
        return Report({"ok": True, "resumed": what.scope, "offers": count}, [text])
