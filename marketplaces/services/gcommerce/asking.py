"""What a new product says on G-Commerce beyond its price and stock (GCO-04), as questions."""

from collections.abc import Iterable

from marketplaces.questions import OfferForm, Question, QuestionKind
from marketplaces.types import Category, Field

OWN_CODE = Field(
    "external_product_id", "Product code",
    "Your own code of the product, which G-Commerce keeps with it. Usually the SKU; each product has its own.",
)  # fmt: skip
SHOWN = "A"  # letters of a status
DEEPEST = 20
YES_NO = [("Y", "yes"), ("N", "no")]


def form_of(categories: Iterable[Category]) -> OfferForm:
    """The questions, with the categories that are on sale."""
    return OfferForm(
        [
            Question("title", "Name", help_text="As buyers see it.", is_required=True, longest=255),
            Question("description", "Description", QuestionKind.LONG_TEXT, "As buyers see it; HTML is taken."),
            Question(
                "category_ids", "Category", QuestionKind.CHOICE,
                "A product without a category may be refused, or hidden. More can be added on the offer's page.",
                _choices(categories),
            ),
            Question(
                "visibility", "Shown", QuestionKind.CHOICE, "G-Commerce may approve a new product first.",
                [(SHOWN, "to everybody"), ("H", "hidden: by its address only"), ("D", "switched off")],
                is_required=True, initial=SHOWN,
            ),
            Question("upc", "UPC", help_text="The number of its barcode.", longest=32),
            Question("list_price", "List price", QuestionKind.AMOUNT, "Shown struck through, where it is above the price."),
            Question("weight", "Weight", QuestionKind.AMOUNT, "In the shop's unit, for goods that are sent."),
            Question("free_shipping", "Free shipping", QuestionKind.CHOICE, "", YES_NO),
            Question(
                "images", "Pictures", QuestionKind.LINES,
                "Addresses that anybody can open, https://…, one in each line. The first is the main one.",
            ),
        ]
    )  # fmt: skip


def _choices(categories: Iterable[Category]) -> list[tuple[str, str]]:
    """Categories by the names of all that lie above them, in the order of the alphabet."""
    known = {category.external_id: category for category in categories}
    found = [(one.external_id, _path(known, one)) for one in known.values() if one.status_word in ("", SHOWN)]
    return sorted(found, key=lambda pair: pair[1].casefold())


def _path(known: dict[str, Category], category: Category) -> str:
    names = [category.name]
    while (above := known.get(category.parent_id)) and len(names) < DEEPEST:
        category = above
        names.append(category.name)
    return " / ".join(reversed(names))
