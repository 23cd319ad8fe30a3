"""Changes of an offer: only what differs, stopped sales, full queues, and its end."""

import pytest

from marketplaces.exceptions import NotFound, PermanentError, TemporaryError, Unsupported
from tests.marketplaces.services.g2a.peer import OFFERS, Answer, offer_content, path_of, sample

ID = "5b0f1a34-6a43-4e0c-8f4e-08f4b7d4f3a2"
JOB = "0c7e6f0a-8d2b-4c55-9f0e-2f6a5d3b1c77"
CONTRACT = OFFERS["contract"]
LIVE = OFFERS["live"]
QUEUE_FULL = {"message": "The limit of tasks in the queue has been exceeded"}


@pytest.mark.parametrize(
    ("answer", "job_id", "quantity"),
    [
        (Answer(200, sample("get_offer")), "", 25),
        (Answer(202, sample("create_offer")), JOB, None),
        (Answer(200, sample("create_offer.live")), JOB, None),
        (Answer(204, b""), "", 25),
    ],
)
def test_a_change_may_answer_the_offer_a_job_or_nothing(peer, either, answer, job_id, quantity):
    """G2A-T32: after nothing the offer is read again."""
    path = f"{path_of(either)}/{ID}"
    peer.on("PATCH", path, answer).on("GET", path, Answer(200, sample("get_offer")))
    changed = either.update_offer(ID, offer_content(), frozenset({"quantity"}))
    assert (changed.external_id, changed.job_id, changed.quantity) == (ID, job_id, quantity)


def test_a_change_is_done_though_the_offer_cannot_be_read_afterwards(peer, service):
    peer.on("PATCH", f"{CONTRACT}/{ID}", Answer(204, b"")).on("GET", f"{CONTRACT}/{ID}", Answer(503, b""))
    assert service.update_offer(ID, offer_content(), frozenset({"quantity"})).external_id == ID


def test_only_what_changed_is_sent(peer, either):
    path = f"{path_of(either)}/{ID}"
    peer.on("PATCH", path, Answer(200, sample("get_offer")))
    either.update_offer(ID, offer_content(price="5.3", quantity=10), frozenset({"price", "quantity", "title"}))

    body = peer.asked()[0].json
    if path.startswith(CONTRACT):
        assert body == sample("update_offer.request")
        return
    assert body["offerType"] == "dropshipping"
    assert body["variant"] == {
        "active": True,
        "inventory": {"size": 10},
        "price": {"retail": "5.30", "business": "5.30"},
    }


def test_a_change_of_what_g2a_does_not_have_reads_the_offer(peer, service):
    peer.on("GET", f"{CONTRACT}/{ID}", Answer(200, sample("get_offer")))
    content = offer_content(offer_type="game", title="New", quantity=3)
    assert service.update_offer(ID, content, frozenset({"title", "quantity"})).quantity == 25
    assert [seen.method for seen in peer.asked()] == ["GET"]


def test_a_preorder_is_not_changed(peer, either):
    """G2A-T33: refused here, without a request."""
    with pytest.raises(PermanentError, match="preorder") as error:
        either.update_offer(ID, offer_content(offer_type="preorder"), frozenset({"price"}))
    assert error.value.kind == "invalid"
    assert peer.seen == []


def test_a_full_queue_is_waited_out_and_another_refusal_is_not(peer, either):
    """G2A-T34: the row tries again with growing pauses; both are HTTP 400."""
    path = f"{path_of(either)}/{ID}"
    peer.on("PATCH", path, Answer(400, QUEUE_FULL), Answer(400, {"code": "BR02", "message": "price is too low"}))
    with pytest.raises(TemporaryError) as full:
        either.update_offer(ID, offer_content(), frozenset({"price"}))
    assert (full.value.kind, full.value.retry_after) == ("rate_limited", None)
    with pytest.raises(PermanentError, match="price is too low") as refused:
        either.update_offer(ID, offer_content(), frozenset({"price"}))
    assert refused.value.kind == "invalid"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"quantity": 0, "is_for_sale": False}, {"active": False, "inventory": {"size": 0}}),
        ({"quantity": 0}, {"active": False, "inventory": {"size": 0}}),
        ({"quantity": 7, "attributes": {"active": False}}, {"active": False, "inventory": {"size": 0}}),
        ({"quantity": 20_000}, {"active": True, "inventory": {"size": 10_000}}),
        ({"offer_type": "game", "quantity": 0, "is_for_sale": False}, {"active": False}),
        ({"offer_type": "game", "quantity": 0}, {"active": True}),
        ({"offer_type": "steamgift", "quantity": 5}, {"active": True}),
    ],
)
def test_a_stopped_sale_is_inactive_and_empty_where_there_is_a_size(peer, either, fields, expected):
    """G2A-T35: size for dropshipping alone; other types sell uploaded keys, which are not in our stock."""
    path = f"{path_of(either)}/{ID}"
    peer.on("PATCH", path, Answer(200, sample("get_offer")))
    either.update_offer(ID, offer_content(**fields), frozenset({"quantity", "is_for_sale"}))
    body = peer.asked()[0].json
    assert body.get("variant", body) == expected


def test_an_offer_that_is_gone_is_not_found(peer, either):
    for do in (
        lambda: either.get_offer(ID),
        lambda: either.update_offer(ID, offer_content(), frozenset({"price"})),
    ):
        with pytest.raises(NotFound, match=ID):
            do()


def test_live_deletes_an_offer_and_is_content_when_it_is_gone(peer, live):
    peer.on("DELETE", f"{LIVE}/{ID}", Answer(204, b""), Answer(404, {}), Answer(500, b""))
    live.delete_offer(ID)
    live.delete_offer(ID)
    with pytest.raises(TemporaryError):
        live.delete_offer(ID)


def test_contract_deletes_nothing(peer, service):
    with pytest.raises(Unsupported, match="dialect contract"):
        service.delete_offer(ID)
    assert peer.seen == []


@pytest.mark.parametrize("offer_id", ["", ".", ".."])
def test_an_id_that_would_lead_to_another_path_is_refused(peer, service, offer_id):
    with pytest.raises(PermanentError, match="no id"):
        service.get_offer(offer_id)
    assert peer.seen == []
