"""What all sandboxes share, seen through the one that is there: wire, clock, faults, control, and the command."""

import ast
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests
from django.conf import settings

from marketplaces import http, services
from marketplaces.exceptions import TemporaryError, UnknownOutcome
from marketplaces.management.commands.sandbox import PlayAccounts, sandbox_classes
from marketplaces.models import Account
from marketplaces.sandbox_faults import Fault
from marketplaces.sandbox_wire import Server, Street, mount
from tests.marketplaces.services.g2g.caller import CARD, call, control, new_market, payload, signed_headers

BASE = "http://sandbox.test"


@pytest.fixture
def market():
    sandbox = new_market()
    sandbox.pause = lambda seconds: setattr(sandbox.clock, "advanced", sandbox.clock.advanced + seconds)
    mount(sandbox, BASE)
    yield sandbox
    http.unmount(BASE)


@pytest.fixture
def address():
    """A street with one sandbox, on a real socket."""
    street = Street({"g2g": new_market()})
    server = Server(0, street)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield street, f"http://127.0.0.1:{server.server_port}/g2g"
    street.is_closing.set()
    server.shutdown()
    server.server_close()
    thread.join()


def send(method, path, body=None):
    """Through the product's own HTTP client, as a service does it."""
    client = http.Client(base_url=BASE, budget=lambda count, urgency: 0.0, record=lambda record: None, allow_local=True)
    is_write = method != "GET"
    return client.send("op", method, path, headers=signed_headers(path), payload=body, is_write=is_write)


# --- the wire --------------------------------------------------------------------------------------------------


def test_a_request_reaches_the_sandbox_as_it_was_written(market):
    answer = send("GET", "/v2/store")
    assert (answer.status, answer.json["code"]) == (200, 20000001)
    assert "date" in answer.headers
    assert {"g2g-api-key", "g2g-signature"} <= set(market.calls[-1]["headers"])


def test_silence_is_a_timeout_and_nothing_was_done(market):
    market.faults.add(Fault("G2G-05", "timeout"))
    with pytest.raises(UnknownOutcome):
        send("POST", "/v2/offers", CARD)
    assert market.offers.all == {}


def test_a_dropped_connection_leaves_the_work_done(market):
    market.faults.add(Fault("G2G-05", "drop_after_commit"))
    with pytest.raises(UnknownOutcome):
        send("POST", "/v2/offers", CARD)
    assert len(market.offers.all) == 1


def test_an_answer_that_is_too_slow_is_a_timeout(market):
    market.faults.add(Fault("G2G-18", "slow", seconds=31))
    with pytest.raises(TemporaryError):
        send("GET", "/v2/store")
    market.faults.add(Fault("G2G-18", "slow", seconds=29))
    assert send("GET", "/v2/store").status == 200


@pytest.mark.parametrize(
    ("mode", "holds"),
    [
        ("malformed_json", lambda answer: answer.json is None and answer.body),
        ("empty_body", lambda answer: answer.body == b""),
        ("extra_keys", lambda answer: "added_later" in answer.json["payload"]),
        ("missing_optional", lambda answer: answer.json.keys() == {"code", "payload"}),
        ("unknown_status", lambda answer: answer.json["payload"]["seller_status"] == "word_of_tomorrow"),
    ],
)
def test_an_answer_can_be_spoiled_so_many_times(market, mode, holds):
    control(market, "POST", "faults", {"op": "G2G-18", "mode": mode, "times": 2})
    assert all(holds(send("GET", "/v2/store")) for _ in range(2))
    assert not holds(send("GET", "/v2/store"))


def test_an_error_that_was_ordered_has_its_status_and_code(market):
    market.faults.add(Fault("*", "http_error", status=409, code="40900002"))
    assert call(market, "GET", "/v2/store")[1]["code"] == 40900002
    market.faults.add(Fault("G2G-18", "http_error", status=503))
    assert (send("GET", "/v2/store").status, send("GET", "/v2/store").status) == (503, 200)


