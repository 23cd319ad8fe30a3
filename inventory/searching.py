"""What can be found of products, offers, codes, and where codes came from."""

from django.db.models import F, Q, TextField
from django.db.models.functions import Cast, Coalesce

from backoffice.search import Facts, Kind, Term, amount, label, line, moment
from inventory import codes
from inventory.models import Batch, Code, Offer, Product, Purchase


def _text(name: str) -> Cast:
    return Cast(F(name), TextField())


def _show_product(row: Facts) -> tuple[str, str]:
    return row["sku"], line(row["name"], label(Product, "kind", row["kind"]))


def _show_offer(row: Facts) -> tuple[str, str]:
    price = amount(row["price"], row["currency"])
    return row["id"], line(row["account"], row["title"] or row["sku"], price, "" if row["active"] else "not for sale")


def _show_code(row: Facts) -> tuple[str, str]:
    batch = f"batch {row['reference']}" if row["reference"] else ""
    return f"code {row['pk']}", line(row["sku"], label(Code, "state", row["state"]), batch)


def _show_batch(row: Facts) -> tuple[str, str]:
    return row["reference"], line(row["sku"], row["supplier"], f"{row['imported']:,} codes", moment(row["at"]))


def _show_purchase(row: Facts) -> tuple[str, str]:
    stage = label(Purchase, "stage", row["stage"])
    return row["id"], line(row["account"], row["sku"], stage, amount(row["price"], row["currency"]))


def _numbered(term: Term) -> Q | None:
    """A code by its number, as pages call it: “code 17”."""
    number = Term(term.text.lower().removeprefix("code").strip()).number
    return Q(pk=number) if number is not None and term.number is None else None


def _by_number(term: Term) -> Q | None:
    return Q(pk=term.number) if term.number is not None else None


KINDS = [
    Kind(
        Product,
        "SKU or any part of it, or of the name",
        {"sku": F("sku"), "name": F("name"), "kind": F("kind")},
        _show_product,
        whole=lambda term: Q(sku__in=term.spellings),
        # There are as many products as somebody typed SKUs, not a million.
        part=lambda term: Q(sku__icontains=term.text) | Q(name__icontains=term.text),
    ),
    Kind(
        Offer,
        "offer id, whole or its beginning; a marketplace's whole product id",
        {
            "id": Coalesce("external_id", "external_product_id"), "title": F("title"), "sku": F("product__sku"),
            "price": _text("price"), "currency": F("currency"), "active": F("is_active"), "account": F("account__name"),
        },
        _show_offer,
        whole=lambda term: term.whole("external_id"),
        part=lambda term: (term.beginning("external_id") or Q(pk=None)) | term.whole("external_product_id"),
    ),
    Kind(
        Code,
        "the whole code; its number, such as “code 17”",
        {"pk": F("pk"), "state": F("state"), "sku": F("product__sku"), "reference": F("batch__reference")},
        _show_code,
        sealed=lambda term: codes.is_exactly(term.text),
        whole=_numbered,
        part=_by_number,
    ),
    Kind(
        Batch,
        "reference, such as a supplier's invoice number, whole or its beginning",
        {
            "reference": F("reference"), "sku": F("product__sku"), "supplier": F("supplier__name"),
            "imported": F("imported"), "at": F("created_at"),
        },
        _show_batch,
        whole=lambda term: term.whole("reference"),
        part=lambda term: term.beginning("reference"),
    ),
    Kind(
        Purchase,
        "order id at the marketplace, whole or its beginning",
        {
            "id": F("external_id"), "sku": F("product__sku"), "stage": F("stage"), "price": _text("price"),
            "currency": F("currency"), "account": F("account__name"),
        },
        _show_purchase,
        whole=lambda term: term.whole("external_id"),
        part=lambda term: term.beginning("external_id"),
    ),
]  # fmt: skip
