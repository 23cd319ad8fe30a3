"""Set up accounts, find them by name, and ask whether they work."""

import difflib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from backoffice.crypto import CannotOpen
from marketplaces import outgoing, services
from marketplaces.base import MarketplaceService
from marketplaces.exceptions import ConfigurationError, MarketplaceError
from marketplaces.models import Account, Outgoing
from marketplaces.types import Field, Health

log = logging.getLogger(__name__)

State = Outgoing.State

SANDBOX_ROOT = "http://127.0.0.1:9000"  # where `manage.py sandbox` listens unless it is told otherwise
MOST_CLOCK_OFF_SECONDS = 60
BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class UnusableAccount(ValueError):
    """An account can't be set up, or found, as asked; the text says what is wrong and what is allowed."""


@dataclass(frozen=True)
class Finding:
    """What a check of an account found; `problem` is empty when it works. `health` is None when there was no answer."""

    account: Account
    health: Health | None
    problem: str


# --- find ------------------------------------------------------------------------------------------------------


def by_name(name: str) -> Account:
    """Return the account of this name. Raises UnusableAccount, naming those there are."""
    account = Account.objects.filter(name=name).first()
    if account is None:
        names = list(Account.objects.values_list("name", flat=True))
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.4) or names[:10]
        known = f"There is: {', '.join(near)}." if near else "There is none yet; make one with add_account."
        raise UnusableAccount(f'There is no account "{name}". {known}')
    return account


def chosen(name: str | None) -> list[Account]:
    """Return the account of this name, or without a name all that are switched on. Raises UnusableAccount."""
    return [by_name(name)] if name else list(Account.objects.filter(is_enabled=True))


# --- set up ----------------------------------------------------------------------------------------------------


def set_up(
    *,
    marketplace: str,
    name: str,
    credentials: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
    webhook_secrets: Sequence[str] = (),
    base_url: str = "",
    is_sandbox: bool = False,
) -> Account:
    """Create the account called `name`, or change what is given of it; webhook secrets that are given replace the old.

    A play account takes what is missing from its marketplace's sandbox. Saving clears the account's trouble, since it may
    have mended it, and its waiting rows are tried soon. Raises UnusableAccount. Safe to repeat.
    """
    service = _service(marketplace)
    with transaction.atomic():
        account = Account.objects.select_for_update().filter(name=name).first() or Account(
            name=name, marketplace=marketplace
        )
        if account.marketplace != marketplace:
            raise UnusableAccount(f'Account "{name}" is one of {account.marketplace}. Give the new one another name.')
        before = dict(account.credentials)
        account.is_sandbox = account.is_sandbox or is_sandbox
        account.credentials = {**account.credentials, **_credentials(service, credentials or {})}
        account.options = {**account.options, **_options(service, options or {})}
        account.webhook_secrets = list(webhook_secrets) or account.webhook_secrets
        account.base_url = base_url or account.base_url
        if account.is_sandbox:
            fill_in_for_play(account)
        try:
            account.credentials = service.completed(before, account.credentials)
        except ConfigurationError as error:
            raise UnusableAccount(str(error)) from error
        _check(account, service)
        account.save()
        resume(account)
    return account


def fill_in_for_play(account: Account) -> None:
    """Give an unsaved play account what it lacks: the sandbox's address, credentials and webhook secrets."""
    service = account.service_class
    account.base_url = account.base_url or f"{SANDBOX_ROOT}/{account.marketplace}"
    account.credentials = {**service.sandbox_credentials, **account.credentials}
    account.webhook_secrets = account.webhook_secrets or list(service.sandbox_webhook_secrets)


def _service(marketplace: str) -> type[MarketplaceService]:
    known = services.all_services()
    if marketplace not in known:
        raise UnusableAccount(f'There is no marketplace "{marketplace}". It takes one of: {", ".join(known)}.')
    return known[marketplace]


def _credentials(service: type[MarketplaceService], given: Mapping[str, str]) -> dict[str, str]:
    fields = _declared(service, service.credentials, given, "credential")
    for name, value in given.items():
        if fields[name].choices and value not in fields[name].choices:
            raise UnusableAccount(f"Credential {name} takes {' or '.join(fields[name].choices)}.")
        if not value:
            raise UnusableAccount(f"Credential {name} is empty.")
    return dict(given)


def _options(service: type[MarketplaceService], given: Mapping[str, str]) -> dict[str, Any]:
    fields = _declared(service, service.options, given, "option")
    return {name: _option(fields[name], text) for name, text in given.items()}


def _declared(
    service: type[MarketplaceService], declared: Sequence[Field], given: Mapping[str, str], kind: str
) -> dict[str, Field]:
    fields = {field.name: field for field in declared}
    unknown = [name for name in given if name not in fields]
    if unknown:
        raise UnusableAccount(
            f"{service.label} has no {kind} {', '.join(unknown)}. It takes: {', '.join(fields) or 'none'}."
        )
    return fields


