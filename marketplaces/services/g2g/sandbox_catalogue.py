"""What the make-believe G2G sells: services, 2,500 brands, products and their attributes (G2G-01 to G2G-04).

Everything is made from its position, so that ids are the same in every run. The published samples are part of it.
"""

import functools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from marketplaces.sandbox_words import Refusal, Request, operation

Json = dict[str, Any]

NAMES = uuid.UUID("6a1f3c1e-0000-4000-8000-000000000000")
GIFT_CARDS = "44b3148a-0dc8-4262-81d8-c762559f0d74"
TOP_UP = "7d4d8f0a-3c5b-4e3e-9f0c-0a5d1c2b3e4f"
ACCOUNTS = "5b0c2f6e-1a2b-4c3d-8e4f-9a8b7c6d5e4f"
ITUNES = "8c42b2d4-6d2c-4188-931a-240d2f94183f"
LEGACY_BRAND = "lgc_game_19398"
ITUNES_CARD = "4a610301-4e3a-4cc7-b242-35ebc1a521a7"
RAGNAROK_CREDIT = "c9bf2323-fa8d-4c88-acc8-87d2ced62b72"
DIRECT_TOP_UP = "0b5e0f6e-8a37-4c0e-9f37-0d6a1c1f0001"
CARDS_CATEGORY = "f6fc99db-96d2-4158-a29f-663d9a2f6199"
TOP_UP_CATEGORY = "3e1d5b52-54f3-4a34-a2a9-5f5a0b2a7c11"
PLATFORMS = {
    "2994a61d-3993-44ba-8190-e3daac599278": "PC Platform",
    "96364cef-838f-49c0-9efb-0fa90dfa06d2": "PSN (Playstation) Platform",
    "148255f6-4ab4-4af4-833d-4deedb4fd574": "Xbox Platform",
    "dc67a04b-3aa1-460c-aaa3-549ebecb3404": "Nintendo Switch Platform",
}
BRANDS = 2500
BRANDS_PER_CALL = 1000
LANGUAGES = ("en", "zh-CN", "id", "zh-TW")
DENOMINATION = "1f00aa01"
VALUES = {"1f00aa02": "USD 10", "1f00aa03": "USD 25", "1f00aa04": "USD 50", "1f00aa05": "USD 100"}

FIRST_WORDS = """
    Amber Arctic Astral Aurora Basalt Beacon Birch Blazing Bright Bronze Cedar Cobalt Copper Coral Cosmic Crimson
    Crystal Dawn Delta Distant Ember Emerald Fabled Falcon Fern Frozen Gentle Gilded Golden Granite Harbor Hazel
    Hidden Indigo Iron Ivory Jade Lunar Maple Misty Nimble Noble Nova Ocean Onyx Opal Polar Quiet Raven Velvet
""".split()  # noqa: SIM905  (shorter so)
SECOND_WORDS = """
    Arcade Arena Atlas Bazaar Canyon Castle Circuit Citadel Colony Comet Corner Dungeon Empire Engine Expedition
    Forge Frontier Galaxy Garden Guild Harvest Haven Heroes Horizon Island Kingdom Lagoon Legends Market Meadow
    Mirage Odyssey Orbit Outpost Palace Passage Pirates Play Quest Racers Realm Saga Shop Station Store Summit
    Temple Tower Valley Voyage
""".split()  # noqa: SIM905  (shorter so)


@dataclass(frozen=True)
class Product:
    id: str
    name: str
    service_id: str
    brand_id: str
    brand_name: str
    category_id: str
    region: str = "global"
    kind: str = "gift_card"  # or top_up, manual
    groups: tuple[Json, ...] = ()
    methods: tuple[Json, ...] = field(default=())

    @property
    def attributes(self) -> dict[str, set[str]]:
        """The ids of the choices of each group, however deep they lie."""
        return {group["attribute_group_id"]: set(_choices(group["attribute_list"])) for group in self.groups}

    @property
    def required(self) -> set[str]:
        return {group["attribute_group_id"] for group in self.groups if group["is_required"]}

    def shown(self) -> Json:
        return {
            "product_id": self.id,
            "product_name": self.name,
            "service_id": self.service_id,
            "service_name": SERVICE_NAMES[self.service_id],
            "brand_id": self.brand_id,
            "brand_name": self.brand_name,
            "category_id": self.category_id,
            "region_name": self.region,
        }


SERVICE_NAMES = {GIFT_CARDS: "Gift Cards", TOP_UP: "Direct top up", ACCOUNTS: "Game Accounts"}


