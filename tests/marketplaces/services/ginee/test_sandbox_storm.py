"""The make-believe Ginee by the contract's section 11: storms, and stories that it plays with a seller."""

import json
from datetime import datetime

import pytest

from marketplaces import http, sandbox_wire
from marketplaces.services.ginee.sandbox import Sandbox
from tests.marketplaces.services.ginee.sandbox_caller import (
    DETAILS,
    LIST,
    SKU,
    Receiver,
    call,
    control,
    data,
    new_market,
    signed_headers,
    window,
)

EVENTS, OBJECTS = 400, 40
RANKS = {"CREATE": 0, "UPDATE": 1, "DELETE": 2}
TIMES = ("createAt", "lastUpdateAt", "payAt")


@pytest.fixture
def receiver():
    return Receiver()


@pytest.fixture
def market(receiver):
    return new_market(receiver)


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


class Mirror:
    """The processing rules of 4.7, in as few lines as they take."""

    def __init__(self):
        self.seen, self.objects = set(), {}

    def take(self, document):
        if document["id"] in self.seen:
            return
        self.seen.add(document["id"])
        payload = document["payload"]
        key = f"{document['entity']} {payload.get('deliveryOrderId') or payload['orderId']}"
        known = self.objects.setdefault(key, {"at": None, "rank": -1, "payload": {}, "is_deleted": False})
        at, rank = moment(payload.get("lastUpdateAt")), RANKS[document["action"]]
        is_newer = at is not None and (known["at"] is None or (at, rank) > (known["at"], known["rank"]))
        if is_newer:
            known["at"], known["rank"], known["is_deleted"] = at, rank, rank == RANKS["DELETE"]
        replaces = is_newer and rank != RANKS["DELETE"]
        for name, value in payload.items():
            if value not in (None, "", [], {}) and (replaces or name not in known["payload"]):
                known["payload"][name] = value
        if is_newer:
            known["payload"]["lastUpdateAt"] = payload["lastUpdateAt"]


def differences(mirror, expected):
    """Where the mirror says something else than it must."""
    found = []
    for key, wanted in expected.items():
        seen = mirror.objects[key]
        if seen["is_deleted"] != wanted["is_deleted"]:
            found.append((key, "is_deleted"))
        for name, value in wanted["payload"].items():
            said = seen["payload"].get(name, "")
            same = moment(said) == moment(value) if name in TIMES else said == value
            found += [] if same else [(key, name, said, value)]
    return found


def test_a_storm_is_as_big_as_wanted(market):
    storm = market.storm(EVENTS, OBJECTS, seed=7)
    ids = [document["id"] for document in storm.events]
    assert (len(ids), len(set(ids)), storm.twice, storm.incomplete) == (440, 400, 40, 40)
    assert len(storm.expected) == OBJECTS
    entities = [key.split()[0] for key in storm.expected]
    assert entities.count("order") == entities.count("delivery-order") == 20
    actions = {(document["entity"], document["action"]) for document in storm.events}
    assert len(actions) == 5
    assert any(wanted["is_deleted"] for wanted in storm.expected.values())


def test_it_comes_in_no_order(market):
    storm = market.storm(EVENTS, OBJECTS)
    times = {}
    for document in storm.events:
        payload = document["payload"]
        times.setdefault(payload.get("deliveryOrderId") or payload["orderId"], []).append(document["createAt"])
    assert sum(arrived != sorted(arrived) for arrived in times.values()) > OBJECTS * 0.8


def test_the_same_seed_makes_the_same_storm():
    def made(seed):
        storm = new_market().storm(EVENTS, OBJECTS, seed=seed)
        return json.dumps([storm.events, storm.expected])

    assert made(1) == made(1) != made(2)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("decimals", [3, "mixed"])
def test_a_mirror_by_the_rules_ends_at_the_newest_state_of_each_object(market, receiver, seed, decimals):
    market.switches.set(generation="mixed", decimals=decimals)
    storm = market.storm(EVENTS, OBJECTS, seed=seed)
    storm.send()
    market.advance(0)
    mirror = Mirror()
    for document in receiver.documents:
        mirror.take(document)
    assert len(receiver.documents) == 440
    assert differences(mirror, storm.expected) == []