def _option(field: Field, text: str) -> Any:
    if isinstance(field.default, bool):
        if text.lower() not in BOOLEANS:
            raise UnusableAccount(f"Option {field.name} takes true or false.")
        return BOOLEANS[text.lower()]
    if field.choices and text not in field.choices:
        raise UnusableAccount(f"Option {field.name} takes {' or '.join(field.choices)}, not {text!r}.")
    if not field.is_number:
        return text
    low = "" if field.minimum is None else f" from {field.minimum}"
    high = "" if field.maximum is None else f" up to {field.maximum}"
    refused = UnusableAccount(f"Option {field.name} takes a whole number{low}{high}, not {text!r}.")
    try:
        value = int(text)
    except ValueError:
        raise refused from None
    if (field.minimum is not None and value < field.minimum) or (field.maximum is not None and value > field.maximum):
        raise refused
    return value


def _check(account: Account, service: type[MarketplaceService]) -> None:
    missing = [
        field.name for field in service.credentials if field.required and not account.credentials.get(field.name)
    ]
    if missing and account._state.adding and not account.is_sandbox:
        raise UnusableAccount(f"{service.label} needs the credentials {', '.join(missing)}.")
    try:
        account.full_clean(exclude=["credentials", "webhook_secrets", "options"])
    except ValidationError as error:
        texts = [f"{name}: {' '.join(reasons)}" for name, reasons in error.message_dict.items()]
        hint = ""
        if "base_url" in error.message_dict and not settings.ALLOW_LOCAL_MARKETPLACES:
            hint = " For a marketplace on this machine set ALLOW_LOCAL_MARKETPLACES=True."
        raise UnusableAccount(" ".join(texts) + hint) from error


def letter_of(account: Account) -> str:
    """What a person has to send to the marketplace's staff; empty where there is nothing to send."""
    try:
        return account.service().letter()
    except (KeyError, CannotOpen, ConfigurationError):  # the check of the account says what is wrong
        return ""


def note_letter(account: Account) -> bool:
    """Note that a person has sent the marketplace's letter now, and its wording; False where there is none to send."""
    text = letter_of(account)
    if text:
        account.letter_sent = {"at": timezone.now().isoformat(), "text": text}
        account.save(update_fields=["letter_sent"])
    return bool(text)


def resume(account: Account) -> int:
    """Clear the account's trouble and try soon what waited for it; returns how many rows. Safe to repeat."""
    if not account.trouble:
        return 0
    with transaction.atomic():
        account.trouble, account.trouble_since = "", None
        account.save(update_fields=["trouble", "trouble_since"])
        return outgoing.resume(account)


def check(account: Account, *, is_patient: bool = False) -> Finding:
    """Make the marketplace's cheapest read and note on the account what came of it. Raises nothing; safe to repeat."""
    service: MarketplaceService | None = None
    try:
        service = account.service(is_patient=is_patient)
        health = service.check()
    except Exception as error:
        problem = problem_of(account, error) + _page_words(service)
        if isinstance(error, ConfigurationError):
            account.has_trouble(problem)
        return Finding(account, None, problem)
    problem = _problem(health)
    problem += _page_words(service) if problem else ""
    if not problem:
        outgoing.worked(account)
    elif health.reachable and not (health.authenticated and health.usable):
        account.has_trouble(problem)
    return Finding(account, health, problem)


def problem_of(account: Account, error: Exception) -> str:
    """Say in words for people what went wrong with an account; what we did not foresee goes to the log."""
    if isinstance(error, MarketplaceError):
        return str(error)
    if isinstance(error, CannotOpen):
        return f"What is stored of it can't be opened. {error.advice}"
    log.error("Account %s failed", account.pk, exc_info=error)
    return f"{type(error).__name__}; see the log"


def _page_words(service: MarketplaceService | None) -> str:
    """Say that what answers is a web site: the commonest sign of a wrong address, or of something on the way."""
    if service is None or not service.client.met_a_page:
        return ""
    return (
        f". What answers at {service.connection.base_url} is a web page, not {service.label}'s API: check the marketplace's"
        " address of the account, and whether a proxy or a firewall on the way asks for a login"
    )


def _problem(health: Health) -> str:
    """Say what keeps the account from working; details of the marketplace come first."""
    said = " ".join(health.details)
    off = health.clock_off_seconds or 0.0
    if not health.reachable:
        return said or "The marketplace can't be reached. Look at its status page and at this machine's network"
    if not health.authenticated:
        return said or "The marketplace refused the credentials. Enter them again"
    if not health.usable:
        return said or "The marketplace does not let this account sell. Look at its own pages"
    if abs(off) > MOST_CLOCK_OFF_SECONDS:
        return f"This machine's clock differs by {off:+.0f} s from the marketplace's. Set it right, or signatures fail"
    return ""
