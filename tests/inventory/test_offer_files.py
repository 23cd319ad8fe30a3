"""Offers by file in the admin: what goes out comes back and changes nothing, and nothing happens before it was shown."""

import pytest
import tablib
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given, settings as rules, strategies as some
from import_export.formats.base_formats import CSV, XLSX

from inventory.models import Code, Offer
from inventory.offer_files import OfferResource
from tests import make
from tests.backoffice import world

pytestmark = pytest.mark.django_db

IMPORT, CONFIRM, EXPORT = (reverse(f"admin:inventory_offer_{name}") for name in ("import", "process_import", "export"))
FORMATS = {"csv": "0", "xlsx": "1"}
HEADER = "account,sku,external_product_id,price,currency,title"
MAY_IMPORT = ("inventory.import_offer", "inventory.add_offer", "inventory.change_offer")


@pytest.fixture
def account():
    return make.account()


@pytest.fixture
def game(account):
    return make.product("GAME")


def client_of(name, *permissions):
    client = Client()
    client.force_login(world.staff(name, "inventory.view_offer", *permissions))
    return client


def upload(client, content, kind="csv", **fields):
    file = SimpleUploadedFile(f"offers.{kind}", content if isinstance(content, bytes) else content.encode())
    return client.post(IMPORT, {"import_file": file, "format": FORMATS[kind], "resource": "0", **fields})


def confirm(client, preview):
    form = preview.context["confirm_form"]
    return client.post(CONFIRM, {name: value for name, value in form.initial.items() if value is not None})


def export(client, kind="csv"):
    answer = client.post(EXPORT, {"format": FORMATS[kind], "resource": "0"})
    assert answer.status_code == 200
    return answer.content


def test_a_file_is_shown_before_it_changes_anything_and_then_pushed(account, game, admin_client):
    old = make.offer(game, account, price="9.99", title="Old <b>name</b>", state="done")
    rows = f"{HEADER}\nMain shop,GAME,product-1,8.50,USD,New name\nMain shop,GAME,product-2,3,usd,Second\n"

    preview = upload(admin_client, rows)
    text = preview.content.decode()

    assert "1 offers to create, 1 to change" in " ".join(text.split())
    assert "<del>Old &lt;b&gt;name&lt;/b&gt;</del> <ins>New name</ins>" in text
    assert "<del>9.9900</del> <ins>8.50</ins>" in text
    assert Offer.objects.get().title == "Old <b>name</b>"

    confirm(admin_client, preview)

    old.refresh_from_db()
    assert (old.title, str(old.price), old.state) == ("New name", "8.5000", "due")
    new = Offer.objects.exclude(pk=old.pk).get()
    assert (new.external_product_id, new.currency, new.state, new.account) == ("product-2", "USD", "due", account)
    assert LogEntry.objects.filter(object_id__in=[old.pk, new.pk]).count() == 2


def test_a_confirmation_that_is_sent_twice_is_done_once(account, game, admin_client):
    preview = upload(admin_client, f"{HEADER}\nMain shop,GAME,product-1,8.50,USD,A\n")
    confirm(admin_client, preview)
    Offer.objects.update(title="B")

    answer = confirm(admin_client, preview)

    assert answer.url == IMPORT
    assert Offer.objects.get().title == "B"


def test_bad_rows_are_told_with_their_reasons_and_nothing_can_be_confirmed(account, game, admin_client):
    rows = (
        "Main shop,GAME,p-1,8.50,USD,A",
        "Main shop,GAMES,p-2,8.50,USD,A",
        "Other shop,GAME,p-3,8.50,USD,A",
        "Main shop,GAME,p-4,cheap,USD,A",
        ",GAME,p-5,1,USD,A",
    )
    preview = upload(admin_client, "\n".join([HEADER, *rows]))
    text = " ".join(preview.content.decode().split())

    assert "4 refused" in text
    for row, reason in ((3, "no product with the SKU"), (4, "no account"), (5, "price"), (6, "names no account")):
        assert f"{row}</span>: " in text
        assert reason in text
    assert "confirm_form" not in preview.context
    assert not Offer.objects.exists()


