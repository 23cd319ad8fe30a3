"""The make-believe G-Commerce by the contract's section 11: shapes, types, pages and filters."""

import json
from pathlib import Path

import pytest

from marketplaces.services.gcommerce import sandbox_catalogue
from tests.marketplaces.services.gcommerce.caller import new_market, ok, send

SAMPLES = Path(sandbox_catalogue.__file__).parent / "samples"
LISTS = ("categories", "products", "orders", "purchase_orders", "shipments")
IDS = {name: f"{name[:-1]}_id" for name in LISTS} | {"categories": "category_id"}


@pytest.fixture
def market():
    return new_market()


def sample(name):
    return json.loads((SAMPLES / f"{name}.json").read_text())


def kinds(document):
    """The type of each field, where it says anything."""
    empty = (None, "", [], {})
    return {key: type(value) for key, value in document.items() if value not in empty and type(value) is not float}


# --- shapes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LISTS)
def test_rows_have_the_fields_and_types_of_the_published_samples(market, name):
    published = sample(f"list_{name}")
    answer = ok(market, "GET", f"/{name}", items_per_page=250)
    assert answer.keys() == published.keys()
    shown = {key: kind for row in answer[name] for key, kind in kinds(row).items()}
    assert answer[name][0].keys() >= published[name][0].keys()
    assert shown.items() >= kinds(published[name][0]).items()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/categories/123456", "get_category"),
        ("/products/123456", "get_product"),
        ("/orders/120001", "get_order"),
        ("/purchase_orders/5003", "get_purchase_order"),
        ("/shipments/70002", "get_shipment"),
    ],
)
def test_details_have_the_fields_and_types_of_the_published_samples(market, path, name):
    published, answer = sample(name), ok(market, "GET", path)
    assert answer.keys() >= published.keys()
    differing = {key for key, kind in kinds(answer).items() if kinds(published).get(key, kind) is not kind}
    assert not differing


def test_it_writes_json_as_php_does(market):
    market.products.all[123456].full_description = "<p>café</p>"
    body = send(market, "GET", "/products/123456").body
    assert rb"<p>caf\u00e9<\/p>" in body
    assert json.loads(body)["full_description"] == "<p>café</p>"


def test_numbers_come_as_the_samples_mix_them_or_all_alike(market):
    first = {"items_per_page": 1, "sort_by": "code", "sort_order": "desc"}
    mixed = ok(market, "GET", "/products", **first)["products"][0]
    assert (type(mixed["product_id"]), type(mixed["main_category"])) == (str, int)
    market.switches.numbers = "number"
    numbers = ok(market, "GET", "/products", **first)["products"][0]
    assert {type(numbers[key]) for key in ("product_id", "amount", "timestamp", "main_category", "min_qty")} == {int}
    assert type(numbers["product_code"]) is type(numbers["product_upc_code"]) is str
    market.switches.numbers = "text"
    texts = ok(market, "GET", "/products", **first)
    assert {type(texts["products"][0][key]) for key in ("product_id", "amount", "main_category")} == {str}
    assert ok(market, "GET", "/products/123456")["product_id"] == "123456"
    assert type(texts["params"]["page"]) is str


def test_categories_of_a_product_come_as_list_number_or_text(market):
    two = next(id for id, product in market.products.all.items() if len(product.category_ids) == 2)
    shown = {}
    for form in ("list", "number", "text"):
        market.switches.category_ids = form
        shown[form] = [ok(market, "GET", f"/products/{id}")["category_ids"] for id in (123456, two)]
    assert shown["list"][0] == [shown["number"][0]] == [int(shown["text"][0])]
    assert shown["number"][1] == shown["list"][1]
    assert shown["text"][1] == ",".join(map(str, shown["list"][1]))


def test_empty_maps_come_as_lists_or_as_objects(market):
    assert ok(market, "GET", "/products/123456")["main_pair"] == []
    market.switches.empty_as_object = True
    assert ok(market, "GET", "/products/123456")["image_pairs"] == {}


