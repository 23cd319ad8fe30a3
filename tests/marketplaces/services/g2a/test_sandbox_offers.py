"""The make-believe G2A by the contract's section 11: offers in both dialects, jobs, and uploaded keys."""

import pytest

from marketplaces.services.g2a.sandbox import Sandbox
from tests.marketplaces.services.g2a.caller import (
    FLAT,
    IMPORT,
    LIVE,
    OTHER,
    PRODUCT,
    VARIANT,
    bearer,
    call,
    code_of,
    control,
    finished,
    offer,
    ok,
    send,
)

OFFERS = f"{IMPORT}/offers"


@pytest.fixture
def alone():
    return Sandbox(requests_per_second=1000, seed=1)


@pytest.mark.smoke
def test_an_offer_comes_true_after_some_polls(alone):
    status, answer = call(alone, "POST", OFFERS, FLAT)
    assert (status, answer.keys()) == (202, {"jobId"})
    polls = [ok(alone, "GET", f"{IMPORT}/jobs/{answer['jobId']}") for _ in range(3)]
    assert [poll["status"] for poll in polls] == ["pending", "processing", "completed"]
    assert "resourceId" not in polls[0]
    row = ok(alone, "GET", f"{OFFERS}/{polls[2]['resourceId']}")
    assert row == {
        "id": polls[2]["resourceId"],
        "type": "dropshipping",
        "productId": PRODUCT,
        "price": 5.98,
        "visibility": "all",
        "status": "active",
        "active": True,
        "inventory": {"size": 25, "sold": 0},
    }
    assert len(alone.state()["jobs"][0]["polls"]) == 3


def test_a_job_ends_without_being_asked_for(alone):
    ok(alone, "POST", OFFERS, FLAT)
    assert ok(alone, "GET", OFFERS)["data"][0]["status"] == "pending"
    alone.advance(60)
    assert ok(alone, "GET", OFFERS)["data"][0]["status"] == "active"
    assert alone.state()["jobs"][0]["polls"] == []


@pytest.mark.parametrize(
    ("fate", "status"), [("job_failed", "failed"), ("job_cancelled", "cancelled"), ("job_element_failed", "completed")]
)
def test_a_job_can_go_wrong(alone, fate, status):
    control(alone, "POST", "faults", {"op": "G2A-08", "mode": fate})
    job = finished(alone, ok(alone, "POST", OFFERS, FLAT)["jobId"])
    assert (job["status"], job["code"], job.get("resourceId")) == (status, "E100", None)
    assert ok(alone, "GET", OFFERS)["data"] == []


def test_a_stuck_job_never_ends(alone):
    control(alone, "POST", "faults", {"op": "G2A-08", "mode": "job_stuck"})
    job_id = ok(alone, "POST", OFFERS, FLAT)["jobId"]
    alone.advance(86_400)
    polls = [ok(alone, "GET", f"{IMPORT}/jobs/{job_id}")["status"] for _ in range(5)]
    assert set(polls) <= {"pending", "processing"}


def test_the_live_dialect_says_complete_even_when_an_element_failed(alone):
    control(alone, "POST", "faults", {"op": "G2A-08", "mode": "job_element_failed"})
    jobs = []
    for _ in range(2):
        answer = ok(alone, "POST", f"{LIVE}/offers", {"offerType": "dropshipping", "variants": [VARIANT]})
        path = f"/v3/jobs/{answer['data']['jobId']}"
        jobs.append([ok(alone, "GET", path)["data"] for _ in range(3)][-1])
    assert [job["status"] for job in jobs] == ["complete", "complete"]
    assert [job["elements"][0]["status"] for job in jobs] == ["failed", "completed"]
    row = ok(alone, "GET", f"{LIVE}/offers/{jobs[1]['elements'][0]['resourceId']}")["data"]
    assert (row["price"], row["businessPrice"], row["product"]["id"]) == ("5.98", "5.80", PRODUCT)
    assert "active" not in row


def test_a_second_offer_of_a_product_names_the_first(alone):
    offer_id = offer(alone)
    status, answer = call(alone, "POST", OFFERS, FLAT)
    assert (status, answer["code"], answer["data"]) == (409, "OFFER_EXISTS", {"offerId": offer_id})


