"""G2G's catalogue in our words: services, categories, brands, products, and the choices a product asks for."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from marketplaces.services.g2g import reading
from marketplaces.services.g2g.reading import ident, obj, rows, text
from marketplaces.types import Json, RemoteProduct

LANGUAGES = ("en", "zh-CN", "id", "zh-TW")


@dataclass(frozen=True)
class Category:
    """A place in a service's tree. A parent may lack an id (G2G-P30)."""

    external_id: str
    name: str
    children: tuple["Category", ...] = ()

    def all_ids(self) -> Iterator[tuple[str, str]]:
        """Every (id, name) in this category and below it."""
        if self.external_id:
            yield self.external_id, self.name
        for child in self.children:
            yield from child.all_ids()


@dataclass(frozen=True)
class GoodsService:
    """A kind of goods, such as "Gift Cards". v1 tells a delivery method in place of categories."""

    external_id: str
    name: str
    categories: tuple[Category, ...] = ()
    delivery_method: str = ""

    def category_ids(self) -> list[tuple[str, str]]:
        return [pair for category in self.categories for pair in category.all_ids()]


@dataclass(frozen=True)
class Brand:
    external_id: str  # not always a UUID (G2G-P29)
    name: str


@dataclass(frozen=True)
class Choice:
    """One value of a group; some open further choices."""

    external_id: str
    name: str
    choices: tuple["Choice", ...] = ()


@dataclass(frozen=True)
class Group:
    """A choice that an offer makes, or a field that a buyer fills in; `key` is the name that stays (G2G-P20)."""

    external_id: str
    name: str
    key: str = ""
    input_field: str = ""  # an open set of words
    settings: Json = field(default_factory=dict)
    is_required: bool = False
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True)
class DeliveryMethod:
    external_id: str
    name: str
    code: str = ""
    groups: tuple[Group, ...] = ()


@dataclass(frozen=True)
class ProductForm:
    """What an offer of a product has to choose, and what its buyers fill in."""

    product_id: str
    groups: tuple[Group, ...] = ()
    delivery_methods: tuple[DeliveryMethod, ...] = ()
    additional: tuple[Group, ...] = ()
    raw: Json = field(default_factory=dict, repr=False)


def to_services(payload: Json) -> list[GoodsService]:
    return [
        GoodsService(
            external_id=ident(row.get("service_id")),
            name=text(row.get("service_name")),
            categories=_categories(row.get("categories")),
            delivery_method=text(row.get("delivery_method")),
        )
        for row in rows(payload.get("service_list"))
        if ident(row.get("service_id"))
    ]


def _categories(value: object) -> tuple[Category, ...]:
    return tuple(
        Category(
            external_id=ident(row.get("category_id")),
            name=text(row.get("category_name")),
            children=_categories(row.get("sub_categories")),
        )
        for row in rows(value)
    )


def to_brands(page: list[Json]) -> list[Brand]:
    return [
        Brand(external_id=ident(row.get("brand_id")), name=text(row.get("brand_name")))
        for row in page
        if ident(row.get("brand_id"))
    ]


def to_products(payload: Json, *, category: str = "") -> list[RemoteProduct]:
    """Read the products of one request; `category` names where they were found, for the rows do not."""
    return [
        RemoteProduct(
            external_id=ident(row.get("product_id")),
            name=text(row.get("product_name")),
            category=category or text(row.get("service_name")),
            brand=text(row.get("brand_name")),
            region=text(row.get("region_name")),
            raw=obj(reading.evidence(row)),
        )
        for row in rows(payload.get("product_list"))
        if ident(row.get("product_id"))
    ]


def to_form(payload: Json, product_id: str) -> ProductForm:
    return ProductForm(
        product_id=ident(payload.get("product_id")) or product_id,
        groups=_groups(payload.get("attribute_group_list")),
        delivery_methods=tuple(
            DeliveryMethod(
                external_id=ident(row.get("delivery_method_id")),
                name=text(row.get("delivery_method_name")),
                code=text(row.get("delivery_code")),
                groups=_groups(row.get("attribute_group_list")),
            )
            for row in rows(payload.get("delivery_method_list"))
        ),
        additional=_groups(payload.get("additional_info_list")),
        raw=obj(reading.evidence(payload)),
    )


def _groups(value: object) -> tuple[Group, ...]:
    return tuple(
        Group(
            external_id=ident(row.get("attribute_group_id")),
            name=text(row.get("attribute_group_name")),
            key=text(row.get("attribute_key")),
            input_field=text(row.get("input_field")),
            settings=obj(reading.evidence(obj(row.get("input_settings")))),
            is_required=row.get("is_required") is True,
            choices=_choices(row.get("attribute_list")),
        )
        for row in rows(value)
    )


def _choices(value: object) -> tuple[Choice, ...]:
    return tuple(
        Choice(
            external_id=ident(row.get("attribute_id")),
            name=text(row.get("attribute_name")),
            choices=_choices(row.get("sub_attribute_list")),
        )
        for row in rows(value)
    )
