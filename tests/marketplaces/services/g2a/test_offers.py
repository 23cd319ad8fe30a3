"""Offers: create, look up, adopt, in both dialects."""

import pytest

from marketplaces.exceptions import PermanentError, TemporaryError, UnknownOutcome
from tests.marketplaces.services.g2a.peer import OFFERS, Answer, offer_content, path_of, sample, timed_out

ID = "5b0f1a34-6a43-4e0c-8f4e-08f4b7d4f3a2"
JOB = "0c7e6f0a-8d2b-4c55-9f0e-2f6a5d3b1c77"
PRODUCT = "10000068865001"
CONTRACT = OFFERS["contract"]
LIVE = OFFERS["live"]


@pytest.mark.smoke
def test_contract_creates_with_a_flat_body_and_a_number(peer, service):
    """G2A-T26."""
    peer.on("POST", CONTRACT, Answer(202, sample("create_offer")))
    made = service.create_offer(offer_content())

    assert peer.asked()[0].json == sample("create_offer.request")
    assert b'"price": 5.98' in peer.asked()[0].body
    assert (made.external_id, made.job_id) == ("", JOB)


def test_live_creates_with_variants_and_texts(peer, live):
    """G2A-T26."""
    peer.on("POST", LIVE, Answer(202, sample("create_offer.live")))
    made = live.create_offer(offer_content(attributes={"business_price": 5.8}))

    assert peer.asked()[0].json == sample("create_offer.live.request")
    assert made.job_id == JOB


@pytest.mark.parametrize("body", [{"jobId": JOB}, {"data": {"jobId": JOB}}])
def test_a_job_id_is_found_in_either_place(peer, either, body):
    """G2A-T27."""
    peer.on("POST", path_of(either), Answer(202, body))
    assert either.create_offer(offer_content()).job_id == JOB


@pytest.mark.parametrize("body", [sample("create_offer.exists"), {"offerId": ID}])
def test_an_offer_that_exists_is_adopted_and_changed_by_one_patch(peer, either, body):
    """G2A-T28: the create is not repeated."""
    path = path_of(either)
    peer.on("POST", path, Answer(409, body)).on("PATCH", f"{path}/{ID}", Answer(200, sample("get_offer")))
    adopted = either.create_offer(offer_content())
    assert (adopted.external_id, adopted.job_id, adopted.was_there) == (ID, "", True)

    either.update_offer(adopted.external_id, offer_content(), frozenset({"price", "quantity"}))
    assert [seen.method for seen in peer.asked()] == ["POST", "PATCH"]


def test_an_existing_offer_without_an_id_is_looked_up(peer, service):
    peer.on("POST", CONTRACT, Answer(409, {"code": "OFFER_EXISTS"})).on(
        "GET", CONTRACT, Answer(200, sample("list_offers"))
    )
    found = service.create_offer(offer_content())
    assert (found.external_id, found.was_there) == (ID, True)

    peer.on("GET", CONTRACT, Answer(200, {"data": []}))
    with pytest.raises(PermanentError, match="enter its id here") as error:
        service.create_offer(offer_content())
    assert error.value.kind == "already_done"


@pytest.mark.parametrize("broken", [timed_out(), Answer(502, b""), Answer(202, b"<html>"), Answer(202, {})])
def test_a_create_without_an_answer_is_looked_up_before_another(peer, either, broken):
    """G2A-T29: the outcome is unknown, and the offer is found by its product."""
    path = path_of(either)
    listed = sample("list_offers" if path == CONTRACT else "list_offers.live")
    peer.on("POST", path, broken).on("GET", path, Answer(200, listed))
    with pytest.raises(UnknownOutcome):
        either.create_offer(offer_content())

    assert either.find_offer(offer_content()).external_id == ID
    assert either.find_offer(offer_content(external_product_id="10000000000009")) is None
    assert [seen.method for seen in peer.asked()] == ["POST", "GET", "GET"]
    if path == CONTRACT:
        assert peer.asked()[1].query["productId"] == [PRODUCT]


def test_an_offer_that_was_removed_is_not_found(peer, service):
    listed = {"data": [{**sample("get_offer"), "archive": True}]}
    peer.on("GET", CONTRACT, Answer(200, listed))
    assert service.find_offer(offer_content()) is None


def test_a_create_into_a_full_queue_is_tried_again(peer, either):
    """G2A-T34."""
    peer.on("POST", path_of(either), Answer(400, b"The limit of tasks in the queue has been exceeded"))
    with pytest.raises(TemporaryError):
        either.create_offer(offer_content())


@pytest.mark.parametrize(
    ("visibility", "prices"),
    [
        ("all", {"retail": "5.98", "business": "5.80"}),
        ("retail", {"retail": "5.98"}),
        ("business", {"business": "5.80"}),
    ],
)
def test_live_gets_the_prices_that_fit_the_visibility(peer, live, visibility, prices):
    peer.on("POST", LIVE, Answer(202, sample("create_offer.live")))
    live.create_offer(offer_content(visibility=visibility, attributes={"business_price": "5.80"}))
    assert peer.asked()[0].json["variants"][0]["price"] == prices


@pytest.mark.parametrize(
    "fields",
    [
        {"currency": "USD"},
        {"price": "0.004"},
        {"attributes": {"business_price": "cheap"}},
        {"attributes": {"business_price": -1}},
    ],
)
def test_what_g2a_cannot_take_is_refused_here(peer, either, fields):
    with pytest.raises(PermanentError) as error:
        either.create_offer(offer_content(**fields))
    assert error.value.kind == "invalid"
    assert peer.seen == []


def test_prices_are_whole_cents_and_never_binary(peer, service):
    peer.on("POST", CONTRACT, Answer(202, sample("create_offer")))
    for price in ("0.1", "1.005", "12345678.91", "3"):
        service.create_offer(offer_content(price=price))
    sent = [seen.body.split(b'"price": ')[1].split(b",")[0] for seen in peer.asked()]
    assert sent == [b"0.1", b"1.01", b"12345678.91", b"3"]


def test_choices_in_g2as_own_words_go_into_the_variant(peer, service, live):
    peer.on("POST", CONTRACT, Answer(202, sample("create_offer"))).on("POST", LIVE, Answer(202, sample("create_offer")))
    content = offer_content(external_product_id=f"i{PRODUCT}", attributes={"variant": {"regions": ["EU"]}})
    for made_by in (service, live):
        made_by.create_offer(content)

    flat, wrapped = (seen.json for seen in peer.asked())
    assert flat["variant"] == {"regions": ["EU"]}
    assert wrapped["variants"][0]["regions"] == ["EU"]
    assert flat["productId"] == wrapped["variants"][0]["productId"] == PRODUCT
