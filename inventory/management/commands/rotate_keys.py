"""Seal everything anew with the first of CODE_KEYS."""

from typing import Any

from backoffice import progress, rotation
from backoffice.commands import Report, ReportingCommand

NAMED = 10


class Command(ReportingCommand):
    help = (
        "Encrypt everything anew with the first of CODE_KEYS. It can be stopped, and goes on when it is run again. When"
        " nothing is left, restart web and workers, run it once more, and take the old key away."
    )

    def report(self, **options: Any) -> Report:
        columns = rotation.columns()
        tally = rotation.Tally()
        for column in columns:
            total = rotation.left(column).count()
            for _ in progress.track(rotation.rotate(column, tally), label=f"Sealing {column}", total=total):
                pass
        left = sum(rotation.left(column).count() for column in columns)
        lines = [f"{tally.rotated:,} values were sealed anew, {left:,} are left."]
        lines += [f"Does not open: {reason}" for reason in tally.stuck[:NAMED]]
        problem = ""
        if tally.stuck:
            problem = f"{len(tally.stuck):,} values do not open: put the key that sealed them back into CODE_KEYS"
        elif left:
            problem = f"{left:,} values were written meanwhile; run it once more"
        return Report({"rotated": tally.rotated, "left": left}, lines, problem)
