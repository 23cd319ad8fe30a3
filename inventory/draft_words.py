"""An offer that is being made, in words: what its price means, what stands in its way, and what would be sent."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from backoffice import money
from inventory import pricing, publishing, shelves
from inventory.drafting import Wish
from inventory.limits import Book
from inventory.models import Offer
from inventory.shelves import Place, Shelves
from marketplaces import accounts
from marketplaces.exceptions import MarketplaceError
from marketplaces.http import as_number
from marketplaces.types import Urgency


@dataclass(frozen=True)
class PriceWords:
    """What a price means; `refusal` says why it must not go out."""

    lines: Sequence[str]
    refusal: str = ""


def of_price(offer: Offer, book: Book, *, asks_marketplace: bool = True) -> PriceWords:
    """Say what is left of the offer's price, and between which limits it has to be. At most one request."""
    if offer.price is None or not offer.currency:
        return PriceWords(["Enter a price and its currency."])
    lines, problem = [], ""
    if asks_marketplace and offer.account.can("simulate_price"):
        problem = _simulate(offer)
    earning = pricing.earning(offer, offer.price, book)
    if earning.amount is None:
        lines.append(f"What we get is not known: {earning.source}.")
    else:
        lines.append(f"We get {money.display(earning.amount, earning.currency)}, {earning.source}.")
    if earning.margin is not None:
        cost = money.display(earning.cost, earning.currency)
        lines.append(f"A unit has cost {cost}, so the margin is {earning.margin_words}.")
    elif earning.amount is not None:
        lines.append("What a unit has cost is not known, so there is no margin.")
    if offer.buyer_pays is not None:
        lines.append(f"The buyer pays {money.display(offer.buyer_pays, offer.currency)}.")
    if problem:
        lines.append(f"{offer.account.service_class.label} could not be asked: {problem}")
    limits = book.limits(offer)
    lines.append(f"Floor: {limits.words}.")
    refusal = limits.refusal(offer.price)
    return PriceWords(lines, str(refusal) if refusal else "")


def _simulate(offer: Offer) -> str:
    """Put the marketplace's own answer on the offer, or say why there is none."""
    assert offer.price is not None  # noqa: S101
    try:
        service = offer.account.service()
        service.plan(1, Urgency.PRICE)
        found = service.simulate_price(offer.external_product_id, offer.price)
    except Exception as error:
        return accounts.problem_of(offer.account, error)
    offer.we_get, offer.buyer_pays, offer.simulated_price = found.we_get, found.buyer_pays, offer.price
    return ""


@dataclass(frozen=True)
class Preview:
    """What the last button does. `problem` says why it can't be pressed; `warnings` what to know before."""

    facts: Sequence[tuple[str, str]] = ()
    steps: Sequence[str] = ()
    body: str = ""
    left_out: Sequence[str] = ()
    warnings: Sequence[str] = ()
    problem: str = ""


@dataclass
class _Shown:
    """How many units the offer shows once it is there."""

    quantity: int
    words: str
    warnings: list[str] = field(default_factory=list)


def preview(wish: Wish) -> Preview:
    """Say what making the offer sends, down to the request. For a wish whose steps are answered; one request at most."""
    offer = wish.offer()
    known = shelves.read([Place.of(offer)])
    shown = _shown(offer, known)
    facts = [*_facts(wish, offer), ("Shows", shown.words)]
    try:
        content = publishing.wanted(offer, known, wish.book)
        service = offer.account.service()
        rehearsal = service.rehearse(content) if service.supports("rehearse") else None
    except MarketplaceError as error:
        return Preview(facts, problem=str(error), warnings=shown.warnings)
    if rehearsal is None:
        return Preview(facts, warnings=shown.warnings, steps=[f"Create the offer at {offer.account}."])
    body = json.dumps(rehearsal.body, indent=2, ensure_ascii=False, default=as_number) if rehearsal.body else ""
    return Preview(facts, rehearsal.steps, body, rehearsal.left_out, shown.warnings)


def _facts(wish: Wish, offer: Offer) -> list[tuple[str, str]]:
    facts = [
        ("Account", f"{offer.account} ({wish.service.label})"),
        ("Our product", f"{wish.product} – {wish.product.name}" if wish.product else ""),
        ("Product there", f"{wish.goods.name} ({wish.goods_id})" if wish.goods.name else wish.goods_id),
    ]
    if wish.asked is not None:
        form = wish.choices()
        form.is_valid()
        answers = form.answers
        facts += [(one.label, words) for one in wish.asked.questions if (words := one.words(answers.get(one.name)))]
    if "price" in wish.service.offer_fields:
        facts.append(("Price", money.display(offer.price, offer.currency)))
        facts.append(("After fees", " ".join(of_price(offer, wish.book).lines)))
        if offer.ceiling is not None:
            facts.append(("Ceiling", money.display(offer.ceiling, offer.currency)))
    if offer.min_quantity > 1:
        facts.append(("Least quantity of an order", f"{offer.min_quantity:,}"))
    return facts


def _shown(offer: Offer, known: Shelves) -> _Shown:
    place = Place.of(offer)
    quantity = publishing.wanted_quantity(offer, known)
    limit = "follows stock" if offer.quantity is None else f"follows stock, at most {offer.quantity:,}"
    shown = _Shown(quantity, f"{quantity:,} now; it {limit}")
    if pause := known.pause(place):
        shown.warnings.append(f"Sales are paused ({pause.what}: {pause.reason}), so it is shown as out of stock.")
    elif not quantity:
        shown.warnings.append("Nothing can be sold of it now, so it is shown as out of stock until there is stock.")
    return shown
