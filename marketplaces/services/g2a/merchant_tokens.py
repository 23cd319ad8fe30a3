"""The tokens that we issue to G2A (G2A-IN-01): short-lived, several at a time, and kept by nobody but G2A.

What lies in the cache is a keyed hash of a token, with the merchant's secret in the key: another secret ends them all.
"""

import hashlib
import hmac
import secrets

from django.core.cache import cache

from backoffice.crypto import same
from marketplaces.types import Connection

LONGEST_TOKEN = 200


def client_of(connection: Connection) -> tuple[str, str]:
    """The id and the secret that G2A proves itself with; without the blanks that come with copying."""
    client_id, client_secret = (
        str(connection.credentials.get(name, "") or "").strip()
        for name in ("merchant_client_id", "merchant_client_secret")
    )
    return client_id, client_secret


def knows(connection: Connection, client_id: str, client_secret: str) -> bool:
    """Say whether these are the account's, in a time that tells nothing about either. What is empty fits nothing."""
    wanted_id, wanted_secret = client_of(connection)
    fits = [same(client_id.strip(), wanted_id), same(client_secret.strip(), wanted_secret)]
    return all(fits) and bool(wanted_id) and bool(wanted_secret)


def issue(connection: Connection, seconds: int) -> str:
    """Make a token that is good for `seconds`; those before it stay good. Raises OSError when it can't be kept."""
    token = secrets.token_urlsafe(32)
    if not cache.add(_key(connection, token), 1, seconds):
        raise OSError("The cache does not take a token")
    return token


def is_good(connection: Connection, token: str) -> bool:
    if not token or len(token) > LONGEST_TOKEN or not client_of(connection)[1]:
        return False
    return cache.get(_key(connection, token)) is not None


def _key(connection: Connection, token: str) -> str:
    _, client_secret = client_of(connection)
    hashed = hmac.new(client_secret.encode(), f"{connection.account_id}:{token}".encode(), hashlib.sha256)
    return f"g2a:issued:{hashed.hexdigest()}"
