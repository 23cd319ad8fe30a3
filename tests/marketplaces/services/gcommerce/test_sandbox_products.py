"""The make-believe G-Commerce by the contract's section 11: the catalogue, products, bulk updates and the feed."""

import threading
from collections import Counter
from decimal import Decimal

import pytest

from marketplaces.services.gcommerce.demo import offers
from tests.marketplaces.services.gcommerce.caller import PRODUCT, call, new_market, ok, send, status_of

IMAGE = {"detailed": {"image_path": "https://img.example.com/a.jpg"}}
FEED = {
    "product": "New headset",
    "code": "NEW-1",
    "price": 19.99,
    "amount": 5,
    "category_ids": "8219,8200",
    "upc": "0012",
}


@pytest.fixture
def market():
    return new_market()


def created(market, **fields):
    return ok(market, "POST", "/products", PRODUCT | fields)["product_id"]


def product(market, id):
    return ok(market, "GET", f"/products/{id}")


# --- the catalogue ---------------------------------------------------------------------------------------------


def test_the_seed_is_large_and_as_odd_as_the_contract_says(market):
    everything = list(market.products.all.values())
    codes = Counter(each.code for each in everything)
    amounts = {each.amount for each in everything}
    assert len(everything) >= 2000
    assert sum(count == 2 for code, count in codes.items() if code) >= 10
    assert codes[""] > 1
    assert min(amounts) < 0
    assert Decimal("1.50") in amounts
    assert {each.status for each in everything} == {"A", "D", "H", "R", "X"}
    assert len(market.orders.all) >= 300
    assert {order.status for order in market.orders.all.values()} >= set("OPKJCFDIBYNTQ")
    items = [item.id for order in market.orders.all.values() for item in order.items.values()]
    assert max(items) > 2**31 > min(items)
    assert len(set(items)) == len(items)
    assert market.purchase_orders.all
    assert market.shipments.all


def test_a_category_may_lack_a_description_and_a_path(market):
    category = ok(market, "GET", "/categories/123456")
    assert (category["parent_id"], category["id_path"], category["description"]) == ("0", "", None)
    assert ok(market, "GET", "/categories/8202")["description"].startswith("<p>")
    assert status_of(market, "GET", "/categories/1") == 404


# --- one product -----------------------------------------------------------------------------------------------


def test_a_product_is_created_changed_and_deleted(market):
    status, answer = call(market, "POST", "/products", PRODUCT)
    id = answer["product_id"]
    assert (status, type(id)) == (201, int)
    shown = product(market, id)
    assert (shown["product_code"], shown["price"], shown["amount"]) == ("PRD_0001", "125.550000", "1000")
    assert (shown["category_ids"], shown["main_category"], shown["status"]) == ([8219], 8219, "A")
    assert call(market, "PUT", f"/products/{id}", {"price": 1.1, "amount": 0, "status": "H"}) == (
        200,
        {"product_id": id},
    )
    shown = product(market, id)
    assert (shown["product"], shown["price"], shown["amount"]) == ("Demo product", "1.100000", "0")
    response = send(market, "DELETE", f"/products/{id}")
    assert (response.status, response.body) == (204, b"")
    assert [status_of(market, method, f"/products/{id}") for method in ("GET", "DELETE")] == [404, 404]


def test_the_old_style_answers_200_everywhere(market):
    market.switches.style = "old"
    status, answer = call(market, "POST", "/products", PRODUCT)
    assert status == 200
    assert call(market, "DELETE", f"/products/{answer['product_id']}") == (200, {"message": "Ok"})
    status, refusal = call(market, "POST", "/products", {"product": "x"})
    assert (status, refusal) == (400, {"message": "Bad Request: The price field is required", "status": 400})
    market.switches.style = "modern"
    assert call(market, "POST", "/products", {"product": "x"})[1]["messages"] == ["The price field is required"]


