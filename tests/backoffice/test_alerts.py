"""Alerts: one an event, told once, to whom it concerns, when they may be told; and gone when the cause is."""

import hashlib
import hmac
import http.server
import json
import threading
from datetime import UTC, datetime, time, timedelta

import pytest
import time_machine
from django.core import mail
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from backoffice import alert_messages, alerts, watching
from backoffice.addresses import public_session
from backoffice.alerts import Cause
from backoffice.models import Alert, AlertMessage, AlertRule, Heartbeat
from backoffice.tasks import heartbeat
from tests.backoffice import world
from tests.drain import drain

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SECRET = "a-webhook-secret-of-32-characters"
LOW, WORKERS, DELIVERY = Alert.Kind.LOW_STOCK, Alert.Kind.WORKERS, Alert.Kind.DELIVERY


@pytest.fixture
def clock():
    with time_machine.travel(NOON, tick=False) as traveller:
        cache.clear()
        yield traveller


def rule(name="desk", **fields):
    return AlertRule.objects.create(name=name, **{"addresses": ["desk@example.com"], **fields})


def wait(clock, **length):
    drain()
    clock.shift(timedelta(**length))
    drain()


class Receiver(http.server.BaseHTTPRequestHandler):
    """What somebody runs who takes our webhooks."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((dict(self.headers), body))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 200)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        return


@pytest.fixture
def receiver():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.seen, server.answers = [], []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def hook(server):
    return rule("hook", addresses=[], webhook_url=f"http://127.0.0.1:{server.server_port}/in", webhook_secret=SECRET)


# --- one event, one alert ----------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_an_open_alert_counts_its_repeats_and_tells_once(clock):
    rule()
    assert alerts.raise_(LOW, "GAME", "3 units left.", "/admin/inventory/product/1/change/")
    for _ in range(4):
        assert not alerts.raise_(LOW, "GAME", "2 units left.")
    wait(clock, minutes=1)

    alert = Alert.objects.get()
    assert (alert.count, alert.text) == (5, "2 units left.")
    assert [message.subject for message in mail.outbox] == ["[Back office] low stock: GAME"]
    assert mail.outbox[0].to == ["desk@example.com"]


def test_an_alert_that_was_settled_opens_anew(clock):
    alerts.raise_(LOW, "GAME", "3 units left.")
    assert alerts.clear(LOW, "GAME")
    assert not alerts.clear(LOW, "GAME")
    assert alerts.raise_(LOW, "GAME", "1 unit left.")
    assert Alert.objects.count() == 2
    assert Alert.objects.filter(settled_at=None).count() == 1


def test_an_alert_joins_the_transaction_of_its_cause(clock):
    rule()
    with transaction.atomic():
        alerts.raise_(LOW, "GAME", "3 units left.")
        transaction.set_rollback(True)
    wait(clock, minutes=1)
    assert not Alert.objects.exists()
    assert mail.outbox == []


def test_what_a_sweep_sees_opens_and_settles_and_is_no_repeat(clock):
    assert alerts.match(LOW, {"A": Cause("a"), "B": Cause("b")}) == 2
    assert alerts.match(LOW, {"B": Cause("b, fewer"), "C": Cause("c")}) == 1

    open_now = Alert.objects.filter(settled_at=None).order_by("subject")
    assert [(alert.subject, alert.text, alert.count) for alert in open_now] == [("B", "b, fewer", 1), ("C", "c", 1)]
    assert Alert.objects.get(subject="A").settled_at == NOON


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_many_who_raise_one_alert_at_once_make_one_and_tell_once():
    rule()

    def shout(gate):
        gate.wait()
        try:
            alerts.raise_(LOW, "GAME", "3 units left.")
            alert_messages.tell()
        finally:
            connection.close()

    gate = threading.Barrier(8)
    threads = [threading.Thread(target=shout, args=[gate]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Alert.objects.get().count == 8
    assert AlertMessage.objects.get().alerts.count() == 1


@pytest.mark.parametrize("link", ["https://elsewhere.test/", "//elsewhere.test/", "javascript:alert(1)"])
def test_an_alert_leads_nowhere_else(link):
    with pytest.raises(ValueError):
        alerts.raise_(LOW, "GAME", "text", link)
    with pytest.raises(ValueError):
        alerts.match(LOW, {"GAME": Cause("text", link)})


# --- told how often, to whom, when -------------------------------------------------------------------------------------


def test_hundreds_within_minutes_are_two_messages(clock):
    rule()
    for number in range(150):
        alerts.raise_(LOW, f"GAME-{number}", f"{number} units left.")
    wait(clock, seconds=40)
    for number in range(150, 300):
        alerts.raise_(LOW, f"GAME-{number}", f"{number} units left.")
        wait(clock, seconds=1)
    wait(clock, minutes=10)

    assert [message.subject for message in mail.outbox] == ["[Back office] 150 alerts: low stock"] * 2
    assert "And 130 more." in mail.outbox[0].body
    assert AlertMessage.objects.filter(state="done").count() == 2


def test_a_rule_tells_of_its_own_kinds_alone(clock):
    rule("stock", kinds=[LOW], addresses=["stock@example.com"])
    rule("all", addresses=["all@example.com"])
    rule("off", addresses=["off@example.com"], is_enabled=False)
    alerts.raise_(DELIVERY, "D-1", "It waits.")
    wait(clock, minutes=1)
    assert [message.to for message in mail.outbox] == [["all@example.com"]]


def test_quiet_hours_end_with_one_message_and_urgent_kinds_do_not_wait(clock):
    # Noon UTC is 21:00 in Tokyo: quiet until 7 there, which is 22:00 UTC.
    rule(quiet_from=time(20, 0), quiet_until=time(7, 0), time_zone="Asia/Tokyo")
    alerts.raise_(LOW, "GAME", "3 units left.")
    alerts.raise_(DELIVERY, "D-1", "It waits.")
    alerts.raise_(WORKERS, "workers", "No progress.")
    wait(clock, minutes=5)
    assert [message.subject for message in mail.outbox] == ["[Back office] workers stand still: workers"]

    alerts.clear(LOW, "GAME")
    wait(clock, hours=9, minutes=50)
    assert len(mail.outbox) == 1
    wait(clock, minutes=10)

    assert mail.outbox[1].subject == "[Back office] 2 alerts: delivery needs attention, low stock"
    assert "3 units left. (over by now)" in mail.outbox[1].body
    assert len(mail.outbox) == 2


@pytest.mark.parametrize(
    ("at", "start", "end", "expected"),
    [
        ("2026-03-02T21:59", "22:00", "07:00", None),
        ("2026-03-02T22:00", "22:00", "07:00", "2026-03-03T07:00"),
        ("2026-03-03T06:59", "22:00", "07:00", "2026-03-03T07:00"),
        ("2026-03-03T07:00", "22:00", "07:00", None),
        ("2026-03-03T12:30", "12:00", "13:00", "2026-03-03T13:00"),
        ("2026-03-03T12:30", "12:00", "12:00", None),
    ],
)
def test_quiet_hours_may_go_over_midnight(at, start, end, expected):
    quiet = AlertRule(quiet_from=time.fromisoformat(start), quiet_until=time.fromisoformat(end))
    found = quiet.quiet_end(datetime.fromisoformat(at).replace(tzinfo=UTC))
    assert (found and found.strftime("%Y-%m-%dT%H:%M")) == expected


# --- never lost --------------------------------------------------------------------------------------------------------


def test_a_webhook_is_signed_and_holds_no_secret(clock, receiver):
    hook(receiver)
    alerts.raise_(LOW, "GAME", "3 units left.", "/admin/inventory/product/1/change/")
    wait(clock, minutes=1)

    ((headers, body),) = receiver.seen
    signed = headers["X-Alert-Timestamp"].encode() + b"." + body
    assert headers["X-Alert-Signature"] == "sha256=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    said = json.loads(body)
    assert (said["id"], said["more"]) == (headers["X-Alert-Id"], 0)
    assert said["alerts"][0]["url"] == "http://127.0.0.1:8000/admin/inventory/product/1/change/"
    assert (said["alerts"][0]["kind"], said["alerts"][0]["text"]) == ("low_stock", "3 units left.")
    assert SECRET.encode() not in body


def test_a_webhook_is_tried_until_it_is_taken_and_follows_no_redirect(clock, receiver):
    hook(receiver)
    receiver.answers = [500, 302]
    alerts.raise_(LOW, "GAME", "3 units left.")
    wait(clock, minutes=1)
    assert AlertMessage.objects.get().last_error == "The webhook answered 500."
    wait(clock, minutes=1)
    assert AlertMessage.objects.get().last_error == "The webhook answered 302."
    wait(clock, minutes=1)

    message = AlertMessage.objects.get()
    assert (message.state, message.last_error) == ("done", "")
    assert len({headers["X-Alert-Id"] for headers, _ in receiver.seen}) == 1
    assert len(receiver.seen) == 3


def test_a_private_address_is_refused_where_only_public_ones_are_allowed(clock, receiver, settings):
    hook(receiver)
    settings.ALLOW_LOCAL_MARKETPLACES = False
    alerts.raise_(LOW, "GAME", "3 units left.")
    wait(clock, minutes=1)
    assert receiver.seen == []
    assert "refused: only https is safe" in AlertMessage.objects.get().last_error


def test_a_name_that_leads_into_our_own_network_is_told_nothing(receiver, monkeypatch):
    import socket

    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: real("127.0.0.1", *rest, **more))
    with public_session() as session, pytest.raises(Exception, match="private or reserved"):
        session.post(f"https://alerts.example.com:{receiver.server_port}/in", data=b"x", timeout=5)
    assert receiver.seen == []


def test_a_message_whose_worker_died_goes_again_under_the_same_id(clock, receiver, monkeypatch):
    hook(receiver)
    alerts.raise_(LOW, "GAME", "3 units left.")
    drain()
    clock.shift(timedelta(seconds=40))
    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(alert_messages, "_record", _die)
        drain()
    assert AlertMessage.objects.get().state == "in_flight"

    clock.shift(timedelta(seconds=80))
    alert_messages.sweep()
    drain()

    assert AlertMessage.objects.get().state == "done"
    assert len({headers["X-Alert-Id"] for headers, _ in receiver.seen}) == 1


def _die(*args, **kwargs):
    raise KeyboardInterrupt


def test_what_lost_its_wake_up_is_told_by_the_sweep(clock):
    from django_q.models import OrmQ

    rule()
    alerts.raise_(LOW, "GAME", "3 units left.")
    OrmQ.objects.all().delete()
    alert_messages.tell()
    OrmQ.objects.all().delete()
    clock.shift(timedelta(minutes=1))
    assert alert_messages.sweep() == 1
    drain()
    assert len(mail.outbox) == 1


def test_a_mail_server_that_fails_is_tried_again_and_its_words_are_not_kept(clock, settings):
    settings.EMAIL_BACKEND = "tests.backoffice.test_alerts.Refusing"
    rule()
    alerts.raise_(LOW, "GAME", "3 units left.")
    wait(clock, minutes=1)
    message = AlertMessage.objects.get()
    assert (message.state, message.attempts) == ("due", 1)
    assert "desk@example.com" not in message.last_error

    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    wait(clock, minutes=1)
    assert AlertMessage.objects.get().state == "done"


class Refusing:
    def __init__(self, *args, **kwargs):
        pass

    def send_messages(self, messages):
        raise OSError(f"no mailbox for {messages[0].to}")


# --- workers -----------------------------------------------------------------------------------------------------------


def test_workers_that_stand_still_are_told_of_without_them_and_settle_with_a_heartbeat(clock):
    rule()
    heartbeat()
    assert not watching.look(since=NOON)
    clock.shift(timedelta(minutes=4))

    assert watching.look(since=NOON)
    assert watching.look(since=NOON)
    assert [message.subject for message in mail.outbox] == ["[Back office] workers stand still: workers"]

    heartbeat()
    assert Alert.objects.get().settled_at == timezone.now()
    assert Heartbeat.objects.get().is_fresh


def test_workers_that_never_ran_get_time_to_start(clock):
    assert not watching.look(since=NOON - timedelta(seconds=30))
    assert watching.look(since=NOON - timedelta(minutes=10))


def test_the_command_looks_once_and_says_by_its_status_what_it_saw():
    with pytest.raises(SystemExit) as still:
        call_command("watch_workers", "--once")
    heartbeat()
    with pytest.raises(SystemExit) as moving:
        call_command("watch_workers", "--once")
    assert (still.value.code, moving.value.code) == (1, 0)


# --- pages -------------------------------------------------------------------------------------------------------------


def client_of(name, *permissions):
    client = Client()
    client.force_login(world.staff(name, *permissions))
    return client


LIST = reverse("admin:backoffice_alert_changelist")


def acknowledge(client, alert):
    return client.post(LIST, {"action": "acknowledge", "index": 0, "_selected_action": alert.pk})


def test_an_alert_is_acknowledged_by_who_may(clock):
    alerts.raise_(LOW, "GAME", "3 units left.", "/admin/inventory/product/1/change/")
    alert = Alert.objects.get()
    acknowledge(client_of("viewer", "backoffice.view_alert"), alert)
    alert.refresh_from_db()
    assert alert.acknowledged_by == ""

    keeper = client_of("keeper", "backoffice.view_alert", "backoffice.acknowledge_alert")
    acknowledge(keeper, alert)
    alert.refresh_from_db()
    assert (alert.acknowledged_by, alert.acknowledged_at) == ("keeper", NOON)
    assert 'href="/admin/inventory/product/1/change/"' in keeper.get(LIST).content.decode()


def test_the_list_shows_what_is_open(clock):
    alerts.raise_(LOW, "GAME-OPEN", "3 units left.")
    alerts.raise_(LOW, "GAME-OVER", "3 units left.")
    alerts.clear(LOW, "GAME-OVER")
    client = client_of("viewer", "backoffice.view_alert")
    assert "GAME-OVER" not in client.get(LIST).content.decode()
    assert "GAME-OVER" in client.get(LIST + "?is=settled").content.decode()


def test_the_sidebar_counts_open_alerts_for_who_may_see_them(clock, django_assert_num_queries):
    badge = "bg-red-100 text-red-700"
    viewer, stranger = client_of("viewer", "backoffice.view_alert"), client_of("stranger")
    assert badge not in viewer.get(reverse("admin:index")).content.decode()
    alerts.match(LOW, {f"GAME-{number}": Cause("low") for number in range(7)})
    text = viewer.get(reverse("admin:index")).content.decode()
    assert text.partition(badge)[2].partition("</span>")[0].endswith(">7")
    assert "backoffice/alert/" not in stranger.get(reverse("admin:index")).content.decode()
    with django_assert_num_queries(1):
        assert alerts.open_count() == 7


def test_a_rule_is_made_changed_and_keeps_its_secrets_to_itself(admin_client):
    add = reverse("admin:backoffice_alertrule_add")
    said = {
        "name": "desk", "is_enabled": "on", "kinds": ["low_stock"], "mail_to": "a@example.com\nb@example.com",
        "url": "http://127.0.0.1:9/secret-path", "secret": SECRET, "time_zone": "Europe/Berlin",
        "quiet_from": "22:00", "quiet_until": "07:00",
    }  # fmt: skip
    assert admin_client.post(add, {**said, "secret": ""}).status_code == 200
    assert admin_client.post(add, {**said, "time_zone": "Mars/Base"}).status_code == 200
    assert admin_client.post(add, {**said, "url": "ftp://x"}).status_code == 200
    assert not AlertRule.objects.exists()
    assert admin_client.post(add, said).status_code == 302
    made = AlertRule.objects.get()
    assert made.addresses == ["a@example.com", "b@example.com"]
    assert (made.webhook_secret, made.kinds, made.quiet_until) == (SECRET, ["low_stock"], time(7, 0))

    page = reverse("admin:backoffice_alertrule_change", args=[made.pk])
    text = admin_client.get(page).content.decode()
    assert SECRET not in text
    assert "secret-path" not in text
    admin_client.post(page, {**said, "url": "", "secret": "", "mail_to": "c@example.com"})
    made = AlertRule.objects.get()
    assert (made.addresses, made.webhook_secret) == (["c@example.com"], SECRET)
    admin_client.post(page, {**said, "url": "", "secret": "", "forget_webhook": "on"})
    assert AlertRule.objects.get().webhook_url == ""


def test_addresses_and_secrets_lie_sealed_in_the_database(db):
    made = rule(webhook_url="https://alerts.example.com/x", webhook_secret=SECRET)
    with connection.cursor() as cursor:
        cursor.execute("SELECT addresses, webhook_url, webhook_secret FROM backoffice_alertrule")
        stored = b"".join(bytes(value) for value in cursor.fetchone())
    assert not any(text in stored for text in (b"desk@", b"alerts.example", SECRET.encode()))
    assert AlertRule.objects.get(pk=made.pk).webhook_secret == SECRET
