"""What Ginee's notifications tell us: did they come in by the right address, what are they about, who is told.

Nothing that Ginee sends covers the body (GIN-P03), so whatever stands in one is a hint; with keys it is read back.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from urllib.parse import urlsplit

from django.conf import settings

from backoffice.crypto import same
from marketplaces.exceptions import PermanentError, Refused, Unsupported
from marketplaces.masking import MASK
from marketplaces.services.ginee import address, mapping, reading, signing
from marketplaces.services.ginee.reading import ident, obj, text
from marketplaces.shop import Shop
from marketplaces.types import Call, Connection, Json, Notice, Reply

ACCEPTED = Reply(200, b'{"status": true}')
LONGEST_WORD = 40
MATCH, MISMATCH, ABSENT = "match", "mismatch", "absent"
# What answers an order's notification whose id nothing can be found under.
NO_OBJECT = "no_object"


def refusal(status: int) -> Reply:
    return Reply(status, b'{"status": false}')


# --- at the door -----------------------------------------------------------------------------------------------


def verify(connection: Connection, call: Call) -> None:
    """Raise Refused unless the call came in as the account's options ask for (section 2.2), with a JSON object."""
    mode = str(connection.options.get("verification", "path_token"))
    if mode == "off":
        _off_is_meant(connection)
    elif not address.fits(_segments(call)[0], connection.credentials) or len(_segments(call)) > 2:
        raise Refused(404, "The address does not go on with the account's token. Give Ginee the address shown here")
    CHECKS[mode](connection, call)
    if mode != "signature" and connection.options.get("signature_check") == "require":
        _by_signature(connection, call)
    if reading.parse(call.body) is None:
        what = "it was empty, as when an address is tried out" if not call.body else "it was something else"
        raise Refused(400, f"A notification is a JSON object, and {what}")


def door_lines(connection: Connection) -> list[str]:
    """Say in lines for people what keeps notifications out, whatever Ginee sends."""
    try:
        if connection.options.get("verification") == "off":
            _off_is_meant(connection)
    except Refused as refused:
        return [f"Notifications are refused: {refused.reason}."]
    if connection.options.get("verification") == "off" or connection.credentials.get(address.TOKEN):
        return []
    return ["The webhook address has no token, so notifications are refused. Save the account, and one is made."]


def _off_is_meant(connection: Connection) -> None:
    if not settings.DEBUG and not connection.options.get("allow_off"):
        raise Refused(
            401, "Verification is off, which is for tests alone. Choose another, or say with the option allow_off that it is"
            " meant"
        )  # fmt: skip


def _by_nothing_more(connection: Connection, call: Call) -> None:
    """The address was all that is asked for."""


def _by_signature(connection: Connection, call: Call) -> None:
    found = check_signature(connection, call)
    if found != MATCH:
        problem = "has no signature" if found == ABSENT else "is signed, and not by this account's secret over its path"
        paths = ", ".join(_public_paths(connection, call)).replace(_segments(call)[0], MASK)
        raise Refused(
            401,
            f"The call {problem}. Compare the webhook secret (without one it is the secret key) and the option public_path;"
            f" here the path is {paths}",
        )


def _by_shared_secret(connection: Connection, call: Call) -> None:
    name = str(connection.options.get("secret_header", "")).strip().lower()
    given, known = call.headers.get(name, ""), connection.webhook_secrets
    if not known:
        raise Refused(
            401, "This account has no webhook secret to compare with. Enter the one that Ginee's staff were told"
        )
    fits = [same(given, secret.strip()) for secret in known]
    if not given or not any(fits):
        raise Refused(401, f"The header {name} is {'not the shared secret' if given else 'missing'}")


CHECKS: dict[str, Callable[[Connection, Call], None]] = {
    "path_token": _by_nothing_more,
    "off": _by_nothing_more,
    "signature": _by_signature,
    "shared_secret": _by_shared_secret,
}


def check_signature(connection: Connection, call: Call) -> str:
    """Compare the call's signature, bare or as accessKey:signature: `match`, `mismatch` or `absent`."""
    given = call.headers.get("authorization", "").strip()
    if not given:
        return ABSENT
    key, colon, signed = given.partition(":")
    if not colon:
        key, signed = "", given
    access_key = str(connection.credentials.get("access_key", "")).strip()
    is_ours = not colon or not access_key or same(key, access_key)
    fits = [
        same(signed.strip(), signing.signature(secret, "POST", path))
        for secret in _secrets(connection)
        for path in _public_paths(connection, call)
    ]
    return MATCH if is_ours and any(fits) else MISMATCH


def _secrets(connection: Connection) -> list[str]:
    given = [secret.strip() for secret in connection.webhook_secrets]
    return given or [secret for secret in [str(connection.credentials.get("secret_key", "")).strip()] if secret]


