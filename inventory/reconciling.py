"""Compare offers with what their marketplace shows of them, page by page, and write down what differs.

What a marketplace does not say is no difference, and neither is what a change of ours that is on its way explains.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from backoffice import money
from backoffice.rows import update_each
from inventory import differences, mirror, pricing, publishing, shelves, stock
from inventory.differences import Finding
from inventory.models import Difference, Offer, StockChange
from marketplaces.base import MarketplaceService
from marketplaces.exceptions import NotFound
from marketplaces.models import Account
from marketplaces.types import OfferContent, OfferStatus, RemoteOffer

Kind, State = Difference.Kind, Offer.State

ON_ITS_WAY = (State.DUE, State.IN_FLIGHT, State.UNKNOWN)
# A marketplace may go on showing the old number for a while, and news of a sale take as long.
JUST_NOW = timedelta(minutes=3)
AT_ONCE = 500
CENTS = Decimal("0.0001")  # as amounts are kept
NOT_FOR_SALE = (OfferStatus.PAUSED, OfferStatus.SUSPENDED)
NO_PRODUCT = "not linked to a product"
KEPT = frozenset(field.name for field in fields(RemoteOffer)) - mirror.NOT_KEPT


@dataclass(frozen=True)
class Compared:
    """Offers that were compared, and those left out because a change of ours is on its way.

    Of `doubtful` ones, named by their ids there, the list says too little: they are to be read by themselves.
    """

    offers: int = 0
    on_their_way: int = 0
    doubtful: tuple[str, ...] = ()


# --- a page of what the marketplace shows ----------------------------------------------------------------------------


def compare(
    account: Account,
    page: Sequence[RemoteOffer],
    *,
    asked_at: datetime,
    is_list: bool = False,
    is_after_push: bool = False,
) -> Compared:
    """Compare what the marketplace shows of offers with what we want, and write down what was seen and what differs.

    `asked_at` is from before the question. `is_list` says that reading an offer by itself may tell more, and `is_after_push`
    that what was just pushed is to be seen by now.
    A few statements for a page of any size. Joins no transaction. Safe to repeat.
    """
    if not page:
        return Compared()
    shown = {remote.external_id: remote for remote in page}
    # In this order: a sale that comes in between has left its note, made its offer due, or has been pushed just now.
    products = _products(account, shown)
    units = stock.sellable_of(products)
    changing = set(StockChange.objects.filter(product__in=products).values_list("product_id", flat=True))
    known = {offer.external_id: offer for offer in _mine(account).filter(external_id__in=list(shown))}
    for offer in known.values():
        offer.account = account
    on_shelves = replace(shelves.read(shelves.Place.of(offer) for offer in known.values()), units=units)
    just_now = asked_at if is_after_push else asked_at - JUST_NOW
    findings: list[Finding] = []
    compared: list[str] = []
    doubtful: list[str] = []
    short = [name for name, remote in shown.items() if is_list and remote.quantity is None]
    differed = set(differences.lasting(account).filter(external_id__in=short).values_list("external_id", flat=True))
    being_made = _being_made(account, [remote for name, remote in shown.items() if name not in known])
    for name, remote in shown.items():
        mine = known.get(name)
        if mine is None and remote.external_product_id in being_made:
            continue
        if mine is not None and _is_changing(mine, units, changing, just_now):
            continue
        if mine is None or mine.product_id is None:
            compared.append(name)
            findings += _unknown(remote, mine)
            continue
        content = publishing.content_of(mine, mine.price or Decimal(0), on_shelves)
        if is_list and (name in differed or _is_doubtful(mine, remote, content)):
            doubtful.append(name)
            continue
        compared.append(name)
        findings += _findings(mine, remote, content)
    _note_seen([offer for offer in known.values() if offer.seen_at is None or offer.seen_at < asked_at], shown)
    differences.record(account, findings, offers=compared, at=timezone.now())
    return Compared(len(compared), len(shown) - len(compared) - len(doubtful), tuple(doubtful))


def _mine(account: Account) -> QuerySet[Offer]:
    return Offer.objects.filter(account=account).exclude(external_id="")


def _products(account: Account, shown: Mapping[str, RemoteOffer]) -> list[int]:
    products = _mine(account).filter(external_id__in=list(shown), product__isnull=False)
    return list(products.order_by().values_list("product_id", flat=True).distinct())


def _being_made(account: Account, unknown: Sequence[RemoteOffer]) -> set[str]:
    """Products there for which a create of ours may have arrived; the push takes its offer over."""
    created = Offer.objects.filter(
        account=account,
        external_id="",
        external_product_id__in=[remote.external_product_id for remote in unknown],
        state__in=ON_ITS_WAY,
    )
    return set(created.values_list("external_product_id", flat=True))


def _is_changing(offer: Offer, units: Mapping[int, int], changing: set[int], just_now: datetime) -> bool:
    """Whether a change of ours explains what is shown: it is on its way, or arrived later than `just_now`."""
    is_on_its_way = offer.state in ON_ITS_WAY or offer.job_id is not None or bool(offer.removal_by)
    was_just_pushed = offer.pushed_at is not None and offer.pushed_at > just_now
    was_just_linked = offer.product_id is not None and offer.product_id not in units
    return is_on_its_way or was_just_pushed or was_just_linked or offer.product_id in changing


def _is_doubtful(offer: Offer, remote: RemoteOffer, content: OfferContent) -> bool:
    """Whether the list tells only what is left of a quantity, and that is not the number that is wanted."""
    if remote.quantity is not None or remote.available is None or remote.status == OfferStatus.REMOVED:
        return False
    wanted = offer.account.service_class.shown(content).get("quantity")
    return wanted is not None and wanted != remote.available


def _note_seen(offers: Sequence[Offer], shown: Mapping[str, RemoteOffer]) -> None:
    for offer in offers:
        mirror.see(offer, shown[offer.external_id])
    update_each(offers, mirror.SEEN_FIELDS)


# --- field by field --------------------------------------------------------------------------------------------------


def _unknown(remote: RemoteOffer, offer: Offer | None) -> Iterator[Finding]:
    """An offer there that we sell nothing with: it has no row here, or one without a product."""
    if remote.status == OfferStatus.REMOVED:
        return
    said = [remote.title, money.display(remote.price, remote.currency), remote.status.replace("_", " ")]
    yield Finding(
        field="offer",
        kind=Kind.UNKNOWN,
        ours=NO_PRODUCT if offer else "",
        theirs=", ".join(filter(None, said)),
        external_id=remote.external_id,
        offer_id=offer.pk if offer else None,
        shown=mirror.as_json(remote),
    )


def _findings(offer: Offer, remote: RemoteOffer, content: OfferContent) -> Iterator[Finding]:
    if remote.status == OfferStatus.REMOVED:
        yield from _gone(offer)
        return
    ours = offer.account.service_class.shown(content)
    is_wanted = content.quantity > 0 and bool(ours.get("is_for_sale", content.is_for_sale))
    checks = (
        _price(offer, remote, ours),
        _status(remote, is_wanted=is_wanted),
        None if not is_wanted and remote.status in NOT_FOR_SALE else _number("quantity", ours, remote.quantity),
        _number("min_quantity", ours, remote.min_quantity or None),  # none is the same as one
        _text("title", ours, remote.title),
        _text("visibility", ours, remote.visibility),
        *_attributes(ours.get("attributes") or {}, remote.attributes),
    )
    for field, kind, wanted, seen in filter(None, checks):
        yield Finding(field, kind, wanted, seen, external_id=offer.external_id, offer_id=offer.pk)


Check = tuple[str, str, str, str] | None


def _price(offer: Offer, remote: RemoteOffer, ours: Mapping[str, Any]) -> Check:
    if "price" not in ours or offer.price is None or remote.price is None:
        return None
    is_other_currency = bool(remote.currency and offer.currency and remote.currency != offer.currency)
    theirs = remote.price.quantize(CENTS)
    if offer.price == theirs and not is_other_currency:
        return None
    pushed = _decimal(offer.pushed.get("price"))
    # Where it shows what we sent last it is only behind; anything else was set by somebody there.
    kind = Kind.CHANGED if pushed is None or pushed == theirs else Kind.BY_HAND
    return "price", kind, _amount(offer.price, offer.currency), _amount(theirs, remote.currency)


def _amount(price: Decimal, currency: str) -> str:
    """An amount to its last digit: a difference of less than a cent is one."""
    return f"{money.json_safe(price)} {currency}".strip()


def _status(remote: RemoteOffer, *, is_wanted: bool) -> Check:
    if is_wanted and remote.status in NOT_FOR_SALE:
        return "status", Kind.CHANGED, "for sale", str(remote.status)
    if not is_wanted and remote.status == OfferStatus.LIVE and remote.quantity is None:
        return "status", Kind.CHANGED, "not for sale", str(remote.status)
    return None


def _number(name: str, ours: Mapping[str, Any], theirs: int | None) -> Check:
    if theirs is None or name not in ours or ours[name] == theirs:
        return None
    return name, Kind.CHANGED, str(ours[name]), str(theirs)


def _text(name: str, ours: Mapping[str, Any], theirs: str) -> Check:
    wanted = str(ours.get(name) or "")
    if not wanted or not theirs or " ".join(wanted.split()) == " ".join(theirs.split()):
        return None
    return name, Kind.CHANGED, wanted, theirs


def _attributes(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[Check]:
    for name in sorted(ours.keys() & theirs.keys()):
        if not _says(money.json_safe(ours[name]), money.json_safe(theirs[name])):
            yield f"attributes.{name}", Kind.CHANGED, _as_text(ours[name]), _as_text(theirs[name])


def _says(ours: Any, theirs: Any) -> bool:
    """Whether theirs says ours, and perhaps more: an id with its name, the same choices in another order."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return all(_says(value, theirs[name]) for name, value in ours.items() if name in theirs)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(any(_says(one, other) for other in theirs) for one in ours)
    first, second = _decimal(ours), _decimal(theirs)
    if first is not None and second is not None:
        return first == second
    return str(ours).strip().casefold() == str(theirs).strip().casefold()


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool) or value in (None, ""):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(money.json_safe(value), sort_keys=True, default=str)