def test_a_socket_serves_side_by_side_and_hides_nothing_but_the_answer(address):
    street, root = address
    market = street.sandboxes["g2g"]
    assert requests.get(f"{root}/v2/store", headers=signed_headers("/v2/store"), timeout=5).status_code == 200
    assert requests.get(f"{root}/v2/store", headers=signed_headers("/g2g/v2/store"), timeout=5).status_code == 200
    assert requests.get(root.replace("/g2g", "/nowhere"), timeout=5).status_code == 404
    market.faults.add(Fault("G2G-05", "drop_after_commit"))
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.post(f"{root}/v2/offers", json=CARD, headers=signed_headers("/v2/offers"), timeout=5)
    assert len(market.offers.all) == 1
    market.faults.add(Fault("G2G-18", "timeout"))
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(f"{root}/v2/store", headers=signed_headers("/v2/store"), timeout=0.2)


def test_429_comes_with_and_without_the_seconds_to_wait(market):
    market.bucket.per_second = 0.5
    while (answer := send("GET", "/v2/store")).status == 200:
        assert len(market.calls) < 2000
    assert (answer.status, answer.json["code"]) == (429, 42900001)
    assert answer.headers["retry-after"] in ("1", "2")
    market.options["retry_after"] = False
    assert "retry-after" not in send("GET", "/v2/store").headers


# --- clock, control --------------------------------------------------------------------------------------------


def test_everything_happens_at_its_own_moment(market):
    moments = []

    def note_twice():
        moments.append(market.clock.time())
        market.after(10, lambda: moments.append(market.clock.time()))

    begin = market.clock.time()
    market.after(5, note_twice)
    market.advance(60)
    assert [round(moment - begin) for moment in moments] == [5, 15]


def test_control_answers_this_machine_alone(market):
    assert control(market, "GET", "state", remote="192.0.2.1")["status"] == 403
    assert control(market, "GET", "state", remote="::1")["status"] == 200
    assert control(market, "GET", "state", remote="")["status"] == 403


def test_control_says_what_it_knows(market):
    assert "POST clock" in control(market, "GET", "nothing")["error"]
    for name, wrong in (
        ("faults", {"mode": "earthquake"}),
        ("clock", {"advance_seconds": "soon"}),
        ("options", {"colour": "blue"}),
        ("order", {"offer_id": "G1", "colour": "blue"}),
    ):
        assert control(market, "POST", name, wrong)["status"] == 400
    assert control(market, "POST", "run", {"scenario": "nothing"})["status"] == 404
    assert control(market, "POST", "order", {"offer_id": "G1"})["status"] == 404


def test_a_buyer_buys_and_the_clock_moves_on(market):
    offer_id = payload(market, "POST", "/v2/offers", CARD)["offer_id"]
    order = control(market, "POST", "order", {"offer_id": offer_id, "qty": 3, "pay": True})
    assert order["order_status"] == "unpaid"
    control(market, "POST", "clock", {"advance_seconds": 3})
    state = control(market, "GET", "state")
    assert state["orders"][0]["deliveries"][0]["requested_qty"] == 3
    assert [sent["event_type"] for sent in state["webhooks"]] == [
        "order.created",
        "order.confirmed",
        "order.api_delivery",
    ]
    assert all(sent["answered"] for sent in state["webhooks"])
    cancelled = control(market, "POST", "order", {"order_id": order["order_id"], "action": "cancel"})
    assert cancelled["order_status"] == "cancelled"
    assert control(market, "POST", "order", {"offer_id": offer_id, "qty": 99})["status"] == 409


def test_a_reset_forgets_everything(market):
    payload(market, "POST", "/v2/offers", CARD)
    control(market, "POST", "clock", {"advance_seconds": 100})
    control(market, "POST", "reset")
    state = control(market, "GET", "state")
    assert (state["offers"], state["orders"], state["advanced_seconds"]) == ([], [], 0)
    assert control(market, "GET", "calls")["calls"] == []


