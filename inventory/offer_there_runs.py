"""Runs over offers that ask their marketplaces for something else than a push: deletion, earnings, creation as a list."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.db.models import Count, QuerySet

from backoffice import money, runs
from backoffice.runs import Key, Outcome
from inventory import feeds, pricing, removal
from inventory.models import Offer, Upload
from marketplaces.exceptions import PermanentError
from marketplaces.runs import EachRow


class OfferThereKind(EachRow):
    model = Offer
    permission = "inventory.change_offer"
    related: ClassVar[Sequence[str]] = ("account", "product")
    deferred: ClassVar[Sequence[str]] = ("description", "seen", "pushed", "pushing", "attributes")
    header: ClassVar[Sequence[str]] = ("offer", "account", "id there", "price", "shown")

    def columns(self, row: Offer, said: Mapping[str, Any], ground: Any) -> Sequence[str]:
        shown = row.pushed_quantity if row.seen_quantity is None else row.seen_quantity
        price = money.display(row.price if row.seen_price is None else row.seen_price, row.currency)
        return (
            row.title or str(row),
            str(row.account),
            row.external_id,
            price,
            "" if shown is None else f"{shown} units",
        )


class DeleteThere(OfferThereKind):
    """Delete offers at their marketplaces for good. The rows here stay, with their sales and codes."""

    title = "Delete there"
    permission = "inventory.delete_offer"
    is_dangerous = True
    requests_each = 3
    facts = (
        "These offers are deleted for good, with their places in searches and their reviews there. Each is looked at once"
        " more before. Our own rows, their sales and their codes stay; to sell there again new offers are made.",
    )

    def ground(self, rows: Sequence[Offer], said: Mapping[str, Any]) -> dict[tuple[int, str], int]:
        """Codes that may lie in the offers, by offer and its id there."""
        mine = Upload.objects.filter(offer__in=[row.pk for row in rows], status__in=Upload.OPEN).order_by()
        counts = mine.values_list("offer_id", "external_offer_id").annotate(codes=Count("pk"))
        return {(pk, external_id): codes for pk, external_id, codes in counts}

    def is_over(self, row: Offer, said: Mapping[str, Any], ground: Any) -> str:
        if row.removal_by:
            return f"It is being deleted, as {row.removal_by} asked."
        return "" if removal.is_there(row) else "It is not at the marketplace."

    def why_not(self, row: Offer, said: Mapping[str, Any], ground: dict[tuple[int, str], int]) -> str:
        reason = removal.why_not(row, ground.get((row.pk, row.external_id), 0))
        return f"{reason}." if reason else ""

    def do(self, row: Offer, said: Mapping[str, Any], by: str, ground: Any) -> Outcome:
        try:
            removal.ask(row, by=by)
        except PermanentError as problem:
            return runs.failed(f"{problem}.")
        return runs.waiting()

    def outcomes(self, rows: "QuerySet[Any]") -> Mapping[Key, Outcome]:
        # A push that was under way when it was asked for may end before the deletion begins.
        return super().outcomes(rows.exclude(state=Offer.State.DONE, removal_by__gt=""))


class AskEarnings(OfferThereKind):
    """Ask what offers' prices mean, where that is not known."""

    title = "Ask what they earn"
    requests_each = 1
    facts = ("The answers appear under “we get”, after everything that is urgent.",)

    def is_over(self, row: Offer, said: Mapping[str, Any], ground: Any) -> str:
        return "" if row.price is None or row.simulated_price != row.price else "It is known."

    def why_not(self, row: Offer, said: Mapping[str, Any], ground: Any) -> str:
        if row.price is None:
            return "It has no price yet."
        return "" if pricing.can_tell(row) else "Its marketplace can't be asked."

    def do(self, row: Offer, said: Mapping[str, Any], by: str, ground: Any) -> Outcome:
        pricing.request_simulation(Offer.objects.filter(pk=row.pk))
        return runs.done("Asked; “we get” shows the answer.")


class CreateAsList(OfferThereKind):
    """Have new offers created many at once, by lists whose answer proves nothing."""

    related = ("account", "product", "feed")

    title = "Create as a list"
    at_once = 5000  # what is asked for together goes in as few lists as there can be
    requests_each = 1
    together = "offers_per_feed"
    facts = (
        "A list's answer proves nothing: an offer is there when it is seen there, which may take hours. “Feeds” shows how"
        " far each list is.",
    )

    def is_over(self, row: Offer, said: Mapping[str, Any], ground: Any) -> str:
        return "It is there." if row.external_id else ""

    def why_not(self, row: Offer, said: Mapping[str, Any], ground: Any) -> str:
        return feeds.why_not(row)

    def apply(self, rows: "QuerySet[Offer]", said: Mapping[str, Any], by: str) -> Mapping[Key, Outcome]:
        outcomes = dict(super().apply(rows, said, by))
        mine = Offer.objects.filter(pk__in=[pk for pk, outcome in outcomes.items() if outcome == runs.waiting()])
        made = {feed.pk: str(feed) for feed in feeds.request(mine, by=by)}
        placed = dict(mine.filter(feed__in=made).values_list("pk", "feed_id"))
        for pk in mine.values_list("pk", flat=True):
            told = runs.done(f"in {made[placed[pk]]}") if pk in placed else runs.failed(feeds.SHARED_CODE)
            outcomes[str(pk)] = told
        return outcomes

    def do(self, row: Offer, said: Mapping[str, Any], by: str, ground: Any) -> Outcome:
        return runs.waiting()  # they are put into lists together


KINDS: Sequence[type[EachRow]] = (DeleteThere, AskEarnings, CreateAsList)
