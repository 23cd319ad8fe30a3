"""What can be done to many offers at once, as runs: each with its preview, its cost in requests, and a result per row."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, ClassVar

from django import forms
from django.db import connection
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from backoffice import money, runs
from backoffice.runs import Key, Outcome, Preview
from inventory import pauses, price_ways, pricing, publishing
from inventory.models import Offer, Pause, Product
from inventory.price_ways import Ground, PriceForm
from inventory.pricing import NewPrice
from marketplaces import runs as outgoing_runs
from marketplaces.forms import ReasonForm
from marketplaces.models import Account

SAMPLE, AT_ONCE = 20, 2000
# An offer is wide, and there may be ten thousand.
LOOKED_AT = (
    "external_id", "external_product_id", "title", "price", "currency", "quantity", "is_active", "account_id", "product_id",
    "floor", "ceiling", "we_get", "simulated_price",
)  # fmt: skip
NO_PRODUCT = "It is not linked to a product of ours. Choose one on its page."


class OfferKind(outgoing_runs.OutgoingKind):
    """Change wanted columns of offers, then push them. A kind says which new values an offer gets, or why none."""

    model = Offer
    permission = "inventory.change_offer"
    columns: ClassVar[Sequence[str]] = ()

    header: ClassVar[Sequence[str]] = ("offer", "account", "now", "after")

    def ground(self, offers: Sequence[Offer], said: Mapping[str, Any]) -> Any:
        """Read what wish() needs of many offers together."""
        return None

    def wish(self, offer: Offer, said: Mapping[str, Any], ground: Any) -> dict[str, Any]:
        """The offer's new values. Raises ValueError, with a reason for people, for one that is to be left alone."""
        raise NotImplementedError

    def words(self, offer: Offer, values: Mapping[str, Any]) -> tuple[str, str]:
        """Before and after, for the preview and the results."""
        raise NotImplementedError

    def more_words(self, offer: Offer, values: Mapping[str, Any], ground: Any) -> Sequence[str]:
        """What else the preview tells of an offer, under the rest of `header`."""
        return ()

    def write(self, changed: Mapping[int, Mapping[str, Any]], said: Mapping[str, Any], by: str, ground: Any) -> None:
        """Write each row's new values, in the transaction that locks the rows."""
        self._write(changed)

    def preview(self, rows: "QuerySet[Offer]", said: Mapping[str, Any]) -> Preview:
        refused: list[str] = []
        sample: list[tuple[Offer, Sequence[str]]] = []
        touched: list[Any] = []
        unchanged = 0
        accounts = {account.pk: account for account in Account.objects.all()}
        found = rows.select_related(None).only(*LOOKED_AT).order_by("pk").iterator(chunk_size=AT_ONCE)
        while offers := list(islice(found, AT_ONCE)):
            ground = self.ground(_on(accounts, offers), said)
            for offer in offers:
                try:
                    values = self.wish(offer, said, ground)
                except ValueError as reason:
                    refused.append(f"{offer.title or offer}: {reason}")
                    continue
                if not self._differs(offer, values):
                    unchanged += 1
                    continue
                touched.append(offer.account_id)
                if len(sample) < SAMPLE:
                    sample.append((offer, (*self.words(offer, values), *self.more_words(offer, values, ground))))
        counts = {accounts[pk]: rows for pk, rows in Counter(touched).items()}
        requests, seconds = outgoing_runs.cost(counts, at_once="offers_per_update")
        return Preview(
            changed=len(touched), unchanged=unchanged, refused=refused, header=self.header,
            sample=_named(sample), requests=requests, seconds=seconds,
        )  # fmt: skip

    def apply(self, rows: "QuerySet[Offer]", said: Mapping[str, Any], by: str) -> Mapping[Key, Outcome]:
        outcomes: dict[Key, Outcome] = {}
        changed: dict[int, dict[str, Any]] = {}
        # In one order, so that two runs never wait for each other.
        offers = list(rows.only(*LOOKED_AT).select_for_update(no_key=True).order_by("pk"))
        accounts = Account.objects.in_bulk({offer.account_id for offer in offers})
        ground = self.ground(_on(accounts, offers), said)
        for offer in offers:
            try:
                values = self.wish(offer, said, ground)
            except ValueError as reason:
                outcomes[str(offer.pk)] = runs.failed(str(reason))
                continue
            if not self._differs(offer, values):
                outcomes[str(offer.pk)] = runs.unchanged()
                continue
            before, after = self.words(offer, values)
            changed[offer.pk] = values
            outcomes[str(offer.pk)] = runs.waiting(f"{before} → {after}" if before or after else "")
        self.write(changed, said, by, ground)
        publishing.request(Offer.objects.filter(pk__in=changed))
        return outcomes

    def _write(self, changed: Mapping[int, Mapping[str, Any]]) -> None:
        """Write each row's new values: in one statement where they are alike, else one short one each, sent together."""
        alike = {tuple(values.items()) for values in changed.values()}
        if not self.columns or not alike:
            return
        if len(alike) == 1:
            Offer.objects.filter(pk__in=changed).update(**dict(alike.pop()))
            return
        columns = ", ".join(f"{connection.ops.quote_name(column)} = %s" for column in self.columns)
        known = {field.name: field for field in Offer._meta.concrete_fields}
        fields = [known[column] for column in self.columns]
        lines = [
            [*(field.get_db_prep_save(values[field.name], connection) for field in fields), pk]
            for pk, values in changed.items()
        ]
        with connection.cursor() as cursor:
            cursor.executemany(f"UPDATE {Offer._meta.db_table} SET {columns} WHERE id = %s", lines)  # noqa: S608

    def _differs(self, offer: Offer, values: Mapping[str, Any]) -> bool:
        return not self.columns or any(getattr(offer, column) != value for column, value in values.items())


