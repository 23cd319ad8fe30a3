"""A person's own settings: their time zone on every page, from the browser at the first login; their keys."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from backoffice.models import Preference
from tests import make
from tests.backoffice import world

pytestmark = [pytest.mark.django_db, pytest.mark.smoke]


def signed_in(name="anna", *permissions):
    client = Client()
    client.force_login(world.staff(name, *permissions))
    return client


def log_in(**more):
    world.staff("anna", "inventory.view_product")
    client = Client()
    client.post(reverse("admin:login"), {"username": "anna", "password": "a-long-password-1", **more})
    return client


def test_the_first_login_takes_the_browsers_zone_and_later_ones_do_not():
    client = log_in(time_zone="Asia/Jakarta")
    assert Preference.objects.get().time_zone == "Asia/Jakarta"

    client.post(reverse("me:settings"), {"time_zone": "Europe/Berlin", "has_shortcuts": "on"})
    Client().post(
        reverse("admin:login"), {"username": "anna", "password": "a-long-password-1", "time_zone": "America/Lima"}
    )

    assert Preference.objects.get().time_zone == "Europe/Berlin"


@pytest.mark.parametrize("zone", ["", "Mars/Base", "../../etc/passwd", "X" * 500])
def test_a_zone_that_does_not_exist_is_none(zone):
    log_in(time_zone=zone)

    assert not Preference.objects.exists()


def test_pages_show_times_in_the_persons_zone_and_others_in_theirs():
    product = make.product()
    product.created_at = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
    product.save()
    client = log_in(time_zone="Asia/Tokyo")

    shown = client.get(reverse("me:settings")).content.decode()

    assert "Asia/Tokyo" in shown
    assert timezone.get_current_timezone_name() == "UTC"
    assert "Asia/Tokyo now" not in signed_in("ben").get(reverse("me:settings")).content.decode()


def test_a_time_on_a_page_is_moved_to_the_zone(admin_client):
    account = make.account()
    account.last_success_at = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
    account.save()
    address = reverse("admin:marketplaces_account_change", args=[account.pk])
    assert "11:30 p.m." in admin_client.get(address).content.decode()

    admin_client.post(reverse("me:settings"), {"time_zone": "Asia/Tokyo", "has_shortcuts": "on"})

    assert "8:30 a.m." in admin_client.get(address).content.decode()


def test_a_report_and_its_file_say_whose_days_they_are(admin_client):
    admin_client.post(reverse("me:settings"), {"time_zone": "Asia/Tokyo", "has_shortcuts": "on"})

    assert "Asia/Tokyo" in admin_client.get(reverse("reports:profit")).content.decode()


def test_keys_lead_only_to_what_one_may_see_and_can_be_turned_off():
    client = signed_in("anna", "orders.view_order")

    found = client.get(reverse("me:shortcuts")).json()
    assert [each["keys"] for each in found["go"]] == ["g h", "g o"]
    assert found["is_on"]

    client.post(reverse("me:settings"), {"time_zone": ""})
    assert not client.get(reverse("me:shortcuts")).json()["is_on"]


def test_settings_are_for_those_who_are_logged_in():
    assert Client().get(reverse("me:settings")).status_code == 302
    assert Client().get(reverse("me:shortcuts")).status_code == 302
    assert signed_in().get(reverse("me:settings")).status_code == 200


def test_the_settings_stand_in_the_menu_of_the_user(admin_client):
    assert reverse("me:settings") in admin_client.get(reverse("admin:index")).content.decode()
    assert User.objects.count() == 1
