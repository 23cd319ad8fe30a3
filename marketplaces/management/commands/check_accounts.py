"""Call each marketplace's cheapest read and say what works."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandParser

from backoffice.commands import Report, ReportingCommand, Unusable
from marketplaces import accounts
from marketplaces.accounts import Finding
from marketplaces.models import Account


class Command(ReportingCommand):
    help = "Call each marketplace's cheapest read and say what works: reachable, authenticated, clock, webhook address."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("names", nargs="*", metavar="NAME", help="these accounts; else all that are switched on")

    def report(self, **options: Any) -> Report:
        findings = [accounts.check(account, is_patient=True) for account in _chosen(options["names"])]
        broken = [finding for finding in findings if finding.problem]
        data = {"ok": not broken, "accounts": [_as_json(finding) for finding in findings]}
        lines = [line for finding in findings for line in _lines(finding)]
        names = ", ".join(finding.account.name for finding in broken)
        return Report(
            data,
            lines or ["There is no account yet; make one with add_account."],
            f"Not working: {names}" if broken else "",
        )


def _chosen(names: list[str]) -> list[Account]:
    try:
        return [accounts.by_name(name) for name in names] if names else accounts.chosen(None)
    except accounts.UnusableAccount as error:
        raise Unusable(str(error)) from error


def _as_json(finding: Finding) -> dict[str, Any]:
    health = finding.health
    return {
        "name": finding.account.name,
        "marketplace": finding.account.marketplace,
        "reachable": bool(health and health.reachable),
        "authenticated": bool(health and health.authenticated),
        "clock_off_seconds": health.clock_off_seconds if health else None,
        "webhook_address": _address(finding.account),
        "details": list(health.details) if health else [],
        "problem": finding.problem,
    }


def _lines(finding: Finding) -> Iterator[str]:
    account, health = finding.account, finding.health
    yield f'Account "{account}" ({account.marketplace}): {finding.problem or "works."}'
    if health:
        yield f"  reachable: {_yes(health.reachable)}, authenticated: {_yes(health.authenticated)}"
        if health.clock_off_seconds is not None:
            yield f"  clock: {health.clock_off_seconds:+.0f} s against the marketplace's"
        if not finding.problem:
            yield from (f"  {detail}" for detail in health.details)
    yield f"  webhook address: {_address(account) or 'none, since it sends nothing by itself'}"


def _address(account: Account) -> str:
    """Where the marketplace calls us; empty for one that does not."""
    return (account.registered_url or account.hook_url) if account.service_class.calls_us() else ""


def _yes(value: bool) -> str:
    return "yes" if value else "no"