def _named(sample: Sequence[tuple[Offer, Sequence[str]]]) -> list[list[str]]:
    """Put before each row what people call the offer, its title or else its product's name, and its account."""
    products = Product.objects.in_bulk(
        {offer.product_id for offer, _ in sample if offer.product_id and not offer.title}
    )
    names = {pk: product.name for pk, product in products.items()}
    return [
        [offer.title or names.get(offer.product_id) or str(offer), offer.account.name, *told] for offer, told in sample
    ]


def _on(accounts: Mapping[Any, Account], offers: Sequence[Offer]) -> Sequence[Offer]:
    """Give offers that were read without their account the one that is known."""
    for offer in offers:
        offer.account = accounts[offer.account_id]
    return offers


class Push(OfferKind):
    title = "Push"

    def wish(self, offer: Offer, said: Mapping[str, Any], ground: Any) -> dict[str, Any]:
        if offer.product_id is None:
            raise ValueError(NO_PRODUCT)
        return {}

    def words(self, offer: Offer, values: Mapping[str, Any]) -> tuple[str, str]:
        return "", ""


class ChangePrice(OfferKind):
    title = "Change prices"
    form_class = PriceForm
    columns = ("price",)
    header = ("offer", "account", "now", "after", "we get", "margin", "floor")

    def describe(self, said: Mapping[str, Any]) -> str:
        return price_ways.describe(said)

    def ground(self, offers: Sequence[Offer], said: Mapping[str, Any]) -> Ground:
        return price_ways.ground_for(offers, said)

    def wish(self, offer: Offer, said: Mapping[str, Any], ground: Ground) -> dict[str, Any]:
        return {"price": price_ways.new_price(offer, said, ground)}

    def words(self, offer: Offer, values: Mapping[str, Any]) -> tuple[str, str]:
        return money.display(offer.price, offer.currency), money.display(values["price"], offer.currency)

    def more_words(self, offer: Offer, values: Mapping[str, Any], ground: Ground) -> Sequence[str]:
        earning = pricing.earning(offer, values["price"], ground.book)
        we_get = money.display(earning.amount, offer.currency) or f"unknown: {earning.source}"
        return we_get, earning.margin_words or "unknown", ground.book.limits(offer).words

    def write(self, changed: Mapping[int, Mapping[str, Any]], said: Mapping[str, Any], by: str, ground: Ground) -> None:
        prices = {pk: NewPrice(values["price"], note=ground.notes.get(pk, "")) for pk, values in changed.items()}
        pricing.set_price(prices, reason=self.describe(said), by=by, rule=ground.rule)