def _public_paths(connection: Connection, call: Call) -> list[str]:
    """The paths that Ginee may have signed: those that are registered there, never the one that a proxy made of it
    (GIN-P04). Where none is named it is that of our own address, with the module that the call names.
    """
    named = str(connection.options.get("public_path", "")).replace(",", " ").split()
    if named:
        return named
    path = urlsplit(connection.hook_url).path.rstrip("/")
    module = "".join(f"/{segment}" for segment in _segments(call)[1:])
    return [f"{path}{module}", f"{path}{module}/"]


def _segments(call: Call) -> list[str]:
    return call.path.strip("/").split("/")


# --- what it is about ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Envelope:
    """A notification's outer part; `problem` says why it can't be processed."""

    id: str
    entity: str
    action: str
    payload: Json
    problem: str = ""

    @property
    def object_id(self) -> str:
        return ident(self.payload.get("orderId")) or ident(self.payload.get("deliveryOrderId"))


def read(body: bytes) -> Envelope:
    """Read a notification's envelope (GIN-06). Never raises."""
    event = reading.parse(body)
    if event is None:
        return Envelope("", "", "", {}, "It is no JSON object")
    event_id = ident(event.get("id"), reading.LONGEST_ID)
    entity, action = text(event.get("entity")).lower(), text(event.get("action")).upper()
    lacks = [name for name, found in (("id", event_id), ("entity", entity), ("action", action)) if not found]
    lacks += [] if isinstance(event.get("payload"), dict) else ["payload"]
    problem = f"It has no usable {', '.join(lacks)}" if lacks else ""
    return Envelope(event_id, entity, action, obj(event.get("payload")), problem)


def notices(connection: Connection, call: Call) -> Iterator[tuple[Call, Notice]]:
    """Say what a call is about. What is kept of its path is the module alone, since the token is a secret."""
    envelope = read(call.body)
    notice = Notice(
        event_id=envelope.id or sha256(call.body).hexdigest(),
        kind=f"{envelope.entity[:LONGEST_WORD]} {envelope.action[:LONGEST_WORD]}".strip() or "unnamed",
        subject=envelope.object_id,
        happened_at=reading.when((reading.parse(call.body) or {}).get("createAt")),
        remark=_remark(connection, call),
        is_its_body=True,
    )
    yield replace(call, path="/".join(_segments(call)[1:2])), notice


def _remark(connection: Connection, call: Call) -> str:
    if connection.options.get("signature_check") == "ignore":
        return ""
    return f"Signature: {check_signature(connection, call)}."


# --- who is told -----------------------------------------------------------------------------------------------


def process(call: Call, shop: Shop, connection: Connection) -> None:
    """Tell the shop what a notification is about. Safe to repeat, in any order.

    Raises PermanentError (quarantined) when its envelope is broken, and Unsupported when there is nothing to do: for an
    entity or action that nobody knows (GIN-05), or an empty payload (no_object).
    """
    envelope = read(call.body)
    if envelope.problem:
        raise PermanentError(
            f"{envelope.problem}, so it is kept and not processed. If it comes from Ginee, show it to their staff",
            kind="quarantined",
        )
    route = ROUTES.get((envelope.entity, envelope.action))
    if route is None:
        raise Unsupported(f"Nothing is done about {envelope.entity} {envelope.action}", kind="unsupported")
    if not ident(envelope.payload.get(KEYS[envelope.entity])):
        raise Unsupported(
            f"The notification names no {KEYS[envelope.entity]}: something happened, and only Ginee's own pages can say what",
            kind=NO_OBJECT,
        )
    route(shop, envelope, call, connection)


def _order_changed(shop: Shop, envelope: Envelope, call: Call, connection: Connection) -> None:
    order = mapping.to_order(envelope.payload)
    if signing.has_keys(connection):
        shop.order_changed(order)
    else:
        shop.order_told(order)


def _order_deleted(shop: Shop, envelope: Envelope, call: Call, connection: Connection) -> None:
    shop.order_deleted(mapping.to_order(envelope.payload), envelope.id)


def _shipment_changed(shop: Shop, envelope: Envelope, call: Call, connection: Connection) -> None:
    told = replace(mapping.to_shipment(envelope.payload), is_first=envelope.action == "CREATE")
    shop.shipment_changed(told, envelope.id)


def _shipment_deleted(shop: Shop, envelope: Envelope, call: Call, connection: Connection) -> None:
    at = reading.when(envelope.payload.get("lastUpdateAt")) or call.received_at
    shop.shipment_changed(mapping.to_shipment(envelope.payload, deleted_at=at), envelope.id)


Route = Callable[[Shop, Envelope, Call, Connection], None]

KEYS = {"order": "orderId", "delivery-order": "deliveryOrderId"}
ROUTES: dict[tuple[str, str], Route] = {
    ("order", "CREATE"): _order_changed,  # GIN-01
    ("order", "UPDATE"): _order_changed,  # GIN-05, as the newer pages have it
    ("order", "DELETE"): _order_deleted,
    ("delivery-order", "CREATE"): _shipment_changed,  # GIN-02
    ("delivery-order", "UPDATE"): _shipment_changed,  # GIN-03
    ("delivery-order", "DELETE"): _shipment_deleted,  # GIN-04
}
