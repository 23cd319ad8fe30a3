"""Codes that are more than a text: a file such as a scanned card, or the login of an account. Their parts are JSON.

file      {"name", "mime_type", "data": base64}
account   {"username", "password", "email", "email_password", "optional": [{"label", "details"}]}
"""

import base64
import binascii
import json
import mimetypes
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from inventory import importing
from inventory.code_lines import CodeLine
from inventory.importing import BatchTerms, Chunk, Importer, Tally
from inventory.models import Product, Supplier
from marketplaces.shop import CodeKind

# How files begin that codes come as: their ending and type.
BEGINNINGS = {
    b"\x89PNG": ("png", "image/png"),
    b"\xff\xd8\xff": ("jpg", "image/jpeg"),
    b"GIF8": ("gif", "image/gif"),
    b"%PDF": ("pdf", "application/pdf"),
}
UNKNOWN_FILE = ("bin", "application/octet-stream")
LARGEST_FILE = 5_000_000
LONGEST_PART = 2_000
TEXT_PARTS = {
    CodeKind.FILE: ("name", "mime_type", "data"),
    CodeKind.ACCOUNT: ("username", "password", "email", "email_password"),
}
NEEDED_PARTS = {CodeKind.FILE: ("name", "data"), CodeKind.ACCOUNT: ("username", "password")}


def file_code(*, name: str, data: bytes, mime_type: str = "application/octet-stream") -> str:
    """Put a file's parts into the text that is sealed."""
    return _dump({"name": name, "mime_type": mime_type, "data": base64.b64encode(data).decode()})


def account_code(
    *,
    username: str,
    password: str,
    email: str = "",
    email_password: str = "",
    optional: Iterable[Mapping[str, str]] = (),
) -> str:
    """Put the parts of a login into the text that is sealed. `optional` has a label and details in each entry."""
    return _dump(
        {
            "username": username, "password": password, "email": email, "email_password": email_password,
            "optional": [{"label": entry["label"], "details": entry["details"]} for entry in optional],
        }
    )  # fmt: skip


def form_of(data: bytes) -> tuple[str, str]:
    """Tell a file's ending and type by how it begins."""
    return next((found for start, found in BEGINNINGS.items() if data.startswith(start)), UNKNOWN_FILE)


def file_text(name: str, data: bytes) -> str:
    """Make the text of a file by its name alone."""
    return file_code(name=name, data=data, mime_type=mimetypes.guess_type(name)[0] or "application/octet-stream")


def account_text(line: str) -> str:
    """Make the text of a login from a line of JSON with its parts. Raises ValueError, which never quotes it."""
    try:
        return _dump(parts(line))
    except ValueError:
        raise ValueError("a line is no JSON object with username and password") from None


def _dump(parts: Mapping[str, Any]) -> str:
    return json.dumps(parts, sort_keys=True, separators=(",", ":"))


def parts(text: str) -> dict[str, Any]:
    """Read the parts again. Raises ValueError."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("The parts of a code are a JSON object")
    return found


def problem(text: str, kind: CodeKind) -> str:
    """Say why a text does not hold the parts of its kind; empty when it does. Never quotes it."""
    if kind == CodeKind.TEXT:
        return ""
    try:
        found = parts(text)
    except ValueError:
        return f"it does not hold the parts of a code of the kind {kind}"
    missing = [name for name in NEEDED_PARTS[kind] if not found.get(name)]
    if missing or not all(isinstance(found.get(name, ""), str) for name in TEXT_PARTS[kind]):
        return f"it lacks {', '.join(missing) or 'parts that are texts'}"
    if kind == CodeKind.FILE:
        return _file_problem(found["data"])
    if any(len(found.get(name, "")) > LONGEST_PART for name in TEXT_PARTS[kind]):
        return f"one of its parts is longer than {LONGEST_PART:,} characters"
    entries = found.get("optional", [])
    fits = isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)
    return "" if fits else "its optional parts are no list"


def _file_problem(data: str) -> str:
    try:
        size = len(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        return "its data is no base64"
    return "" if size <= LARGEST_FILE else f"the file is larger than {LARGEST_FILE:,} bytes"


def add(
    *,
    product: Product,
    kind: CodeKind,
    texts: Iterable[str],
    batch_reference: str = "",
    cost: Decimal | None = None,
    currency: str = "",
    supplier: Supplier | None = None,
    file_name: str = "",
) -> Tally:
    """Bring codes of a kind into stock, as file_code() and account_code() make them, in one transaction.

    `cost` is for one code, in `currency`. Raises ValueError, naming its number, for a text without the parts of its
    kind; then nothing is stored. Safe to repeat: the same code again counts as a duplicate.
    """
    chunk = Chunk()
    for number, text in enumerate(texts, start=1):
        if wrong := problem(text, kind):
            raise ValueError(f"Code {number} can't be used: {wrong}")
        chunk.add(CodeLine(number, text))
    terms = BatchTerms(product, batch_reference, file_name, cost, currency, supplier, kind=kind)
    importing.existing_batch(terms)
    importer = Importer(terms)
    importer.store(chunk)
    return importer.tally
