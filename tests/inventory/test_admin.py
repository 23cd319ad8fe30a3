"""What staff do with codes and offers, and who may."""

import pytest
from django.test import Client
from django.urls import reverse

from backoffice.models import RunItem
from inventory.models import Code, CodeReveal
from tests.backoffice import world
from tests.drain import drain

CODES = reverse("admin:inventory_code_changelist")
FIND = reverse("admin:inventory_code_find")
OFFERS = reverse("admin:inventory_offer_changelist")
ACCOUNTS = reverse("admin:marketplaces_account_changelist")


@pytest.fixture
def shop(db):
    return world.fill(2)


@pytest.fixture
def code(shop):
    return Code.objects.get(pk=1002)


def signed_in(*permissions):
    client = Client()
    client.force_login(world.staff("worker", *permissions))
    return client


def act(client, url, action, *rows, **fields):
    posted = {"action": action, "index": 0, "_selected_action": [row.pk for row in rows], **fields}
    return client.post(url, posted, follow=True)


def press(client, url, action, row, **fields):
    """Press an action's button on the row's own page."""
    return act(client, url, action, row, _from_page=row.pk, **fields)


def says(response):
    return " ".join(response.content.decode().split())


# --- codes ---------------------------------------------------------------------------------------------------


@pytest.mark.smoke
@pytest.mark.parametrize("text", [f"{world.CODE}-0-2", f" {world.CODE.lower()}-0-2 ", "1002", "code 1002"])
def test_a_code_is_found_by_its_exact_text_or_its_number(text, code, admin_client):
    response = admin_client.post(FIND, {"text": text})

    assert response.url == reverse("admin:inventory_code_change", args=[1002])


@pytest.mark.parametrize("text", [world.CODE, f"{world.CODE}-0-3", "1003", "²"])
def test_nothing_near_a_code_is_found(text, code, admin_client):
    response = admin_client.post(FIND, {"text": text}, follow=True)

    assert "No code has exactly this text or number." in says(response)
    assert text not in says(response).replace("1003", "") or text == "1003"


def test_what_is_searched_never_stands_in_an_address(code, admin_client):
    assert admin_client.get(FIND, {"text": world.CODE}).status_code == 405
    assert 'name="q"' not in says(admin_client.get(CODES))


def test_a_stranger_finds_no_code(code):
    response = signed_in().post(FIND, {"text": "1002"})

    assert response.url == CODES


def test_lists_and_pages_never_open_a_code(code, admin_client, monkeypatch):
    monkeypatch.setattr("backoffice.crypto.decrypt", pytest.fail)

    assert admin_client.get(CODES).status_code == 200
    assert admin_client.get(reverse("admin:inventory_code_change", args=[1002])).status_code == 200


@pytest.mark.smoke
def test_a_code_is_revealed_for_a_reason_and_on_the_record(code, admin_client):
    asked = act(admin_client, CODES, "reveal", code, _from_page=code.pk)
    assert "Who saw it, when and why is kept." in says(asked)
    assert world.CODE not in says(asked)
    before = CodeReveal.objects.count()

    fields = {"_from_page": code.pk, "answered": 1, "reason": "The buyer cannot redeem it"}
    response = act(admin_client, CODES, "reveal", code, **fields)

    assert f"{world.CODE}-0-2" in says(response)
    assert "no-store" in response["Cache-Control"]
    assert CodeReveal.objects.count() == before + 1
    kept = CodeReveal.objects.latest("pk")
    assert (kept.code_id, kept.user, kept.reason) == (1002, "admin", "The buyer cannot redeem it")


def test_no_reason_no_code(code, admin_client):
    response = act(admin_client, CODES, "reveal", code, _from_page=code.pk, answered=1, reason="  ")

    assert world.CODE not in says(response)
    assert not CodeReveal.objects.filter(code=code).exists()


def test_only_who_may_reveal_sees_the_button_and_the_code(code):
    client = signed_in("inventory.view_code")
    page = says(client.get(reverse("admin:inventory_code_change", args=[code.pk])))
    assert 'value="reveal"' not in page

    response = act(client, CODES, "reveal", code, _from_page=code.pk, answered=1, reason="Just looking")

    assert world.CODE not in says(response)
    assert not CodeReveal.objects.filter(code=code).exists()


def test_revealing_stands_on_the_page_and_not_in_the_lists_menu(code, admin_client):
    page = says(admin_client.get(reverse("admin:inventory_code_change", args=[code.pk])))

    assert 'value="reveal"' in page
    assert '<option value="reveal"' not in says(admin_client.get(CODES))


def test_codes_are_taken_out_of_sale_after_a_look_at_the_numbers(code, admin_client):
    sent = Code.objects.get(pk=1001)
    asked = act(admin_client, CODES, "run_withdraw", code, sent, answered=1, state="faulty")
    assert "1 of 2 chosen rows change" in says(asked)
    assert "Left alone: 1 codes: they are sent." in says(asked)
    assert Code.objects.get(pk=1002).state == "available"

    act(admin_client, CODES, "run_withdraw", code, sent, answered=1, state="faulty", confirmed=1, token="t")
    drain()

    assert list(RunItem.objects.filter(run__token="t").order_by("pk").values_list("state", "text")) == [
        ("unchanged", "It is sent."), ("done", ""),
    ]  # fmt: skip
    assert list(Code.objects.filter(pk__in=[1001, 1002]).order_by("pk").values_list("state", flat=True)) == [
        "sent",
        "faulty",
    ]


def test_who_may_only_look_takes_nothing_out_of_sale(code):
    press(signed_in("inventory.view_code"), CODES, "withdraw", code, answered=1, state="void")

    assert Code.objects.get(pk=1002).state == "available"


def test_a_code_tells_where_it_went(shop, admin_client):
    text = says(admin_client.get(reverse("admin:inventory_code_change", args=[1001])))

    assert "1700000000ORDER" in text
    assert "D0000000" in text
