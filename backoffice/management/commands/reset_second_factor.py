"""Take a lost second factor away, for when nobody is left who could do it in the admin."""

import getpass
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandParser

from backoffice.commands import Report, ReportingCommand, Unusable
from backoffice.second_factor import devices


class Command(ReportingCommand):
    help = (
        "Takes a user's app and recovery codes away and ends the user's sessions, so that the next sign-in sets up "
        "another app. It goes on record with the reason. Safe to repeat."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("username")
        parser.add_argument("--reason", required=True, help="such as “phone lost”; it goes on record")
        parser.add_argument("--by", default="", metavar="NAME", help="who does it (default: the system's user)")

    def report(self, **options: Any) -> Report:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise Unusable(f"There is no user “{options['username']}”.")
        if not options["reason"].strip():
            raise Unusable("--reason takes a text.")
        had = devices.confirmed(user) is not None
        by = f"command, {options['by'] or getpass.getuser()}"
        devices.reset(user, by=by, actor=None, reason=options["reason"].strip())
        said = "was reset" if had else "was not set up; nothing to take away"
        return Report({"user": user.username, "had_one": had}, [f"The second factor of {user.username} {said}."])
