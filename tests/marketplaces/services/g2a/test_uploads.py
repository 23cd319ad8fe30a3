"""Keys that are given into an offer: sent once, never quoted, attached afterwards."""

import pytest

from marketplaces.exceptions import NotFound, PermanentError, UnknownOutcome, Unsupported
from marketplaces.types import CodeToSend, FileToSend
from tests.marketplaces.services.g2a.peer import Answer, sample, timed_out

ID = "5b0f1a34-6a43-4e0c-8f4e-08f4b7d4f3a2"
COLLECTION = "7d1d2a1e-93d1-4a35-8d4f-6f6c0b0c2b1a"
CONTRACT = f"/integration-api/v1/offers/{ID}/inventory"
LIVE = "/v3/sales/offers/inventory"
KEYS = [CodeToSend("AAAAA-BBBBB-CCCCC", "code:1"), CodeToSend("DDDDD-EEEEE-FFFFF", "code:2")]


def test_a_collection_is_uploaded_and_attached(peer, service):
    """G2A-T36: collectionUuid is the tmpInventoryId of the next PATCH."""
    peer.on("POST", CONTRACT, Answer(200, sample("add_inventory")))
    peer.on("PATCH", f"/integration-api/v1/offers/{ID}", Answer(200, sample("get_offer")))
    collection_id = service.upload_keys(ID, KEYS)
    service.attach_upload(ID, "promo", collection_id)

    upload, patch = peer.asked()
    assert upload.json == sample("add_inventory.request")
    assert patch.json == sample("attach_upload.request")


def test_live_uploads_before_there_is_an_offer(peer, live):
    peer.on("POST", LIVE, Answer(200, {"data": sample("add_inventory")}))
    peer.on("PATCH", f"/v3/sales/offers/{ID}", Answer(202, sample("create_offer.live")))
    assert live.upload_keys("", KEYS) == COLLECTION
    live.attach_upload(ID, "game", COLLECTION)
    assert peer.asked()[1].json == {"offerType": "game", "variant": {"inventory": {"tmpInventoryId": COLLECTION}}}


@pytest.mark.parametrize("broken", [timed_out(), Answer(500, b""), Answer(200, b""), Answer(200, {}), Answer(409, {})])
def test_an_upload_without_a_clear_answer_is_never_repeated(peer, either, broken):
    """G2A-T36: the outcome is unknown, one request was made, a person decides."""
    path = CONTRACT if either.connection.options["dialect"] == "contract" else LIVE
    peer.on("POST", path, broken)
    with pytest.raises(UnknownOutcome):
        either.upload_keys(ID, KEYS)
    assert len(peer.asked(path)) == 1


@pytest.mark.parametrize("keys", [[], [KEYS[0], KEYS[0]], [CodeToSend(" ", "code:3")], KEYS * 251])
def test_what_cannot_be_uploaded_is_refused_here(peer, service, keys):
    with pytest.raises(PermanentError) as error:
        service.upload_keys(ID, keys)
    assert error.value.kind == "invalid"
    assert peer.seen == []


def test_images_go_out_as_parts_of_a_form(peer, service):
    peer.on("POST", CONTRACT, Answer(200, sample("add_inventory")))
    files = [FileToSend("key-1.png", b"\x89PNG", "image/png")]
    assert service.upload_files(ID, files) == COLLECTION
    sent = peer.asked()[0]
    assert sent.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert b'name="files[]"; filename="key-1.png"' in sent.body
    with pytest.raises(PermanentError, match="0 files"):
        service.upload_files(ID, [])


def test_a_dropshipping_offer_takes_no_keys(peer, service):
    with pytest.raises(PermanentError, match="dropshipping"):
        service.attach_upload(ID, "dropshipping", COLLECTION)
    assert peer.seen == []


def test_live_lists_and_takes_back_what_lies_in_an_offer(peer, live):
    path = f"/v3/sales/offers/{ID}/inventory"
    rows = [{"id": 17, "status": "sold", "key": "AAAAA-BBBBB-CCCCC"}, {"itemId": "18"}, {"nothing": 1}]
    peer.on("GET", path, Answer(200, {"data": rows, "meta": {"page": 1, "itemsPerPage": 100, "totalResults": 3}}))
    peer.on("DELETE", f"{path}/17", Answer(204, b""), Answer(404, {})).on("DELETE", path, Answer(204, b""))

    codes = list(live.fetch_uploaded(ID))
    assert [(code.external_id, code.state_word) for code in codes] == [("17", "sold"), ("18", "")]
    live.delete_uploaded(ID, "17")
    with pytest.raises(NotFound):
        live.delete_uploaded(ID, "17")
    live.delete_all_uploaded(ID)
    assert [seen.method for seen in peer.asked()] == ["GET", "DELETE", "DELETE", "DELETE"]


def test_contract_cannot_look_into_an_offer(peer, service):
    for do in (
        lambda: list(service.fetch_uploaded(ID)),
        lambda: service.delete_uploaded(ID, "17"),
        lambda: service.delete_all_uploaded(ID),
    ):
        with pytest.raises(Unsupported):
            do()
    assert peer.seen == []
