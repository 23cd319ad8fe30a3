"""What our management commands share: `--json`, and exit codes that a script can rely on.

0 when all is well, 1 when something needs a person, 2 on unusable arguments. With `--json` standard output holds one
JSON object and nothing else; what a person has to know besides goes to standard error.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser


class Unusable(CommandError):
    """The arguments can't be used as they are; the text names them and what they take. Ends with status 2."""

    def __init__(self, text: str) -> None:
        super().__init__(text, returncode=2)


@dataclass(frozen=True)
class Report:
    """What a command has to say: `data` for programs, `lines` for people, `problem` when a person is needed."""

    data: dict[str, Any]
    lines: Sequence[str] = ()
    problem: str = ""


class ReportingCommand(BaseCommand):
    """A command whose `report()` does the work and whose outcome people and programs can both read.

    A subclass that adds arguments calls super().add_arguments(parser).
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object and nothing else.")

    def handle(self, *args: Any, **options: Any) -> None:
        report = self.report(**options)
        if options["json"]:
            self.stdout.write(json.dumps(report.data, default=str))
        else:
            for line in report.lines:
                self.stdout.write(line)
        if report.problem:
            raise CommandError(report.problem, returncode=1)

    def report(self, **options: Any) -> Report:
        """Do the work. Raises Unusable before anything was done."""
        raise NotImplementedError
