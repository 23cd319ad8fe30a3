"""For each marketplace: a valid call, and hostile ones that are made of it so that not one of them may be let in.

What a marketplace's signature does not cover is no proof of anything, so it is not what is changed here: a body of G2G's or
Ginee's may say what it likes, and is a hint. Such bodies, in calls that are valid, are `odd` ones: they may be kept for a
person, and must not break anything.
"""

import base64
import hashlib
import hmac
import json
import random
import string
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from django.utils import timezone

from marketplaces import services
from marketplaces.models import Account
from tests.fuzz.knocking import Knock

METHODS = ("GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT", "BREW", "", "P\x00ST", "Ä")
TAILS = (
    "..", "../../admin/", "%00", "%2e%2e/%2e%2e/healthz", "%ff%fe", "a" * 5000, "//", "token;x=1", "oauth//token", ".env",
    "integration-api/v1", "order/%0d%0aX: 1/inventory", "😀", "?", "#", "{{7*7}}", "' OR 1=1 --", "_sim/state",
)  # fmt: skip
LENGTHS = ("", "0", "1", "-1", "99999999999999", "abc", "1e3", "0x10", " 5", "5, 5", "²")
DEPTH = 100_000


def account(slug: str, name: str, **options: Any) -> Account:
    service = services.get_service(slug)
    made = {key: f"{value}-{name}" if key != "user_id" else value for key, value in service.sandbox_credentials.items()}
    return Account.objects.create(
        name=name,
        marketplace=slug,
        base_url=f"http://{slug}.test",
        is_sandbox=True,
        options=options,
        credentials=service.completed({}, made),
        webhook_secrets=[f"webhook-secret-of-{name}"],
    )


