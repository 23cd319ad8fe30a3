"""Serve the sandbox marketplaces on this machine, with buyers who come along."""

import argparse
import importlib.util
import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection
from django.utils.module_loading import import_string

from marketplaces import services
from marketplaces.models import Account
from marketplaces.sandbox import Sandbox
from marketplaces.sandbox_faults import PROFILES
from marketplaces.sandbox_wire import Server, Street
from marketplaces.sandbox_words import Seller

log = logging.getLogger(__name__)

TICK_SECONDS = 0.1
# Several, so that a receiver who is slow to answer a webhook does not hold up the others.
TIMER_THREADS = 4
ACCOUNTS_FRESH_SECONDS = 3.0
UNTHROTTLED = 50.0


def sandbox_classes() -> dict[str, type[Sandbox]]:
    """Every marketplace that has a make-believe one in its folder."""
    return {
        slug: import_string(f"{services.__name__}.{slug}.sandbox.Sandbox")
        for slug in services.all_services()
        if importlib.util.find_spec(f"{services.__name__}.{slug}.sandbox")
    }


class PlayAccounts:
    """The enabled play accounts of a marketplace as its sandbox knows them, read again every few seconds.

    While there is no usable database the last answer holds: the sandbox may be up before the first migration.
    """

    def __init__(self, slug: str) -> None:
        self._slug = slug
        self._known: list[Seller] = []
        self._read_at = float("-inf")

    def __call__(self) -> Sequence[Seller]:
        if time.monotonic() - self._read_at > ACCOUNTS_FRESH_SECONDS:
            self._read_at = time.monotonic()
            try:
                self._known = self._read()
            except DatabaseError as error:
                log.debug("The play accounts could not be read: %s", type(error).__name__)
            finally:
                connection.close()  # each request has a thread of its own, which would keep one open
        return self._known

    def _read(self) -> list[Seller]:
        accounts = Account.objects.filter(marketplace=self._slug, is_sandbox=True, is_enabled=True)
        return [
            Seller(account.credentials, account.hook_url, account.connection().hook_url, account.webhook_secrets)
            for account in accounts
        ]


class Command(BaseCommand):
    help = (
        "Serves the sandbox marketplaces, each below its name, on 127.0.0.1. Sellers are the enabled play accounts of "
        "this installation, and each marketplace's published sample keys. The control addresses are below "
        "/<marketplace>/_sim/."
    )
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=9000, help="Port to listen on; 9000 is usual, 0 takes any.")
        parser.add_argument(
            "--orders-per-minute",
            type=_rate,
            default=0.0,
            metavar="N",
            help="How many orders random buyers make a minute, over all live offers that have stock; none by default.",
        )
        parser.add_argument(
            "--faults",
            choices=sorted(PROFILES),
            default="none",
            metavar="PROFILE",
            help=f"What goes wrong by chance: {', '.join(PROFILES)}. None by default.",
        )
        parser.add_argument("--seed", type=int, help="Makes buyers, faults and ids' letters the same in every run.")
        parser.add_argument(
            "--requests-per-second",
            type=_rate,
            default=UNTHROTTLED,
            metavar="N",
            help=f"What a seller may call before 429 is answered. {UNTHROTTLED:g} by default, so that nothing waits; "
            "2 is what a marketplace might allow.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        sandboxes = {
            slug: make(
                callbacks=PlayAccounts(slug),
                requests_per_second=options["requests_per_second"] or UNTHROTTLED,
                profile=options["faults"],
                seed=options["seed"],
            )
            for slug, make in sandbox_classes().items()
        }
        street = Street(sandboxes)
        try:
            server = Server(options["port"], street)
        except (OSError, OverflowError) as error:
            raise CommandError(
                f"Port {options['port']} cannot be used ({error}). Choose another one with --port.", returncode=2
            ) from error
        self._start_life(list(sandboxes.values()), street.is_closing, options["orders_per_minute"])
        self.stdout.write(
            f"Sandbox marketplaces at http://127.0.0.1:{server.server_port}: "
            f"{', '.join(f'/{slug}' for slug in sandboxes)}"
        )
        self.stdout.flush()
        _serve(server, street.is_closing)

    def _start_life(self, sandboxes: Sequence[Sandbox], closing: threading.Event, orders_per_minute: float) -> None:
        """Start the timers of every sandbox, and its buyers; each has its share of the orders."""
        for sandbox in sandboxes:
            for _ in range(TIMER_THREADS):
                _repeat(sandbox.run_due, TICK_SECONDS, closing)
            if orders_per_minute:
                _repeat(sandbox.shop_at_random, 60 * len(sandboxes) / orders_per_minute, closing)


def _repeat(work: Callable[[], object], seconds: float, closing: threading.Event) -> None:
    """Call `work` every so many seconds in a thread of its own; a failure is logged, and it goes on."""

    def run() -> None:
        while not closing.wait(seconds):
            try:
                work()
            except Exception:
                log.exception("The sandbox stumbled")

    threading.Thread(target=run, daemon=True).start()


def _serve(server: Server, closing: threading.Event) -> None:
    """Serve until SIGTERM or Ctrl-C."""

    def stop(number: int, frame: FrameType | None) -> None:
        closing.set()
        # From a thread of its own: shutdown() waits for the loop that this very handler interrupts.
        threading.Thread(target=server.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        server.serve_forever(poll_interval=TICK_SECONDS)
    finally:
        closing.set()
        server.server_close()


def _rate(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 100_000:
        raise argparse.ArgumentTypeError("a number from 0 to 100,000")
    return value