def _choices(attributes: list[Json]) -> Iterator[str]:
    for attribute in attributes:
        yield attribute["attribute_id"]
        yield from _choices(attribute["sub_attribute_list"])


def _choice(attribute_id: str, name: str, below: list[Json] | None = None) -> Json:
    return {"attribute_id": attribute_id, "attribute_name": name, "sub_attribute_list": below or []}


def _group(group_id: str, name: str, word: str, choices: list[Json], *, required: bool = True, **more: Any) -> Json:
    settings = more.pop("settings", {"is_searchable": False} if word == "dropdown" else {})
    return {
        "attribute_group_id": group_id,
        "attribute_group_name": name,
        "input_field": word,
        "input_settings": settings,
        "is_required": required,
        **more,
        "attribute_list": choices,
    }


def _denominations() -> Json:
    return _group(DENOMINATION, "Denomination", "dropdown", [_choice(key, name) for key, name in VALUES.items()])


def _editions() -> Json:
    """An optional group whose choices lie three deep."""
    deepest = [_choice("2f00bb03", "Printed"), _choice("2f00bb04", "Digital")]
    below = [_choice("2f00bb02", "Holiday", deepest)]
    return _group("2f00bb00", "Edition", "dropdown", [_choice("2f00bb01", "Special", below)], required=False)


# A form that uses every input word; the first two are the published sample.
_TOP_UP_FORM = [
    _group("e02308e5", "User ID", "text", [], attribute_key="delivery_info_1"),
    _group(
        "1759fb6c",
        "Servers (Ragnarok X: Next Generation)",
        "dropdown",
        [_choice("98f0250f", "Aldebaran"), _choice("6ab853d2", "Angeling")],
        attribute_key="delivery_info_2",
    ),
    _group("3c00cc01", "Level", "number", [], required=False, attribute_key="delivery_info_3", settings={"min": 1}),
    _group("3c00cc02", "Note", "textarea", [], required=False, attribute_key="delivery_info_4"),
    _group("3c00cc03", "Please read", "paragraph", [], required=False, settings={"value": "Log out before we begin."}),
    _group("3c00cc04", "Password", "password", [], required=False, attribute_key="delivery_info_5"),
    _group(
        "3c00cc05",
        "Phone",
        "number_string",
        [],
        required=False,
        attribute_key="delivery_info_6",
        settings={"min_length": 6, "max_length": 15},
    ),
]


def _delivery_method(method_id: str) -> Json:
    return {
        "delivery_method_id": method_id,
        "delivery_method_name": "Direct top up",
        "delivery_code": "direct_top_up",
        "attribute_group_list": _TOP_UP_FORM,
    }


@functools.cache
def brands() -> dict[str, dict[str, str]]:
    """The brands of each service, in the order in which they are listed."""
    cards = {ITUNES: "iTunes", LEGACY_BRAND: "Example"}
    for first in FIRST_WORDS:
        for second in SECOND_WORDS:
            if len(cards) < BRANDS:
                name = f"{first} {second}"
                cards[str(uuid.uuid5(NAMES, name))] = name
    top_up = {str(uuid.uuid5(NAMES, f"top-up {name}")): name for name in ("Ragnarok X: Next Generation", "Opal Heroes")}
    accounts = {str(uuid.uuid5(NAMES, "accounts")): "Raven Kingdom"}
    return {GIFT_CARDS: cards, TOP_UP: top_up, ACCOUNTS: accounts}


@functools.cache
def products() -> dict[str, Product]:
    """Every product by its id."""
    made = [*_gift_cards(), *_top_ups(), *_manual()]
    return {product.id: product for product in made}


def _gift_cards() -> Iterator[Product]:
    categories = [CARDS_CATEGORY, *PLATFORMS]
    for number, (brand_id, brand_name) in enumerate(brands()[GIFT_CARDS].items()):
        product_id = ITUNES_CARD if brand_id == ITUNES else str(uuid.uuid5(NAMES, f"{brand_id} gift card"))
        groups = (_denominations(), _editions()) if brand_id == LEGACY_BRAND else (_denominations(),)
        category_id = categories[number % len(categories)]
        name = f"{brand_name} Gift Card"
        yield Product(product_id, name, GIFT_CARDS, brand_id, brand_name, category_id, groups=groups)


def _top_ups() -> Iterator[Product]:
    for number, (brand_id, brand_name) in enumerate(brands()[TOP_UP].items()):
        product_id = str(uuid.uuid5(NAMES, f"{brand_id} top up")) if number else RAGNAROK_CREDIT
        method_id = str(uuid.uuid5(NAMES, f"{brand_id} method")) if number else DIRECT_TOP_UP
        yield Product(
            product_id,
            f"{brand_name} Credit",
            TOP_UP,
            brand_id,
            brand_name,
            TOP_UP_CATEGORY,
            kind="top_up",
            groups=(_denominations(),),
            methods=(_delivery_method(method_id),),
        )


