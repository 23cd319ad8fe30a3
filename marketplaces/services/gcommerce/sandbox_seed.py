"""Who buys on the make-believe G-Commerce, and in which state orders, purchase orders and shipments stand at the start."""

from collections.abc import Mapping
from typing import Any

from marketplaces.services.gcommerce.sandbox_records import Buyer

ORDERS = 320
PURCHASE_ORDERS = 30
UNKNOWN_LETTER = "Q"
LETTERS = f"OPKJCFDIBYNT{UNKNOWN_LETTER}"
# Most of a shop's orders are done.
LETTER_AT = "OCCJPKCCFCDCICBCYCNCTCCJKCOCC"
SMALL_ITEMS, FIRST_SMALL_ITEM, FIRST_ITEM, ITEM_STEP, ITEM_SPAN = 10, 424_186_180, 2_150_000_000, 331_667, 2_144_000_000

_NAMES = """
    Ada Birch, Ben Castle, Cleo Dunn, Dan Ember, Eve Farrow, Finn Grove, Gia Hale, Hugo Ives, Iris Jonas, Jon Keel,
    Kim Lowe, Lars Moor, Mia Nash, Noah Orr, Olga Pike, Paul Quill, Rita Rowe, Sam Stone, Tess Vale, Umar West
"""
_CITIES = (("Testville", "LA", "70000"), ("Sampleton", "CA", "94000"), ("Exampleburg", "NY", "10000"))


def _buyers() -> list[Buyer]:
    found = [Buyer(123, "Test", "Buyer", "buyer@example.com", is_recipient_named=False)]
    for number, name in enumerate(_NAMES.split(","), 1):
        first, last = name.split()
        city, state, zipcode = _CITIES[number % len(_CITIES)]
        found.append(
            Buyer(
                200 + number,
                first,
                last,
                f"{first}.{last}@example.com".lower(),
                f"(000)-000-{number:04d}",
                f"{last} Supplies Inc" if number % 2 else "",
                f"{number} Test Ave",
                city,
                state,
                zipcode,
                number % 4 != 0,
            )
        )
    return found


BUYERS = _buyers()


def new_buyer(number: int, said: Mapping[str, Any]) -> Buyer:
    """The buyer of a new order: one of the known, but for what was said. Raises TypeError for an unknown field."""
    known = BUYERS[number % len(BUYERS)]
    return Buyer(**{**{name: getattr(known, name) for name in Buyer.__dataclass_fields__}, **said})


def seeded_letter(number: int) -> str:
    """Every letter comes among the first orders, and then as often as it is usual."""
    return LETTERS[number] if number < len(LETTERS) else LETTER_AT[number % len(LETTER_AT)]


def item_id(number: int) -> int:
    """The id of a line: above 2^31 but for a few, and scattered, as on the real one."""
    return FIRST_SMALL_ITEM + number if number <= SMALL_ITEMS else FIRST_ITEM + number * ITEM_STEP % ITEM_SPAN
