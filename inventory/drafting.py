"""Put an offer together step by step, and make it: one draft makes one offer, however often its last button is pressed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from inventory import pricing, publishing
from inventory.draft_forms import ChoicesForm, NumbersForm
from inventory.limits import Book, PriceRefused
from inventory.models import Offer, OfferDraft, Product
from inventory.pricing import NewPrice
from marketplaces import accounts
from marketplaces.base import MarketplaceService
from marketplaces.models import Account
from marketplaces.questions import OfferForm
from marketplaces.types import OfferContent, RemoteProduct, Urgency

PRODUCT, ACCOUNT, GOODS, CHOICES, NUMBERS, PREVIEW = "product", "account", "goods", "choices", "price", "preview"
TITLES = {
    PRODUCT: "Our product", ACCOUNT: "Account", GOODS: "Product there", CHOICES: "What it asks", NUMBERS: "Price",
    PREVIEW: "Preview",
}  # fmt: skip
KEPT = timedelta(days=30)
SHOWN = 5


class NotReady(ValueError):
    """The offer can't be made yet; the text says what is missing."""


@dataclass
class Wish:
    """A draft as it can be read now. What it names may be gone, or was never chosen."""

    draft: OfferDraft

    @cached_property
    def product(self) -> Product | None:
        return _by_key(Product, self.draft.said.get(PRODUCT))

    @cached_property
    def account(self) -> Account | None:
        account = _by_key(Account, self.draft.said.get(ACCOUNT))
        return account if account is not None and why_not(account) == "" else None

    @property
    def service(self) -> type[MarketplaceService]:
        """Its marketplace. For a wish with an account."""
        assert self.account is not None  # noqa: S101  (the step before asks for it)
        return self.account.service_class

    @property
    def goods_id(self) -> str:
        """The product's id there; chosen for another marketplace it counts for nothing."""
        said = self.draft.said.get(GOODS, {})
        return said.get("id", "") if self.account and said.get("marketplace") == self.account.marketplace else ""

    @cached_property
    def goods(self) -> RemoteProduct:
        """What is known of the product there; its id at least."""
        kept = self.draft.found.get("goods", {})
        if kept.get("external_id") != self.goods_id:
            return RemoteProduct(self.goods_id, "")
        price = kept.get("price")
        return RemoteProduct(**{**kept, "price": Decimal(price) if price else None})

    @cached_property
    def asked(self) -> OfferForm | None:
        """What the marketplace asks; None where that was not read yet."""
        kept = self.draft.found.get("asked", {})
        return OfferForm.from_json(kept["form"]) if kept.get("for") == self._asked_for else None

    @property
    def _asked_for(self) -> list[str]:
        return [str(self.draft.said.get(ACCOUNT)), self.goods_id]

    @property
    def asks(self) -> bool:
        return self.account is not None and self.account.can("offer_form")

    @cached_property
    def book(self) -> Book:
        """What limits and earnings stand on, read once for a page."""
        return Book([Offer(account=self.account, product=self.product, external_product_id=self.goods_id)])

    # --- forms ---------------------------------------------------------------------------------------------------

    def choices(self, data: Mapping[str, Any] | None = None) -> ChoicesForm:
        said = self.draft.said.get(CHOICES) if data is None else data
        return ChoicesForm(said, asked=self.asked or OfferForm())

    def numbers(self, data: Mapping[str, Any] | None = None) -> NumbersForm:
        said = self.draft.said.get(NUMBERS) if data is None else data
        currencies = self.service.currencies
        return NumbersForm(
            said,
            takes=self.service.offer_fields,
            currencies=currencies,
            refusal=self.refusal,
            initial=self._usual_price() if said is None else None,
        )

    def _usual_price(self) -> dict[str, Any]:
        """The lowest price there, where an offer can have that currency."""
        goods, currencies = self.goods, self.service.currencies
        if goods.price is None or (currencies and goods.currency not in currencies):
            return {"currency": self._usual_currency()}
        return {"price": f"{goods.price.normalize():f}", "currency": goods.currency or self._usual_currency()}

    @cached_property
    def said_numbers(self) -> NumbersForm:
        """What was typed last of price and quantity, looked at once."""
        return self.numbers()

    def _usual_currency(self) -> str:
        if self.service.currencies:
            return self.service.currencies[0]
        newest = Offer.objects.filter(account=self.account).exclude(currency="").order_by("-pk")
        return newest.values_list("currency", flat=True).first() or ""

    def refusal(self, values: Mapping[str, Any]) -> PriceRefused | None:
        """Why a price must not go out; None when it may."""
        offer = self.offer_with(values)
        return self.book.limits(offer).refusal(values["price"])

    # --- steps ---------------------------------------------------------------------------------------------------

    @property
    def steps(self) -> list[str]:
        """The steps that this offer needs, as far as is known yet."""
        skipped = set() if self.account is None or self.asks else {CHOICES}
        return [name for name in TITLES if name not in skipped]

    @cached_property
    def open_step(self) -> str:
        """The first step that is not answered as it has to be; else the preview."""
        answered = {
            PRODUCT: lambda: self.product is not None,
            ACCOUNT: lambda: self.account is not None,
            GOODS: lambda: bool(self.goods_id),
            CHOICES: lambda: self.asked is not None and self.choices().is_valid(),
            NUMBERS: lambda: self.said_numbers.is_valid(),
        }
        return next((name for name in self.steps if name != PREVIEW and not answered[name]()), PREVIEW)

    # --- what comes of it ----------------------------------------------------------------------------------------

    def offer_with(self, numbers: Mapping[str, Any]) -> Offer:
        """The offer that this would be, with these numbers; not saved."""
        content: dict[str, Any] = {"attributes": {}}
        if self.asks and self.asked is not None:
            form = self.choices()
            content = self.service.answered(self.asked, form.answers) if form.is_valid() else content
        content.setdefault("title", self.goods.name[:300])
        return Offer(
            account=self.account, product=self.product, external_product_id=self.goods_id, **content,
            **{name: value for name, value in numbers.items() if value is not None},
        )  # fmt: skip

    def offer(self) -> Offer:
        """The offer that this makes; not saved. Raises NotReady."""
        if self.open_step != PREVIEW:
            raise NotReady(f"The step “{TITLES[self.open_step]}” is not answered yet")
        return self.offer_with(self.said_numbers.values)

    def twins(self) -> list[Offer]:
        """Offers that are there already, or on their way, for the same of ours and theirs at this account."""
        same = Offer.objects.filter(
            account=self.account, product=self.product, external_product_id=self.goods_id
        ).exclude(seen_status="removed")
        return list(same.select_related("account", "product").order_by("-pk")[:SHOWN])