def _manual() -> Iterator[Product]:
    for brand_id, brand_name in brands()[ACCOUNTS].items():
        product_id = str(uuid.uuid5(NAMES, f"{brand_id} account"))
        yield Product(product_id, f"{brand_name} Account", ACCOUNTS, brand_id, brand_name, "", kind="manual")


def _categories() -> list[Json]:
    platforms = [{"category_name": name, "category_id": category_id} for category_id, name in PLATFORMS.items()]
    return [
        {"category_name": "Gift Cards", "category_id": CARDS_CATEGORY},
        {"category_name": "Video Games", "sub_categories": platforms},  # a parent without an id
    ]


class Catalogue:
    """Answers G2G-01 to G2G-04."""

    @operation("G2G-01", "GET", "/{version:v1|v2}/services")
    def get_services(self, request: Request, version: str) -> Json:
        _check_language(request)
        if version == "v1":
            words = {GIFT_CARDS: "instant_code_delivery", ACCOUNTS: "manual"}
            rows = [
                {"service_id": key, "service_name": SERVICE_NAMES[key], "delivery_method": word}
                for key, word in words.items()
            ]
            return {"service_list": rows}
        top_up = [{"category_name": "Direct top up", "category_id": TOP_UP_CATEGORY}]
        return {
            "service_list": [
                {"service_id": GIFT_CARDS, "service_name": "Gift Cards", "categories": _categories()},
                {"service_id": TOP_UP, "service_name": "Direct top up", "categories": top_up},
                {"service_id": ACCOUNTS, "service_name": "Game Accounts"},  # a service without categories
            ]
        }

    @operation("G2G-02", "GET", "/{version:v1|v2}/services/{service_id}/brands")
    def get_brands(self, request: Request, version: str, service_id: str) -> Json:
        _check_language(request)
        if service_id not in brands():
            raise Refusal(404, "", "There is no such service")
        word = request.query.get("q", "").lower()
        found = [(key, name) for key, name in brands()[service_id].items() if word in name.lower()]
        after = request.query.get("after", "")
        if after:
            ids = [key for key, _ in found]
            if after not in ids:
                raise Refusal(400, "", "after is not of this list")
            found = found[ids.index(after) + 1 :]
        page = found[:BRANDS_PER_CALL]
        answer: Json = {
            "service_id": service_id,
            "brand_list": [{"brand_id": key, "brand_name": name} for key, name in page],
        }
        if len(found) > len(page):
            answer["after"] = page[-1][0]
        return answer

    @operation("G2G-03", "GET", "/{version:v1|v2}/products")
    def get_products(self, request: Request, version: str) -> Json:
        asked = {key: value for key, value in request.query.items() if value}
        if version == "v1" and ("category_id" in asked or "q" in asked):
            raise Refusal(400, "", "category_id and q belong to v2")
        if (version == "v1" or "category_id" not in asked) and "service_id" not in asked:
            raise Refusal(400, "", "service_id is missing")
        if "service_id" in asked and "brand_id" not in asked:
            raise Refusal(400, "", "brand_id is missing")
        if asked.get("service_id", GIFT_CARDS) not in SERVICE_NAMES:
            raise Refusal(422, "", "service_id is not known")
        word = asked.get("q", "").lower()
        rows = [
            product.shown()
            for product in products().values()
            if asked.get("category_id", product.category_id) == product.category_id
            and asked.get("service_id", product.service_id) == product.service_id
            and asked.get("brand_id", product.brand_id) == product.brand_id
            and word in product.brand_name.lower()
        ]
        ids: Json = {key: asked[key] for key in ("service_id", "brand_id") if key in asked}
        return {**ids, "product_list": rows}

    @operation("G2G-04", "GET", "/{version:v1|v2}/products/{product_id}/attributes")
    def get_attributes(self, request: Request, version: str, product_id: str) -> Json:
        product = products().get(product_id)
        if product is None:
            raise Refusal(404, "", "There is no such product")
        answer: Json = {"product_id": product.id, "attribute_group_list": list(product.groups)}
        if version == "v2":
            answer |= {"delivery_method_list": list(product.methods), "additional_info_list": []}
        return answer


def _check_language(request: Request) -> None:
    if request.query.get("language", "en") not in LANGUAGES:
        raise Refusal(400, "", f"language is one of {', '.join(LANGUAGES)}")
