"""Which addresses we talk to, and connections that keep to it whatever a name resolves to."""

import ipaddress
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError


def unsafe_address(url: str, *, allow_local: bool) -> str:
    """Say why we do not talk to `url`; an empty text when we do."""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        return "it is no http(s) address"
    if parts.username or parts.password:
        return "credentials do not belong into an address"
    if allow_local:
        return ""
    if parts.scheme != "https":
        return "only https is safe for credentials"
    host = parts.hostname.lower()
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return "it names this machine or its own network"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    return "" if address.is_global else "it is a private or reserved address"


def public_session() -> requests.Session:
    """Return a session that only reaches public addresses by https, whatever a name resolves to at that moment."""
    made = requests.Session()
    made.trust_env = False
    made.mount("https://", PublicAdapter())
    made.mount("http://", _NoAdapter())
    return made


class _PublicConnection(HTTPSConnection):
    def _new_conn(self) -> Any:
        """Look at who answers before anything is said: a name may lead into our own network, and change its mind."""
        made = super()._new_conn()
        if not ipaddress.ip_address(made.getpeername()[0].split("%")[0]).is_global:
            made.close()
            raise NewConnectionError(self, "it leads to a private or reserved address")
        return made


class _PublicPool(HTTPSConnectionPool):
    ConnectionCls = _PublicConnection


class PublicAdapter(HTTPAdapter):
    """Carries https to public addresses alone, looked at when the connection stands and before anything is said."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"https": _PublicPool}


class _NoAdapter(HTTPAdapter):
    def send(self, *args: Any, **kwargs: Any) -> Any:
        raise requests.exceptions.InvalidSchema("only https is safe")