def test_the_account_of_the_form_stands_for_rows_that_name_none(account, game, admin_client):
    preview = upload(admin_client, "sku,external_product_id,price,currency\nGAME,p-1,1,EUR\n", account=account.pk)
    confirm(admin_client, preview)
    assert Offer.objects.get().account == account


def test_a_header_that_is_not_ours_is_refused_without_a_traceback(account, game, admin_client):
    text = upload(admin_client, "sku,code\nGAME,ABC\n").content.decode()
    assert "The header lacks external_product_id, price, currency" in text
    assert "Traceback" not in text
    text = upload(admin_client, f"{HEADER},code\nMain shop,GAME,p-1,1,EUR,A,ABC\n").content.decode()
    assert "unknown columns: code" in text
    assert not Code.objects.exists()


def test_import_and_export_are_permissions_of_their_own(account, game):
    make.offer(game, account)
    reader = client_of("reader")
    exporter = client_of("exporter", "inventory.export_offer")
    importer = client_of("importer", *MAY_IMPORT)

    assert [client.get(EXPORT).status_code for client in (reader, exporter, importer)] == [403, 200, 403]
    assert [client.get(IMPORT).status_code for client in (reader, exporter, importer)] == [403, 403, 200]
    assert reader.post(CONFIRM, {}).status_code == exporter.post(CONFIRM, {}).status_code == 403
    lists = [client.get(reverse("admin:inventory_offer_changelist")).content.decode() for client in (reader, exporter)]
    assert [EXPORT in text for text in lists] == [False, True]


def test_a_column_is_exported_for_who_may_see_what_it_says(account, game):
    make.offer(game, account)
    half = client_of("half", "inventory.export_offer")
    whole = client_of("whole", "inventory.export_offer", "inventory.view_product", "marketplaces.view_account")

    narrow, wide = (tablib.Dataset().load(export(client).decode("utf-8-sig"), format="csv") for client in (half, whole))

    assert {"sku", "account"} & set(narrow.headers) == set()
    assert (wide["sku"], wide["account"]) == (["GAME"], ["Main shop"])
    assert not {"code", "codes", "sealed"} & set(wide.headers)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_formula_goes_out_as_text_and_comes_back_as_it_was(kind, account, game, admin_client):
    formula = '=HYPERLINK("http://x.test")'
    offer = make.offer(game, account, title=formula, description="+cmd|'/c calc'!A0\nline\ttwo")
    content = export(admin_client, kind)
    data = (CSV() if kind == "csv" else XLSX()).create_dataset(
        content.decode("utf-8-sig") if kind == "csv" else content
    )
    assert data["title"] == [f"'{formula}"]

    preview = upload(admin_client, content, kind)

    assert "1 as they are" in " ".join(preview.content.decode().split())
    Offer.objects.update(title="other")
    confirm(admin_client, upload(admin_client, content, kind))
    offer.refresh_from_db()
    assert offer.title == formula


def test_numbers_of_a_sheet_are_read_as_they_were_typed(account, game, admin_client):
    data = tablib.Dataset(headers=[*HEADER.split(","), "quantity", None])
    data.append(["Main shop", "GAME", 17, 9.9, "EUR", None, 10.0, None])
    confirm(admin_client, upload(admin_client, data.export("xlsx"), "xlsx"))
    offer = Offer.objects.get()
    assert (offer.external_product_id, str(offer.price), offer.quantity) == ("17", "9.9000", 10)


