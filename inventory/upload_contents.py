"""What leaves for codes that are given away: texts, or files; one request never holds both."""

import base64
import mimetypes
from collections.abc import Mapping, Sequence

from django.db.models import IntegerField, QuerySet
from django.db.models.functions import Length

from inventory import codes, kinds
from inventory.models import Upload
from marketplaces.base import MarketplaceService
from marketplaces.shop import CodeKind
from marketplaces.types import CodeToSend, FileToSend, RemoteOffer, Uploaded

Item = CodeToSend | FileToSend

# Sealed bytes of the files in one request: what leaves within the time of a task, also over a slow line.
MOST_BYTES = 10_000_000


def together(row: Upload, others: "QuerySet[Upload]", service: MarketplaceService) -> list[Upload]:
    """The row, and those of the others that go with it: of its own kind, and no more than one request carries."""
    same = others.filter(code__kind=row.code.kind).exclude(pk=row.pk).order_by("pk")
    if row.code.kind != CodeKind.FILE:
        return [row, *same[: service.codes_per_upload - 1]]
    sized = same.annotate(size=Length("code__sealed", output_field=IntegerField()))
    lot, left = [row], MOST_BYTES - len(row.code.sealed)
    for other in sized[: service.files_per_upload - 1]:
        left -= other.size
        if left < 0:
            break
        lot.append(other)
    return lot


def opened(rows: Sequence[Upload]) -> Mapping[int, Item | None]:
    """What goes out for each row, by its code's id; None where a code does not open. For sending and nothing else."""
    found = codes.contents([row.code_id for row in rows])
    return {row.code_id: _item(row, found[row.code_id]) for row in rows}


def problem(item: Item, form: RemoteOffer, service: MarketplaceService) -> str:
    """Say why this is nothing that the offer takes; empty when all is well."""
    return (
        service.file_problem(item, form) if isinstance(item, FileToSend) else service.code_problem(item.content, form)
    )


def give(items: Sequence[Item], offer_id: str, service: MarketplaceService) -> Uploaded:
    """Make the one request that gives them away."""
    files = [item for item in items if isinstance(item, FileToSend)]
    if files:
        return Uploaded(collection_id=service.upload_files(offer_id, files))
    return service.upload_codes(offer_id, [item for item in items if isinstance(item, CodeToSend)])


def _item(row: Upload, content: codes.Content | None) -> Item | None:
    if content is None:
        return None
    if content.kind == CodeKind.FILE:
        return _file(row, content.text)
    return CodeToSend(content=content.text, reference=row.reference)


def _file(row: Upload, text: str) -> FileToSend:
    """The file of a code, under our reference: its own name may hold what nobody should read in a log."""
    parts = kinds.parts(text)
    data = base64.b64decode(parts["data"])
    ending, mime_type = kinds.form_of(data)
    if (ending, mime_type) == kinds.UNKNOWN_FILE and parts.get("mime_type"):
        mime_type = parts["mime_type"]
        ending = (mimetypes.guess_extension(mime_type) or f".{ending}").lstrip(".")
    return FileToSend(name=f"{row.reference}.{ending}", content=data, mime_type=mime_type)
