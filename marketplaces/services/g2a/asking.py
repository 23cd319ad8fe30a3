"""What G2A wants to know of a new offer beyond its product and price (G2A-08), as questions."""

from marketplaces.questions import OfferForm, Question, QuestionKind
from marketplaces.services.g2a import bodies
from marketplaces.types import OfferContent

FORM = OfferForm(
    [
        Question(
            "offer_type", "Kind of offer", QuestionKind.CHOICE,
            "Dropshipping shows a number and fetches each code from us when it is sold. Of the others the codes are uploaded"
            " first, and are what is for sale.",
            [
                (bodies.DROPSHIPPING, "dropshipping: we deliver each code when it is sold"),
                ("game", "game: codes lie in the offer"),
                ("steamgift", "Steam gift: codes lie in the offer"),
                ("promo", "promotion: codes lie in the offer"),
            ],
            is_required=True, initial=bodies.DROPSHIPPING,
        ),
        Question(
            "visibility", "Who sees it", QuestionKind.CHOICE, "",
            [("all", "everybody"), ("retail", "consumers only"), ("business", "businesses only")],
            is_required=True, initial=bodies.USUAL_VISIBILITY,
        ),
        Question(
            "business_price", "Price for businesses", QuestionKind.AMOUNT, f"In {bodies.CURRENCY}. Empty: the same price.",
        ),
    ],
    ["An account has one offer of a product. Where G2A has one already, it is taken over and brought to what is said here."],
)  # fmt: skip
STEPS = ("Create the offer (G2A-08). G2A answers with a job, which is followed until the offer is there.",)
TEXTS = ("title", "description")


def left_out(content: OfferContent) -> list[str]:
    """Name the texts that G2A does not take: its catalogue has its own."""
    return [f"G2A takes no {name}: its catalogue's is shown" for name in TEXTS if getattr(content, name)]