def why_not(account: Account) -> str:
    """Say why no offer can be made through an account; empty when one can."""
    label = account.service_class.label
    if not account.is_enabled:
        return "The account is switched off."
    if not account.can("create_offer"):
        return f"{label} lets nobody create offers through its API. Make it there, then link it here."
    return ""


def _by_key(model: Any, key: Any) -> Any:
    try:
        return model.objects.filter(pk=key).first() if key else None
    except (ValueError, ValidationError):
        return None


# --- verbs -----------------------------------------------------------------------------------------------------------


def start(*, by: str, said: Mapping[str, Any], found: Mapping[str, Any] | None = None) -> OfferDraft:
    """Begin a draft, and let go of what the same user left lying for a month."""
    OfferDraft.objects.filter(by=by, changed_at__lt=timezone.now() - KEPT).delete()
    return OfferDraft.objects.create(by=by, said=dict(said), found=dict(found or {}))


def unfinished(by: str) -> list[OfferDraft]:
    """A user's newest drafts of which no offer was made."""
    return list(OfferDraft.objects.filter(by=by, offer=None).order_by("-changed_at")[:SHOWN])


def say(draft: OfferDraft, step: str, said: Any) -> None:
    """Keep what was typed in a step, whether it can be used or not. Safe to repeat."""
    draft.said = {**draft.said, step: said}
    _keep(draft, "said")


def choose_goods(draft: OfferDraft, account: Account, goods: RemoteProduct) -> None:
    """Keep which product of the marketplace is offered, and what is known of it. Safe to repeat."""
    say(draft, GOODS, {"id": goods.external_id, "marketplace": account.marketplace})
    draft.found = {**draft.found, "goods": goods_as_json(goods)}
    _keep(draft, "found")


def goods_as_json(goods: RemoteProduct) -> dict[str, Any]:
    return {
        "external_id": goods.external_id, "name": goods.name, "category": goods.category, "region": goods.region,
        "price": None if goods.price is None else f"{goods.price:f}", "currency": goods.currency,
        "available": goods.available,
    }  # fmt: skip


def ask(wish: Wish) -> str:
    """Read what the marketplace asks of the wish's product and keep it; returns why it can't be read, empty for success.

    One request. Safe to repeat.
    """
    assert wish.account is not None  # noqa: S101
    try:
        service = wish.account.service()
        service.plan(1, Urgency.CATALOGUE)
        form = service.offer_form(wish.goods_id)
    except Exception as error:
        return accounts.problem_of(wish.account, error)
    wish.draft.found = {**wish.draft.found, "asked": {"for": wish._asked_for, "form": form.as_json()}}
    _keep(wish.draft, "found")
    wish.__dict__.pop("asked", None)
    wish.__dict__.pop("open_step", None)
    return ""


def why_not_there(account: Account, code: str) -> str:
    """Where offers are taken over, not made: say why there is nothing of this code, empty when there is. One request."""
    if not account.service_class.offers_exist_there:
        return ""
    content = OfferContent(external_product_id=code, price=Decimal(0), currency="", quantity=0)
    try:
        service = account.service()
        service.plan(1, Urgency.CATALOGUE)
        found = service.find_offer(content)
    except Exception as error:
        return accounts.problem_of(account, error)
    field = account.service_class.own_code
    label = field.label if field else "product"
    return "" if found else f"{account.service_class.label} has no {label} “{code}”. Make it there first."


def _keep(draft: OfferDraft, column: str) -> None:
    draft.changed_at = timezone.now()
    draft.save(update_fields=[column, "changed_at"])


def create(key: UUID, *, by: str) -> tuple[Offer, bool]:
    """Make the draft's offer and have it pushed; returns it, and whether this call made it.

    Raises NotReady. Safe to repeat and to run twice at once: a draft makes one offer.
    """
    with transaction.atomic():
        # Without its offer in a join: that would be read as it was before the wait for the lock.
        draft = OfferDraft.objects.select_for_update().get(pk=key)
        if draft.offer is not None:
            return draft.offer, False
        offer = Wish(draft).offer()
        price, offer.price = NewPrice(offer.price, offer.currency), None
        offer.save()
        pricing.set_price({offer.pk: price}, reason="Set when the offer was made", by=by)
        draft.offer = offer
        _keep(draft, "offer")
        mine = Offer.objects.filter(pk=offer.pk)
        publishing.request(mine)
        pricing.request_simulation(mine)
    return offer, True
