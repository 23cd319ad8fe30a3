"""Encrypt what must stay secret, find it again without decrypting, and bind each secret to its row.

A sealed value is: one byte with the length of the key id, the key id, a nonce of 12 bytes, AES-256-GCM ciphertext and
tag. The key id and the row's identity are authenticated with it, so a ciphertext moved to another row, or one that
claims another key, does not open.
"""

import functools
import hmac
import json
import os
from typing import Any, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import models

NONCE_BYTES = 12


class CannotOpen(Exception):
    """A sealed value does not open: its key is gone from CODE_KEYS, or it is not what was once written here."""

    def __init__(self, message: str, *, missing_key: str = "") -> None:
        super().__init__(message)
        self.missing_key = missing_key  # the id of the key that is gone

    @property
    def advice(self) -> str:
        """What to do about it, for people."""
        if self.missing_key:
            return f"CODE_KEYS must hold the key “{self.missing_key}”, with which it was stored"
        return "It is not what was stored here, or its key in CODE_KEYS is another: look for a backup"


@functools.lru_cache(maxsize=32)
def _cipher(key: bytes) -> AESGCM:
    return AESGCM(key)


def encrypt(plain: bytes, bound_to: str) -> bytes:
    """Seal `plain` with the first of CODE_KEYS, bound to `bound_to` (such as "inventory.code:17")."""
    key_id, key = next(iter(settings.CODE_KEYS.items()))
    head = bytes([len(key_id.encode())]) + key_id.encode()
    nonce = os.urandom(NONCE_BYTES)
    return head + nonce + _cipher(key).encrypt(nonce, plain, head + bound_to.encode())


def decrypt(sealed: bytes, bound_to: str) -> bytes:
    """Open what encrypt() sealed for the same `bound_to`. Raises CannotOpen; never returns ciphertext."""
    sealed = bytes(sealed)
    end = 1 + (sealed[0] if sealed else 0)
    head, nonce, body = sealed[:end], sealed[end : end + NONCE_BYTES], sealed[end + NONCE_BYTES :]
    key_id = head[1:].decode(errors="replace")
    key = settings.CODE_KEYS.get(key_id)
    if key is None:
        raise CannotOpen(f"{bound_to}: no key for it in CODE_KEYS", missing_key=key_id if key_id.isprintable() else "")
    try:
        return _cipher(key).decrypt(nonce, body, head + bound_to.encode())
    except (InvalidTag, ValueError) as error:
        raise CannotOpen(f"{bound_to}: it was changed, or belongs to another row") from error


def key_id_of(sealed: bytes) -> str:
    """Name the key that sealed this value."""
    sealed = bytes(sealed)
    return sealed[1 : 1 + sealed[0]].decode(errors="replace")


def blind_index(text: str) -> bytes:
    """Return the 32 bytes under which an exact text is found again; equal texts have equal indexes.

    Blanks at both ends and letter case do not count, so a key typed in small letters is still found, and the same key
    bought twice in another spelling is still seen as one.
    """
    normal = text.strip().upper().encode()
    return hmac.digest(settings.CODE_INDEX_KEY, normal, "sha256")


def keyed_index(text: str, purpose: str) -> bytes:
    """Return the blind index of a text that is no code; the same text has another one for another purpose."""
    # No code has a line's end within it, so none has the index of such a text.
    return blind_index(f"{purpose}\n{text.strip()}")


def same(one: str | bytes, other: str | bytes) -> bool:
    """Compare two secrets in constant time."""
    as_bytes = [value.encode() if isinstance(value, str) else value for value in (one, other)]
    return hmac.compare_digest(*as_bytes)


class Sealed(bytes):
    """Ciphertext as it lies in the database, not opened yet."""


class _Opener:
    """Open a sealed value when it is first looked at, so that lists which do not show it never decrypt."""

    def __init__(self, field: "EncryptedField") -> None:
        self.field = field

    def __get__(self, row: models.Model | None, owner: type | None = None) -> Any:
        if row is None:
            return self
        values = row.__dict__
        name = self.field.attname
        if name not in values:
            row.refresh_from_db(fields=[name])
        if isinstance(values[name], Sealed):
            values[name] = self.field.open(values[name], row)
        return values[name]

    def __set__(self, row: models.Model, value: Any) -> None:
        row.__dict__[self.field.attname] = value


class EncryptedField(models.BinaryField):  # type: ignore[type-arg]
    """Any JSON value, sealed at rest and bound to its model, its column and the row's `bound_to` attribute.

    It can't be searched, and QuerySet.update() refuses it: a value is only written through its row.
    """

    def __init__(self, *args: Any, bound_to: str = "pk", **kwargs: Any) -> None:
        self.bound_to = bound_to
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        if self.bound_to != "pk":
            kwargs["bound_to"] = self.bound_to
        return name, path, args, kwargs

    def contribute_to_class(self, cls: type[models.Model], name: str, private_only: bool = False) -> None:
        super().contribute_to_class(cls, name, private_only)
        setattr(cls, self.attname, _Opener(self))

    def binding(self, row: models.Model) -> str:
        identity = getattr(row, self.bound_to)
        if identity is None:
            raise ValueError(f"{self.model._meta.label}.{self.name} can only be sealed once {self.bound_to} is known")
        return f"{self.model._meta.label_lower}.{self.name}:{identity}"

    def open(self, sealed: bytes, row: models.Model) -> Any:
        return json.loads(decrypt(sealed, self.binding(row)))

    def seal(self, value: Any, row: models.Model) -> Sealed:
        """Seal a value for this column of this row, to be written by an UPDATE that names its condition."""
        return Sealed(encrypt(json.dumps(value).encode(), self.binding(row)))

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Sealed | None:
        return None if value is None else Sealed(value)

    def pre_save(self, model_instance: models.Model, add: bool) -> Sealed | None:
        value = model_instance.__dict__.get(self.attname)
        if value is None or isinstance(value, Sealed):
            return value
        return self.seal(value, model_instance)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if value is not None and not isinstance(value, Sealed):
            raise TypeError(f"{self.name} is sealed by its row: use save(), not update() or filter()")
        return super().get_db_prep_value(cast(Any, None if value is None else bytes(value)), connection, prepared)

    def value_to_string(self, obj: models.Model) -> str:
        raise TypeError(f"{self.name} is secret and does not leave in a dump")
