"""Pick good codes for a delivery: a code that lacks the form its offer needs must not be found out by a buyer."""

from dataclasses import dataclass, field

from inventory import codes, kinds, stock
from inventory.codes import Content
from inventory.models import Offer
from marketplaces.base import MarketplaceService
from marketplaces.exceptions import PermanentError
from marketplaces.shop import CodeKind
from marketplaces.types import RemoteOffer
from orders import timeline
from orders.models import Delivery, DeliveryItem, OrderLine

# So many in one delivery are no bad codes: what the offer asks for does not fit the product.
MOST_FAULTY = 10


@dataclass(frozen=True)
class Filled:
    """Units that are missing still, the items that were made, and what those of their codes hold that are text."""

    missing: int
    items: list[DeliveryItem]
    plain: dict[int, str] = field(repr=False)


def fill(delivery: Delivery, service: MarketplaceService, *, picked: int, keep_unreadable: bool = False) -> Filled:
    """Pick what a delivery with `picked` codes lacks, in the caller's transaction.

    What has a problem is set apart as faulty and another is taken. With `keep_unreadable` what can't be opened, or is no
    text, is left for the caller to find, and PermanentError is raised, with nothing set apart, when too many do not fit.
    """
    line = delivery.line
    missing = delivery.requested - picked
    faulty = 0
    items: list[DeliveryItem] = []
    plain: dict[int, str] = {}
    while missing > 0 and line.product_id is not None:
        taken = stock.take(product_id=line.product_id, quantity=missing, hold_id=line.hold_id)
        if not taken:
            break
        found = codes.contents(taken)
        problems = {
            pk: problem
            for pk, content in found.items()
            if not (keep_unreadable and (content is None or content.kind != CodeKind.TEXT))
            and (problem := _problem(content, line, service))
        }
        good = [pk for pk in taken if pk not in problems]
        items += DeliveryItem.objects.bulk_create(DeliveryItem(delivery=delivery, code_id=pk) for pk in good)
        plain |= {pk: content.text for pk in good if (content := found[pk]) and content.kind == CodeKind.TEXT}
        missing -= len(good)
        faulty += len(problems)
        if keep_unreadable and faulty > MOST_FAULTY:
            raise PermanentError(
                f"More than {MOST_FAULTY} codes of {line.product} do not fit the offer: {next(iter(problems.values()), '')}."
                " Nothing was set apart. Correct the codes or the offer's product, then press “Deliver now”",
                kind="code_form",
            )
        if problems:
            stock.set_apart(problems)
            for pk, problem in problems.items():
                timeline.warn(line.order, "faulty", f"Code {pk} was set apart as faulty: {problem}. Another is taken.")
    return Filled(missing, items, plain)


def _problem(content: Content | None, line: OrderLine, service: MarketplaceService) -> str:
    if content is None:
        return "it can't be opened"
    if content.kind != CodeKind.TEXT:
        return kinds.problem(content.text, content.kind)
    return service.code_problem(content.text, _as_remote(line.offer)) if line.offer else ""


def _as_remote(offer: Offer) -> RemoteOffer:
    return RemoteOffer(
        external_id=offer.external_id,
        external_product_id=offer.external_product_id,
        offer_type=offer.offer_type,
        attributes=offer.attributes,
        code_form=offer.seen.get("code_form", ""),
        raw=offer.seen,
    )
