"""Whatever JSON a marketplace sends: no decoder breaks, nothing is invented, and what is kept can be stored.

The JSON is what they really send (the samples of each folder), with pieces of it replaced by anything.
"""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from marketplaces import services
from marketplaces.exceptions import MarketplaceError, Refused
from marketplaces.models import Account
from marketplaces.types import Call

SLUGS = sorted(services.all_services())
# What a field of ours may not hold unless it stood in what they sent.
NAMES = {"external_id", "order_id", "offer_id", "product_id", "delivery_id", "tracking_number", "external_offer_id"}
ASKED = "asked-for-1"  # the id that we ask for, where an answer does not repeat it


def decoders(slug: str) -> dict[str, Callable[[Any], Any]]:
    """Every public function of the folder's mapping that makes one of our words of one of their objects."""
    mapping = import_module(f"marketplaces.services.{slug}.mapping")
    found: dict[str, Callable[[Any], Any]] = {
        name: getattr(mapping, name)
        for name in dir(mapping)
        if name.startswith("to_") and callable(getattr(mapping, name))
    }
    return {name: (lambda payload, name=name, decode=decode: _with_what_it_needs(slug, name, decode, payload))
            for name, decode in found.items() if name not in ("to_health", "to_purchased_key")}  # fmt: skip


def _with_what_it_needs(slug: str, name: str, decode: Callable[..., Any], payload: Any) -> Any:
    """Call a decoder with the id that was asked for, or the table of words that it takes."""
    needs: dict[tuple[str, str], tuple[Any, ...]] = {
        ("g2a", "to_uploaded"): (ASKED,), ("g2a", "to_job"): (ASKED,), ("g2a", "to_earnings"): ("DE",),
        ("g2a", "to_purchase"): (ASKED,), ("g2a", "to_reserved_stock"): (ASKED,),
        ("g2g", "to_uploaded"): (ASKED, ASKED), ("g2g", "to_delivery"): (ASKED,),
    }  # fmt: skip
    if slug == "gcommerce" and name in ("to_order", "to_purchase_order"):
        return decode(payload, import_module("marketplaces.services.gcommerce.statuses").ORDERS)
    return decode(payload, *needs.get((slug, name), ()))


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if len(value) > 1:
            yield value
        for item in value.values():
            yield from objects_in(item)
    elif isinstance(value, list):
        for item in value[:3]:
            yield from objects_in(item)


def samples(slug: str) -> list[dict[str, Any]]:
    folder = Path(services.__file__).parent / slug / "samples"
    found: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*.json")):
        found += objects_in(json.loads(path.read_text(), parse_float=Decimal))
    assert found, slug
    return found


texts = st.text(max_size=30) | st.sampled_from(["", "\x00", "0", "-1", "1e400", "2026-02-30", "nan", "9" * 400, "١٢"])
numbers = (
    st.integers(-(2**70), 2**70)
    | st.decimals(allow_nan=False, allow_infinity=False, places=3)
    | st.just(Decimal("1e400"))
)
leaves = st.none() | st.booleans() | numbers | texts
anything = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)


@st.composite
def changed(draw: Any, slug: str) -> dict[str, Any]:
    """One of their objects with up to five of its pieces replaced, taken away or repeated."""
    made: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(SAMPLES[slug])))
    for _ in range(draw(st.integers(0, 5))):
        places = list(_places(made))
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(["replace", "replace", "drop", "wrap"])):
            case "replace":
                holder[key] = draw(anything)
            case "wrap":
                holder[key] = [holder[key], holder[key]]
            case _:
                del holder[key]
    return made


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield value, key
        yield from _places(item)


SAMPLES = {slug: samples(slug) for slug in SLUGS}
QUICK = settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("slug", SLUGS)
def test_no_json_breaks_a_decoder_and_nothing_is_invented(slug: str) -> None:
    every = decoders(slug)
    assert every

    @QUICK
    @given(payload=changed(slug))
    def holds(payload: dict[str, Any]) -> None:
        said = set(_leaves(payload)) | {ASKED, ""}
        for name, decode in every.items():
            try:
                made = decode(copy.deepcopy(payload))
            except MarketplaceError:
                continue  # it says so, in words for people
            for field, value in _facts(made):
                assert _can_be_stored(value), f"{name}: {field} = {value!r}"
                if field in NAMES and isinstance(value, str):
                    assert value in said or any(value in text for text in said), f"{name} invented {field} {value!r}"

    holds()


@pytest.mark.parametrize("slug", [slug for slug in SLUGS if services.get_service(slug).calls_us()])
def test_no_body_breaks_what_comes_in_at_the_door(slug: str) -> None:
    """verify, read and process raise what the door and the workers know, whatever stands in the body."""
    service = services.get_service(slug)
    account = Account(
        name="Main", marketplace=slug, base_url=f"http://{slug}.test",
        credentials=service.completed({}, service.sandbox_credentials), webhook_secrets=["s"],
    )  # fmt: skip
    line = account.service()
    bodies = changed(slug).map(lambda made: json.dumps(made, default=str).encode()) | st.binary(max_size=60)
    paths = st.sampled_from(["", "order", "reservation", "orders", "notifications", "\x00", "x" * 300]) | st.text(
        max_size=20
    )

    @QUICK
    @given(body=bodies, path=paths, query=texts)
    def holds(body: bytes, path: str, query: str) -> None:
        call = Call(method="POST", path=path, query=query, headers={}, body=body, received_at=datetime.now(UTC))
        with pytest.raises(Refused):
            line.verify(call)
        if not line.answers(call):
            for part, notice in line.notices(call):
                assert _can_be_stored(notice.event_id.replace("\x00", ""))
                try:
                    line.process(part, Deaf())
                except MarketplaceError:
                    continue

    holds()


class Deaf:
    """A shop that hears everything and does nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **named: None


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    else:
        yield str(value)
        yield str(value).strip()


def _facts(made: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in what a decoder made; what is kept as they sent it (`raw`) is theirs."""
    if is_dataclass(made) and not isinstance(made, type):
        for field in fields(made):
            if field.name != "raw":
                yield from _facts(getattr(made, field.name), field.name)
    elif isinstance(made, dict):
        for key, item in made.items():
            yield from _facts(item, str(key))
    elif isinstance(made, list | tuple | set | frozenset):
        for item in made:
            yield from _facts(item, name)
    else:
        yield name, made


def _can_be_stored(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" not in value and value == value.encode(errors="replace").decode()
    if isinstance(value, Decimal):
        return value.is_finite() and abs(value) < 10**20
    if isinstance(value, datetime):
        return value.tzinfo is not None
    return not isinstance(value, int) or abs(value) < 2**63
