"""Import exchange rates from a CSV."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from backoffice.commands import Report, ReportingCommand, Unusable
from inventory import rates


class Command(ReportingCommand):
    help = "Import exchange rates. One of the same pair and day is replaced; the newest that is not after a day holds."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "file", metavar="FILE", help="CSV with base,quote,rate,day: USD,EUR,0.92,2026-11-25 says 1 USD = 0.92 EUR"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would change and store nothing")

    def report(self, **options: Any) -> Report:
        try:
            with Path(options["file"]).open(encoding="utf-8-sig", errors="replace", newline="") as lines:
                found = rates.read(lines)
        except OSError as error:
            raise Unusable(f"{options['file']} can't be read: {error.strerror}.") from error
        except ValueError as error:
            raise Unusable(f"{options['file']}: {error}.") from error
        done = rates.compare(found.rows) if options["dry_run"] else rates.store(found.rows)
        data = {
            "read": len(found.rows) + len(found.errors), "new": len(done.new), "changed": len(done.changed),
            "unchanged": done.unchanged, "rejected": len(found.errors),
            "errors": [{"line": number, "reason": reason} for number, reason in found.errors],
        }  # fmt: skip
        would = "would be " if options["dry_run"] else ""
        lines_out = [
            f"{data['read']:,} rows read: {len(done.new):,} rates {would}added, {len(done.changed):,} {would}changed,"
            f" {done.unchanged:,} as they were, {len(found.errors):,} rows refused.",
            *(f"  line {number}: {reason}" for number, reason in found.errors),
        ]
        return Report(data, lines_out, f"{len(found.errors):,} rows were refused" if found.errors else "")
