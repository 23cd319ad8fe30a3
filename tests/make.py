"""Rows for tests, made the way the product makes them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from backoffice import crypto
from inventory.models import Batch, Code, Offer, Product, code_binding
from marketplaces.models import Account
from marketplaces.types import RemoteOrder


def product(sku: str = "GAME-1", *, codes: int = 0, **fields: object) -> Product:
    """A product with `codes` codes named SKU-0001, SKU-0002 …"""
    made = Product.objects.create(sku=sku, name=f"{sku} key", **fields)
    if codes:
        add_codes(made, codes)
    return made


def add_codes(to: Product, count: int, *, prefix: str = "", **fields: object) -> list[Code]:
    batch = Batch.objects.create(product=to, imported=count)
    first = (Code.objects.order_by("-pk").values_list("pk", flat=True).first() or 0) + 1000
    rows = []
    for number in range(count):
        pk = first + number
        text = f"{prefix or to.sku}-{pk:06}"
        rows.append(
            Code(
                pk=pk, product=to, batch=batch, position=pk, index=crypto.blind_index(text),
                sealed=crypto.encrypt(text.encode(), code_binding(pk)), **fields,
            )
        )  # fmt: skip
    return Code.objects.bulk_create(rows)


def account(name: str = "Main shop", marketplace: str = "g2g", **fields: object) -> Account:
    return Account.objects.create(name=name, marketplace=marketplace, **fields)


def offer(of: Product | None, on: Account, **fields: object) -> Offer:
    values = {"external_product_id": "product-1", "price": "9.99", "currency": "USD", **fields}
    return Offer.objects.create(product=of, account=on, **values)


def older(remote: RemoteOrder, *, seconds: int, **fields: Any) -> RemoteOrder:
    """The order as it was read some time before."""
    assert remote.updated_at is not None
    return replace(remote, updated_at=remote.updated_at - timedelta(seconds=seconds), **fields)
