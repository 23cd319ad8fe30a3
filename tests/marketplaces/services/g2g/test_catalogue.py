"""Services, brands, products and the choices of a product (G2G-01 to G2G-04)."""

import pytest

from marketplaces.exceptions import PermanentError, Unsupported
from marketplaces.services.g2g import catalogue
from marketplaces.services.g2g.sandbox import Sandbox
from marketplaces.services.g2g.sandbox_catalogue import ACCOUNTS, CARDS_CATEGORY, GIFT_CARDS, ITUNES, ITUNES_CARD
from tests.marketplaces.services.g2g.conftest import Peer, open_line, sample


def test_the_tree_of_services_is_read_with_its_gaps() -> None:
    """G2G-T06: parents without ids, services without categories, and the row of v1."""
    payload = sample("get_services")["payload"]
    payload["service_list"].append({"service_id": "s2", "service_name": "Accounts"})
    cards, accounts = catalogue.to_services(payload)
    assert [name for _, name in cards.category_ids()] == [
        "Gift Cards",
        "PC Platform",
        "PSN (Playstation) Platform",
        "Xbox Platform",
        "Nintendo Switch Platform",
    ]
    assert cards.categories[1].external_id == ""
    assert accounts.categories == ()
    (old,) = catalogue.to_services(sample("get_services.v1")["payload"])
    assert (old.name, old.delivery_method, old.categories) == ("Gift Cards", "instant_code_delivery", ())


@pytest.mark.parametrize("language", ["en", "zh-CN", "id", "zh-TW"])
def test_the_four_languages_are_asked_for(peer: Peer, language: str) -> None:
    """G2G-T07"""
    peer.says({})
    open_line().catalogue.fetch_services(language)
    assert peer.asked == [f"GET /v2/services?language={language}"]


def test_english_is_the_default_and_a_fifth_language_is_refused(peer: Peer) -> None:
    """G2G-T07"""
    peer.says({})
    line = open_line()
    line.catalogue.fetch_services()
    assert peer.asked == ["GET /v2/services?language=en"]
    with pytest.raises(PermanentError, match="de"):
        line.catalogue.fetch_services("de")
    assert len(peer.requests) == 1


def test_2500_brands_come_in_three_requests(shop_floor: Sandbox) -> None:
    """G2G-T08: and an id that is no UUID is kept."""
    brands = list(open_line().catalogue.fetch_brands(GIFT_CARDS))
    assert len({brand.external_id for brand in brands}) == 2500
    assert "lgc_game_19398" in {brand.external_id for brand in brands}
    assert [call["op"] for call in shop_floor.calls] == ["G2G-02"] * 3
    assert "after" not in shop_floor.calls[0]["query"]
    assert shop_floor.calls[1]["query"]["after"] == brands[999].external_id


def test_a_cursor_that_leads_back_ends_the_walk(peer: Peer) -> None:
    for _ in range(3):
        peer.says(sample("get_brands")["payload"])
    brands = list(open_line().catalogue.fetch_brands(GIFT_CARDS))
    assert len(peer.requests) == 2
    assert len(brands) == 4


def test_products_are_found_by_category_or_by_service_and_brand(shop_floor: Sandbox) -> None:
    """G2G-T09, v2"""
    books = open_line().catalogue
    (found,) = books.fetch_products(service_id=GIFT_CARDS, brand_id=ITUNES)
    assert (found.external_id, found.name, found.brand, found.region) == (
        ITUNES_CARD,
        "iTunes Gift Card",
        "iTunes",
        "global",
    )
    assert books.fetch_products(category_id=CARDS_CATEGORY)
    assert shop_floor.calls[-1]["query"] == {"category_id": CARDS_CATEGORY}


@pytest.mark.parametrize(
    "wrong",
    [
        {"service_id": GIFT_CARDS},
        {"brand_id": ITUNES},
        {},
        {"category_id": CARDS_CATEGORY, "service_id": GIFT_CARDS, "brand_id": ITUNES},
    ],
    ids=["no brand", "no service", "nothing", "both"],
)
def test_other_searches_are_refused_here(peer: Peer, wrong: dict[str, str]) -> None:
    """G2G-T09"""
    with pytest.raises(PermanentError) as refusal:
        open_line().catalogue.fetch_products(**wrong)
    assert refusal.value.kind == "invalid"
    assert not peer.requests


def test_v1_knows_only_service_and_brand(shop_floor: Sandbox) -> None:
    """G2G-T09, v1"""
    books = open_line(options={"version": "v1"}).catalogue
    assert books.fetch_products(service_id=GIFT_CARDS, brand_id=ITUNES)
    for wrong in ({"category_id": CARDS_CATEGORY}, {"service_id": GIFT_CARDS, "brand_id": ITUNES, "query": "x"}):
        with pytest.raises(Unsupported):
            books.fetch_products(**wrong)
    with pytest.raises(PermanentError):
        books.fetch_products(service_id=GIFT_CARDS)
    assert [call["path"] for call in shop_floor.calls] == ["/v1/products"]


def test_the_choices_of_a_product_are_read(peer: Peer) -> None:
    """G2G-T10: recursion, unknown input fields, missing lists; the key of a buyer's field is kept."""
    payload = sample("get_attributes")["payload"]
    group = payload["attribute_group_list"][0]
    group["input_field"] = "hologram"
    group["attribute_list"][0]["sub_attribute_list"] = [{"attribute_id": "deep", "attribute_name": "Deep"}]
    peer.says(payload).says({})
    form = open_line().catalogue.get_form("p1")
    assert form.groups[0].input_field == "hologram"
    assert form.groups[0].choices[0].choices[0].external_id == "deep"
    (method,) = form.delivery_methods
    assert method.code == "direct_top_up"
    assert [field.key for field in method.groups] == ["delivery_info_1", "delivery_info_2"]
    assert [choice.name for choice in method.groups[1].choices] == ["Aldebaran", "Angeling"]
    empty = open_line().catalogue.get_form("p1")
    assert (empty.product_id, empty.groups, empty.delivery_methods) == ("p1", (), ())


def test_the_whole_catalogue_comes_by_category_and_each_product_once(peer: Peer) -> None:
    tree = {"service_list": [{"service_id": "s1", "service_name": "Cards", "categories": [
        {"category_name": "Cards", "category_id": "c1"}, {"category_name": "PC", "category_id": "c2"}]}]}  # fmt: skip
    one, two = {"product_id": "p1", "product_name": "One"}, {"product_id": "p2", "product_name": "Two"}
    peer.says(tree).says({"product_list": [one]}).says({"product_list": [one, two, {"product_name": "no id"}]})
    found = list(open_line().fetch_catalogue())
    assert [(product.external_id, product.category) for product in found] == [("p1", "Cards"), ("p2", "Cards / PC")]


def test_services_without_categories_come_by_brand(peer: Peer) -> None:
    """A brand that is gone meanwhile stops nobody."""
    peer.says({"service_list": [{"service_id": ACCOUNTS, "service_name": "Accounts"}]})
    peer.says({"brand_list": [{"brand_id": "b1"}, {"brand_id": "b2"}]})
    peer.says(status=404, code=40400001).says({"product_list": [{"product_id": "p2", "product_name": "Two"}]})
    found = list(open_line().fetch_catalogue())
    assert [(product.external_id, product.category) for product in found] == [("p2", "Accounts")]