def test_the_same_seed_makes_the_same_buyers():
    def letters():
        market = new_market()
        payload(market, "POST", "/v2/offers", CARD)
        for _ in range(3):
            market.shop_at_random()
        return [(order.id[13:], order.purchased_qty, order.buyer_id) for order in market.orders.all.values()]

    assert letters() == letters()
    assert len(letters()) == 3


def test_chance_strikes_as_often_as_the_profile_says():
    market = new_market()
    market.faults.chances = {"http_error": 0.5}
    statuses = [call(market, "GET", "/v2/store")[0] for _ in range(200)]
    assert 60 < statuses.count(500) < 140


# --- independence ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slug", sandbox_classes())
def test_a_sandbox_shares_no_code_with_the_service_it_stands_opposite(slug):
    folder = Path(services.__file__).parent / slug
    for source in folder.glob("sandbox*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("marketplaces"):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                assert all("sandbox" in name for name in names), f"{source.name} imports {names}"


@pytest.mark.parametrize("slug", sandbox_classes())
def test_a_sandbox_knows_the_keys_that_a_play_account_starts_with(slug):
    keys = services.get_service(slug).sandbox_credentials
    assert keys in [seller.credentials for seller in sandbox_classes()[slug]().built_in_sellers()]


# --- the command -----------------------------------------------------------------------------------------------


@pytest.mark.smoke
@pytest.mark.django_db
def test_enabled_play_accounts_are_the_sellers():
    keys = {"credentials": {"api_key": "k", "secret": "s", "user_id": "7"}, "webhook_secrets": ["w"]}
    play = Account.objects.create(name="Play", marketplace="g2g", is_sandbox=True, **keys)
    Account.objects.create(name="Real", marketplace="g2g", **keys)
    Account.objects.create(name="Off", marketplace="g2g", is_sandbox=True, is_enabled=False, **keys)
    play.registered_url = "https://shop.test/registered"
    play.save()
    accounts = PlayAccounts("g2g")
    [seller] = accounts._read()
    assert (seller.url, seller.signed_url) == (play.hook_url, "https://shop.test/registered")
    assert (seller.credentials["user_id"], seller.secrets) == ("7", ["w"])


def test_every_marketplace_with_a_sandbox_is_served():
    assert "g2g" in sandbox_classes()
    assert all(made.slug == slug for slug, made in sandbox_classes().items())


def environment():
    """A database that does not exist: the sandbox may be up before the first migration."""
    here = {name: os.environ[name] for name in ("SECRET_KEY", "CODE_KEYS", "CODE_INDEX_KEY", "PATH")}
    return here | {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing", "DJANGO_SETTINGS_MODULE": "tests.settings"}


def manage(*arguments):
    return subprocess.Popen(
        [sys.executable, "manage.py", "sandbox", *arguments],
        cwd=settings.BASE_DIR,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.processes
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_command_says_where_it_is_and_stops_when_told(ending):
    process = manage("--port", "0", "--orders-per-minute", "600", "--faults", "mild", "--seed", "1")
    try:
        line = process.stdout.readline()
        root = line.split()[3].rstrip(":")
        assert requests.get(f"{root}/g2g/_sim/state", timeout=5).json()["orders"] == []
        unsigned = requests.get(f"{root}/g2g/v2/store", timeout=5)
        assert json.loads(unsigned.content)["code"] in (40100001, 50000001)
        process.send_signal(ending)
        rest, errors = process.communicate(timeout=10)
    finally:
        process.kill()
    assert (process.returncode, rest, errors) == (0, "", "")


@pytest.mark.processes
def test_a_port_that_is_taken_is_named(address):
    _, root = address
    process = manage("--port", root.split(":")[2].split("/")[0])
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 2
    assert "Choose another one with --port" in errors