def test_a_full_queue_refuses_in_its_own_words(alone):
    alone.options["queue_limit"] = 1
    ok(alone, "POST", OFFERS, FLAT)
    status, answer = call(alone, "POST", OFFERS, {**FLAT, "productId": OTHER})
    assert (status, answer["message"]) == (400, "The limit of tasks in the queue has been exceeded")
    alone.advance(60)
    ok(alone, "POST", OFFERS, {**FLAT, "productId": OTHER})


@pytest.mark.parametrize(
    "changes",
    [
        {"price": "5.98"},
        {"price": 5.981},
        {"price": 0},
        {"productId": 10000068865001},
        {"productId": "12345"},
        {"offerType": "auction"},
        {"visibility": "everyone"},
        {"inventory": {"size": 10_001}},
        {"inventory": {"size": 1, "tmpInventoryId": "x"}},
        {"offerType": "game"},
        {"active": True},
    ],
)
def test_a_wrong_body_is_refused(alone, changes):
    assert code_of(alone, "POST", OFFERS, {**FLAT, **changes})[0] == 400


@pytest.mark.parametrize(
    "changes", [{"price": {"retail": 5.98}}, {"visibility": "retail"}, {"price": {}}, {"extra": 1}]
)
def test_a_wrong_variant_is_refused(alone, changes):
    body = {"offerType": "dropshipping", "variants": [{**VARIANT, **changes}]}
    assert code_of(alone, "POST", f"{LIVE}/offers", body)[0] == 400


def test_a_patch_changes_what_it_names(alone):
    path = f"{OFFERS}/{offer(alone)}"
    row = ok(alone, "PATCH", path, {"price": 5.3, "inventory": {"size": 10}})
    assert (row["price"], row["inventory"]["size"], row["active"]) == (5.3, 10, True)
    assert ok(alone, "PATCH", path, {"active": False})["status"] == "inactive"
    for body in ({}, {"price": "5.3"}, {"productId": OTHER}):
        assert code_of(alone, "PATCH", path, body)[0] == 400
    assert code_of(alone, "PATCH", f"{OFFERS}/nobody", {"price": 5.3})[0] == 404


@pytest.mark.parametrize(("answer", "status"), [("offer", 200), ("job", 202), ("job_200", 200), ("empty", 204)])
def test_a_patch_answers_as_it_is_told_to(alone, answer, status):
    path = f"{OFFERS}/{offer(alone)}"
    alone.options["patch_answer"] = answer
    got, document = call(alone, "PATCH", path, {"price": 4})
    assert got == status
    if answer.startswith("job"):
        assert ok(alone, "GET", path)["price"] == 5.98
        assert finished(alone, document["jobId"])["status"] == "completed"
    assert ok(alone, "GET", path)["price"] == 4


def test_a_live_patch_wants_the_offers_own_type_and_a_variant(alone):
    path = f"{LIVE}/offers/{offer(alone)}"
    variant = {"active": True, "visibility": "all", "archive": False, "price": {"retail": "5.30"}}
    status, answer = call(alone, "PATCH", path, {"offerType": "dropshipping", "variant": variant})
    assert (status, answer.keys()) == (202, {"data"})
    for body in ({"price": 5.3}, {"offerType": "game", "variant": variant}, {"variant": variant}):
        assert code_of(alone, "PATCH", path, body)[0] == 400


def test_a_preorder_cannot_be_edited(alone):
    body = {key: value for key, value in FLAT.items() if key != "inventory"} | {"offerType": "preorder"}
    created = finished(alone, ok(alone, "POST", OFFERS, body)["jobId"])
    assert code_of(alone, "PATCH", f"{OFFERS}/{created['resourceId']}", {"price": 4})[0] == 400


