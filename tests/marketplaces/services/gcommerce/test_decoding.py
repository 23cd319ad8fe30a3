"""Reading what their platform makes of JSON: nothing of it may raise."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from marketplaces.services.gcommerce import decoding, mapping, statuses
from tests.marketplaces.services.gcommerce.conftest import sample

SAMPLES = (
    "get_product", "get_product.images", "list_products", "list_categories", "get_category", "get_order", "list_orders",
    "get_purchase_order", "list_purchase_orders", "get_shipment", "list_shipments",
)  # fmt: skip

keys = st.sampled_from(sorted({key for name in SAMPLES for key in sample(name)})) | st.text(max_size=8)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(["", "0", "-3", "1.50", "1e400", "9" * 60, "\x00", "\ud800", "Y", "K", "2905461962"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=12,
)
DECODERS = (
    decoding.text, decoding.ident, decoding.letter, decoding.number, decoding.money, decoding.units, decoding.whole,
    decoding.flag, decoding.when, decoding.is_empty, decoding.obj, decoding.rows, decoding.quantities, decoding.idents,
    decoding.evidence,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(value=values)
def test_no_json_makes_a_decoder_raise(value: Any) -> None:
    for decode in DECODERS:
        decode(value)
    decoding.listed(value, "orders", "order_id")


@settings(max_examples=60, deadline=None)
@given(payload=st.dictionaries(keys, values, max_size=12))
def test_no_object_makes_a_mapping_raise_and_what_is_kept_can_be_stored(payload: dict[str, Any]) -> None:
    made: list[Any] = [
        mapping.to_category(payload),
        mapping.to_offer(payload),
        mapping.to_order(payload, statuses.ORDERS),
        mapping.to_purchase_order(payload, statuses.ORDERS),
        mapping.to_shipment(payload),
    ]
    for found in made:
        kept = json.dumps(found.raw, allow_nan=False)
        assert "\\u0000" not in kept
        found.external_id.encode()  # no half of a surrogate pair
    decoding.images(payload)


@settings(max_examples=60, deadline=None)
@given(payload=values)
def test_what_a_product_says_can_be_stored(payload: Any) -> None:
    offer = mapping.to_offer(decoding.obj(payload))
    assert offer.quantity is None or 0 <= offer.quantity < 2**31
    assert offer.price is None or (abs(offer.price) < 10**10 and offer.price == round(offer.price, 6))


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        ("10.000000", "10"), ("15.00", "15"), (Decimal("9950.00"), "9950"), (0, "0"), ("1.1234567", "1.123457"),
        (" 5 ", "5"), ("", None), (None, None), ("free", None), (True, None), ("NaN", None), ([], None),
    ],
)  # fmt: skip
def test_money_is_exact_and_never_zero_for_what_can_not_be_read(value: Any, amount: str | None) -> None:
    """GCO-T18: the price "10.000000" is Decimal 10."""
    assert decoding.money(value) == (None if amount is None else Decimal(amount))


@pytest.mark.parametrize(
    ("value", "count"),
    [("144", 144), (1200, 1200), ("-3", 0), ("1.50", 1), (None, None), ("", None), ("9" * 15, 2**31 - 1)],
)
def test_stock_may_be_negative_or_broken_and_its_whole_part_is_sold(value: Any, count: int | None) -> None:
    assert decoding.units(value) == count


def test_an_id_is_the_same_as_text_and_as_number() -> None:
    """GCO-T18"""
    assert decoding.ident("123456") == decoding.ident(123456) == "123456"
    assert decoding.ident(2905461962) == decoding.ident("2905461962")
    assert decoding.ident("6772968756425294") == "6772968756425294"


@pytest.mark.parametrize("value", ["Y", "y", True, 1, "1", "true"])
def test_yes_has_many_forms(value: Any) -> None:
    assert decoding.flag(value) is True


@pytest.mark.parametrize("value", [None, "", "maybe", 2, [], {}, Decimal("1")])
def test_what_is_neither_yes_nor_no_is_not_said(value: Any) -> None:
    assert decoding.flag(value) is None


def test_times_are_unix_seconds_as_text() -> None:
    assert decoding.when("1656359693") == datetime(2022, 6, 27, 19, 54, 53, tzinfo=UTC)
    assert [decoding.when(value) for value in ("0", "", None, "soon", "-5", 10**18)] == [None] * 6


@pytest.mark.parametrize(
    "value",
    [
        {"2905461962": "2", "7": 1},
        {"2905461962": {"amount": "2"}, "7": {"amount": 1}},
        [{"item_id": 2905461962, "amount": "2"}, {"item_id": "7", "amount": 1}],
    ],
)
def test_the_products_of_a_parcel_are_a_map_of_quantities_in_any_form(value: Any) -> None:
    assert decoding.quantities(value) == {"2905461962": 2, "7": 1}
    assert decoding.quantities([]) == decoding.quantities(None) == {}


@pytest.mark.parametrize(
    "payload",
    [
        {"categories": [{"category_id": "1"}, {"category_id": 2}], "params": {"total_items": "2"}},
        {"categories": {"1": {"category": "A"}, "2": {"category": "B"}}},
        [{"category_id": "1"}, {"category_id": "2"}],
        {"1": {"category_id": "1"}, "2": {"category_id": "2"}},
    ],
)
def test_a_list_is_read_wrapped_or_bare_and_as_a_map_by_id(payload: Any) -> None:
    """GCO-T13"""
    found = decoding.listed(payload, "categories", "category_id")
    assert found is not None
    assert [decoding.ident(row["category_id"]) for row in found.rows] == ["1", "2"]


@pytest.mark.parametrize("payload", [None, "x", 5, {}, {"message": "Not allowed"}, {"categories": "none"}])
def test_what_is_no_list_is_not_taken_for_an_empty_one(payload: Any) -> None:
    assert decoding.listed(payload, "categories", "category_id") is None


@pytest.mark.parametrize("total", ["12", 12])
def test_the_total_is_told_as_text_or_number(total: Any) -> None:
    """GCO-T16"""
    found = decoding.listed({"orders": [], "params": {"total_items": total}}, "orders", "order_id")
    assert found is not None
    assert (found.rows, found.total) == ([], 12)


@pytest.mark.parametrize("value", [["8219", 8220], [8219, 8220], "8219, 8220", {"0": 8219, "1": 8220}])
def test_category_ids_come_as_list_text_or_map(value: Any) -> None:
    assert decoding.idents(value) == ["8219", "8220"]
    assert decoding.idents(8219) == ["8219"]


def test_a_page_is_shown_without_its_tags() -> None:
    page = b"<html><head><style>b {}</style><title>Closed</title></head><body><h1>Back &amp; soon</h1></body></html>"
    assert decoding.words_of(page) == "Closed Back & soon"
    assert len(decoding.words_of(b"<p>" + b"x" * 5000)) == 500


def test_what_is_kept_of_an_order_names_nobody() -> None:
    kept = json.dumps(mapping.to_order(sample("get_order"), statuses.ORDERS).raw)
    assert not [word for word in ("Buyer", "buyer@example.com", "1 Test Ave", "(000)-000-0000") if word in kept]
    assert '"order_id": "123456"' in kept
