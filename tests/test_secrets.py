"""Secrets stay secret: plant some, let everything happen to them, and look everywhere."""

import base64
import itertools
import json
import logging
import re

import pytest
import requests
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django_q.signals import pre_enqueue
from requests.adapters import BaseAdapter

from inventory import publishing
from inventory.models import Code, Offer
from marketplaces import http, outgoing, services
from marketplaces.models import Account, ApiCall, WebhookEvent
from tests import make
from tests.drain import drain
from tests.orders import story

LINK = re.compile(r'href="(/admin/[^"?#]*)"')


@pytest.fixture
def payloads():
    """Every wake-up that is put on the queue, as it is before it is signed and packed."""
    kept = []

    def keep(sender, task, **kwargs):
        kept.append(repr(task))

    pre_enqueue.connect(keep)
    yield kept
    pre_enqueue.disconnect(keep)


def everything_in_the_database():
    """Every row of every table as text; binary columns are their bytes."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            for row in cursor.fetchall():
                yield table, b" ".join(bytes(c) if isinstance(c, bytes | memoryview) else str(c).encode() for c in row)


def forms_of(secret):
    yield secret.encode()
    yield base64.b64encode(secret.encode()).rstrip(b"=")[:-1]
    yield secret.encode().hex().encode()


@pytest.mark.smoke
def test_no_secret_is_readable_anywhere_after_a_sale(g2g, payloads, caplog):
    """G2G-T60: no code, secret or buyer's data in the database, the queue, the logs, the admin's pages."""
    caplog.set_level(logging.DEBUG)
    shop = story.begin(g2g, codes=6)
    shop.fault("G2G-12", "drop_after_commit")
    first = shop.buy(2)
    shop.until_asked()
    g2g.advance(60)
    shop.fault("G2G-12", "http_error", status=422, code="42200001")
    shop.buy(1)
    shop.until_asked()
    Code.objects.filter(state=Code.State.AVAILABLE).update(sealed=b"broken")
    broken = shop.buy(1)
    shop.until_asked()
    assert "can't be opened" in shop.delivery(broken).last_error
    with connection.cursor() as cursor:
        cursor.execute("UPDATE marketplaces_webhookevent SET body = %s WHERE kind = 'order.confirmed'", [b"broken"])
    outgoing.try_again(WebhookEvent.objects.filter(kind="order.confirmed").first())
    g2g.settle()
    shop.post(b"{}", **{"g2g-signature": "planted-signature-0123456789"})
    account = Account.objects.get()
    secrets = [
        *shop.received(first),
        *account.credentials.values(),
        *account.webhook_secrets,
        "planted-signature-0123456789",
    ]
    secrets = [secret for secret in secrets if secret != account.credentials["user_id"]]  # an id, no secret
    assert len(secrets) == 6

    for table, row in everything_in_the_database():
        for secret in secrets:
            for form in forms_of(secret):
                assert form not in row, f"a secret lies open in {table}"
    for text in (*payloads, caplog.text):
        for secret in secrets:
            assert secret not in text
    assert len(payloads) > 10
    assert "Traceback" in caplog.text


def test_no_secret_stands_on_any_admin_page(g2g, admin_client):
    """G2G-T60: lists and pages of the admin."""
    shop = story.begin(g2g, codes=3)
    order_id = shop.buy(2)
    shop.until_asked()
    shop.until_delivered()
    account = Account.objects.get()
    secrets = [*shop.received(order_id), account.credentials["secret"], account.credentials["api_key"],
               *account.webhook_secrets]  # fmt: skip

    pages = list(admin_pages(admin_client))

    assert len(pages) > 20
    for address, content in pages:
        for secret in secrets:
            assert secret not in content, f"a secret stands on {address}"


def admin_pages(client):
    """The front page, every list, and the first page of a row in each, by following links as a person would."""
    seen, waiting = set(), ["/admin/"]
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        seen.add(address)
        answer = client.get(address)
        if answer.status_code != 200 or "html" not in answer.get("Content-Type", ""):
            continue
        content = answer.content.decode()
        yield address, content
        links = set(LINK.findall(content))
        waiting += [link for link in links if link.startswith("/admin/") and "logout" not in link and len(seen) < 150]


# --- every marketplace -----------------------------------------------------------------------------------------------

IDS = {"user_id"}  # known to every buyer
TOKEN = "planted-access-token-5b1c"


class Echo(BaseAdapter):
    """A marketplace that answers with all that it was sent, as errors of careless ones do, and a token in between."""

    def __init__(self):
        super().__init__()
        self.seen = 0
        self._statuses = itertools.cycle([200, 400, 401, 404, 422])

    def send(self, request, **options):
        self.seen += 1
        body = request.body.decode(errors="replace") if isinstance(request.body, bytes) else request.body
        said = {
            "message": f"No: {request.url} {dict(request.headers)} {body}",
            "headers": dict(request.headers),
            "sent": body,
        }
        answer = requests.Response()
        is_token = "token" in request.url
        answer.status_code = 200 if is_token else next(self._statuses)
        token = {"access_token": TOKEN, "token_type": "bearer", "expires_in": 3600} if is_token else {}
        answer._content = json.dumps(said | token).encode()
        answer.headers["Content-Type"] = "application/json"
        answer.request, answer.url = request, request.url
        return answer

    def close(self):
        pass


@pytest.fixture
def planted(request, db):
    """An account whose every credential is a planted text, at a marketplace that repeats whatever it is sent."""
    slug = request.param
    service, base_url = services.get_service(slug), f"http://{slug}.test"
    names = [field.name for field in service.credentials if "path_token" not in field.name]  # that one is made here
    named = {name: f"planted-{name.replace('_', '-')}-7d2f-0123456789-abcdef" for name in names}
    named |= dict.fromkeys(IDS & named.keys(), "100000")
    account = Account.objects.create(
        name=f"Planted {slug}", marketplace=slug, base_url=base_url, options={"requests_per_minute": 600_000},
        credentials=service.completed({}, named), webhook_secrets=["planted-webhook-secret-3e9a"],
    )  # fmt: skip
    echo = Echo()
    http.mount(base_url, echo)
    yield account, echo
    http.unmount(base_url)


def ask_for_everything(account):
    """Whatever a person can start by themselves; that it fails is what is wanted."""
    for command in (["check_accounts"], *(["sync", what] for what in ("catalog", "offers", "orders", "shipments"))):
        arguments = [account.name] if command[0] == "check_accounts" else ["--account", account.name]
        try:
            call_command(*command, *arguments)
        except CommandError:
            continue
    offer = make.offer(make.product(codes=3), account)
    publishing.request(Offer.objects.filter(pk=offer.pk))
    drain()


def knock_with(account, secrets):
    """Calls at the door that carry secrets where they do not belong, and are refused."""
    for secret in secrets:
        address = f"/hooks/{account.pk}/{secret}/oauth/token?client_secret={secret}"
        headers = {"HTTP_AUTHORIZATION": f"Bearer {secret}", "HTTP_G2G_SIGNATURE": secret, "HTTP_USER_AGENT": "curl"}
        Client().post(address, f"client_secret={secret}&token={secret}", content_type="text/plain", **headers)
        Client().get(address, **headers)


@pytest.mark.parametrize("planted", sorted(services.all_services()), indirect=True)
def test_no_marketplaces_secret_lies_open_however_much_it_repeats(planted, payloads, caplog, capsys):
    """Credentials, webhook secrets and tokens: in no table, no log line, no payload, and nothing that a command prints."""
    caplog.set_level(logging.DEBUG)
    account, echo = planted
    secrets = [value for name, value in account.credentials.items() if name not in IDS] + account.webhook_secrets

    ask_for_everything(account)
    knock_with(account, secrets)

    assert echo.seen > 2
    assert ApiCall.objects.count() >= echo.seen - 1
    assert all(secret.startswith("planted") or len(secret) > 20 for secret in secrets)
    for table, row in everything_in_the_database():
        for secret in (*secrets, TOKEN):
            for form in forms_of(secret):
                assert form not in row, f"{secret} lies open in {table}"
    printed = "".join(capsys.readouterr()).replace(account.hook_url, "")  # that is for who sets the account up
    for text in (*payloads, caplog.text, printed):
        for secret in (*secrets, TOKEN):
            assert secret not in text, f"{secret} in {text[max(0, text.find(secret) - 200) :][:400]}"


# --- error pages -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_debug", [True, False], ids=["DEBUG", "in production"])
def test_an_error_page_shows_no_setting_that_is_secret(is_debug, settings, admin_client, monkeypatch, caplog):
    """What `.env` holds, in a page about a broken view: with DEBUG, too, which somebody may leave on."""
    from backoffice import health

    settings.DEBUG = is_debug
    planted = {
        "SECRET_KEY": "planted-secret-key-4c7e-0123456789-0123456789",
        "METRICS_TOKEN": "planted-metrics-token-8a1b",
        "SENTRY_DSN": "https://planted-sentry-key@sentry.example.com/1",
        "EMAIL_HOST_PASSWORD": "planted-mail-password-6f2d",
    }
    settings.CODE_KEYS = {"k1": b"planted-code-key-0123456789abcde"}
    settings.CODE_INDEX_KEY = b"planted-index-key-0123456789abcd"
    settings.CACHES = {**settings.CACHES, "spare": {"LOCATION": "redis://:planted-redis-password@cache.example.com/1"}}
    settings.EMAIL_CONFIG = {"EMAIL_HOST_PASSWORD": planted["EMAIL_HOST_PASSWORD"]}
    for name, value in planted.items():
        monkeypatch.setenv(name, value)
        if name != "SECRET_KEY":
            setattr(settings, name, value)
    password = connection.settings_dict["PASSWORD"]
    connection.settings_dict["PASSWORD"] = "planted-database-password"
    monkeypatch.setattr(health, "connection", None)
    client = Client(raise_request_exception=False)
    client.cookies = admin_client.cookies
    try:
        pages = [client.get("/readyz?x=1", HTTP_AUTHORIZATION="Bearer planted-header-token"), client.get("/nowhere")]
    finally:
        connection.settings_dict["PASSWORD"] = password

    assert [page.status_code for page in pages] == [500, 404]
    assert ("AttributeError" in pages[0].content.decode()) is is_debug
    for page in pages:
        shown = re.findall(r"planted-[a-z-]+", page.content.decode())
        assert not shown, (page.status_code, shown)
    assert "planted" not in caplog.text
