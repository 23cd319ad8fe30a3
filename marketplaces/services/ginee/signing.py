"""The one signature of Ginee: of what we send (section 2.1 of the contract), and maybe of what they send (2.2).

It covers the method and the path alone, and never changes: whoever has seen one can use it. It is kept as a password is.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping

from marketplaces.exceptions import ConfigurationError
from marketplaces.types import Connection

COUNTRIES = ("ID", "CN", "PH", "VN", "TH", "MY")


def signature(secret: str, method: str, path: str) -> str:
    """Sign `path`, which starts at the host and holds no query. Other recipes that are about don't work (GIN-P31)."""
    message = f"{method.upper()}${path}$"
    return base64.b64encode(hmac.new(secret.encode(), message.encode(), hashlib.sha256).digest()).decode()


def has_keys(connection: Connection) -> bool:
    """Say whether anything can be asked: an account without keys lives from notifications alone."""
    return any(_stripped(connection, name) for name in ("access_key", "secret_key"))


def credential(connection: Connection, name: str) -> str:
    """A credential of the account, without the blanks that come with copying. Raises ConfigurationError."""
    value = _stripped(connection, name)
    if value and value.isprintable():
        return value
    problem = "holds a character that no key has" if value else "is missing"
    raise ConfigurationError(
        f'Account "{connection.name}": its {name} {problem}. Copy it from the message in which Ginee gave you the keys of'
        " its Open API",
        kind="authentication",
    )


def _stripped(connection: Connection, name: str) -> str:
    return str(connection.credentials.get(name, "")).strip()


def headers(connection: Connection, method: str, path: str) -> Mapping[str, str]:
    """The headers of a request. Raises ConfigurationError."""
    access_key, secret_key = credential(connection, "access_key"), credential(connection, "secret_key")
    if not access_key.isascii():
        raise ConfigurationError(
            f'Account "{connection.name}": its access_key holds a character that no header takes', kind="authentication"
        )
    return {
        "X-Advai-Country": str(connection.options.get("country", "ID")),
        "Authorization": f"{access_key}:{signature(secret_key, method, path)}",
    }