def test_lists_come_as_objects_or_bare(market):
    market.switches.lists_as_objects = True
    for name in LISTS:
        rows = ok(market, "GET", f"/{name}")[name]
        assert all(key == str(row[IDS[name]]) for key, row in rows.items())
    market.switches.bare_lists = True
    market.switches.lists_as_objects = False
    assert all(type(ok(market, "GET", f"/{name}")) is list for name in LISTS)


def test_params_echo_what_was_sent_as_text_and_defaults_as_numbers(market):
    asked = {"status": "O", "items_per_page": 5, "sort_by": "nonsense"}
    params = ok(market, "GET", "/orders", **asked)["params"]
    assert params == {
        "status": "O",
        "items_per_page": "5",
        "page": 1,
        "sort_by": "date",
        "sort_order": "desc",
        "total_items": str(sum(order.status == "O" for order in market.orders.all.values())),
    }
    market.switches.params_noise = True
    assert ok(market, "GET", "/orders")["params"].keys() >= {"advanced_info", "sort_order_rev"}
    market.switches.params = "absent"
    assert ok(market, "GET", "/orders").keys() == {"orders"}


def test_categories_have_no_params_unless_it_is_switched_on(market):
    assert ok(market, "GET", "/categories").keys() == {"categories"}
    market.switches.category_params = True
    assert "total_items" in ok(market, "GET", "/categories")["params"]


@pytest.mark.parametrize(("form", "kind"), [("text", str), ("number", int), ("absent", type(None))])
def test_the_total_is_text_a_number_or_missing(market, form, kind):
    market.switches.total_items = form
    assert type(ok(market, "GET", "/products")["params"].get("total_items")) is kind


# --- pages -----------------------------------------------------------------------------------------------------


def ids_of(market, name, **query):
    return [row[IDS[name]] for row in ok(market, "GET", f"/{name}", **query)[name]]


def test_a_page_has_ten_rows_unless_asked_and_never_more_than_the_cap(market):
    assert len(ids_of(market, "products")) == 10
    assert len(ids_of(market, "products", items_per_page=1000)) == 1000
    market.switches.page_cap = 100
    assert len(ids_of(market, "products", items_per_page=250)) == 100


def test_pages_hold_every_row_once(market):
    pages = [ids_of(market, "products", items_per_page=250, page=page) for page in range(1, 11)]
    assert [len(page) for page in pages] == [250] * 8 + [201, 0]
    assert len({each for page in pages for each in page}) == 2201


def test_the_page_after_the_last_is_empty_or_the_last_again(market):
    assert ids_of(market, "purchase_orders", page=4) == []
    market.switches.repeat_last_page = True
    assert ids_of(market, "purchase_orders", page=4) == ids_of(market, "purchase_orders", page=3)


def test_rows_can_shift_while_somebody_turns_the_pages(market):
    first = ids_of(market, "orders")
    market.switches.shifted_rows = 2
    assert ids_of(market, "orders", page=2)[:2] == first[-2:]
    market.switches.shifted_rows = -1
    before = ids_of(market, "orders", page=2)
    market.switches.shifted_rows = 0
    assert before[0] == ids_of(market, "orders", page=2)[1]


def test_no_page_size_gives_all_and_no_total(market):
    answer = ok(market, "GET", "/products", items_per_page=0)
    assert len(answer["products"]) == 2201
    assert "total_items" not in answer["params"]


# --- filters ---------------------------------------------------------------------------------------------------


def products(market, **query):
    return ok(market, "GET", "/products", items_per_page=1000, **query)["products"]


def test_texts_are_looked_for_where_flags_say(market):
    """GCO-P40: flags with `q`; any other value is a text itself."""
    assert {row["product"] for row in products(market, q="3d printer", pname="Y")} >= {"3D Printer"}
    assert [row["product_id"] for row in products(market, q="its tools", pfull="Y")] == ["123456"]
    assert products(market, q="its tools", pname="Y") == []
    assert products(market, q="its tools", pname="Y", pfull="N") == []
    assert [row["product_id"] for row in products(market, pfull="its tools")] == ["123456"]
    assert all("calder" in row["product"].lower() for row in products(market, pname="Calder"))
    assert len(products(market, q="calder, headset", pkeywords="Y")) == 5
    market.switches.text_flags_on = True
    assert len(products(market, q="its tools", pname="Y")) == 1
    assert products(market, q="its tools", pname="Y", pfull="N") == []