# --- what is not shown any more --------------------------------------------------------------------------------------


def missing(account: Account, since: datetime) -> QuerySet[Offer]:
    """Offers of ours that should be there and were not seen since then, in the order of their keys."""
    not_seen = Q(seen_at=None) | Q(seen_at__lt=since)
    new = Q(pushed_at__gte=since)  # made while the list was read
    there = _mine(account).exclude(seen_status=OfferStatus.REMOVED)
    return there.filter(not_seen).exclude(new).order_by("pk")


def too_many_missing(account: Account, since: datetime) -> str:
    """Say why a reading that lacks so many offers is not believed; empty when it is."""
    known = _mine(account).exclude(seen_status=OfferStatus.REMOVED).count()
    lacking = missing(account, since).count()
    if known < mirror.FEW_OFFERS or lacking <= known * mirror.MOST_GONE:
        return ""
    return (
        f'Account "{account}": {lacking:,} of {known:,} offers seem to have vanished, which is too many to believe. None was'
        " marked as gone. Look at the marketplace's own list; if they are really gone, delete them here"
    )


def note_gone(offers: Sequence[Offer]) -> int:
    """Mark offers as removed there; a push that is on its way finds that out by itself. Returns how many. Safe to repeat."""
    there = Offer.objects.filter(pk__in=[offer.pk for offer in offers]).exclude(state__in=ON_ITS_WAY)
    return there.update(seen_status=OfferStatus.REMOVED, seen_at=timezone.now())


