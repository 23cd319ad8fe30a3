"""Jobs, simulations, bestsellers and other sellers' offers."""

from decimal import Decimal

import pytest

from marketplaces.exceptions import NotFound, PermanentError, TemporaryError, Unsupported
from marketplaces.services.g2a import mapping
from marketplaces.services.g2a.service import Service
from marketplaces.types import CompetingOffer, JobState
from tests.marketplaces.services.g2a.peer import Answer, sample

JOB = "0c7e6f0a-8d2b-4c55-9f0e-2f6a5d3b1c77"
OFFER = "5b0f1a34-6a43-4e0c-8f4e-08f4b7d4f3a2"
PRODUCT = "10000068865001"
JOBS = {"contract": f"/integration-api/v1/jobs/{JOB}", "live": f"/v3/jobs/{JOB}"}


@pytest.mark.parametrize("name", ["get_job", "get_job.live"])
def test_a_job_is_done_in_either_shape(peer, either, name):
    """G2A-T37: `completed` on top, or `complete` with elements; the offer's id stands in either place."""
    peer.on("GET", JOBS[either.connection.options["dialect"]], Answer(200, sample(name)))
    job = either.fetch_job(JOB)
    assert (job.external_id, job.state, job.resource_id, job.reason, job.warning) == (JOB, JobState.DONE, OFFER, "", "")


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("pending", JobState.OPEN),
        ("processing", JobState.OPEN),
        ("completed", JobState.DONE),
        ("complete", JobState.DONE),
        ("Complete", JobState.DONE),
        ("done", JobState.DONE),
        ("failed", JobState.FAILED),
        ("error", JobState.FAILED),
        ("cancelled", JobState.CANCELLED),
        ("canceled", JobState.CANCELLED),
        ("resting", JobState.UNKNOWN),
    ],
)
def test_the_words_of_a_job(word, state):
    """G2A-T37."""
    job = mapping.to_job({"jobId": JOB, "status": word}, JOB)
    assert (job.state, job.status_word) == (state, word)


@pytest.mark.parametrize(
    ("top", "element"),
    [
        ({}, {"status": "completed", "code": "PRICE_TOO_LOW", "message": "Price is too low", "resourceId": OFFER}),
        ({}, {"status": "failed", "message": "Price is too low"}),
        ({}, {"status": "completed", "message": "Price is too low", "resourceId": None}),
        ({"code": "X", "message": "Price is too low"}, {"status": "completed", "resourceId": OFFER}),
        ({"message": "Price is too low"}, {"status": "completed"}),
    ],
)
def test_a_done_job_with_a_failure_in_it_has_failed(top, element):
    """G2A-T37: on top or in any element."""
    job = mapping.to_job({"data": {"jobId": JOB, "status": "complete", **top, "elements": [element]}}, JOB)
    assert job.state is JobState.FAILED
    assert "Price is too low" in job.reason


def test_the_second_element_can_fail_a_job():
    """G2A-T37."""
    good, bad = {"status": "completed", "resourceId": OFFER}, {"status": "completed", "code": "LIMIT"}
    job = mapping.to_job({"status": "complete", "elements": [good, bad]}, JOB)
    assert (job.state, job.reason) == (JobState.FAILED, "LIMIT")


def test_a_failed_word_without_a_reason_is_quoted():
    assert "failed" in mapping.to_job({"status": "failed"}, JOB).reason


def test_a_message_beside_a_resource_is_a_warning(peer, service):
    done = {"jobId": JOB, "status": "completed", "resourceId": OFFER, "message": "Price was rounded"}
    peer.on("GET", JOBS["contract"], Answer(200, done))
    job = service.fetch_job(JOB)
    assert (job.state, job.warning) == (JobState.DONE, "Price was rounded")
    assert "Price was rounded" in service.warnings[0]


def test_an_open_job_is_judged_by_nothing_yet():
    job = mapping.to_job({"status": "processing", "message": "in work", "code": "P1"}, JOB)
    assert (job.state, job.reason, job.warning) == (JobState.OPEN, "", "")


def test_a_job_that_is_not_there_or_not_readable_breaks_nothing(peer, service):
    peer.on(
        "GET", JOBS["contract"], Answer(404, {}), Answer(200, b"<html>hello</html>"), Answer(200, {"status": "new!"})
    )
    with pytest.raises(NotFound):
        service.fetch_job(JOB)
    with pytest.raises(TemporaryError):
        service.fetch_job(JOB)
    assert service.fetch_job(JOB).state is JobState.UNKNOWN
    assert "new!" in service.warnings[0]


SIMULATIONS = {"contract": "/integration-api/v1/prices/simulations", "live": "/v3/pricing/simulations"}


