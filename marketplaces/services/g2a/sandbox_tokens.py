"""Who calls the make-believe G2A (section 2): hash headers, the simple header, and Bearer tokens, which it issues
itself (G2A-01).
"""

import hashlib
import hmac
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from marketplaces.sandbox_words import Json, Refusal, Request, Seller, operation
from marketplaces.services.g2a.sandbox_checks import read_form

if TYPE_CHECKING:
    from marketplaces.services.g2a.sandbox import Sandbox

TIMESTAMP_LIFE_SECONDS = 300
HASH_HEADERS = ("x-api-hash", "x-api-key", "x-g2a-timestamp", "x-g2a-hash")
BY_HASH = re.compile(r"(/integration-api)?/v1/(products|order|token)(/.*)?|/token")
BY_BEARER = re.compile(
    r"/integration-api/v1/(offers|jobs|prices|bestsellers|reservations|inventory)(/.*)?|/v[34]/(sales|jobs|pricing|products)(/.*)?"
)


@dataclass
class Token:
    account: str
    ends_at: float


class Doorkeeper:
    """Lets callers in, and issues tokens. The sandbox's lock is held around each call."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self.tokens: dict[str, Token] = {}

    # --- operations ------------------------------------------------------------------------------------------

    @operation("G2A-01", "GET", "{base:/integration-api/v1|/v1|}/token")
    def get_token(self, request: Request, base: str) -> Json:
        return self._issue(account_hash(request.seller))

    @operation("G2A-01", "POST", "/oauth/token")
    def get_live_token(self, request: Request) -> Json:
        form = read_form(request)
        if form.get("grant_type") != "client_credentials":
            raise Refusal(400, "BR02", "grant_type is client_credentials")
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        for seller in self._sandbox.sellers():
            given = seller.credentials.get("api_secret", "")
            if client_id and given and account_hash(seller) == client_id and hmac.compare_digest(given, secret):
                self._check_rights(seller)
                return self._issue(client_id)
        raise Refusal(401, "AUTH02", "There is no merchant with this id and secret")

    def _issue(self, account: str) -> Json:
        if self._sandbox.options["single_token"]:
            self.tokens = {text: token for text, token in self.tokens.items() if token.account != account}
        life = self._sandbox.options["token_life"]
        text = self._sandbox.new_id()
        self.tokens[text] = Token(account, self._sandbox.clock.time() + life)
        return {"access_token": text, "expires_in": life, "token_type": "bearer"}

    # --- letting in ------------------------------------------------------------------------------------------

    def admit(self, request: Request) -> None:
        """Set `request.seller` where the address asks for it; raises Refusal."""
        if BY_HASH.fullmatch(request.path):
            request.seller = self._by_hash(request)
        elif BY_BEARER.fullmatch(request.path):
            request.seller = self._by_bearer(request)
        else:
            return
        self._check_rights(request.seller)
        if wait := self._sandbox.bucket.take(account_hash(request.seller)):
            headers = {"Retry-After": str(math.ceil(wait))} if self._sandbox.options["retry_after"] else {}
            raise Refusal(429, "BR03", "Too many requests", headers)

    def _check_rights(self, seller: Seller) -> None:
        if account_hash(seller) in self._sandbox.options["blocked_hashes"]:
            raise Refusal(401, "AUTH03", "This IP address is not allowed")
        if account_hash(seller) in self._sandbox.options["denied_hashes"]:
            raise Refusal(401, "AUTH04", "This account has no right to this method")

    def _by_hash(self, request: Request) -> Seller:
        environment = self._sandbox.options["environment"]
        if all(request.headers.get(name) for name in HASH_HEADERS):
            if environment != "sandbox" and self._is_fresh(request.headers["x-g2a-timestamp"]):
                return self._found(lambda seller: _has_signed(seller, request.headers))
            raise Refusal(401, "AUTH02", "X-G2A-Timestamp is too old or no number, or this is the sandbox")
        if not (authorization := request.headers.get("authorization", "")):
            raise Refusal(self._sandbox.options["auth01_status"], "AUTH01", "Authorization header missing")
        given_counts = environment != "production"
        return self._found(lambda seller: authorization in _simple_headers(seller, given_counts=given_counts))

    def _by_bearer(self, request: Request) -> Seller:
        authorization = request.headers.get("authorization", "")
        if not authorization:
            raise Refusal(self._sandbox.options["auth01_status"], "AUTH01", "Authorization header missing")
        token = self.tokens.get(authorization.removeprefix("Bearer "))
        if not authorization.startswith("Bearer ") or token is None or token.ends_at <= self._sandbox.clock.time():
            raise Refusal(401, "AUTH02", "The token is unknown or expired")
        return self._found(lambda seller: account_hash(seller) == token.account)

    def _found(self, fits: Callable[[Seller], bool]) -> Seller:
        seller = next((seller for seller in self._sandbox.sellers() if account_hash(seller) and fits(seller)), None)
        if seller is None:
            raise Refusal(401, "AUTH02", "There is no merchant with these credentials")
        return seller

    def _is_fresh(self, timestamp: str) -> bool:
        # Advancing the simulated clock must not shut out clients that live in real time.
        if not timestamp.isdigit():
            return False
        nows = (self._sandbox.clock.wire_time(), self._sandbox.clock.time())
        return any(abs(int(timestamp) - now) <= TIMESTAMP_LIFE_SECONDS for now in nows)


def account_hash(seller: Seller | None) -> str:
    """The API hash, which is what an account is known by; api_secret is the older name of the same value."""
    if seller is None:
        return ""
    return seller.credentials.get("api_hash") or seller.credentials.get("api_secret", "")


def derived_key(seller: Seller) -> str:
    """The key that the live API expects; empty when an input is missing."""
    email, secret = seller.credentials.get("email", ""), seller.credentials.get("api_secret", "")
    return _sha256(account_hash(seller) + email + secret) if email and secret else ""


def _has_signed(seller: Seller, headers: Mapping[str, str]) -> bool:
    account, key = account_hash(seller), seller.credentials.get("api_key") or derived_key(seller)
    expected = (account, key, _sha256(account + key + headers["x-g2a-timestamp"]))
    return bool(key) and expected == (headers["x-api-hash"], headers["x-api-key"], headers["x-g2a-hash"])


def _simple_headers(seller: Seller, *, given_counts: bool) -> set[str]:
    keys = {derived_key(seller), seller.credentials.get("api_key", "") if given_counts else ""} - {""}
    return {f"{account_hash(seller)}, {key}" for key in keys}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
