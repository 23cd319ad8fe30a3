"""The login closes to a name from an address after ten failures, opens by itself, and writes no name into the log."""

import logging
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from backoffice import login
from tests.backoffice import world

PASSWORD = "a-long-password-1"
FORWARDED = "HTTP_X_FORWARDED_FOR"


@pytest.fixture(autouse=True)
def worker(db, settings):
    settings.AXES_ENABLED = True
    return world.staff("worker")


def sign_in(password, name="worker", **meta):
    return Client().post(reverse("admin:login"), {"username": name, "password": password}, **meta)


def fail(times, name="worker", **meta):
    return [sign_in("wrong-secret-7", name, **meta).status_code for _ in range(times)]


def test_ten_failures_close_the_login_with_a_page_that_says_for_how_long():
    assert fail(10) == [200] * 9 + [429]

    page = sign_in(PASSWORD)

    assert page.status_code == 429
    assert page["Retry-After"] == "900"
    assert "15 minutes" in " ".join(page.content.decode().split())
    assert "worker" not in page.content.decode()


def test_a_name_that_does_not_exist_is_closed_the_same_way():
    assert fail(10, "nobody") == [200] * 9 + [429]


def test_the_login_stays_open_to_the_name_from_elsewhere_and_to_others_from_there():
    world.staff("colleague")
    fail(10, REMOTE_ADDR="198.51.100.7")

    assert sign_in(PASSWORD, REMOTE_ADDR="198.51.100.8").status_code == 302
    assert sign_in(PASSWORD, "colleague", REMOTE_ADDR="198.51.100.7").status_code == 302
    assert sign_in(PASSWORD, REMOTE_ADDR="198.51.100.7").status_code == 429


def test_another_browser_does_not_begin_a_count_of_its_own():
    codes = [fail(1, HTTP_USER_AGENT=f"browser {number}")[0] for number in range(10)]

    assert codes == [200] * 9 + [429]


def test_it_opens_again_after_a_quarter_of_an_hour_and_tries_meanwhile_do_not_keep_it_closed():
    fail(10)
    closed_at = AccessAttempt.objects.get().attempt_time
    fail(3)
    assert AccessAttempt.objects.get().attempt_time == closed_at

    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=15, seconds=1))

    assert sign_in(PASSWORD).status_code == 302


def test_a_success_forgets_the_failures_before_it():
    fail(9)
    assert sign_in(PASSWORD).status_code == 302
    assert fail(9) == [200] * 9


def test_no_name_and_no_password_is_logged_or_kept(caplog):
    caplog.set_level(logging.DEBUG, "axes")
    fail(11, "name-typed-here")

    assert "127.0.0.1" in caplog.text
    assert "name-typed-here" not in caplog.text
    assert "wrong-secret-7" not in caplog.text
    assert "wrong-secret-7" not in str(AccessAttempt.objects.values().get())


@pytest.mark.parametrize(
    ("header", "said", "expected"),
    [
        ("", "203.0.113.9", "198.51.100.7"),  # a header that nobody named is the client's own word
        (FORWARDED, "203.0.113.9", "203.0.113.9"),
        (FORWARDED, "10.0.0.1, 203.0.113.9", "203.0.113.9"),  # what stands first, the client sent
        (FORWARDED, "2001:db8::1", "2001:db8::1"),
        (FORWARDED, "", "198.51.100.7"),
        (FORWARDED, "somebody'; --", "198.51.100.7"),
    ],
)
def test_the_address_is_the_proxys_word_where_its_header_is_named(header, said, expected, rf, settings):
    settings.CLIENT_ADDRESS_HEADER = header
    request = rf.get("/", REMOTE_ADDR="198.51.100.7", **{FORWARDED: said})

    assert login.client_address(request) == expected


def test_without_any_address_there_is_one_count(rf):
    assert login.client_address(rf.get("/", REMOTE_ADDR="")) == "0.0.0.0"


def test_a_new_password_ends_the_sessions_of_the_old_one(worker):
    client = Client()
    client.post(reverse("admin:login"), {"username": "worker", "password": PASSWORD})
    assert client.get(reverse("admin:index")).status_code == 200

    user = User.objects.get(pk=worker.pk)
    user.set_password("another-long-password-2")
    user.save()

    assert client.get(reverse("admin:index")).status_code == 302


def test_a_session_lasts_a_working_day_and_its_cookie_is_closed_to_scripts_and_strangers():
    cookie = sign_in(PASSWORD).cookies["sessionid"]

    assert (cookie["max-age"], cookie["samesite"], cookie["httponly"]) == (12 * 60 * 60, "Lax", True)
