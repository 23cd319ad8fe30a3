"""The secret part of an account's webhook address: made here, changed without losing an event, never logged.

A new token takes over at once; the one before it stays valid for a while, until Ginee's staff have entered the new one.
"""

import secrets
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone

from backoffice.crypto import same
from marketplaces.exceptions import ConfigurationError
from marketplaces.services.ginee import reading

TOKEN, PREVIOUS, PREVIOUS_UNTIL = "path_token", "previous_path_token", "previous_path_token_until"
TOKEN_BYTES = 32
SHORTEST = 32
STAYS_VALID = timedelta(days=14)  # the change is made by a person at Ginee
URL_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def completed(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Return the credentials with a token, and with the end of the one before it. Raises ConfigurationError."""
    stored = {name: value.strip() for name, value in now.items()}
    for name in (TOKEN, PREVIOUS):
        _check(name, stored.get(name, ""))
    stored[TOKEN] = stored.get(TOKEN) or secrets.token_urlsafe(TOKEN_BYTES)
    replaced = before.get(TOKEN, "")
    if replaced and replaced != stored[TOKEN] and stored.get(PREVIOUS, "") == before.get(PREVIOUS, ""):
        stored[PREVIOUS] = replaced
    is_another = stored.get(PREVIOUS, "") != before.get(PREVIOUS, "")
    if is_another and stored.get(PREVIOUS_UNTIL) == before.get(PREVIOUS_UNTIL):
        stored[PREVIOUS_UNTIL] = ""  # the end of another one
    if stored.get(PREVIOUS) and not stored.get(PREVIOUS_UNTIL):
        stored[PREVIOUS_UNTIL] = reading.iso(timezone.now() + STAYS_VALID)
    if stored.get(PREVIOUS_UNTIL) and reading.when(stored[PREVIOUS_UNTIL]) is None:
        raise ConfigurationError(f"{PREVIOUS_UNTIL} is no time such as 2026-03-01T00:00:00Z", kind="configuration")
    return stored


def _check(name: str, token: str) -> None:
    if token and (len(token) < SHORTEST or not set(token) <= URL_SAFE):
        raise ConfigurationError(
            f"{name} has to be {SHORTEST} or more of A-Z, a-z, 0-9, - and _. Leave it out, and one is made",
            kind="configuration",
        )


def path(credentials: Mapping[str, str], options: Mapping[str, Any]) -> str:
    """What follows the account in its webhook address; nothing where no token is asked for."""
    token = credentials.get(TOKEN, "")
    return f"{token}/" if token and options.get("verification") != "off" else ""


def fits(given: str, credentials: Mapping[str, str]) -> bool:
    """Say whether `given` is the account's token, or the one before it while that is valid; in constant time."""
    found = [same(given, token) for token in _valid(credentials)]  # all of them, so that the time tells nothing
    return any(found)


def _valid(credentials: Mapping[str, str]) -> Iterator[str]:
    until = reading.when(credentials.get(PREVIOUS_UNTIL))
    if token := credentials.get(TOKEN):
        yield token
    if (previous := credentials.get(PREVIOUS)) and until and timezone.now() < until:
        yield previous