class Caller:
    """Makes calls to one account; `other` is another account of the same marketplace, with other secrets."""

    def __init__(self, mine: Account, other: Account, dice: random.Random) -> None:
        self.mine, self.other, self.dice = mine, other, dice

    def valid(self) -> Knock | None:
        """A call that has to be let in; None where the marketplace never calls."""
        raise NotImplementedError

    def hostile(self) -> Knock:
        """A call that may not be let in."""
        make = self.dice.choice([self._stranger, *self.forgeries()])
        return self._from_somewhere(self._roughened(make()))

    def odd(self) -> Knock | None:
        """A call with all that proves who sends it, and a body or a path of nobody's."""
        valid = self.valid()
        return valid and valid.but("odd body", body=self._odd_body())

    def forgeries(self) -> list[Callable[[], Knock]]:
        """What can be made of a valid call that proves nothing any more."""
        return []

    # --- what all have in common ---------------------------------------------------------------------------------

    def _stranger(self) -> Knock:
        """Somebody who knows no more than an address, or not even that."""
        dice = self.dice
        known = f"/hooks/{self.mine.pk}"
        path = dice.choice([known, f"{known}/", f"/hooks/{uuid.UUID(int=dice.getrandbits(128))}/", "/hooks/", "/hooks"])
        path += dice.choice(["", "", quote(dice.choice(TAILS), safe="%/;?#")])
        headers = {self._word(): self._text() for _ in range(dice.randint(0, 5))}
        if dice.random() < 0.3:
            headers |= {"authorization": dice.choice(["", "Bearer", "Bearer ", "Basic eA==", f"Bearer {self._text()}"])}
        if dice.random() < 0.3:
            headers |= {"g2g-signature": self._text(), "g2g-timestamp": str(dice.randint(-(10**20), 10**20))}
        return Knock(
            dice.choice(["POST", "POST", *METHODS]), path, headers, self._odd_body(), dice.choice(["", self._text()])
        ).but("stranger")

    def _roughened(self, at: Knock) -> Knock:
        """Let the length be wrong now and then; whatever it says, the call proves nothing.

        But for one whose only fault is its length: with another it may be a good one.
        """
        if at.what == "too much":
            return at
        return at.but(at.what, length=self.dice.choice(LENGTHS)) if self.dice.random() < 0.1 else at

    def _from_somewhere(self, at: Knock) -> Knock:
        return at.but(at.what, address=f"198.51.100.{self.dice.randint(0, 255)}")

    def _word(self) -> str:
        return "".join(self.dice.choices(string.ascii_letters + "-_", k=self.dice.randint(1, 30)))

    def _text(self) -> str:
        # What a server hands on is latin-1, with no line end in it.
        kept = [chr(number) for number in range(1, 256) if number not in (10, 13)]
        return "".join(self.dice.choices(kept, k=self.dice.choice([0, 1, 20, 64, 4000])))

    def _odd_body(self) -> bytes:
        dice = self.dice
        makers: list[Callable[[], bytes]] = [
            lambda: b"",
            lambda: dice.randbytes(dice.randint(1, 2000)),
            lambda: b"[" * DEPTH,
            lambda: b'{"a":' * DEPTH,
            lambda: b'{"order_id": ' + b"9" * 5000 + b"}",
            lambda: b'{"order_id": 1e999999999999}',
            lambda: b'{"payload": NaN, "id": Infinity}',
            lambda: b'{"id": "\\u0000", "event_type": "\\ud800", "payload": {"order_id": "\\udfff\\u0000"}}',
            lambda: b"\xef\xbb\xbf{}",
            lambda: b'{"id": "\xff\xfe"}',
            lambda: json.dumps(self._json(4)).encode(),
            lambda: ("&".join(["a=b"] * 3000)).encode(),
            lambda: b"x" * (1024 * 1024 + 1),
            lambda: b'{"id": "' + b"x" * 900_000 + b'"}',
        ]
        # The big ones are dear to make, and not more hostile than once in a while.
        weights = [8, 8, 1, 1, 4, 4, 4, 4, 4, 4, 8, 1, 1, 1]
        return dice.choices(makers, weights)[0]()

    def _json(self, depth: int) -> Any:
        dice = self.dice
        leaves: list[Any] = [None, True, 0, -1, 2**70, 1.5, "", "x" * 300, "\x00", "DROP", [], {}]
        if depth == 0 or dice.random() < 0.3:
            return dice.choice(leaves)
        names = [
            "id",
            "event_type",
            "payload",
            "order_id",
            "offer_id",
            "product_id",
            "quantity",
            "data",
            "entity",
            "items",
        ]
        if dice.random() < 0.4:
            return [self._json(depth - 1) for _ in range(dice.randint(0, 4))]
        return {dice.choice(names): self._json(depth - 1) for _ in range(dice.randint(0, 5))}

    def _flipped(self, text: str) -> str:
        """The text with one bit of one character changed, so that it stays a character of a header."""
        place = self.dice.randrange(len(text))
        return text[:place] + chr(ord(text[place]) ^ self.dice.choice([1, 2, 4, 8, 16])) + text[place + 1 :]


class SignedEvents(Caller):
    """G2G: a signature over address, user and time."""

    def _signed(self, account: Account, *, off_seconds: float = 0.0, secret: str = "") -> Knock:
        stamp = str(int((timezone.now().timestamp() + off_seconds) * 1000))
        text = f"{account.hook_url}{account.credentials['user_id']}{stamp}".encode()
        signed = hmac.new((secret or account.webhook_secrets[0]).encode(), text, hashlib.sha256).hexdigest()
        headers = {"g2g-timestamp": stamp, "g2g-signature": signed, "content-type": "application/json"}
        body = json.dumps({"id": str(uuid.UUID(int=self.dice.getrandbits(128))), "event_type": "x", "payload": {}})
        return Knock("POST", urlsplit(account.hook_url).path, headers, body.encode())

    def valid(self) -> Knock:
        made = self._signed(self.mine)
        spelled = {
            self.dice.choice([str.upper, str.title, str.lower])(name): text for name, text in made.headers.items()
        }
        return made.but("valid", headers=spelled)

    def _with(self, what: str, **headers: str | None) -> Knock:
        made = self._signed(self.mine)
        changed = made.headers | {name.replace("_", "-"): text for name, text in headers.items() if text is not None}
        kept = {name: text for name, text in changed.items() if headers.get(name.replace("-", "_"), "") is not None}
        return made.but(what, headers=kept)

    def forgeries(self) -> list[Callable[[], Knock]]:
        good = self._signed(self.mine).headers
        signature, stamp = good["g2g-signature"], good["g2g-timestamp"]
        later = str(int(stamp) + self.dice.choice([-1, 1, 1000, -60_000]))
        return [
            lambda: self._with("a bit of the signature", g2g_signature=self._flipped(signature), g2g_timestamp=stamp),
            lambda: self._with("another time", g2g_signature=signature, g2g_timestamp=later),
            lambda: self._with("no signature", g2g_signature=None),
            lambda: self._with("no time", g2g_timestamp=None),
            lambda: self._with("header twice", g2g_signature=f"{signature},{signature}", g2g_timestamp=stamp),
            lambda: self._with("half a signature", g2g_signature=signature[:32], g2g_timestamp=stamp),
            lambda: self._with("more than a signature", g2g_signature=f"{signature}0", g2g_timestamp=stamp),
            lambda: self._signed(self.mine, off_seconds=self.dice.choice([-301, 400, -86_400])).but("replay"),
            lambda: self._signed(self.mine, secret="guessed").but("guessed secret"),
            lambda: self._signed(self.mine, secret=self.mine.credentials["secret"]).but("the API's secret"),
            lambda: self._signed(self.other).but("another account", path=urlsplit(self.mine.hook_url).path),
            lambda: self._signed(self.mine).but("another method", method=self.dice.choice(METHODS)),
            lambda: self._signed(self.mine).but("too much", body=b"x" * (1024 * 1024 + 1)),
        ]


