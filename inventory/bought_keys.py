"""The answer with a bought key, as it was stored: find the key in it and bring it into stock with its cost."""

import base64

from backoffice import crypto
from inventory import kinds
from inventory.code_lines import CodeLine
from inventory.importing import BatchTerms, Chunk, Importer, Tally
from inventory.models import Batch, Code, Product, Purchase, Supplier
from marketplaces.exceptions import MarketplaceError, PermanentError
from marketplaces.shop import CodeKind
from marketplaces.types import PurchasedKey


def read(purchase: Purchase) -> tuple[str, CodeKind]:
    """Find the key in the purchase's stored answer. Raises PermanentError, whose text holds nothing of it."""
    key = _parse(purchase)
    return (_file(key.content), CodeKind.FILE) if key.is_file else (key.content.strip(), CodeKind.TEXT)


def bring_in(purchase: Purchase, text: str, kind: CodeKind) -> tuple[Batch, Code]:
    """Bring the code into the batch of its run; joins the caller's transaction. Raises PermanentError for a duplicate."""
    # One at a time, or a run would get two batches. A sale's foreign keys pass this lock.
    Product.objects.select_for_update(no_key=True).get(pk=purchase.product_id)
    batch = _batch(purchase)
    cost = None if purchase.price == batch.cost else purchase.price
    chunk = Chunk()
    chunk.add(CodeLine(number=1, text=text, cost=cost))
    terms = BatchTerms(product=purchase.product, kind=kind)
    importer = Importer(terms, Tally(duplicates=batch.duplicates), batch)
    if importer.store(chunk):
        raise _duplicate(purchase, text)
    return batch, Code.objects.only("pk").get(index=crypto.blind_index(text))


def _parse(purchase: Purchase) -> PurchasedKey:
    try:
        return purchase.account.service_class.read_purchased_key((purchase.answer or "").encode("latin-1"))
    except MarketplaceError:
        raise
    except Exception as error:
        # Its text and its traceback may hold the key.
        name = type(error).__name__
        raise PermanentError(
            f"The answer with the key of order {purchase.external_id} can't be read ({name}). It is stored as it came; with"
            " a version that reads it, press “Process again”",
            kind="unreadable",
        ) from None


def _file(content: str) -> str:
    """The parts of a file that came as base64, or, where it is no base64 such as a link, as a text."""
    try:
        data = base64.b64decode(content, validate=True)
    except ValueError:
        return kinds.file_code(name="key.txt", data=content.encode(), mime_type="text/plain")
    ending, mime_type = kinds.form_of(data)
    return kinds.file_code(name=f"key.{ending}", data=data, mime_type=mime_type)


def _batch(purchase: Purchase) -> Batch:
    """The batch of the run; the first code's price is its cost, and a code that cost something else has its own."""
    reference = f"{purchase.account.name} {purchase.run}"
    found = Batch.objects.filter(product=purchase.product_id, reference=reference).order_by("pk").first()
    if found is not None:
        return found
    supplier, _ = Supplier.objects.get_or_create(name=purchase.account.service_class.label)
    return Batch.objects.create(
        product=purchase.product,
        reference=reference,
        supplier=supplier,
        cost=purchase.price,
        currency=purchase.currency,
    )


def _duplicate(purchase: Purchase, text: str) -> PermanentError:
    code = Code.objects.select_related("batch__product").only("pk", "batch").get(index=crypto.blind_index(text))
    return PermanentError(
        f"The key of order {purchase.external_id} is in stock already: code {code.pk}, batch “{code.batch}” of"
        f" {code.batch.product}. It was sold to us twice, and is not stored again: ask the marketplace for another key or"
        " the money, then press “Give up”",
        kind="duplicate",
    )
