"""The two signatures of G2G: of what we send (section 2.1 of the contract), and of what they send (2.2)."""

import hashlib
import hmac
import time
from collections.abc import Mapping

from marketplaces.exceptions import ConfigurationError
from marketplaces.types import Connection


def sign(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def request_signature(*, secret: str, path: str, api_key: str, user_id: str, timestamp: str) -> str:
    """Sign a request. `path` starts with the version and holds no query.

    The value that G2G's documentation prints belongs to the path alone and is refused (G2G-P01, G2G-P02).
    """
    return sign(secret, f"{path}{api_key}{user_id}{timestamp}")


def webhook_signature(*, secret: str, url: str, user_id: str, timestamp: str) -> str:
    """Sign as a webhook is signed: over the URL as it was registered, without any API key (G2G-P05, G2G-P07)."""
    return sign(secret, f"{url}{user_id}{timestamp}")


def credential(connection: Connection, name: str) -> str:
    """A credential of the account, without the blanks that come with copying. Raises ConfigurationError."""
    value = str(connection.credentials.get(name, "")).strip()
    if value and value.isascii() and value.isprintable():
        return value
    problem = "holds a character that no key has" if value else "is missing"
    raise ConfigurationError(
        f'Account "{connection.name}": its {name} {problem}. Copy it from API Integration in G2G\'s account menu',
        kind="authentication",
    )


def headers(connection: Connection, path: str) -> Mapping[str, str]:
    """The headers of one attempt, at this moment; a repeat needs new ones. Raises ConfigurationError."""
    api_key, user_id = credential(connection, "api_key"), credential(connection, "user_id")
    timestamp = str(time.time_ns() // 1_000_000)
    return {
        "g2g-api-key": api_key,
        "g2g-userid": user_id,
        "g2g-timestamp": timestamp,
        "g2g-signature": request_signature(
            secret=credential(connection, "secret"),
            path=path,
            api_key=api_key,
            user_id=user_id,
            timestamp=timestamp,
        ),
    }
