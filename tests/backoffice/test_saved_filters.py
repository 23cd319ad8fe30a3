"""Saved filters: kept under a name, shared by those who may, the default of a list; and no code in any of them."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from backoffice import filters
from backoffice.models import DefaultFilter, SavedFilter
from inventory.models import Product
from tests import make
from tests.backoffice import world

pytestmark = [pytest.mark.django_db, pytest.mark.smoke]
PAGE = "inventory.product"
LIST = "/admin/inventory/product/"


def signed_in(name, *permissions):
    client = Client()
    client.force_login(world.staff(name, "inventory.view_product", *permissions))
    return client


def save(client, query, name="Mine", **more):
    return client.post(
        reverse("me:save_filter"), {"page": PAGE, "name": name, "query": query, **more}, follow=True
    ).content.decode()


def change(client, saved, do, **more):
    return client.post(reverse("me:change_filter", args=[saved.pk]), {"do": do, **more}, follow=True)


def test_a_filter_is_saved_with_its_search_and_order_and_shown_above_the_list():
    client = signed_in("anna")

    shown = save(client, "kind__exact=counted&q=GAME&o=-1&p=3")

    saved = SavedFilter.objects.get()
    assert sorted(saved.query.split("&")) == ["kind__exact=counted", "o=-1", "q=GAME"]
    assert f'href="?{saved.query.replace("&", "&amp;")}"' in shown
    assert "Mine" in client.get(LIST).content.decode()
    assert "Mine" not in signed_in("ben").get(LIST).content.decode()


def test_a_list_without_filters_and_without_a_choice_shows_nothing_of_them():
    shown = signed_in("anna").get(LIST).content.decode()

    assert "saved-filters" not in shown
    assert "Save this filter" in signed_in("ben").get(LIST + "?q=GAME").content.decode()


@pytest.mark.parametrize(
    "code", ["ABCD-EFGH-JKLM", "7Q2W9E4R1T5Z", "1234567890123456", "X7Q2-W9E4-R1T5", "AbC12xYz90Qw", "my X7Q2W9E4R1T5"]
)
def test_what_looks_like_a_code_is_kept_nowhere(code):
    client = signed_in("anna")

    shown = save(client, f"kind__exact=counted&q={code}")

    assert SavedFilter.objects.get().query == "kind__exact=counted"
    assert "codes are not kept in filters" in shown
    assert "looks like a code" in save(client, "kind__exact=counted", name=code)
    assert SavedFilter.objects.count() == 1


def test_a_code_that_we_hold_is_never_kept_whatever_it_looks_like():
    product = make.product()
    world.sealed_code(product, make.add_codes(product, 1)[0].batch, "peach", 77)
    client = signed_in("anna")

    save(client, "q=peach")
    save(client, "q=a+peach", name="Second")

    assert [saved.query for saved in SavedFilter.objects.all()] == ["", ""]
    assert "looks like a code" in save(client, "q=plum", name="peach")


@pytest.mark.parametrize("query", ["nonsense=1", "batches__codes__sealed=1"])
def test_what_the_list_does_not_know_is_refused(query):
    shown = save(signed_in("anna"), query)

    assert not SavedFilter.objects.exists()
    assert "nothing was saved" in shown


def test_filter_values_that_are_ids_and_dates_are_no_codes():
    for value in ("8c1f0a52-3a0b-4a8e-9d3f-1b2c3d4e5f60", "2026-11-20", "2026-11-20T00:00:00+00:00", "17"):
        query, left_out = filters.cleaned([("account__id__exact", value)], ["account__id__exact"])
        assert query
        assert left_out == []
    assert filters.cleaned([("serial", "X7Q2W9E4R1T5")], ["serial"]) == ("", ["serial"])


def test_sharing_needs_its_permission():
    anna, boss, ben = signed_in("anna"), signed_in("boss", "backoffice.share_savedfilter"), signed_in("ben")
    save(anna, "q=A", is_shared="on")
    save(boss, "q=B", name="For all", is_shared="on")
    own, shared = SavedFilter.objects.order_by("pk")

    assert (own.is_shared, shared.is_shared) == (False, True)
    assert "For all" in ben.get(LIST).content.decode()
    assert change(ben, own, "delete").status_code == 404
    assert change(ben, shared, "delete").status_code == 403
    assert change(ben, shared, "rename", name="Ha").status_code == 403
    change(anna, own, "share")
    own.refresh_from_db()
    assert not own.is_shared


def test_a_filter_is_renamed_shared_and_deleted():
    boss = signed_in("boss", "backoffice.share_savedfilter")
    save(boss, "q=A")
    saved = SavedFilter.objects.get()

    change(boss, saved, "rename", name="Better")
    change(boss, saved, "share")
    saved.refresh_from_db()
    assert (saved.name, saved.is_shared) == ("Better", True)
    assert change(boss, saved, "delete").status_code == 200
    assert not SavedFilter.objects.exists()


def test_a_list_opens_with_the_default_of_each_person():
    anna, boss = signed_in("anna"), signed_in("boss", "backoffice.share_savedfilter")
    save(boss, "q=GAME", name="Games", is_shared="on")
    saved = SavedFilter.objects.get()

    change(anna, saved, "default")

    assert anna.get(LIST)["Location"] == f"{LIST}?q=GAME"
    assert anna.get(LIST + "?q=").status_code == 200
    assert boss.get(LIST).status_code == 200
    change(boss, saved, "unshare")
    assert anna.get(LIST).status_code == 200
    assert not DefaultFilter.objects.exists()


def test_a_default_whose_filter_the_list_does_not_know_any_more_does_not_go_in_circles():
    anna = signed_in("anna")
    saved = SavedFilter.objects.create(page=PAGE, name="Old", query="gone=1", owner=User.objects.get(username="anna"))
    filters.make_default(saved, saved.owner, is_default=True)

    assert anna.get(LIST, follow=True).status_code == 200


def test_nothing_is_saved_of_a_list_that_one_may_not_see():
    client = Client()
    client.force_login(world.staff("stranger"))

    assert client.post(reverse("me:save_filter"), {"page": PAGE, "name": "A", "query": "q=1"}).status_code == 403
    assert client.post(reverse("me:save_filter"), {"page": "no.thing", "name": "A", "query": ""}).status_code == 404
    assert client.get(reverse("me:save_filter")).status_code == 405


def test_a_list_that_shows_a_part_of_a_table_has_filters_of_its_own(admin_client):
    data = {"page": "django_q.success", "name": "Beats", "query": "q=heartbeat"}

    assert admin_client.post(reverse("me:save_filter"), data, follow=True).status_code == 200

    assert "Beats" in admin_client.get("/admin/django_q/success/").content.decode()
    assert "Beats" not in admin_client.get("/admin/django_q/failure/").content.decode()


def test_an_empty_list_says_what_to_do_next_and_a_filtered_one_how_to_see_all(admin_client):
    empty = admin_client.get(LIST).content.decode()
    assert "No products yet" in empty
    assert "import_codes" in empty
    assert reverse("admin:inventory_product_add") in empty

    Product.objects.create(sku="A")
    filtered = admin_client.get(LIST + "?q=zzz").content.decode()
    assert "Nothing fits" in filtered
    assert "import_codes" not in filtered


def test_every_list_has_words_for_when_it_is_empty():
    from django.contrib import admin

    silent = [model._meta.label for model, page in admin.site._registry.items() if not page.empty_help]

    assert silent == []