def test_codes_match_by_parts(market):
    assert {row["product_code"] for row in products(market, pcode="gc-0012")} >= {"GC-00120", "GC-00121"}


def test_products_are_filtered_by_ranges_letters_and_shipping(market):
    dear = products(market, price_from="150.5", price_to=160)
    assert dear
    assert all(150.5 <= float(row["price"]) <= 160 for row in dear)
    assert {row["amount"] for row in products(market, amount_to=-1)} >= {"-1", "-2"}
    assert "1.50" in {row["amount"] for row in products(market, amount_from=1, amount_to=2)}
    assert {row["status"] for row in products(market, status="H")} == {"H"}
    free, dear = products(market, free_shipping="Y"), products(market, free_shipping="N")
    assert len(free) + len(dear) > 1000
    assert not {row["product_id"] for row in free} & {row["product_id"] for row in dear}


def test_a_category_can_hold_those_below_it(market):
    alone, deep = products(market, cid=8200), products(market, cid=8200, subcats="Y")
    assert all(8200 in row["category_ids"] for row in alone)
    assert len(deep) > len(alone) > 0


def test_products_of_orders_are_found(market):
    orders = [market.orders.all[120001], market.orders.all[120003]]
    wanted = {str(item.product_id) for order in orders for item in order.items.values()}
    assert {row["product_id"] for row in products(market, order_ids="120001,120003")} == wanted


def test_sorting_follows_the_words_and_falls_back_in_silence(market):
    for word, key in (("price", "price"), ("amount", "amount"), ("code", "product_code"), ("product", "product")):
        values = [row[key] for row in products(market, sort_by=word, sort_order="asc")]
        values = [float(value) for value in values] if word in ("price", "amount") else values
        assert values == sorted(values)
    assert products(market, sort_by="nonsense") == products(market)


def test_orders_are_filtered_by_letter_mail_and_customer(market):
    rows = ok(market, "GET", "/orders", status="O,P", items_per_page=1000)["orders"]
    assert {row["status"] for row in rows} == {"O", "P"}
    rows = ok(market, "GET", "/orders", email="ben.castle@")["orders"]
    assert {row["email"] for row in rows} == {"ben.castle@example.com"}  # parts match: GCO-P17
    rows = ok(market, "GET", "/orders", user_id=123, items_per_page=1000)["orders"]
    assert {row["user_id"] for row in rows} == {"123"}
    sums = [float(row["total"]) for row in ok(market, "GET", "/orders", sort_by="total", sort_order="asc")["orders"]]
    assert sums == sorted(sums)


def test_filters_that_the_brief_does_not_name_may_count_or_not(market):
    moment = market.orders.all[120401].timestamp
    asked = {"time_from": moment, "time_to": moment + 7000, "items_per_page": 1000}
    assert ids_of(market, "orders", **asked) == ["120403", "120401"]
    assert ids_of(market, "orders", order_id="120001,120003") == ["120003", "120001"]
    market.switches.live_filters = False
    assert len(ids_of(market, "orders", **asked)) > 200


def test_purchase_orders_and_shipments_are_filtered(market):
    rows = ok(market, "GET", "/purchase_orders", status="C")["purchase_orders"]
    assert {row["status"] for row in rows} == {"C"}
    assert ok(market, "GET", "/purchase_orders", email="nobody")["purchase_orders"] == []
    shipment = market.shipments.all[70002]
    rows = ok(market, "GET", "/shipments", order_id=shipment.order.id)["shipments"]
    assert [row["shipment_id"] for row in rows] == ["70002"]
    rows = ok(market, "GET", "/shipments", status="A", sort_by="order_id", sort_order="asc")["shipments"]
    assert {row["status"] for row in rows} == {"A"}
    assert [int(row["order_id"]) for row in rows] == sorted(int(row["order_id"]) for row in rows)
