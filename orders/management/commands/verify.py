"""Check our own books and say whether they are right."""

from typing import Any

from backoffice.commands import Report, ReportingCommand
from orders.verify import verify


class Command(ReportingCommand):
    help = "Check our own books: every code in exactly one state, none sold twice, no paid order forgotten."

    def report(self, **options: Any) -> Report:
        books = verify()
        lines = [f"checked {number} {what}" for what, number in books.checked.items()]
        lines += [f"PROBLEM ({problem['check']}): {problem['text']}" for problem in books.problems]
        found = len(books.problems)
        return Report(
            data=books.as_json(),
            lines=lines if found else [*lines, "The books are right."],
            problem=f"{found} problem{'s' if found != 1 else ''} found" if found else "",
        )