@pytest.mark.parametrize(
    "change",
    [
        {"price": None},
        {"product": ""},
        {"price": "cheap"},
        {"price": -1},
        {"amount": -1},
        {"status": "R"},
        {"status": "AD"},
        {"free_shipping": True},
        {"category_ids": [1]},
        {"main_category": "x"},
        {"image_pairs": [{"position": "first", "detailed": {"image_path": "https://img.example.com/a.jpg"}}]},
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_and_changes_nothing(market, change):
    assert status_of(market, "POST", "/products", PRODUCT | change) == 400
    assert market.products.made() == []
    id = created(market)
    if change not in ({"price": None}, {"product": ""}):
        assert status_of(market, "PUT", f"/products/{id}", {"product": "Changed"} | change) == 400
        assert product(market, id)["product"] == "Demo product"


def test_image_keys_on_put_delete_the_old_images(market):
    """GCO-P08: even an empty list does."""
    pairs = [{"position": place} | IMAGE for place in (1, 2)]
    id = created(market, main_pair=IMAGE, image_pairs=pairs)
    first = product(market, id)
    assert first["main_pair"]["detailed"]["image_path"] == "https://img.example.com/a.jpg"
    assert [pair["position"] for pair in first["image_pairs"].values()] == ["1", "2"]
    assert all(key == pair["pair_id"] for key, pair in first["image_pairs"].items())
    ok(market, "PUT", f"/products/{id}", {"price": 2})
    assert product(market, id)["image_pairs"] == first["image_pairs"]
    ok(market, "PUT", f"/products/{id}", {"image_pairs": []})
    shown = product(market, id)
    assert (shown["image_pairs"], shown["main_pair"]) == ([], first["main_pair"])
    ok(market, "PUT", f"/products/{id}", {"main_pair": IMAGE})
    assert product(market, id)["main_pair"]["pair_id"] != first["main_pair"]["pair_id"]


def test_images_take_their_time(market):
    market.switches.image_seconds = 20
    before = market.clock.time()
    created(market, main_pair=IMAGE, image_pairs=[IMAGE, IMAGE])
    assert market.clock.time() - before >= 60
    before = market.clock.time()
    created(market)
    assert market.clock.time() - before < 20


def test_others_are_served_while_images_are_fetched(market):
    served = []

    def serve_another(seconds):
        other = threading.Thread(target=lambda: served.append(status_of(market, "GET", "/categories")))
        other.start()
        other.join(timeout=5)

    market.pause = serve_another
    market.switches.image_seconds = 20
    created(market, main_pair=IMAGE)
    assert served == [200]


def test_changes_may_wait_for_approval(market):
    market.switches.approval = True
    shown = product(market, created(market))
    assert (shown["status"], bool(shown["premoderation_reason"])) == ("R", True)


# --- bulk ------------------------------------------------------------------------------------------------------


def bulk(market, *rows):
    return ok(market, "POST", "/products_bulk", list(rows))


def test_bulk_finds_by_id_and_else_by_a_code_that_one_product_has(market):
    id = created(market)
    other = created(market, product_code="PRD_0002")
    answer = bulk(
        market,
        {"product_id": id, "code": "PRD_0002", "vendor_price": 9.99, "amount": 0, "upc": "0012", "unspsc": 53},
        {"code": "PRD_0002", "amount": 7},
        {"code": "GC-00000", "amount": 7},
        {"code": "nobody has it", "amount": 7},
        {"product_id": 999, "code": "PRD_0001", "amount": 7},
        {"amount": 7},
    )
    assert answer == [
        {
            "product_id": id,
            "code": "PRD_0001",  # with an id, a code is not changed
            "updates": {"prices": True, "amount": True, "upc": True, "unspsc": True},
        },
        {"product_id": other, "code": "PRD_0002", "updates": {"amount": True}},
    ]
    shown = product(market, id)
    assert (shown["price"], shown["amount"], shown["product_upc_code"]) == ("9.990000", "0", "0012")
    assert product(market, 200001)["amount"] != "7"


def test_bulk_takes_a_thousand_rows_and_no_more(market):
    rows = [{"product_id": id, "amount": 3} for id in list(market.products.all)[:1001]]
    assert status_of(market, "POST", "/products_bulk", rows) == 413
    assert len(bulk(market, *rows[:1000])) == 1000
    for wrong in ([], {"products": rows}, ["x"]):
        assert status_of(market, "POST", "/products_bulk", wrong) == 400


def test_bulk_fails_in_each_of_the_ways_it_may(market):
    rows = [{"product_id": id, "amount": 1000 + id, "vendor_price": 1.55} for id in (200001, 200007, 200010, 200013)]
    market.switches.bulk_shuffled = True
    ids = [row["product_id"] for row in bulk(market, *rows)]
    assert sorted(ids) == [200001, 200007, 200010, 200013] != ids
    market.switches.change(bulk_shuffled=False, bulk_missing=["200001"], bulk_empty=["GC-00002"], bulk_false=["amount"])
    before = {id: market.products.all[id].amount for id in ids}
    answer = bulk(market, *({**row, "amount": 5} for row in rows))
    assert [row["updates"] for row in answer] == [[], *[{"amount": False, "prices": True}] * 2]
    assert {id: market.products.all[id].amount for id in ids} == before


def test_one_bad_row_is_left_out_or_spoils_the_batch(market):
    good, bad = {"product_id": 200001, "amount": 77}, {"product_id": 200004, "amount": -1}
    answers = {}
    for form in ("missing", "empty", "false"):
        market.switches.bulk_bad_row = form
        answers[form] = [row["updates"] for row in bulk(market, good, bad)]
    done = {"amount": True}
    assert answers == {"missing": [done], "empty": [done, []], "false": [done, {"amount": False}]}
    market.switches.bulk_bad_row = "refuse"
    assert status_of(market, "POST", "/products_bulk", [{**good, "amount": 5}, bad]) == 400
    assert market.products.all[200001].amount == 77


def test_unknown_fields_are_passed_over_or_spoil_the_batch(market):
    row = {"product_id": 200001, "amount": 77, "description": "x"}
    assert bulk(market, row)[0]["updates"] == {"amount": True}
    market.switches.bulk_strict = True
    assert status_of(market, "POST", "/products_bulk", [row]) == 400


def test_decimals_can_be_cut(market):
    market.switches.cut_decimals = True
    assert bulk(market, {"product_id": 200001, "vendor_price": 9.99})[0]["updates"] == {"prices": True}
    assert product(market, 200001)["price"] == "9.000000"
    assert product(market, created(market))["price"] == "125.000000"


# --- feed ------------------------------------------------------------------------------------------------------


def test_a_feed_works_later_and_three_mails_tell(market):
    items = [
        FEED | {"images": "https://img.example.com/1.jpg///https://img.example.com/2.jpg"},
        FEED | {"code": "GC-00010"},
        FEED | {"code": "NEW-2", "category_ids": "1"},
        FEED | {"code": "NEW-3", "price": ""},
        FEED,
        "no item",
    ]
    answer = ok(market, "POST", "/products_feed", {"items": items})
    assert answer == {"queue_id": "6772968756425294"}
    assert [mail["state"] for mail in market.bulk.outbox] == ["received"]
    market.advance(59)
    assert ok(market, "GET", "/products", pcode="NEW-")["products"] == []
    market.advance(2)
    assert [mail["state"] for mail in market.bulk.outbox] == ["received", "processing", "completed"]
    assert market.bulk.outbox[-1]["text"].startswith("1 created, 5 refused")
    [row] = ok(market, "GET", "/products", pcode="NEW-")["products"]
    shown = product(market, row["product_id"])
    assert (shown["product_upc_code"], shown["category_ids"]) == ("0012", [8219, 8200])
    assert shown["main_pair"]["detailed"]["image_path"].endswith("1.jpg")
    assert len(shown["image_pairs"]) == 1


def test_a_feed_takes_ten_thousand_items_and_may_refuse_some(market):
    items = [FEED | {"code": f"NEW-{number}"} for number in range(10_001)]
    assert status_of(market, "POST", "/products_feed", {"items": items}) == 413
    market.switches.change(feed_seconds=5, feed_refused=["NEW-7"])
    assert status_of(market, "POST", "/products_feed", {"items": items[:10_000]}) == 200
    market.advance(6)
    assert len(market.products.made()) == 9_999
    for wrong in ({}, {"items": []}, {"items": "x"}):
        assert status_of(market, "POST", "/products_feed", wrong) == 400


def test_the_sandbox_takes_what_the_demo_offers(market):
    contents = offers(12)
    ids = [
        created(
            market,
            product=content.title,
            product_code=content.external_product_id,
            price=float(content.price),
            full_description=content.description,
            **content.attributes,
        )
        for content in contents
    ]
    assert [product(market, id)["product"] for id in ids] == [content.title for content in contents]
    words = [content.title.split() for content in contents]
    assert len({(*each[:2], each[-1]) for each in words}) == 12  # each becomes a product of its own
    assert {content.currency for content in contents} == {"USD"}