class SecretAddress(Caller):
    """Ginee: whoever knows the address is let in."""

    BODY = b'{"entity": "order", "action": "update", "payload": {"orderId": "SP1"}}'

    def _at(self, token: str) -> Knock:
        return Knock("POST", f"/hooks/{self.mine.pk}/{quote(token)}/", {"content-type": "application/json"}, self.BODY)

    def valid(self) -> Knock:
        return self._at(self.mine.credentials["path_token"]).but("valid")

    def odd(self) -> Knock:
        body = (
            b'{"entity": ' + json.dumps(self._json(4)).encode() + b', "payload": ' + json.dumps(self._json(3)).encode()
        )
        return self.valid().but("odd body", body=self.dice.choice([body + b"}", self._odd_body()]))

    def forgeries(self) -> list[Callable[[], Knock]]:
        token, other = self.mine.credentials["path_token"], self.other.credentials["path_token"]
        return [
            lambda: self._at(self._flipped(token)).but("a bit of the token"),
            lambda: self._at(token[:-1]).but("half a token"),
            lambda: self._at(f"{token}x").but("more than a token"),
            lambda: self._at(token.swapcase()).but("another case") if token.swapcase() != token else self._at(""),
            lambda: self._at(f"{token}/a/b/c").but("a longer path"),
            lambda: self._at(other).but("another account"),
            lambda: self._at(token).but("another method", method=self.dice.choice(METHODS)),
            lambda: self._at(token).but(
                "no JSON object", body=self.dice.choice([b"", b"[]", b"1", b"{", b"\xff", b"[" * DEPTH])
            ),
            lambda: self._at(token).but("too much", body=b"x" * (1024 * 1024 + 1)),
        ]


class SignedAddress(Caller):
    """Ginee, where the account asks for a signature beside the address's token."""

    def _signed(self, account: Account, *, path: str = "") -> Knock:
        where = urlsplit(account.hook_url).path
        named = (path or where).rstrip("/")
        key = account.webhook_secrets[0].encode()
        signed = base64.b64encode(hmac.new(key, f"POST${named}$".encode(), hashlib.sha256).digest()).decode()
        headers = {"authorization": f"{account.credentials['access_key']}:{signed}", "content-type": "application/json"}
        return Knock("POST", where, headers, SecretAddress.BODY)

    def valid(self) -> Knock:
        return self._signed(self.mine).but("valid")

    def forgeries(self) -> list[Callable[[], Knock]]:
        good = self._signed(self.mine)
        said = good.headers["authorization"]
        key, _, signed = said.partition(":")
        header = good.headers
        # Not its end: the last character of base64 has bits that nobody reads.
        flipped = f"{key}:{self._flipped(signed[:40])}{signed[40:]}"
        others_key = self.other.credentials["access_key"]
        return [
            lambda: good.but("no signature", headers={}),
            lambda: good.but("a bit of the signature", headers=header | {"authorization": flipped}),
            lambda: good.but("another's key", headers=header | {"authorization": f"{others_key}:{signed}"}),
            lambda: good.but("header twice", headers=header | {"authorization": f"{said},{said}"}),
            lambda: self._signed(self.mine, path="/another/path").but("another path"),
            lambda: self._signed(self.other).but("another account", path=good.path),
            lambda: good.but("another method", method=self.dice.choice(METHODS)),
        ]  # fmt: skip


