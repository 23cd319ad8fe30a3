"""Create an account, or change what is given of it."""

import sys
from typing import Any

from django.core.management.base import CommandParser

from backoffice.commands import Report, ReportingCommand, Unusable
from marketplaces import accounts, services

SECRET, CREDENTIAL = "webhook secret", "credential"


class Command(ReportingCommand):
    help = "Create the account called NAME, or change what is given of it."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("marketplace", metavar="MARKETPLACE", help=f"one of: {', '.join(services.all_services())}")
        parser.add_argument("name", metavar="NAME", help="what you call it")
        parser.add_argument(
            "--base-url", default="", metavar="URL", help="only when it is not the marketplace's usual host"
        )
        # Both go into one list, since the lines of standard input are taken in the order of the options.
        parser.add_argument(
            "--credential", action="append", dest="secrets", default=[], metavar="K=V",
            type=lambda text: (CREDENTIAL, text),
            help="may be given more than once; K=- takes the next line of standard input",
        )  # fmt: skip
        parser.add_argument(
            "--webhook-secret", action="append", dest="secrets", default=[], metavar="S",
            type=lambda text: (SECRET, text),
            help="may be given more than once, and replaces those before; - takes the next line of standard input",
        )  # fmt: skip
        parser.add_argument("--option", action="append", dest="settings_given", default=[], metavar="K=V")
        parser.add_argument(
            "--sandbox", action="store_true", help="a play account; without --base-url it talks to `manage.py sandbox`"
        )

    def report(self, **options: Any) -> Report:
        credentials: dict[str, str] = {}
        webhook_secrets: list[str] = []
        for kind, text in options["secrets"]:
            if kind == SECRET:
                webhook_secrets.append(_value(SECRET, text))
            else:
                name, value = _pair("--credential", text)
                credentials[name] = _value(f"credential {name}", value)
        try:
            account = accounts.set_up(
                marketplace=options["marketplace"],
                name=options["name"].strip(),
                credentials=credentials,
                options=dict(_pair("--option", text) for text in options["settings_given"]),
                webhook_secrets=webhook_secrets,
                base_url=options["base_url"],
                is_sandbox=options["sandbox"],
            )
        except accounts.UnusableAccount as error:
            raise Unusable(str(error)) from error
        data = {
            "id": str(account.pk),
            "name": account.name,
            "marketplace": account.marketplace,
            "hook_url": account.hook_url,
        }
        lines = [
            f'Account "{account}" of {account.service_class.label} is saved.',
            *(
                [f"Enter this webhook address at the marketplace: {account.hook_url}"]
                if account.service_class.calls_us()
                else []
            ),
            f'See whether it works: check_accounts "{account.name}"',
        ]
        return Report(data, lines)


def _pair(option: str, text: str) -> tuple[str, str]:
    """Split K=V. The text of a refusal leaves V out, which may be a secret."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise Unusable(f"{option} takes K=V, such as {option} name=value.")
    return name.strip(), value.strip()


def _value(what: str, text: str) -> str:
    value = sys.stdin.readline().strip() if text == "-" else text.strip()
    if not value:
        raise Unusable(f"There is no {what}" + (": standard input has no line for it." if text == "-" else "."))
    return value