class NumberForm(forms.Form):
    """How many units offers show at most."""

    quantity = forms.IntegerField(
        label=_("At most"), min_value=0, max_value=1_000_000, required=False,
        widget=UnfoldAdminIntegerFieldWidget(attrs={"autofocus": True}), help_text=_("Empty: all that is in stock."),
    )  # fmt: skip


class ChangeQuantity(OfferKind):
    title = "Change quantities"
    form_class = NumberForm
    columns = ("quantity",)

    def describe(self, said: Mapping[str, Any]) -> str:
        return "Follow stock" if said["quantity"] is None else f"Show at most {said['quantity']} units"

    def wish(self, offer: Offer, said: Mapping[str, Any], ground: Any) -> dict[str, Any]:
        return {"quantity": said["quantity"]}

    def words(self, offer: Offer, values: Mapping[str, Any]) -> tuple[str, str]:
        return _units(offer.quantity), _units(values["quantity"])


def _units(quantity: int | None) -> str:
    return "follows stock" if quantity is None else f"at most {quantity}"


class PauseOffers(OfferKind):
    title = "Pause"
    permission = "inventory.pause_sales"
    form_class: ClassVar[type[forms.Form]] = ReasonForm

    def describe(self, said: Mapping[str, Any]) -> str:
        return f"Pause: {said['reason']}"

    def preview(self, rows: "QuerySet[Offer]", said: Mapping[str, Any]) -> Preview:
        paused = self._paused(rows)
        return replace(super().preview(rows.exclude(pk__in=paused), said), unchanged=paused.count())

    def apply(self, rows: "QuerySet[Offer]", said: Mapping[str, Any], by: str) -> Mapping[Key, Outcome]:
        keys = {str(pk) for pk in rows.values_list("pk", flat=True)}
        had = {str(pk) for pk in self._paused(rows)}
        self._switch(rows, said, by)
        return {key: runs.unchanged() if self._is_so(key in had) else runs.waiting() for key in keys}

    def wish(self, offer: Offer, said: Mapping[str, Any], ground: Any) -> dict[str, Any]:
        return {}

    def words(self, offer: Offer, values: Mapping[str, Any]) -> tuple[str, str]:
        return "for sale", "paused"

    def _paused(self, rows: "QuerySet[Offer]") -> "QuerySet[Any]":
        open_ones = Pause.objects.filter(level=Pause.Level.OFFER, ended_at=None, offer__in=rows.order_by().values("pk"))
        return open_ones.values_list("offer", flat=True)

    def _is_so(self, was_paused: bool) -> bool:
        return was_paused

    def _switch(self, rows: "QuerySet[Offer]", said: Mapping[str, Any], by: str) -> None:
        pauses.pause_offers(rows, by=by, reason=said["reason"])


class ResumeOffers(PauseOffers):
    title = "Resume"
    form_class = forms.Form

    def describe(self, said: Mapping[str, Any]) -> str:
        return self.title

    def preview(self, rows: "QuerySet[Offer]", said: Mapping[str, Any]) -> Preview:
        paused = self._paused(rows)
        chosen = OfferKind.preview(self, rows.filter(pk__in=paused), said)
        return replace(chosen, unchanged=rows.exclude(pk__in=paused).count())

    def words(self, offer: Offer, values: Mapping[str, Any]) -> tuple[str, str]:
        return "paused", "for sale"

    def _is_so(self, was_paused: bool) -> bool:
        return not was_paused

    def _switch(self, rows: "QuerySet[Offer]", said: Mapping[str, Any], by: str) -> None:
        pauses.resume_offers(rows, by=by)


KINDS: Sequence[type[OfferKind]] = (Push, ChangePrice, ChangeQuantity, PauseOffers, ResumeOffers)
