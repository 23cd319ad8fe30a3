"""What the make-believe G-Commerce starts with to sell: a tree of categories and 2,200 products.

Everything is made from its position, so that ids are the same in every run. Some of it is as odd as the real one may be:
codes that occur twice or are empty, stock below zero or with decimals, products that are off or wait for approval.
"""

import functools
from decimal import Decimal

from marketplaces.services.gcommerce.sandbox_records import Category, Product

PRODUCTS = 2200
FIRST_PRODUCT = 200_001
FIRST_CATEGORY = 8_200
SAMPLE_PRODUCT, SAMPLE_CATEGORY = 123_456, 123_456
DOUBLE_EVERY, CODELESS_EVERY, NEGATIVE_EVERY, DECIMAL_EVERY, EMPTY_EVERY = 200, 150, 97, 101, 13
STATUSES = {31: "D", 53: "H", 709: "R", 907: "X"}

DEPARTMENTS = """
    Office Printing Gaming Audio Computing Networking Lighting Safety Cleaning Furniture
""".split()  # noqa: SIM905  (shorter so)
SHELVES = ("Equipment", "Accessories", "Supplies", "Spare Parts")
KINDS = ("Basic", "Professional", "Refurbished")
MAKES = """
    Aldermoor Brightwell Calder Dunmore Eastvale Fernhill Glenrock Hartwick Inverlea Juniper Kestrel Larkfield
    Moorgate Northcote Oakhurst Pinecrest Quarry Redwood Silverton Thornbury
""".split()  # noqa: SIM905  (shorter so)
GOODS = (
    "Game controller",
    "Headset",
    "Mechanical keyboard",
    "Wireless mouse",
    "Webcam",
    "Label printer",
    "3D Printer",
    "Desk lamp",
    "Monitor arm",
    "USB hub",
    "Docking station",
    "Microphone",
    "Network switch",
    "Office chair",
    "Safety gloves",
    "Paper shredder",
    "Laminator",
    "Projector",
    "Power strip",
    "Cable tray",
    "Barcode scanner",
    "Memory card",
)


@functools.cache
def categories() -> dict[int, Category]:
    """Every category by its id: three levels, and the one of the published sample."""
    found: dict[int, Category] = {}

    def grow(names: list[str], parent: Category | None, deeper: list[list[str]]) -> None:
        for name in names:
            number = FIRST_CATEGORY + len(found)
            path = f"{parent.id_path}/{number}" if parent else str(number)
            status = {7: "D", 11: "H"}.get(len(found) % 29, "A")
            category = Category(
                number,
                f"{parent.name} {name}" if parent else name,
                parent.id if parent else 0,
                parent.level + 1 if parent else 1,
                path,
                status,
                f"<p>All about {name.lower()}</p>" if len(found) % 3 else None,
            )
            found[number] = category
            if deeper:
                grow(deeper[0], category, deeper[1:])

    grow(DEPARTMENTS, None, [list(SHELVES), list(KINDS)])
    sample = Category(SAMPLE_CATEGORY, "Printers", level=4)
    return {**found, sample.id: sample}


def below(category_id: int) -> set[int]:
    """The category and all that lie in it, however deep."""
    return {
        category.id
        for category in categories().values()
        if category.id == category_id or str(category_id) in category.id_path.split("/")
    }


def products(now: int) -> dict[int, Product]:
    """Make the catalogue anew; what has a date was created before `now` (Unix seconds)."""
    shelf = list(categories())
    sample = Product(
        SAMPLE_PRODUCT,
        "3D Printer",
        price=Decimal(10),
        amount=Decimal(144),
        category_ids=[SAMPLE_CATEGORY],
        main_category=SAMPLE_CATEGORY,
        min_qty=1,
        timestamp=1_612_975_405,
        full_description="<p>A 3D printer &amp; its tools</p>",
    )
    made = [sample, *(_product(number, shelf, now) for number in range(PRODUCTS))]
    return {product.id: product for product in made}


def code_of(number: int) -> str:
    """The supplier code of the product at this position; now and then the one before has the same."""
    if number % CODELESS_EVERY == CODELESS_EVERY - 1:
        return ""
    return f"GC-{number - (number % DOUBLE_EVERY == 1):05d}"


def _product(number: int, shelf: list[int], now: int) -> Product:
    goods, make = GOODS[number % len(GOODS)], MAKES[number // len(GOODS) % len(MAKES)]
    main = shelf[number * 7 % len(shelf)]
    status = next((letter for every, letter in STATUSES.items() if number % every == every - 1), "A")
    return Product(
        FIRST_PRODUCT + number * 3,
        f"{make} {goods} {number // (len(GOODS) * len(MAKES)) + 1}",
        code_of(number),
        _PRICES[number % len(_PRICES)],
        _amount(number),
        status,
        [main, shelf[number * 11 % len(shelf)]] if number % 4 == 0 and number else [main],
        main,
        int(number % 5 == 0),
        f"{number * 37 % 10**9:012d}",
        Decimal(number % 40) / 8,
        free_shipping="Y" if number % 6 == 0 else "N",
        timestamp=now - (number + 1) * 3600,
        full_description=f"<p>{goods} by {make}, café size</p>" if number % 9 == 0 else f"<p>{goods} by {make}</p>",
        keywords=f"{make.lower()}, {goods.lower()}",
        premoderation_reason="Please send a better picture" if status == "X" else "",
    )


_PRICES = [Decimal(number * 137 % 19_900 + 99) / 100 for number in range(311)]


def _amount(number: int) -> Decimal:
    if number % NEGATIVE_EVERY == NEGATIVE_EVERY - 1:
        return Decimal(-(number % 5) - 1)
    if number % DECIMAL_EVERY == DECIMAL_EVERY - 1:
        return Decimal("1.50")
    return Decimal(0) if number % EMPTY_EVERY == EMPTY_EVERY - 1 else Decimal(number * 17 % 240 + 1)
