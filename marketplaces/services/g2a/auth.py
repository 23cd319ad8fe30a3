"""How requests prove who we are (section 2 of the contract). Pure functions, and an account's credentials."""

import hashlib
from dataclasses import dataclass, field

from marketplaces.exceptions import ConfigurationError
from marketplaces.types import Connection

LABELS = {
    "api_hash": "API hash (the Client ID of G2A's panel)",
    "api_key": "API key",
    "api_secret": "client secret (api_secret)",
    "email": "e-mail of the G2A account",
}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def request_hash(*, api_hash: str, api_key: str, timestamp: str) -> str:
    """Sign a request: hash first, key second, in the header and in here (G2A-P04)."""
    return _sha256(f"{api_hash}{api_key}{timestamp}")


def derived_key(*, api_hash: str, email: str, api_secret: str) -> str:
    """Compute the API key of the dialect `live`, where nobody hands one out (G2A-P03)."""
    return _sha256(f"{api_hash}{email}{api_secret}")


def signed_headers(*, api_hash: str, api_key: str, now: float) -> dict[str, str]:
    """The four headers of production. `now` is in seconds since 1970; each attempt needs its own (G2A-P05)."""
    timestamp = str(int(now))
    return {
        "X-API-HASH": api_hash,
        "X-API-KEY": api_key,
        "X-G2A-Timestamp": timestamp,
        "X-G2A-Hash": request_hash(api_hash=api_hash, api_key=api_key, timestamp=timestamp),
    }


def plain_headers(*, api_hash: str, api_key: str) -> dict[str, str]:
    """The one header of the sandbox, and of the dialect `live` everywhere: a comma and one blank, no quotes."""
    return {"Authorization": f"{api_hash}, {api_key}"}


def bearer_headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@dataclass(frozen=True)
class Keys:
    """What an account proves itself with, read for its dialect. `client_secret` is empty in `contract`."""

    api_hash: str = field(repr=False)
    api_key: str = field(repr=False)
    client_secret: str = field(default="", repr=False)


def keys_of(connection: Connection) -> Keys:
    """Read the account's credentials, without the blanks that come with copying. Raises ConfigurationError.

    In `contract` `api_secret` is an older name of the hash and stands in for it; in `live` it is the client secret, and
    the key is computed (G2A-P02).
    """
    given = {name: str(connection.credentials.get(name, "") or "").strip() for name in LABELS}
    if connection.options.get("dialect") == "live":
        _check(connection, given, ("api_hash", "api_secret", "email"))
        key = derived_key(api_hash=given["api_hash"], email=given["email"], api_secret=given["api_secret"])
        return Keys(given["api_hash"], key, given["api_secret"])
    given["api_hash"] = given["api_hash"] or given["api_secret"]
    _check(connection, given, ("api_hash", "api_key"))
    return Keys(given["api_hash"], given["api_key"])


def _check(connection: Connection, given: dict[str, str], needed: tuple[str, ...]) -> None:
    missing = [LABELS[name] for name in needed if not given[name]]
    broken = [LABELS[name] for name in needed if given[name] and not _fits_a_header(given[name])]
    if not missing and not broken:
        return
    problem = f"{' and '.join(missing)} missing" if missing else f"{' and '.join(broken)} with a character no key has"
    dialect = connection.options.get("dialect", "contract")
    raise ConfigurationError(
        f'Account "{connection.name}" speaks the dialect {dialect} with {problem}. Enter it on the account; G2A shows it'
        " under Selling, Integration API",
        kind="authentication",
    )


def _fits_a_header(value: str) -> bool:
    return value.isascii() and value.isprintable()
