"""How large a body may be depends on where it goes and who sends it, and is known before any of it is read."""

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from django.urls import reverse

from backoffice.middleware import ANONYMOUS_BODY, BodyLimits
from tests.backoffice import world

pytestmark = pytest.mark.django_db


class Unreadable:
    def read(self, *args):
        raise AssertionError("the body was read")

    readline = read


def post(client, path, length):
    """Say that a body has this length, and break when somebody reads it."""
    return client.post(path, CONTENT_LENGTH=str(length), **{"wsgi.input": Unreadable()})


@pytest.mark.parametrize("path", ["/admin/login/", "/admin/inventory/code/", "/healthz", "/metrics", "/nowhere"])
def test_a_stranger_sends_no_more_than_a_small_form(path):
    assert post(Client(), path, ANONYMOUS_BODY + 1).status_code == 413


def test_a_cookie_that_somebody_made_up_does_not_raise_the_limit():
    client = Client()
    client.cookies["sessionid"] = "made-up"

    assert post(client, "/admin/login/", ANONYMOUS_BODY + 1).status_code == 413


def test_staff_send_files_up_to_their_own_limit(settings):
    client = Client()
    client.force_login(world.staff())

    assert post(client, reverse("admin:index"), settings.LARGEST_UPLOAD + 1).status_code == 413
    passed = []
    request = RequestFactory().post("/admin/", CONTENT_LENGTH=str(settings.LARGEST_UPLOAD))
    request.user = User.objects.get()
    BodyLimits(passed.append)(request)
    assert passed == [request]


def test_the_door_has_limits_of_its_own():
    """A marketplace's limit may be above a stranger's; see tests/marketplaces/test_door.py."""
    passed = []
    BodyLimits(passed.append)(RequestFactory().post("/hooks/x/", CONTENT_LENGTH=str(ANONYMOUS_BODY + 1)))

    assert len(passed) == 1


@pytest.mark.parametrize("length", ["abc", "-1", "1e9", "²", "5, 5", "0" * 20 + "99999999"])
def test_a_length_that_is_no_number_is_refused(length):
    assert post(Client(), "/admin/login/", length).status_code == 400
