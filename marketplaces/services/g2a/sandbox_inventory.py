"""Keys uploaded to the make-believe G2A (G2A-12), and what the live dialect tells of them (G2A-L02 to G2A-L04)."""

import base64
from collections import Counter
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from typing import TYPE_CHECKING

from marketplaces.sandbox_words import Json, Refusal, Request, Response, operation
from marketplaces.services.g2a import sandbox_checks as check
from marketplaces.services.g2a.sandbox_offers import Key, Offer
from marketplaces.services.g2a.sandbox_tokens import account_hash

if TYPE_CHECKING:
    from marketplaces.services.g2a.sandbox import Sandbox

OWN = "/v3/sales/offers/{offer_id}/inventory"


@dataclass
class Collection:
    """The keys of one upload."""

    id: str
    account: str
    offer_id: str  # empty where keys come before the offer
    keys: dict[str, Key]
    created_at: int

    def shown(self) -> Json:
        return {
            "collectionUuid": self.id,
            "account": self.account,
            "offer_id": self.offer_id,
            "keys": [key.value for key in self.keys.values()],
            "files": [key.file_name for key in self.keys.values() if key.file_name],
            "created_at": self.created_at,
        }


class Inventory:
    """Every seller's uploads. The sandbox's lock is held around each operation."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self.collections: dict[str, Collection] = {}

    def doubles(self) -> int:
        """How many uploaded keys came before."""
        values = Counter(key.value for collection in self.collections.values() for key in collection.keys.values())
        return sum(count - 1 for count in values.values())

    # --- operations ------------------------------------------------------------------------------------------

    @operation("G2A-12", "POST", "/integration-api/v1/offers/{offer_id}/inventory")
    def upload(self, request: Request, offer_id: str) -> Json:
        offer = self._sandbox.offers.own(request, offer_id)
        if offer.kind == "dropshipping":
            raise check.wrong("keys", "are not uploaded to a dropshipping offer")
        return self._upload(request, offer_id)

    @operation("G2A-12", "POST", "/v3/sales/offers/inventory")
    def upload_live(self, request: Request) -> Json:
        return self._upload(request, "")

    @operation("G2A-L02", "GET", OWN)
    def list_keys(self, request: Request, offer_id: str) -> Json:
        offer = self._sandbox.offers.own(request, offer_id)
        wanted = check.query(request, {"page": check.whole(1), "itemsPerPage": check.whole(1, 100)})
        page, size = wanted.get("page", 1), wanted.get("itemsPerPage", 20)
        rows = [{"id": key.id, "status": key.status} for key in offer.keys.values() if key.status != "deleted"]
        meta = {"page": page, "itemsPerPage": size, "totalResults": len(rows)}
        return {"data": check.page_of(rows, page, size), "meta": meta}

    @operation("G2A-L03", "DELETE", OWN)
    def delete_keys(self, request: Request, offer_id: str) -> Response:
        return self._delete(self._sandbox.offers.own(request, offer_id).free_keys)

    @operation("G2A-L04", "DELETE", OWN + "/{key_id}")
    def delete_key(self, request: Request, offer_id: str, key_id: str) -> Response:
        free = {key.id: key for key in self._sandbox.offers.own(request, offer_id).free_keys}
        if key_id not in free:
            raise Refusal(404, "", "There is no such key")
        return self._delete([free[key_id]])

    # --- parts -----------------------------------------------------------------------------------------------

    def sell(self, offer: Offer, quantity: int) -> list[Key]:
        """Hand uploaded keys to a buyer."""
        keys = offer.free_keys[:quantity]
        for key in keys:
            key.status = "sold"
        offer.sold += len(keys)
        return keys

    def _upload(self, request: Request, offer_id: str) -> Json:
        is_form = "multipart/form-data" in request.headers.get("content-type", "")
        keys = self._files(request) if is_form else self._texts(request)
        if self._sandbox.options["refuse_doubles"]:
            known = {key.value for collection in self.collections.values() for key in collection.keys.values()}
            if known & {key.value for key in keys}:
                raise Refusal(409, "", "A key was uploaded before")
        collection = Collection(
            id=self._sandbox.new_id(),
            account=account_hash(request.seller),
            offer_id=offer_id,
            keys={key.id: key for key in keys},
            created_at=self._sandbox.clock.ms(),
        )
        self.collections[collection.id] = collection
        return {"collectionUuid": collection.id}

    def _texts(self, request: Request) -> list[Key]:
        body = check.read_json(request)
        check.only(body, {"keys"})
        texts = body.get("keys")
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
            raise check.wrong("keys", "is a list of at least one text")
        return [Key(self._sandbox.new_id(), text) for text in texts]

    def _files(self, request: Request) -> list[Key]:
        head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
        form = BytesParser(policy=HTTP).parsebytes(head + request.body)
        keys = []
        for part in form.iter_parts() if form.is_multipart() else ():
            content = part.get_payload(decode=True)
            if part.get_param("name", header="content-disposition") != "files[]" or not part.get_filename():
                raise check.wrong("the form", "has files under the name files[] alone")
            if not isinstance(content, bytes) or not content or part.get_content_maintype() != "image":
                raise check.wrong("files[]", "holds images")
            keys.append(Key(self._sandbox.new_id(), base64.b64encode(content).decode(), part.get_filename() or ""))
        if not keys:
            raise check.wrong("files[]", "holds at least one image")
        return keys

    def _delete(self, keys: list[Key]) -> Response:
        for key in keys:
            key.status = "deleted"
        return Response(204)
