"""Nothing but ids is required of what G2G sends, and no value of the wrong type breaks anything."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from marketplaces.services.g2g import catalogue, mapping, reading
from marketplaces.types import OfferStatus
from tests.marketplaces.services.g2g.conftest import SAMPLES, sample

ODD = [
    None,
    "",
    "text",
    "12",
    "1.5",
    -1,
    10**400,
    True,
    [],
    ["x"],
    {},
    {"a": 1},
    Decimal("1e400"),
    "\x00\ud800",
    "9" * 999,
]
READERS: list[Callable[[Any], Any]] = [
    mapping.to_offer,
    mapping.to_order,
    mapping.to_delivery_request,
    lambda payload: mapping.to_delivery(payload, "O-1"),
    mapping.row_is_one_delivery,
    mapping.kind_said,
    lambda payload: mapping.to_uploaded(payload, "G1", "i1"),
    lambda payload: mapping.to_health(payload, "1", None),
    catalogue.to_services,
    catalogue.to_products,
    lambda payload: catalogue.to_form(payload, "p1"),
]
PAYLOADS = [
    sample(path.stem).get("payload", {}) for path in sorted(SAMPLES.glob("*.json")) if "request" not in path.stem
]


def variants(value: Any, odd: Any) -> list[Any]:
    """Every copy of `value` in which one thing, however deep, is `odd`."""
    found = [odd]
    if isinstance(value, dict):
        found += [value | {key: changed} for key, item in value.items() for changed in variants(item, odd)]
    elif isinstance(value, list):
        places = range(len(value))
        found += [[*value[:at], changed, *value[at + 1 :]] for at in places for changed in variants(value[at], odd)]
    return found


def storable(value: Any) -> bool:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return "\\u0000" not in text and bool(text.encode())


@pytest.mark.parametrize("read", READERS)
def test_no_odd_value_breaks_a_reader(read: Callable[[Any], Any]) -> None:
    """G2G-P42: whichever field it stands in, and what comes out can be stored."""
    for payload in PAYLOADS:
        for odd in ODD:
            for changed in variants(payload, odd):
                if isinstance(changed, dict):
                    result = read(changed)
                    assert storable(getattr(result, "raw", {}))


@pytest.mark.parametrize("read", READERS)
def test_nothing_told_is_nothing_known(read: Callable[[Any], Any]) -> None:
    assert read({}) == read({"a key of tomorrow": 1}) or read({"a": 1}).raw == {"a": 1}


def test_empty_text_and_a_missing_key_are_alike() -> None:
    """G2G-P18"""
    empty = {"attribute_key": "k", "value": "", "attribute_value": "", "attribute_id": ""}
    summary = {"delivery_id": "D1", "case_id": "", "delivery_mode": "", "delivery_method_code": ""}
    told = {"delivery_summary": summary | {"delivery_method_list": [empty]}}
    assert mapping.to_delivery_request(told) == mapping.to_delivery_request({"delivery_summary": {"delivery_id": "D1"}})


def test_amounts_are_exact() -> None:
    """G2G-P43: from the text of the JSON, never through a binary float."""
    payload = reading.parse(b'{"amount": 0.1, "commission_fee": "0.30", "unit_price": 1e3}')
    assert payload
    order = mapping.to_order(payload)
    assert (order.amount, order.fee, order.lines[0].unit_price) == (Decimal("0.1"), Decimal("0.30"), Decimal(1000))
    assert str(order.amount) == "0.1"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1654240349966, datetime(2022, 6, 3, 7, 12, 29, 966000, tzinfo=UTC)),
        ("1654240349966", datetime(2022, 6, 3, 7, 12, 29, 966000, tzinfo=UTC)),
        (0, None),
        (10**18, None),
        ("soon", None),
        (True, None),
    ],
)
def test_times_are_milliseconds_in_utc(value: Any, expected: datetime | None) -> None:
    assert reading.when(value) == expected
    if expected:
        assert reading.ms(expected) == 1654240349966


@pytest.mark.parametrize(
    ("status", "available", "expected"),
    [
        ("live", 3, OfferStatus.LIVE),
        ("LIVE", None, OfferStatus.LIVE),
        ("live", 0, OfferStatus.OUT_OF_STOCK),
        ("delisted", 0, OfferStatus.PAUSED),
        ("Delisted by G2G", 3, OfferStatus.SUSPENDED),
        ("deleted", 3, OfferStatus.REMOVED),
        ("word of tomorrow", 3, OfferStatus.UNKNOWN),
    ],
)
def test_offer_words_map_as_in_the_table(status: str, available: int | None, expected: OfferStatus) -> None:
    offer = mapping.to_offer({"offer_id": "G1", "status": status, "available_qty": available})
    assert (offer.status, offer.status_word) == (expected, status)


def test_an_offers_attributes_are_what_an_offer_is_made_of() -> None:
    """What is read can be written again."""
    offer = mapping.to_offer(sample("get_offer")["payload"])
    assert set(offer.attributes) == set(mapping.OFFER_ATTRIBUTES)
    assert mapping.choices_of(offer.attributes["offer_attributes"]) == {("1f00aa01", "1f00aa02")}


def test_what_a_buyer_typed_keeps_its_blanks() -> None:
    fields = mapping.buyer_fields({
        "delivery_method_list": [
            {"attribute_group_name": "Password", "attribute_key": "k1", "value": " pass word "},
            {"attribute_key": "k2", "value": 7},
            {"attribute_group_id": "e023", "attribute_id": "98f0"},
            {"value": "nobody asked"},
        ],
        "additional_info_list": [{"attribute_group_name": "Note", "value": "quick"}],
    })  # fmt: skip
    assert fields == {"Password (k1)": " pass word ", "k2": "7", "e023": "98f0", "Note": "quick"}


def test_what_is_kept_of_an_event_holds_nothing_personal() -> None:
    """G2G-P58: nor does it hold a code, however deep."""
    kept = json.dumps(
        reading.evidence({"list": [{"value": "hello_world", "attribute_value": "", "n": Decimal("1.50")}]})
    )
    assert kept == '{"list": [{"value": "•••", "attribute_value": "", "n": 1.5}]}'.replace("•••", "\\u2022" * 3)
