"""Runs over stock: take codes out of sale, sell returned ones again, go on with purchases, and stop or resume sales."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.db.models import Count, F, QuerySet, Sum

from backoffice import money, runs
from backoffice.runs import Key, Outcome, Preview
from inventory import pauses, purchasing, stock
from inventory.forms import WithdrawForm
from inventory.models import Code, CompetitorWatch, Offer, Pause, Product, Purchase
from marketplaces.forms import ReasonForm
from marketplaces.models import Account
from marketplaces.runs import EachRow, TryAgain

# --- codes -----------------------------------------------------------------------------------------------------------


class CodeKind(runs.Kind):
    """Move codes that are in one state to another, a chunk in a few statements. Offers follow within seconds."""

    model = Code
    permission = "inventory.change_code"
    is_dangerous = True
    source: ClassVar[str]
    told: ClassVar[str]

    def looked_at(self, rows: "QuerySet[Any]") -> "QuerySet[Any]":
        return rows.defer("sealed", "index")

    def preview(self, rows: "QuerySet[Code]", said: Mapping[str, Any]) -> Preview:
        counts = dict(rows.order_by().values_list("state").annotate(units=Count("pk", distinct=True)))
        fit = counts.pop(self.source, 0)
        left = [f"{units:,} codes: they are {Code.State(state).label}" for state, units in sorted(counts.items())]
        products = (
            rows.filter(state=self.source).order_by().values_list("product__sku").annotate(n=Count("pk", distinct=True))
        )
        table = [[sku, f"{units:,}"] for sku, units in products.order_by("-n")[:20]]
        return Preview(
            changed=fit, unchanged=sum(counts.values()), header=("product", "codes"), sample=table,
            facts=[self.told, *([f"Left alone: {'; '.join(left)}."] if left else [])],
        )  # fmt: skip

    def apply(self, rows: "QuerySet[Code]", said: Mapping[str, Any], by: str) -> Mapping[Key, Outcome]:
        # Locked in one order, so that two runs never wait for each other.
        locked = rows.select_for_update(no_key=True, of=("self",)).order_by("pk")
        states = dict(locked.values_list("pk", "state"))
        fit = [pk for pk, state in states.items() if state == self.source]
        self.move(fit, said)
        stayed = set(Code.objects.filter(pk__in=fit, state=self.source).values_list("pk", flat=True))
        return {str(pk): self._outcome(state, is_still_so=pk in stayed) for pk, state in states.items()}

    def _outcome(self, state: str, *, is_still_so: bool) -> Outcome:
        if state != self.source:
            return runs.unchanged(f"It is {Code.State(state).label}.")
        return runs.failed("It was called back.") if is_still_so else runs.done()

    def move(self, pks: Sequence[int], said: Mapping[str, Any]) -> int:
        """Move these codes; returns how many."""
        raise NotImplementedError


class Withdraw(CodeKind):
    title = "Take out of sale"
    form_class: ClassVar[type[forms.Form]] = WithdrawForm
    source = Code.State.AVAILABLE
    told = "Only what is available can be taken out of sale. Nothing brings it back into stock from here."

    def describe(self, said: Mapping[str, Any]) -> str:
        return f"Take out of sale as {said['state']}"

    def move(self, pks: Sequence[int], said: Mapping[str, Any]) -> int:
        return stock.withdraw(pks, said["state"])


class SellAgain(CodeKind):
    title = "Sell again"
    source = Code.State.RETURNED
    told = "Returned codes are sold to others. Whoever gave them back has seen them."

    def move(self, pks: Sequence[int], said: Mapping[str, Any]) -> int:
        return stock.sell_again(pks)


# --- purchases and prices ----------------------------------------------------------------------------------------------


class PurchaseKind(EachRow):
    model = Purchase
    permission = "inventory.change_purchase"
    related = ("account", "product")
    deferred: ClassVar[Sequence[str]] = ("answer",)
    header = ("purchase", "product", "account", "stage", "paid")

    def is_over(self, row: Purchase, said: Mapping[str, Any], ground: Any) -> str:
        return f"It is {row.get_stage_display()}." if row.stage in Purchase.OVER else ""

    def columns(self, row: Purchase, said: Mapping[str, Any], ground: Any) -> Sequence[str]:
        paid = money.display(row.price, row.currency) if row.paid_at else "no"
        return str(row), str(row.product), str(row.account), row.get_stage_display(), paid


class ProcessPurchases(PurchaseKind):
    title = "Process again"
    requests_each = 3
    facts = ("What is paid is not paid again; what was not paid for lack of money is paid, within its ceiling.",)

    def do(self, row: Purchase, said: Mapping[str, Any], by: str, ground: Any) -> Outcome:
        purchasing.process_again(Purchase.objects.filter(pk=row.pk))
        return runs.waiting()


class GiveUpPurchases(PurchaseKind):
    title = "Give up"
    is_dangerous = True

    def ground(self, rows: Sequence[Purchase], said: Mapping[str, Any]) -> set[int]:
        mine = purchasing.can_be_given_up(Purchase.objects.filter(pk__in=[row.pk for row in rows]))
        return set(mine.values_list("pk", flat=True))

    def why_not(self, row: Purchase, said: Mapping[str, Any], ground: set[int]) -> str:
        return "" if row.pk in ground else "It is being paid or read, and goes on."

    def more_facts(self, rows: "QuerySet[Any]", said: Mapping[str, Any]) -> Sequence[str]:
        return facts_of_giving_up(purchasing.can_be_given_up(rows))

    def do(self, row: Purchase, said: Mapping[str, Any], by: str, ground: set[int]) -> Outcome:
        count = purchasing.give_up(Purchase.objects.filter(pk=row.pk))
        return runs.done() if count else runs.failed("It is being paid or read, and goes on.")


def facts_of_giving_up(purchases: "QuerySet[Purchase]") -> list[str]:
    """What is lost when these purchases are given up, for people."""
    paid = purchases.exclude(paid_at=None)
    sums = paid.order_by().values_list("currency").annotate(spent=Sum("price"))
    spent = ", ".join(money.display(amount, currency) for currency, amount in sums)
    lost = f" {paid.count()} of them are paid: {spent} stay spent without a code in stock." if paid else ""
    return [f"{purchases.count()} of the chosen can be given up: what is being paid or read goes on.{lost}"]


class LookAtPrices(TryAgain):
    """Read again what others ask."""

    title = "Look again"
    model = CompetitorWatch
    permission = "inventory.change_competitorwatch"
    related = ("account", "offer__product")


# --- sales that are stopped and resumed ----------------------------------------------------------------------------------


class PauseSales(EachRow):
    """Stop the sale of products or accounts. Their offers show nothing; what is ordered is delivered."""

    title = "Pause sales"
    permission = "inventory.pause_sales"
    form_class: ClassVar[type[forms.Form]] = ReasonForm
    is_dangerous = True
    related = ()
    header: ClassVar[Sequence[str]] = ("what", "offers")
    level: ClassVar[str]  # the offer's field that names the row
    facts: ClassVar[Sequence[str]] = (
        "Offers are shown as out of stock until sales are resumed. Open orders are delivered. Codes that were uploaded are"
        " sold on by their marketplaces: take them back, too.",
    )

    def describe(self, said: Mapping[str, Any]) -> str:
        return f"{self.title}: {said['reason']}"

    def ground(self, rows: Sequence[Any], said: Mapping[str, Any]) -> tuple[set[Any], dict[Any, int]]:
        """Those that are paused, and how many offers each has."""
        pks = [row.pk for row in rows]
        paused = Pause.objects.filter(level=self.level, ended_at=None, **{f"{self.level}__in": pks})
        offers = Offer.objects.filter(**{f"{self.level}__in": pks}).order_by().values(key=F(self.level))
        counts = dict(offers.annotate(n=Count("pk")).values_list("key", "n"))
        return set(paused.values_list(self.level, flat=True)), counts

    def account_of(self, row: Any) -> Account | None:
        return None

    def is_over(self, row: Any, said: Mapping[str, Any], ground: Any) -> str:
        return "It is paused already." if row.pk in ground[0] else ""

    def columns(self, row: Any, said: Mapping[str, Any], ground: Any) -> Sequence[str]:
        return str(row), f"{ground[1].get(row.pk, 0):,}"

    def do(self, row: Any, said: Mapping[str, Any], by: str, ground: Any) -> Outcome:
        return runs.done(f"{pauses.pause(pauses.target(row), by=by, reason=said['reason'])} offers are being pushed")


class ResumeSales(PauseSales):
    title = "Resume sales"
    form_class = forms.Form
    is_dangerous = False
    facts = ("Offers show their stock again within seconds, where nothing else stops them.",)

    def describe(self, said: Mapping[str, Any]) -> str:
        return self.title

    def is_over(self, row: Any, said: Mapping[str, Any], ground: Any) -> str:
        return "" if row.pk in ground[0] else "It is not paused."

    def do(self, row: Any, said: Mapping[str, Any], by: str, ground: Any) -> Outcome:
        return runs.done(f"{pauses.resume(pauses.target(row), by=by)} offers are being pushed")


class PauseProducts(PauseSales):
    model, level = Product, "product"


class ResumeProducts(ResumeSales):
    model, level = Product, "product"


class PauseAccounts(PauseSales):
    model, level = Account, "account"


class ResumeAccounts(ResumeSales):
    model, level = Account, "account"


class EndPauses(EachRow):
    """Resume what pauses stop, from their own list."""

    title = "Resume"
    model = Pause
    permission = "inventory.pause_sales"
    related = ("offer__product", "product", "account")
    header = ("what", "by", "why")
    facts = ("Offers show their stock again within seconds, where nothing else stops them.",)

    def account_of(self, row: Pause) -> Account | None:
        return None

    def is_over(self, row: Pause, said: Mapping[str, Any], ground: Any) -> str:
        return "It has ended." if row.ended_at else ""

    def columns(self, row: Pause, said: Mapping[str, Any], ground: Any) -> Sequence[str]:
        return row.what, row.by, row.reason

    def do(self, row: Pause, said: Mapping[str, Any], by: str, ground: Any) -> Outcome:
        count = pauses.end(Pause.objects.filter(pk=row.pk), by=by)
        return runs.done() if count else runs.unchanged("It has ended.")