TEXT = some.one_of(
    some.text(some.characters(codec="utf-8", exclude_characters="\0"), max_size=40),
    some.sampled_from(
        ["=1+1", "'=1+1", "''@x", "-5", "'-5", " +x ", "\t=a", "a\r\nb", "a\rb", "_x0041_", "\x0b\x1f", "1e5"]
    ),
)
OFFER = some.fixed_dictionaries(
    {
        "title": TEXT,
        "description": TEXT,
        "offer_type": TEXT,
        "external_product_id": some.one_of(some.just("p"), TEXT),
        "external_id": some.just(""),
        "price": some.one_of(some.none(), some.decimals("0.0001", "9999999999", places=4)),
        "currency": some.sampled_from(["EUR", "usd", ""]),
        "quantity": some.one_of(some.none(), some.integers(0, 2**31 - 1)),
        "min_quantity": some.integers(1, 1000),
        "attributes": some.dictionaries(
            TEXT, some.one_of(TEXT, some.integers(-(2**60), 2**60), some.booleans()), max_size=3
        ),
    }
)


@pytest.mark.parametrize("kind", [CSV, XLSX])
@rules(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=some.lists(OFFER, min_size=1, max_size=4))
def test_what_was_exported_changes_nothing_when_it_comes_back(kind, account, game, admin_user, made):
    Offer.objects.all().delete()
    Offer.objects.bulk_create(Offer(account=account, product=game, **fields) for fields in made)
    before = list(Offer.objects.order_by("pk").values())
    resource, way = OfferResource(user=admin_user), kind()
    content = way.export_data(resource.export(Offer.objects.all()))

    result = resource.import_data(way.create_dataset(content), dry_run=False)

    assert not result.base_errors
    assert [str(row.errors[0].error) for row in result.error_rows] == []
    assert dict(result.totals)["skip"] == len(made)
    assert list(Offer.objects.order_by("pk").values()) == before


def test_ten_thousand_rows_are_tried_and_imported_in_a_few_statements_a_chunk(
    account, game, admin_user, django_assert_max_num_queries
):
    rows = tablib.Dataset(headers=["account", "sku", "external_product_id", "price", "currency", "title"])
    for number in range(10_000):
        rows.append(["Main shop", "GAME", f"p-{number}", "9.99", "EUR", f"Title {number}"])
    resource = OfferResource(user=admin_user)
    for is_trial in (True, False):
        with django_assert_max_num_queries(20 * 30):
            assert resource.import_data(rows, dry_run=is_trial).totals["new"] == 10_000
    changed = tablib.Dataset(*[(*row[:3], "8.99", *row[4:]) for row in rows], headers=rows.headers)
    with django_assert_max_num_queries(20 * 40):
        assert resource.import_data(changed).totals["update"] == 10_000
    assert Offer.objects.filter(price="8.99", state="due").count() == 10_000


@pytest.mark.postgres
def test_a_row_that_the_database_refuses_is_refused_alone(account, game, admin_user):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE inventory_offer ADD CONSTRAINT no_such_title CHECK (title <> 'bad')")
    rows = tablib.Dataset(headers=HEADER.split(","))
    for number, title in enumerate(("good", "bad", "better")):
        rows.append(["Main shop", "GAME", f"p-{number}", "1", "EUR", title])

    result = OfferResource(user=admin_user).import_data(rows)

    assert [row.number for row in result.error_rows] == [3]
    assert list(Offer.objects.order_by("pk").values_list("title", "state")) == [("good", "due"), ("better", "due")]


def test_a_row_may_name_its_offer_by_our_own_id(account, game, admin_user):
    one, two = (make.offer(game, account, title=title) for title in ("one", "two"))
    other = make.offer(game, make.account("Other shop"))
    rows = tablib.Dataset(headers=[*HEADER.split(","), "id"])
    rows.append(["Main shop", "GAME", "product-1", "9.99", "USD", "changed", str(two.pk)])
    rows.append(["Main shop", "GAME", "product-1", "9.99", "USD", "changed", str(other.pk)])
    rows.append(["Main shop", "GAME", "product-1", "9.99", "USD", "changed", ""])

    result = OfferResource(user=admin_user).import_data(rows)

    assert list(Offer.objects.order_by("pk").values_list("title", flat=True)) == ["one", "changed", ""]
    reasons = [str(row.errors[0].error) for row in result.error_rows]
    assert "no offer with the id" in reasons[0]
    assert "more than one offer" in reasons[1]
    assert one.pk
