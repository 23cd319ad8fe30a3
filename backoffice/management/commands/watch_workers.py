"""Tell people when the workers stand still; runs beside them, since they can't say it themselves."""

import logging
import signal
import time
from datetime import UTC, datetime
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, connections
from django.utils import timezone

from backoffice import watching

log = logging.getLogger(__name__)

LOOK_SECONDS = 30
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Command(BaseCommand):
    help = "Look every half minute whether the workers make progress, and send alerts when they do not."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="look once and end; status 1 while they stand still")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["once"]:
            raise SystemExit(int(watching.look(since=LONG_AGO)))
        since = timezone.now()
        signal.signal(signal.SIGTERM, _end)
        while True:
            try:
                watching.look(since)
            except DatabaseError as error:
                log.warning("The workers could not be looked at: %s", type(error).__name__)
                connections.close_all()
            time.sleep(LOOK_SECONDS)


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)
