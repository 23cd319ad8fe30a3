"""Codes that lie in an offer at G2G (G2G-15 to G2G-17)."""

import pytest

from marketplaces.exceptions import NotFound, PermanentError, UnknownOutcome
from marketplaces.sandbox_faults import Fault
from marketplaces.services.g2g import mapping
from marketplaces.services.g2g.sandbox import Sandbox
from marketplaces.types import CodeToSend, RemoteOffer, UploadedState
from tests.marketplaces.services.g2g.conftest import Peer, open_line, sample
from tests.marketplaces.services.g2g.test_offers import CARD

CODE = CodeToSend("0007-0001", "code-1")


def test_a_code_is_uploaded_as_text(shop_floor: Sandbox) -> None:
    """G2G-T29: with its leading zeros."""
    line = open_line()
    offer = line.create_offer(CARD)
    item_id = line.upload_code(offer.external_id, CODE)
    seen = line.get_uploaded(offer.external_id, item_id)
    assert (seen.external_id, seen.reference, seen.state) == (item_id, "code-1", UploadedState.AVAILABLE)
    (item,) = shop_floor.offers.all[offer.external_id].items.values()
    assert item.content == "0007-0001"


def test_the_published_body_is_sent(peer: Peer) -> None:
    """G2G-T29: content_type is text/plain."""
    wanted = sample("upload_code.request")
    peer.says(sample("upload_code")["payload"])
    code = CodeToSend(wanted["content"], wanted["reference_id"])
    assert open_line().upload_code("G1", code) == "3430aa12-6e5e-4d22-ab75-8af4d44b2914"
    assert peer.bodies == [wanted]


@pytest.mark.parametrize("mode", ["timeout", "drop_after_commit", "malformed_json", "empty_body"])
def test_an_unanswered_upload_is_unknown_and_not_repeated(shop_floor: Sandbox, mode: str) -> None:
    """G2G-T29"""
    line = open_line()
    offer = line.create_offer(CARD)
    shop_floor.faults.add(Fault(op="G2G-15", mode=mode))
    with pytest.raises(UnknownOutcome):
        line.upload_code(offer.external_id, CODE)
    assert [call["op"] for call in shop_floor.calls] == ["G2G-05", "G2G-15"]


def test_an_upload_that_exists_is_already_done(shop_floor: Sandbox) -> None:
    line = open_line()
    offer = line.create_offer(CARD)
    line.upload_code(offer.external_id, CODE)
    with pytest.raises(UnknownOutcome) as doubt:
        line.upload_code(offer.external_id, CODE)
    assert doubt.value.kind == "already_done"


def test_an_upload_without_an_id_in_its_answer_is_unknown(peer: Peer) -> None:
    peer.says({})
    with pytest.raises(UnknownOutcome):
        open_line().upload_code("G1", CODE)


def test_an_answer_without_content_is_accepted(peer: Peer) -> None:
    """G2G-T30"""
    peer.says(sample("view_code")["payload"]).says({"content": "masked", "status": "word of tomorrow"})
    told, bare = (open_line().get_uploaded("G1", "i1") for _ in range(2))
    assert (told.reference, told.state) == ("referenceid1", UploadedState.AVAILABLE)
    assert (bare.external_id, bare.offer_id, bare.state) == ("i1", "G1", UploadedState.UNKNOWN)
    assert bare.state_word == "word of tomorrow"


def test_a_404_at_the_deletion_is_no_success(shop_floor: Sandbox) -> None:
    """G2G-T31: the code may have been sold, so nobody is told that it came back."""
    line = open_line()
    offer = line.create_offer(CARD)
    item_id = line.upload_code(offer.external_id, CODE)
    line.delete_uploaded(offer.external_id, item_id)
    with pytest.raises(NotFound):
        line.delete_uploaded(offer.external_id, item_id)


@pytest.mark.parametrize(
    ("content", "label", "fits"),
    [
        ("ABC", "Code", True),
        ("ABC,05 May 2023", "Code,Expiry Date", True),
        ("ABC,DEF", "", True),
        ("ABC,DEF", "Code", False),
        ("ABC", "Code, Expiry Date", False),
        (" ", "", False),
    ],
)
def test_a_code_is_compared_with_the_columns_of_its_offer(content: str, label: str, fits: bool) -> None:
    """G2G-P45: and what is said about it does not hold the code."""
    offer = mapping.to_offer({"offer_id": "G1", "code_label": label})
    problem = open_line().code_problem(content, offer)
    assert (problem == "") is fits
    assert "ABC" not in problem
    assert open_line().code_problem("ABC", RemoteOffer("G1")) == ""


def test_an_empty_code_is_never_uploaded(peer: Peer) -> None:
    with pytest.raises(PermanentError):
        open_line().upload_code("G1", CodeToSend("", "code-1"))
    assert not peer.requests
