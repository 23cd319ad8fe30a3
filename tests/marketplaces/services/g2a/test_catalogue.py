"""G2A's catalogue: pages, filters, single products, and the whole of it in parts."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from marketplaces.exceptions import NotFound, PermanentError, TemporaryError
from marketplaces.services.g2a import bodies, catalogue, dialects, mapping
from marketplaces.services.g2a.bodies import ProductFilter
from marketplaces.types import RemoteProduct
from tests.marketplaces.services.g2a.peer import Answer, sample

PRODUCT = "10000027819004"
PRODUCTS = "/v1/products"
NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("page", [0, 501, -1])
def test_a_page_that_does_not_exist_is_refused_here(peer, service, page):
    """G2A-T10."""
    with pytest.raises(PermanentError, match="1 to 500"):
        service.fetch_products(ProductFilter(), page)
    assert peer.seen == []


def test_page_500_is_asked_for(peer, service):
    """G2A-T10."""
    peer.on("GET", PRODUCTS, Answer(200, {"total": 9_999, "page": 500, "docs": []}))
    assert service.fetch_products(ProductFilter(), 500) == mapping.ProductPage(9_999, [])
    assert peer.asked()[0].query == {"page": ["500"]}


def test_times_and_flags_go_out_in_g2as_form(peer, either):
    """G2A-T11: in UTC, encoded; `true`, not True."""
    peer.on("GET", PRODUCTS, Answer(200, sample("list_products")))
    either.fetch_products(
        ProductFilter(
            product_id=f"i{PRODUCT}",
            min_quantity=0,
            price_from=Decimal("1.50"),
            price_to=Decimal("1E+1"),
            is_out_of_stock_shown=True,
            updated_from=datetime(2025, 6, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=2))),
            updated_to=NOW,
        )
    )
    assert peer.asked()[0].query == {
        "page": ["1"],
        "id": [PRODUCT],
        "minQty": ["0"],
        "minPriceFrom": ["1.50"],
        "minPriceTo": ["10"],
        "includeOutOfStock": ["true"],
        "updatedAtFrom": ["2025-06-01 00:03:04"],
        "updatedAtTo": ["2025-06-01 12:00:00"],
    }


@pytest.mark.parametrize(
    "wanted",
    [
        ProductFilter(min_quantity=-1),
        ProductFilter(price_from=Decimal(-1)),
        ProductFilter(price_from=Decimal(2), price_to=Decimal(1)),
    ],
)
def test_a_filter_that_lets_nothing_through_is_refused_here(peer, service, wanted):
    with pytest.raises(PermanentError):
        service.fetch_products(wanted)
    assert peer.seen == []


def test_a_product_is_read_whatever_its_fields_look_like(peer, service):
    """G2A-T12: null limits, both kinds of category id, unknown keys kept, huge and odd values survived."""
    odd = {
        **sample("get_product"),
        "priceLimit": {"min": None, "max": None},
        "categories": [{"id": "189", "name": "Games"}, {"id": 190, "name": "More"}],
        "newInVersion12": {"deep": [1.25]},
        "qty": "52",
        "region": None,
        "name": "Nul\x00l",
    }
    peer.on("GET", f"{PRODUCTS}/{PRODUCT}", Answer(200, odd))
    product = service.get_product(PRODUCT)

    assert (product.external_id, product.category, product.available) == (PRODUCT, "Games", 52)
    assert (product.price, product.currency) == (Decimal("12.55"), "EUR")
    assert (product.region, product.name) == ("", "Null")
    assert product.raw["newInVersion12"] == {"deep": ["1.25"]}
    assert product.raw["priceLimit"] == {"min": None, "max": None}


@pytest.mark.parametrize("row", [{}, {"id": 10000027819004, "categories": "none", "qty": -1, "minPrice": "free"}])
def test_a_product_of_nothing_breaks_nothing(row):
    """G2A-T12."""
    product = mapping.to_product(row)
    assert (product.price, product.available) == (None, None)
    assert product.external_id == str(row.get("id", ""))


def test_a_product_that_cannot_be_bought_is_not_available():
    assert mapping.to_product({"id": PRODUCT, "qty": 5, "availableToBuy": False}).available == 0


@pytest.mark.smoke
def test_each_dialect_reads_one_product_its_own_way(peer, service, live):
    """G2A-T13: one object, or the first row of a list that is asked for with id=."""
    peer.on("GET", f"{PRODUCTS}/{PRODUCT}", Answer(200, sample("get_product")))
    peer.on("GET", PRODUCTS, Answer(200, sample("list_products")))
    assert service.get_product(PRODUCT) == live.get_product(f"i{PRODUCT}")
    assert peer.asked(PRODUCTS)[0].query["id"] == [PRODUCT]


def test_a_product_that_is_not_there_is_not_found(peer, either):
    """G2A-T13: 404, or no row."""
    peer.on("GET", PRODUCTS, Answer(200, {"total": 0, "page": 1, "docs": []}))
    with pytest.raises(NotFound, match=PRODUCT):
        either.get_product(PRODUCT)


def test_the_calls_that_do_not_exist_are_never_made(peer, either):
    """G2A-T14: price and stock come with the product."""
    peer.on("GET", f"{PRODUCTS}/{PRODUCT}", Answer(200, sample("get_product")))
    peer.on("GET", PRODUCTS, Answer(200, sample("list_products")))
    either.get_product(PRODUCT)
    either.search_products()
    list(either.fetch_catalogue())
    paths = {seen.path for seen in peer.seen}
    assert paths <= {PRODUCTS, f"{PRODUCTS}/{PRODUCT}"}
    routes = [*dialects.CONTRACT.routes.values(), *dialects.LIVE.routes.values()]
    assert not [path for _, path in routes if path.endswith(("/stock", "/products/prices"))]


@pytest.mark.parametrize(
    ("text", "product_id"),
    [
        (PRODUCT, PRODUCT),
        (f" i{PRODUCT} ", PRODUCT),
        (f"https://www.g2a.com/example-game-i{PRODUCT}", PRODUCT),
        (f"/example-game-i{PRODUCT}?adid=1", PRODUCT),
    ],
)
def test_a_product_is_searched_by_its_id_or_its_shop_link(peer, service, text, product_id):
    peer.on("GET", PRODUCTS, Answer(200, sample("list_products")))
    assert [product.external_id for product in service.search_products(text)] == [PRODUCT]
    assert peer.asked()[0].query == {"page": ["1"], "id": [product_id], "includeOutOfStock": ["true"]}


@pytest.mark.parametrize("text", ["half-life", "half-life-2"])
def test_a_search_by_name_says_where_names_can_be_searched(peer, service, text):
    with pytest.raises(PermanentError, match="mirrored catalogue"):
        service.search_products(text)
    assert peer.seen == []


def test_a_request_too_many_waits_as_long_as_g2a_says(peer, service):
    """G2A-T44: the row waits at least 3 s."""
    peer.on("GET", PRODUCTS, Answer(429, {"code": "BR03"}, {"Retry-After": "3"}), Answer(429, b""))
    with pytest.raises(TemporaryError) as told:
        service.search_products()
    assert (told.value.kind, told.value.retry_after) == ("rate_limited", 3.0)
    with pytest.raises(TemporaryError) as untold:
        service.search_products()
    assert (untold.value.kind, untold.value.retry_after) == ("rate_limited", None)


def make_believe(count, *, per_day=50):
    """A catalogue of `count` products, each updated at its own time, and how often it was read."""
    step = timedelta(days=1) / per_day
    updates = {str(number): NOW - step * (count - number) for number in range(count)}
    reads = []

    def read(wanted, page):
        reads.append((wanted, page))
        assert bodies.products_query(wanted, page)
        if len(reads) == 10:
            updates["12500"] = NOW + timedelta(seconds=1)  # it changes while the others are read
        low, high = wanted.updated_from, wanted.updated_to
        found = [key for key, at in updates.items() if (not low or at >= low) and (not high or at <= high)]
        docs = [RemoteProduct(key, key) for key in found[(page - 1) * 20 : page * 20]]
        return mapping.ProductPage(len(found), docs)

    return read, reads


def test_a_catalogue_longer_than_500_pages_is_read_in_parts():
    read, reads = make_believe(25_000)
    warnings = []
    found = [product.external_id for product in catalogue.walk(read, NOW, warnings.append)]

    assert len(found) == len(set(found)) == 25_000
    assert warnings == []
    assert len(reads) < 25_000 / 20 * 1.1
    assert all(wanted.is_out_of_stock_shown for wanted, _ in reads)


def test_what_no_cut_makes_short_enough_is_read_as_far_as_it_goes():
    def read(wanted, page):
        return mapping.ProductPage(20_000, [RemoteProduct(str(page * 20 + number), "") for number in range(20)])

    warnings = []
    found = list(catalogue.walk(read, catalogue.FIRST_UPDATE + timedelta(seconds=1), warnings.append))
    assert len(found) == 10_000
    assert "are missing" in warnings[0]


def test_a_catalogue_that_tells_no_total_ends_at_a_short_page(peer, service):
    rows = [{"id": str(number)} for number in range(25)]
    peer.on("GET", PRODUCTS, Answer(200, {"docs": rows[:20]}), Answer(200, {"docs": rows[20:]}))
    assert len(list(service.fetch_catalogue())) == 25