def compare_gone(account: Account) -> int:
    """Write down the offers that vanished, whoever noticed; returns how many.

    Those that we had deleted there are none.
    """
    gone = _mine(account).filter(seen_status=OfferStatus.REMOVED, product__isnull=False).order_by("pk")
    last, count = 0, 0
    while page := list(gone.filter(pk__gt=last).only("external_id", "price", "currency", "removed_by")[:AT_ONCE]):
        last = page[-1].pk
        findings = [finding for offer in page if not offer.removed_by for finding in _gone(offer)]
        differences.record(account, findings, offers=[offer.external_id for offer in page], at=timezone.now())
        count += len(findings)
    return count


def _gone(offer: Offer) -> Iterator[Finding]:
    said = ", ".join(filter(None, ["wanted", money.display(offer.price, offer.currency)]))
    yield Finding("offer", Kind.GONE, said, "gone", external_id=offer.external_id, offer_id=offer.pk)


def settle_vanished(account: Account, since: datetime) -> int:
    """Settle differences of offers that a whole reading since then did not meet and that are none of ours."""
    ours = _mine(account).exclude(product=None).values("external_id")
    left = differences.lasting(account).filter(order_id="", last_seen_at__lt=since).exclude(external_id__in=ours)
    return differences.settle(left)


# --- taking over what is there ---------------------------------------------------------------------------------------


def adopt_unknown(row: Difference) -> Offer:
    """Make a row of an offer that was found there; it wants what it says. Raises ValueError when the list said too little."""
    said = {name: value for name, value in row.shown.items() if name in KEPT}
    status = OfferStatus(said.get("status", OfferStatus.UNKNOWN))
    remote = RemoteOffer(**said | {"status": status, "price": _decimal(said.get("price"))})
    if not remote.external_product_id:
        raise ValueError("The list says too little of it. Run `sync offers`, then link it to a product on its page.")
    with transaction.atomic():
        offer = _mine(row.account).filter(external_id=row.external_id).first()
        if offer is None:
            offer = mirror.from_remote(row.account, remote)
            mirror.see(offer, remote)
            offer.save()
            price = {offer.pk: pricing.NewPrice(remote.price or None)}
            pricing.set_price(price, reason="As it was found at the marketplace")
            offer.price = remote.price or None
        Difference.objects.filter(pk=row.pk).update(offer=offer, ours=NO_PRODUCT)
    return offer


def reread(service: MarketplaceService, ids: Sequence[str]) -> Iterator[list[RemoteOffer]]:
    """Read offers by their ids, many in one request where that can be; those that are gone are missing."""
    if service.supports("get_offers"):
        for first in range(0, len(ids), service.offers_per_read):
            yield list(service.get_offers(ids[first : first + service.offers_per_read]))
        return
    for external_id in ids:
        try:
            yield [service.get_offer(external_id)]
        except NotFound:
            yield []