def test_a_mirror_that_takes_the_last_to_come_is_found_out(market):
    class Careless(Mirror):
        def take(self, document):
            payload = {**document["payload"], "lastUpdateAt": f"9999-01-01T00:00:{len(self.seen) % 60:02d}Z"}
            super().take({**document, "payload": payload})

    storm = market.storm(EVENTS, OBJECTS)
    mirror = Careless()
    for document in storm.events:
        mirror.take(document)
    assert len(differences(mirror, storm.expected)) > OBJECTS


def test_what_is_read_back_agrees_with_the_storm(market):
    storm = market.storm(EVENTS, OBJECTS)
    orders = {key.split()[1]: wanted for key, wanted in storm.expected.items() if key.startswith("order ")}
    for row in data(market, DETAILS, {"orderIds": list(orders)}):
        assert row["orderStatus"] == orders[row["orderId"]]["payload"]["orderStatus"]
        assert moment(row["lastUpdateAt"]) == moment(orders[row["orderId"]]["payload"]["lastUpdateAt"])
    assert len(data(market, LIST, window(market))["content"]) == OBJECTS


def test_a_storm_can_be_had_over_the_wire(market, receiver):
    made = control(market, "POST", "storm", {"events": 30, "objects": 5, "seed": 2})
    market.advance(0)
    assert (made["events"], len(made["expected"]), len(receiver.got)) == (33, 5, 33)
    assert control(market, "POST", "storm", {"events": 3, "objects": 5})["http_status"] == 400


# --- stories ---------------------------------------------------------------------------------------------------


def checks(result):
    return {check["check"]: check["ok"] for check in result["checks"]}


class Seller(Receiver):
    """A seller who reads every order that is spoken of, and lists orders when it has nothing to do."""

    market: Sandbox
    reads, polls = True, True

    def __call__(self, method, url, headers, body):
        answer = super().__call__(method, url, headers, body)
        if self.reads and json.loads(body)["entity"] == "order":
            data(self.market, DETAILS, {"orderIds": [json.loads(body)["payload"]["orderId"]]})
        return answer

    def poll(self):
        if self.polls:
            rows = data(self.market, LIST, window(self.market))["content"]
            data(self.market, DETAILS, {"orderIds": [row["orderId"] for row in rows] or ["SO0"]})


def play_with(seller, scenario):
    market = new_market(seller)
    seller.market = market
    market.idle = seller.poll
    market.lapse = market.advance
    return control(market, "POST", "run", {"scenario": scenario})


@pytest.mark.parametrize("scenario", ["happy", "cancelled", "lost", "storm"])
def test_a_good_seller_passes_every_story(scenario):
    result = play_with(Seller(), scenario)
    assert result["ok"] is True, checks(result)


@pytest.mark.parametrize(
    ("scenario", "fault", "failing"),
    [
        ("happy", {"reads": False, "polls": False}, "the order is read"),
        ("happy", {"status": 500}, "every step is answered"),
        ("cancelled", {"body": b"{}"}, 'every answer was 200 {"status": true}, in time'),
        ("lost", {"polls": False}, "the list of changed orders is read"),
        ("storm", {"status": 503}, "every notification is answered"),
    ],
)
def test_a_seller_who_errs_is_told_where(scenario, fault, failing):
    seller = Seller()
    vars(seller).update(fault)
    result = play_with(seller, scenario)
    assert (result["ok"], checks(result)[failing]) == (False, False)


def test_a_story_nobody_knows_is_refused(market):
    assert control(market, "POST", "run", {"scenario": "opera"})["http_status"] == 404


# --- the wire --------------------------------------------------------------------------------------------------


def test_it_is_reached_through_the_products_own_client(market):
    sandbox_wire.mount(market, "http://ginee.test/ginee")
    try:
        client = http.Client(
            base_url="http://ginee.test/ginee",
            budget=lambda count, urgency: 0.0,
            record=lambda record: None,
            allow_local=True,
        )
        market.orders.buy(offer_id=SKU)
        answer = client.send("GIN-C01", "POST", LIST, headers=signed_headers(LIST), payload=window(market))
    finally:
        http.unmount("http://ginee.test/ginee")
    assert answer.json["data"]["content"][0]["orderStatus"] == "PAID"
    assert call(market, LIST, window(market))["data"] == answer.json["data"]