def test_lists_are_filtered_and_paged(alone):
    ids = list(alone.catalogue.products)[:25]
    for product_id in ids:
        alone.offers.by_hand(account="qdaiciDiyMaTjxMt", product_id=product_id, size=1, price="3")
    pages = [ok(alone, "GET", f"{OFFERS}?perPage=10&page={page}") for page in (1, 2, 3)]
    assert [len(page["data"]) for page in pages] == [10, 10, 5]
    assert pages[0]["meta"] == {"currentPage": 1, "lastPage": 3, "perPage": 10, "total": 25}
    assert [row["productId"] for row in ok(alone, "GET", f"{OFFERS}?productId={ids[7]}")["data"]] == [ids[7]]
    assert ok(alone, "GET", f"{OFFERS}?active=false")["data"] == []
    assert ok(alone, "GET", f"{LIVE}/offers?itemsPerPage=100")["meta"]["totalResults"] == 25
    for query in ("perPage=25", "active=yes", "sort=price"):
        assert code_of(alone, "GET", f"{OFFERS}?{query}") == (400, "BR08")


def test_uploaded_keys_are_attached_by_their_collection(alone):
    body = {key: value for key, value in FLAT.items() if key != "inventory"} | {"offerType": "promo"}
    path = f"{OFFERS}/{finished(alone, ok(alone, 'POST', OFFERS, body)['jobId'])['resourceId']}"
    collection = ok(alone, "POST", f"{path}/inventory", {"keys": ["A", "B"]})["collectionUuid"]
    attach = {"inventory": {"tmpInventoryId": collection}}
    assert ok(alone, "GET", path)["inventory"]["size"] == 0
    assert [ok(alone, "PATCH", path, attach)["inventory"]["size"] for _ in range(2)] == [2, 2]
    assert code_of(alone, "PATCH", path, {"inventory": {"tmpInventoryId": "unknown"}})[0] == 400
    assert code_of(alone, "PATCH", path, {"inventory": {"size": 5}})[0] == 400
    assert code_of(alone, "POST", f"{path}/inventory", {"keys": []})[0] == 400
    ok(alone, "POST", f"{path}/inventory", {"keys": ["A"]})
    assert alone.state()["doubles"]["uploads"] == 1
    assert control(alone, "POST", "order", {"offer_id": path.split("/")[-1]})["codes"] == ["A"]


def test_images_are_uploaded_as_a_form(alone):
    body = {key: value for key, value in FLAT.items() if key != "inventory"} | {"offerType": "promo"}
    path = f"{OFFERS}/{finished(alone, ok(alone, 'POST', OFFERS, body)['jobId'])['resourceId']}/inventory"
    form = (
        b'--b\r\nContent-Disposition: form-data; name="files[]"; filename="key.jpg"\r\n'
        b"Content-Type: image/jpeg\r\n\r\n\xff\xd8\x00\r\n--b--\r\n"
    )
    headers = bearer(alone) | {"content-type": "multipart/form-data; boundary=b"}
    assert ok(alone, "POST", path, form, headers=headers).keys() == {"collectionUuid"}
    assert alone.state()["collections"][0]["files"] == ["key.jpg"]
    assert send(alone, "POST", path, form.replace(b"files[]", b"file"), headers=headers).status == 400


def test_the_live_dialect_lists_and_deletes_keys_and_offers(alone):
    collection = ok(alone, "POST", f"{LIVE}/offers/inventory", {"keys": ["A", "B", "C"]})["collectionUuid"]
    variant = {**VARIANT, "inventory": {"tmpInventoryId": collection}}
    job = ok(alone, "POST", f"{LIVE}/offers", {"offerType": "game", "variants": [variant]})["data"]["jobId"]
    path = f"{LIVE}/offers/{finished(alone, job)['resourceId']}"
    rows = ok(alone, "GET", f"{path}/inventory")["data"]
    assert len(rows) == 3
    assert send(alone, "DELETE", f"{path}/inventory/{rows[0]['id']}").status == 204
    assert send(alone, "DELETE", f"{path}/inventory/{rows[0]['id']}").status == 404
    assert send(alone, "DELETE", f"{path}/inventory").status == 204
    assert ok(alone, "GET", path)["data"]["inventory"]["size"] == 0
    assert send(alone, "DELETE", path).status == 204
    assert send(alone, "GET", path).status == 404
