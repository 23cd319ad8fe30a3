"""Our offers at G2A: list, find, create, adopt, change (G2A-08 to G2A-11)."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain

from marketplaces.exceptions import PermanentError, TemporaryError
from marketplaces.services.g2a import bodies, mapping, reading
from marketplaces.services.g2a.bodies import OfferFilter
from marketplaces.services.g2a.line import Line
from marketplaces.types import Json, OfferContent, OfferStatus, RemoteOffer

PAGE_SIZE = 100


class Offers:
    def __init__(self, line: Line, warn: Callable[[str], None]) -> None:
        self._line, self._warn = line, warn

    def fetch(self, wanted: OfferFilter, page_size: int = PAGE_SIZE) -> Iterator[RemoteOffer]:
        """Read what the filter lets through, page by page; each offer comes once."""
        if page_size not in bodies.OFFERS_PER_PAGE:
            sizes = ", ".join(map(str, bodies.OFFERS_PER_PAGE))
            raise bodies.refuse("G2A-10", f"A page has {sizes} offers, not {page_size}")
        return self._listed(wanted, bodies.offers_query(wanted, self._line.dialect), page_size)

    def pages(self, first: int) -> Iterator[list[RemoteOffer]]:
        """Read all our offers from a page on."""
        everything = OfferFilter()
        return self._pages(everything, bodies.offers_query(everything, self._line.dialect), PAGE_SIZE, first)

    def _listed(self, wanted: OfferFilter, params: dict[str, str], page_size: int) -> Iterator[RemoteOffer]:
        return chain.from_iterable(self._pages(wanted, params, page_size))

    def _pages(
        self, wanted: OfferFilter, params: dict[str, str], page_size: int, first: int = 1
    ) -> Iterator[list[RemoteOffer]]:
        seen: set[str] = set()
        for page in self._line.pages("G2A-10", size=page_size, params=params, first=first):
            offers = [offer for offer in map(self._read, page) if offer.external_id not in seen]
            if not offers:
                return  # a list that shows the same page again has no more
            seen.update(offer.external_id for offer in offers)
            yield [offer for offer in offers if offer.external_id and _fits(offer, wanted)]

    def get(self, offer_id: str) -> RemoteOffer:
        return self._read(self._line.get("G2A-09", offer_id, about=offer_id, needs="id"))

    def find(self, content: OfferContent) -> RemoteOffer | None:
        product_id = bodies.product_id(content.external_product_id)
        wanted = OfferFilter(product_id=product_id, offer_type=bodies.offer_type(content))
        same = (offer for offer in self.fetch(wanted) if offer.external_product_id == product_id)
        return next((offer for offer in same if offer.status is not OfferStatus.REMOVED), None)

    def create(self, content: OfferContent) -> RemoteOffer:
        body = bodies.create_body(content, self._line.dialect)
        about = content.external_product_id
        answer = self._line.call("G2A-08", payload=body, about=about, is_write=True, accepts={409})
        if answer.status == 409:
            return self._adopted(reading.obj(answer.json), content)
        job = reading.unwrapped(answer.json, "jobId")
        if job_id := reading.ident(job.get("jobId")):
            return RemoteOffer(external_id="", external_product_id=about, job_id=job_id)
        offer = self._read(reading.obj(answer.json))
        if offer.external_id:
            return offer
        raise self._line.unreadable(answer, "G2A-08", about=about, is_write=True)

    def _adopted(self, body: Json, content: OfferContent) -> RemoteOffer:
        places = (reading.obj(body.get("data")), body)
        offer_id = next(filter(None, (reading.ident(place.get("offerId")) for place in places)), "")
        if offer_id:
            return RemoteOffer(external_id=offer_id, external_product_id=content.external_product_id, was_there=True)
        if found := self.find(content):
            return replace(found, was_there=True)
        raise PermanentError(
            "G2A says that an offer of this product exists, and shows none. Look for it in G2A's panel and enter its id"
            " here",
            kind="already_done",
            operation="G2A-08",
            status=409,
        )

    def change(self, offer_id: str, body: Json) -> RemoteOffer:
        """Patch. The answer is the offer, or a job, or nothing (G2A-P14); then the offer is read again."""
        answer = self._line.call("G2A-11", offer_id, payload=body, about=offer_id)
        found = reading.obj(answer.json)
        if job_id := reading.ident(reading.unwrapped(found, "jobId").get("jobId")):
            return RemoteOffer(external_id=offer_id, job_id=job_id)
        if reading.unwrapped(found, "id").get("id"):
            return self._read(found)
        try:
            return self.get(offer_id)
        except TemporaryError:  # the change was taken all the same
            return RemoteOffer(external_id=offer_id)

    def _read(self, row: Json) -> RemoteOffer:
        offer = mapping.to_offer(row)
        if not mapping.is_known_status(offer.status_word):
            self._warn(f"G2A uses a word for an offer's status that is not known here: “{offer.status_word}”")
        return offer


def _fits(offer: RemoteOffer, wanted: OfferFilter) -> bool:
    """A filter that one dialect lacks, or that is ignored, still holds; what an answer does not tell is let through."""
    return all(
        not asked or not told or asked == told
        for asked, told in (
            (wanted.product_id, offer.external_product_id),
            (wanted.offer_type, offer.offer_type),
        )
    )
