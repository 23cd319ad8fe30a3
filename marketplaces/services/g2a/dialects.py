"""The two ways to speak to G2A, side by side (section 5 of the contract): hosts, methods, paths, and names of parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from marketplaces.exceptions import PermanentError, Unsupported
from marketplaces.types import Connection

PRODUCTION_ROOT = "https://api.g2a.com"
SANDBOX_ROOT = "https://sandboxapi.g2a.com"
SUFFIXES = ("/integration-api/v1", "/integration-api", "/v1")

Routes = Mapping[str, tuple[str, str]]

# Export: the same paths in both, counted from the host's root.
_EXPORT: Routes = {
    "G2A-02": ("GET", "/v1/products"),
    "G2A-04": ("POST", "/v1/order"),
    "G2A-05": ("GET", "/v1/order/details/{}"),
    "G2A-06": ("GET", "/v1/order/key/{}"),
    "G2A-07": ("PUT", "/v1/order/pay/{}"),
}
_CONTRACT: Routes = {
    **_EXPORT,
    "G2A-01": ("GET", "/integration-api/v1/token"),
    "G2A-03": ("GET", "/v1/products/{}"),
    "G2A-08": ("POST", "/integration-api/v1/offers"),
    "G2A-09": ("GET", "/integration-api/v1/offers/{}"),
    "G2A-10": ("GET", "/integration-api/v1/offers"),
    "G2A-11": ("PATCH", "/integration-api/v1/offers/{}"),
    "G2A-12": ("POST", "/integration-api/v1/offers/{}/inventory"),
    "G2A-13": ("GET", "/integration-api/v1/jobs/{}"),
    "G2A-14": ("GET", "/integration-api/v1/prices/simulations"),
    "G2A-15": ("GET", "/integration-api/v1/bestsellers"),
    "G2A-16": ("POST", "/integration-api/v1/reservations"),
    "G2A-17": ("POST", "/integration-api/v1/reservations/{}/confirm"),
    "G2A-18": ("GET", "/integration-api/v1/inventory/{}"),
}
_LIVE: Routes = {
    **_EXPORT,
    "G2A-01": ("POST", "/oauth/token"),
    "G2A-03": ("GET", "/v1/products"),
    "G2A-08": ("POST", "/v3/sales/offers"),
    "G2A-09": ("GET", "/v3/sales/offers/{}"),
    "G2A-10": ("GET", "/v3/sales/offers"),
    "G2A-11": ("PATCH", "/v3/sales/offers/{}"),
    "G2A-12": ("POST", "/v3/sales/offers/inventory"),
    "G2A-13": ("GET", "/v3/jobs/{}"),
    "G2A-14": ("GET", "/v3/pricing/simulations"),
    "G2A-15": ("GET", "/v3/sales/bestsellers"),
    "G2A-L01": ("DELETE", "/v3/sales/offers/{}"),
    "G2A-L02": ("GET", "/v3/sales/offers/{}/inventory"),
    "G2A-L03": ("DELETE", "/v3/sales/offers/{}/inventory"),
    "G2A-L04": ("DELETE", "/v3/sales/offers/{}/inventory/{}"),
    "G2A-L05": ("GET", "/v3/products/{}/offers"),
}

# What we call an operation that one of them lacks.
IN_ONE_ALONE: Mapping[str, str] = {
    "delete_offer": "G2A-L01",
    "fetch_uploaded": "G2A-L02",
    "delete_uploaded": "G2A-L04",
    "fetch_competing_offers": "G2A-L05",
}

# Signed with hash and key; all others but the token call carry the token.
EXPORT = frozenset({"G2A-02", "G2A-03", "G2A-04", "G2A-05", "G2A-06", "G2A-07"})


@dataclass(frozen=True)
class Dialect:
    name: str
    routes: Routes
    page_size: str  # the name of that parameter
    offer_type: str  # likewise

    @property
    def is_live(self) -> bool:
        return self.name == "live"

    def route(self, operation: str, *ids: str) -> tuple[str, str]:
        """Method and path of an operation. Raises Unsupported (invalid) where this dialect lacks it, without a request."""
        if operation not in self.routes:
            raise Unsupported(
                f"That is not available in G2A's dialect {self.name}; the account's option “dialect” names it",
                kind="invalid",
                operation=operation,
            )
        method, path = self.routes[operation]
        return method, path.format(*(segment(value, operation) for value in ids)) if "{}" in path else path


CONTRACT = Dialect("contract", _CONTRACT, page_size="perPage", offer_type="offerType")
LIVE = Dialect("live", _LIVE, page_size="itemsPerPage", offer_type="type")


def dialect_of(connection: Connection) -> Dialect:
    return named(connection.options)


def named(options: Mapping[str, Any]) -> Dialect:
    return LIVE if options.get("dialect") == "live" else CONTRACT


def root_of(connection: Connection) -> str:
    """The host's root, whichever of the usual forms the base URL has (section 1.2); an account of G2A's own sandbox that
    names no base URL talks to the sandbox's host.
    """
    root = normalised(connection.base_url)
    return SANDBOX_ROOT if root == PRODUCTION_ROOT and connection.options.get("environment") == "sandbox" else root


def normalised(url: str) -> str:
    """Take blanks, trailing slashes and one known suffix off a base URL. Safe to repeat."""
    url = url.strip().rstrip("/")
    return next((url.removesuffix(suffix).rstrip("/") for suffix in SUFFIXES if url.endswith(suffix)), url)


def takes_plain_header(connection: Connection) -> bool:
    """True where hash and key go out in one header instead of four signed ones (section 2.4)."""
    is_sandbox = connection.options.get("environment") == "sandbox"
    is_sandbox_host = urlsplit(root_of(connection)).hostname == urlsplit(SANDBOX_ROOT).hostname
    return dialect_of(connection).is_live or is_sandbox or is_sandbox_host


def segment(external_id: str, operation: str = "") -> str:
    """An id as one segment of a path. Dots alone would lead to another path."""
    if external_id.strip(". ") == "":
        raise PermanentError(f"“{external_id}” is no id of G2A's", kind="invalid", operation=operation)
    return quote(external_id, safe="")
