"""The Import side's token: shared, sealed, renewed in time and by one alone."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection, connections

from marketplaces.exceptions import ConfigurationError, TemporaryError
from marketplaces.services.g2a.tokens import Tokens
from tests.marketplaces.services.g2a.peer import TOKEN, Answer, line_to, sample

OFFER = "/integration-api/v1/offers/5b0f1a34-6a43-4e0c-8f4e-08f4b7d4f3a2"
OFFER_ID = OFFER.rsplit("/", 1)[1]
TOKEN_PATH = "/integration-api/v1/token"


def token(text=TOKEN, life=3600):
    return Answer(200, {"access_token": text, "expires_in": life, "token_type": "bearer"})


@pytest.fixture
def offer(peer):
    return peer.on("GET", OFFER, Answer(200, sample("get_offer")))


def fetches(peer):
    return len(peer.asked(TOKEN_PATH))


@pytest.mark.smoke
@pytest.mark.parametrize(("passed", "expected"), [(3299, 1), (3300, 2)])
def test_a_token_is_renewed_when_300_seconds_are_left(offer, service, passed, expected):
    """G2A-T05: with 301 s left it is used again, with 300 s left there is a new one first."""
    with time_machine.travel(1_700_000_000, tick=False) as clock:
        service.get_offer(OFFER_ID)
        clock.shift(passed)
        service.get_offer(OFFER_ID)
    assert fetches(offer) == expected


def test_a_short_life_is_used_to_its_half(offer, service):
    """G2A-T07: 9 s mean one fetch in 4.5 s, neither one a call nor an endless loop."""
    offer.on("GET", TOKEN_PATH, token(life=9))
    with time_machine.travel(1_700_000_000, tick=False) as clock:
        for _ in range(4):
            service.get_offer(OFFER_ID)
            clock.shift(1)
        assert fetches(offer) == 1
        clock.shift(1)
        service.get_offer(OFFER_ID)
        assert fetches(offer) == 2


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_ten_workers_at_once_cause_one_fetch():
    """G2A-T06."""
    cache.clear()
    asked, ready = [], threading.Barrier(10)

    def fetch():
        asked.append(1)
        time.sleep(0.2)
        return TOKEN, 3600.0

    def work(_):
        ready.wait()
        try:
            return Tokens("account", "contract", credentials="a", fetch=fetch).get()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(work, range(10))) == {TOKEN}
    assert len(asked) == 1


def test_a_lock_that_lost_its_owner_stops_nobody_for_long(db, monkeypatch):
    monkeypatch.setattr("marketplaces.services.g2a.tokens.LOOKS", (0.0, 0.0))
    tokens = Tokens("account", credentials="a", fetch=lambda: (TOKEN, 3600.0))
    cache.add(tokens._lock, "a worker that was killed", 45)
    assert tokens.get() == TOKEN
    assert cache.get(tokens._lock) == "a worker that was killed"


def test_who_gets_the_lock_late_uses_what_was_fetched_meanwhile(db, monkeypatch):
    asked = []

    def fetch():
        asked.append(1)
        return TOKEN, 3600.0

    one, other = (Tokens("account", credentials="a", fetch=fetch) for _ in range(2))
    found = iter([None])  # `other` looks before `one` has fetched, and locks after it
    look = other._stored
    monkeypatch.setattr(other, "_stored", lambda: next(found) if not asked and one.get() else look())
    assert other.get() == TOKEN
    assert len(asked) == 1


def test_a_failed_fetch_lets_the_next_one_try(db):
    answers = iter([TemporaryError("down"), (TOKEN, 3600.0)])

    def fetch():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    tokens = Tokens("account", credentials="a", fetch=fetch)
    with pytest.raises(TemporaryError):
        tokens.get()
    assert tokens.get() == TOKEN


def test_a_refused_token_is_renewed_once_and_the_call_repeated_once(peer, service):
    """G2A-T45: one renewal, one repeat."""
    peer.on("GET", TOKEN_PATH, token("old-token"), token("new-token"))
    peer.on("GET", OFFER, Answer(401, {"code": "AUTH02"}), Answer(200, sample("get_offer")))

    assert service.get_offer(OFFER_ID).external_id == OFFER_ID
    assert [seen.headers["Authorization"] for seen in peer.asked(OFFER)] == ["Bearer old-token", "Bearer new-token"]


def test_a_second_refusal_is_final(peer, service):
    """G2A-T45: then it is the account's trouble, and the message says what to check."""
    peer.on("GET", OFFER, Answer(401, b""))
    with pytest.raises(ConfigurationError, match="API hash and the API key") as error:
        service.get_offer(OFFER_ID)
    assert error.value.kind == "authentication"
    assert (len(peer.asked(OFFER)), fetches(peer)) == (2, 2)


def test_a_closed_address_is_not_cured_by_a_new_token(peer, service):
    peer.on("GET", OFFER, Answer(401, {"code": "AUTH03", "message": "IP not allowed"}))
    with pytest.raises(ConfigurationError, match="allowed addresses"):
        service.get_offer(OFFER_ID)
    assert (len(peer.asked(OFFER)), fetches(peer)) == (1, 1)


def test_a_token_that_another_process_renewed_is_not_dropped(db):
    texts = iter(["first", "second"])
    tokens = Tokens("account", credentials="a", fetch=lambda: (next(texts), 3600.0))
    tokens.get()
    tokens.drop("an older one")
    assert tokens.get() == "first"
    tokens.drop("first")
    assert tokens.get() == "second"


def test_other_credentials_get_a_token_of_their_own(offer, service):
    service.get_offer(OFFER_ID)
    line_to(offer, credentials={"api_hash": "other", "api_key": "other"}).get_offer(OFFER_ID)
    assert fetches(offer) == 2


def test_the_cache_holds_no_token_in_clear(offer, service):
    """G2A-T60: the cache may be a table that many can read."""
    service.get_offer(OFFER_ID)
    with connection.cursor() as cursor:
        cursor.execute("SELECT cache_key, value FROM backoffice_cache")
        rows = cursor.fetchall()
    tokens = [key for key, _ in rows if "g2a:token" in key]
    assert len(tokens) == 1
    assert isinstance(cache.get(tokens[0].split(":", 2)[2]), bytes)
    assert TOKEN.encode() not in cache.get(tokens[0].split(":", 2)[2])


@pytest.mark.parametrize("answer", [Answer(404, {"code": "WRONGURL"}), Answer(404, b"<html>"), Answer(405, {})])
def test_no_token_at_that_address_hints_at_the_dialect(peer, service, answer):
    peer.on("GET", TOKEN_PATH, answer)
    with pytest.raises(ConfigurationError, match=r"dialect \(contract\)"):
        service.get_offer(OFFER_ID)


def test_what_is_no_token_is_told_without_quoting_it(peer, service):
    peer.on("GET", TOKEN_PATH, Answer(200, b'{"access_token": "half-of-a-tok'))
    with pytest.raises(TemporaryError) as error:
        service.get_offer(OFFER_ID)
    assert "half-of-a-tok" not in str(error.value)
    assert "half-of-a-tok" not in repr(peer.records)
