"""What is kept out of the log: queries, and the secret part of a webhook address."""

import logging

import pytest

from backoffice import logs

HOOK = "/hooks/0b5e0f6e-8a37-4c0e-9f37-0d6a1c1f0001/"


@pytest.mark.parametrize("tail", ["secret-token/", "secret-token", "secret-token/order?x=1"])
def test_a_failed_request_is_named_without_what_may_be_secret(tail: str) -> None:
    record = logging.LogRecord(
        "django.request", logging.ERROR, "", 1, "%s: %s", ("Service Unavailable", HOOK + tail), None
    )
    record.request = "the request itself"
    assert logs.WithoutRequest().filter(record)
    assert "secret-token" not in record.getMessage()
    assert record.getMessage().startswith(f"Service Unavailable: {HOOK}")
    assert not hasattr(record, "request")


@pytest.mark.parametrize("path", ["/admin/orders/order/17/change/", HOOK, "/hooks/"])
def test_other_addresses_are_named_whole(path: str) -> None:
    record = logging.LogRecord("django.request", logging.ERROR, "", 1, "%s: %s", ("Not Found", path), None)
    logs.WithoutRequest().filter(record)
    assert record.getMessage() == f"Not Found: {path}"


def test_an_event_for_sentry_says_neither_query_nor_token() -> None:
    event = {"request": {"url": f"https://shop.test{HOOK}secret-token/", "query_string": "a=1", "method": "POST"}}
    assert logs.without_query(event, None) == {"request": {"url": f"https://shop.test{HOOK}•••", "method": "POST"}}