class TokenHolder(Caller):
    """G2A: a token that we issued, for the client's id and secret."""

    def __init__(self, mine: Account, other: Account, dice: random.Random, tokens: tuple[str, str]) -> None:
        super().__init__(mine, other, dice)
        self.token, self.others_token = tokens

    def _call(self, token: str, method: str = "GET", tail: str = "healthcheck", body: bytes = b"") -> Knock:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        return Knock(method, f"/hooks/{self.mine.pk}/{tail}", headers, body)

    def valid(self) -> Knock:
        return self._call(self.token).but("valid")

    def odd(self) -> Knock:
        tails = (
            "reservation",
            "order",
            "notifications",
            "reservations",
            "order/%00/inventory",
            "inventory/%ff",
            "%00/x",
        )
        method = self.dice.choice(["GET", "POST", "PUT", "DELETE"])
        return self._call(self.token, method, self.dice.choice(tails), self._odd_body()).but("odd body")

    def forgeries(self) -> list[Callable[[], Knock]]:
        tails = [("GET", "healthcheck"), ("POST", "reservation"), ("POST", "order"), ("GET", "order/1/inventory")]
        method, tail = self.dice.choice(tails)
        body = b'[{"product_id": 1, "quantity": 1}]'
        form = {"grant_type": "client_credentials", "client_id": self.mine.credentials["merchant_client_id"]}
        guess = {
            **form,
            "client_secret": self.dice.choice(["", "guess", self.other.credentials["merchant_client_secret"]]),
        }
        ask = self._call("", "POST", "oauth/token").but("guessed secret", body=urlencode(guess).encode())
        good = self._call(self.token, method, tail, body)
        return [
            lambda: self._call(self._flipped(self.token), method, tail, body).but("a bit of the token"),
            lambda: self._call(self.token[:-1], method, tail, body).but("half a token"),
            lambda: self._call(self.others_token, method, tail, body).but("another account"),
            lambda: good.but("header twice", headers={"authorization": f"Bearer {self.token},Bearer {self.token}"}),
            lambda: good.but("another scheme", headers={"authorization": f"Basic {self.token}"}),
            lambda: good.but("no token", headers={}),
            lambda: good.but("token in the query", headers={}, query=f"access_token={self.token}"),
            lambda: ask,
            lambda: ask.but("a form without an end", body=b"a=b&" * 3000),
            lambda: ask.but("a form of bytes", body=self.dice.randbytes(500)),
            lambda: self._call(self.token, "POST", self.dice.choice(["ordér", "x/y/z", "order/1", ""])).but(
                "no such call"
            ),
            lambda: good.but("another method", method="PATCH"),
            lambda: good.but("too much", body=b"x" * (1024 * 1024 + 1), method="POST"),
        ]


class Nobody(Caller):
    """G-Commerce, which never calls: whoever does is a stranger."""

    def valid(self) -> None:
        return None


def all_callers(dice: random.Random, token_of: Callable[[Account], str]) -> dict[str, Caller]:
    """A caller for each way in; `token_of` asks the door for a token as G2A does."""
    g2g = account("g2g", "one"), account("g2g", "two")
    ginee = account("ginee", "three"), account("ginee", "four")
    signed = (account("ginee", "five", verification="signature"), account("ginee", "six", verification="signature"))
    g2a = account("g2a", "seven"), account("g2a", "eight")
    gcommerce = account("gcommerce", "nine"), account("gcommerce", "ten")
    return {
        "g2g": SignedEvents(*g2g, dice),
        "ginee": SecretAddress(*ginee, dice),
        "ginee, signed": SignedAddress(*signed, dice),
        "g2a": TokenHolder(*g2a, dice, (token_of(g2a[0]), token_of(g2a[1]))),
        "gcommerce": Nobody(*gcommerce, dice),
    }
