"""Secrets stay secret: plant some, let everything happen to them, and look everywhere."""

import base64
import logging
import re

import pytest
from django.db import connection
from django_q.signals import pre_enqueue

from inventory.models import Code
from marketplaces import outgoing
from marketplaces.models import Account, WebhookEvent
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
