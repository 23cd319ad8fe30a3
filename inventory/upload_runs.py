"""Runs over codes in offers' own inventories: give codes to many offers, bring them back, and say where they are."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.db.models import Count

from backoffice import runs
from backoffice.runs import Outcome
from inventory import shelves, stock, uploads
from inventory.forms import QuantityForm
from inventory.models import Code, Offer, Upload
from inventory.shelves import Place, Shelves
from marketplaces.exceptions import PermanentError
from marketplaces.runs import EachRow
from marketplaces.shop import CodeKind

# --- from the list of offers ---------------------------------------------------------------------------------------


class GivesCodes(EachRow):
    model = Offer
    permission = "inventory.upload_code"
    form_class: ClassVar[type[forms.Form]] = QuantityForm
    related = ("account", "product")
    deferred: ClassVar[Sequence[str]] = ("description", "seen", "pushed", "pushing", "attributes")
    requests_each = 1

    def describe(self, said: Mapping[str, Any]) -> str:
        return f"{self.title}: {said['quantity']} of each offer"


class UploadCodes(GivesCodes):
    """Give codes to offers; where there are fewer, those there are go."""

    title = "Upload codes"
    header = ("offer", "account", "product", "in stock", "at most")
    facts: ClassVar[Sequence[str]] = (
        "The codes leave the pool and are sold by the marketplace alone, until you take them back. Offers of the same"
        " product share its stock: who comes first is served first. “Uploaded codes” shows what becomes of each.",
    )

    def ground(self, rows: Sequence[Offer], said: Mapping[str, Any]) -> tuple[Shelves, dict[tuple[int, str], int]]:
        """Pauses of the offers, and the codes of their products by kind."""
        free = stock.can_be_sold(Code.objects.filter(product__in={row.product_id for row in rows})).order_by()
        counts = free.values_list("product_id", "kind").annotate(units=Count("pk"))
        return shelves.read(Place.of(row) for row in rows), {(pk, kind): units for pk, kind, units in counts}

    def why_not(self, row: Offer, said: Mapping[str, Any], ground: Any) -> str:
        found, _ = ground
        if reason := uploads.why_not(row, found):
            return f"{reason}."
        return "" if self._units(row, ground) else f"No code of {row.product} is in stock."

    def _units(self, row: Offer, ground: Any) -> int:
        kinds: Sequence[CodeKind] = sorted(row.account.service_class.kinds_taken())
        return sum(ground[1].get((row.product_id, kind), 0) for kind in kinds)

    def requests(self, row: Offer, said: Mapping[str, Any], ground: Any) -> int:
        return -(-min(self._units(row, ground), said["quantity"]) // row.account.service_class.codes_per_upload)

    def columns(self, row: Offer, said: Mapping[str, Any], ground: Any) -> Sequence[str]:
        units = self._units(row, ground)
        return str(row), str(row.account), str(row.product), f"{units:,}", str(min(units, said["quantity"]))

    def do(self, row: Offer, said: Mapping[str, Any], by: str, ground: Any) -> Outcome:
        try:
            count = uploads.upload(row, quantity=said["quantity"], by=by)
        except PermanentError as problem:
            return runs.failed(f"{problem}.")
        return runs.done(f"{count} codes are on their way") if count else runs.failed("No code is in stock any more.")


class TakeCodesBack(GivesCodes):
    """Bring codes back out of offers, the newest first."""

    title = "Take codes back"
    header = ("offer", "account", "can come back", "at most")
    facts: ClassVar[Sequence[str]] = ("Each code is for sale again when the marketplace has given it back.",)

    def ground(self, rows: Sequence[Offer], said: Mapping[str, Any]) -> dict[int, int]:
        mine = uploads.can_be_taken_back(Upload.objects.filter(offer__in=[row.pk for row in rows], wish=Upload.Wish.IN))
        return dict(mine.order_by().values_list("offer_id").annotate(units=Count("pk")))

    def is_over(self, row: Offer, said: Mapping[str, Any], ground: dict[int, int]) -> str:
        return "" if ground.get(row.pk) else "No code of it can be taken back."

    def requests(self, row: Offer, said: Mapping[str, Any], ground: dict[int, int]) -> int:
        return min(ground[row.pk], said["quantity"])

    def columns(self, row: Offer, said: Mapping[str, Any], ground: dict[int, int]) -> Sequence[str]:
        return str(row), str(row.account), f"{ground[row.pk]:,}", str(min(ground[row.pk], said["quantity"]))

    def do(self, row: Offer, said: Mapping[str, Any], by: str, ground: dict[int, int]) -> Outcome:
        count = uploads.take_newest_back(row, quantity=said["quantity"], by=by)
        return runs.done(f"{count} codes are coming back") if count else runs.unchanged("None is there any more.")


# --- from the list of uploads --------------------------------------------------------------------------------------


class UploadKind(EachRow):
    model = Upload
    permission = "inventory.upload_code"
    related = ("account", "code", "offer__product")
    deferred: ClassVar[Sequence[str]] = ("code__sealed", "code__index")
    header = ("code", "offer", "account", "now")

    def is_over(self, row: Upload, said: Mapping[str, Any], ground: Any) -> str:
        return f"It is {row.get_status_display()}." if row.status in Upload.ENDED else ""

    def columns(self, row: Upload, said: Mapping[str, Any], ground: Any) -> Sequence[str]:
        return f"code {row.code_id}", row.external_offer_id, str(row.account), row.get_status_display()


class Moves(UploadKind):
    """Work on codes that lie there or wait to be sent."""

    requests_each = 2

    def ground(self, rows: Sequence[Upload], said: Mapping[str, Any]) -> set[int]:
        mine = uploads.can_be_taken_back(Upload.objects.filter(pk__in=[row.pk for row in rows]))
        return set(mine.values_list("pk", flat=True))

    def why_not(self, row: Upload, said: Mapping[str, Any], ground: set[int]) -> str:
        return "" if row.pk in ground else "Nobody knows whether it is there, or it has no id there. Look at its page."


class Look(Moves):
    title = "Look now"
    requests_each = 1

    def do(self, row: Upload, said: Mapping[str, Any], by: str, ground: set[int]) -> Outcome:
        uploads.look_now(Upload.objects.filter(pk=row.pk))
        return runs.waiting()


class TakeBack(Moves):
    title = "Take back"
    facts = ("Each code is for sale again when the marketplace has given it back.",)

    def do(self, row: Upload, said: Mapping[str, Any], by: str, ground: set[int]) -> Outcome:
        uploads.take_back(Upload.objects.filter(pk=row.pk), by=by)
        return runs.waiting()


class Decides(UploadKind):
    """A person says where codes are of which nobody else knows."""

    def why_not(self, row: Upload, said: Mapping[str, Any], ground: Any) -> str:
        return "" if row.needs_an_answer else "The marketplace can be asked; nobody has to decide."

    def do(self, row: Upload, said: Mapping[str, Any], by: str, ground: Any) -> Outcome:
        return runs.done() if self.decide(row, by) else runs.unchanged("It is settled, or is being worked on.")

    def decide(self, row: Upload, by: str) -> bool:
        raise NotImplementedError


class SayThere(Decides):
    title = "It is there"
    facts = (
        "Only when you have seen them in their offers, under our references: “code-” and the number. Without its id there"
        " a code's sale can't be noticed from here; the id is entered on the code's own page.",
    )

    def decide(self, row: Upload, by: str) -> bool:
        return uploads.say_there(row, by=by)


class SayNotThere(Decides):
    title = "It is not there: back to stock"
    is_dangerous = True
    facts = ("Only when you have made sure that no offer holds them and no buyer has them: they will be sold again.",)

    def decide(self, row: Upload, by: str) -> bool:
        return uploads.say_not_there(row, by=by)


class SaySold(Decides):
    title = "It was sold"
    facts = ("Buyers of the marketplace have them: they count as delivered.",)

    def decide(self, row: Upload, by: str) -> bool:
        return uploads.say_sold(row, by=by)


OFFER_KINDS: Sequence[type[EachRow]] = (UploadCodes, TakeCodesBack)
KINDS: Sequence[type[EachRow]] = (Look, TakeBack, SayThere, SayNotThere, SaySold)