def test_a_price_is_simulated(peer, either):
    """G2A-T39: `finalePrice` is read, values are texts."""
    path = SIMULATIONS[either.connection.options["dialect"]]
    peer.on("GET", path, Answer(200, sample("simulate_price")))
    earnings = either.simulate_price(PRODUCT, Decimal("5.98"))

    assert peer.asked(path)[0].query == {"productId": [PRODUCT], "price": ["5.98"]}
    assert (earnings.currency, earnings.buyer_pays, earnings.we_get) == ("EUR", Decimal("5.98"), Decimal("4.61"))
    assert (earnings.business_buyer_pays, earnings.business_we_get) == (Decimal("5.98"), Decimal("4.70"))


@pytest.mark.parametrize(
    ("income", "country", "expected"),
    [
        ({"ALL": "1.00", "OTHER": "2.00", "DE": "3.00"}, "de", "3.00"),
        ({"ALL": "1.00", "OTHER": "2.00", "DE": "3.00"}, "PL", "2.00"),
        ({"ALL": 1.5, "DE": 3}, "PL", "1.5"),
        ({"ALL": "1.00", "OTHER": "2.00"}, "", "2.00"),
        (4.61, "", "4.61"),
        ({}, "", None),
    ],
)
def test_a_country_goes_before_other_and_other_before_all(peer, service, income, country, expected):
    """G2A-T39: numbers and texts."""
    peer.on("GET", SIMULATIONS["contract"], Answer(200, {"income": income, "finalPrice": {"ALL": 6}}))
    earnings = service.simulate_price(PRODUCT, Decimal("5.98"), country=country)
    assert earnings.we_get == (None if expected is None else Decimal(expected))
    assert earnings.buyer_pays == 6


def test_a_price_of_nothing_is_not_simulated(peer, service):
    with pytest.raises(PermanentError):
        service.simulate_price(PRODUCT, Decimal(0))
    assert peer.seen == []


BESTSELLERS = {"contract": "/integration-api/v1/bestsellers", "live": "/v3/sales/bestsellers"}


def test_bestsellers_need_no_meta(peer, service):
    """G2A-T40: category, platform, page and perPage are all that is sent."""
    rows = [{"productId": PRODUCT, "name": "Example"}, {"id": 2}, {"product": {"id": "3", "name": "Third"}}, {}]
    peer.on("GET", BESTSELLERS["contract"], Answer(200, {"data": rows}))
    found = list(service.fetch_bestsellers(category="games", platform="Steam"))

    assert [(product.external_id, product.name) for product in found] == [
        (PRODUCT, "Example"),
        ("2", ""),
        ("3", "Third"),
    ]
    sent = peer.asked()[0].query
    assert sent == {"category": ["games"], "platform": ["Steam"], "page": ["1"], "perPage": ["100"]}


def test_bestsellers_of_live_cannot_be_narrowed(peer, live):
    peer.on("GET", BESTSELLERS["live"], Answer(200, sample("list_bestsellers")))
    assert [product.external_id for product in live.fetch_bestsellers()] == [PRODUCT]
    assert peer.asked()[0].query == {"daysNumber": ["2"], "page": ["1"], "itemsPerPage": ["100"]}
    with pytest.raises(Unsupported):
        live.fetch_bestsellers(platform="Steam")


def test_other_sellers_offers_are_read_from_their_own_path(peer, live):
    peer.on("GET", f"/v3/products/{PRODUCT}/offers", Answer(200, sample("list_competing_offers.live")))
    assert live.fetch_competing_offers(PRODUCT) == [
        CompetingOffer(
            external_id="c0ffee00-0000-4000-8000-000000000001",
            price=Decimal("5.98"),
            currency="EUR",
            seller="example-shop",
            rating=98,
        )
    ]
    assert peer.asked()[0].query.items() >= {"visibility": ["all"], "countryCode": ["DE"]}.items()


def test_contract_shows_no_other_sellers(peer, service):
    with pytest.raises(Unsupported, match="dialect contract"):
        service.fetch_competing_offers(PRODUCT)
    assert peer.seen == []


def test_other_sellers_are_one_request_however_many_there_are(peer, live):
    row = sample("list_competing_offers.live")["data"][0]
    meta = {"page": 1, "itemsPerPage": 20, "totalResults": 300}
    peer.on("GET", f"/v3/products/{PRODUCT}/offers", Answer(200, {"data": [row] * 20, "meta": meta}))
    assert len(live.fetch_competing_offers(PRODUCT)) == 20
    assert len(peer.asked()) == 1


def test_what_one_dialect_lacks_it_says_without_a_request():
    names = ("delete_offer", "fetch_uploaded", "delete_uploaded", "fetch_competing_offers")
    assert {name: Service.can(name, {"dialect": "live"}) for name in names} == dict.fromkeys(names, True)
    assert {name: Service.can(name, {"dialect": "contract"}) for name in names} == dict.fromkeys(names, False)
    assert Service.can("update_offer", {"dialect": "contract"})
    assert not Service.can("send_codes", {"dialect": "live"})
