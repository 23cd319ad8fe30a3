"""Codes that a person pastes or uploads: preview, confirmation, and what a death, a repeat or an hour does to them."""

import io
import json
import logging
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone

from backoffice import runs
from backoffice.models import Run
from inventory import code_imports, codes, importing
from inventory.code_lines import UnusableFile
from inventory.importing import BatchTerms
from inventory.models import Batch, Code, CodeImport, CodeImportPart, Product, Supplier
from tests.backoffice import world
from tests.drain import drain

pytestmark = pytest.mark.django_db
ADD = "/admin/inventory/codeimport/add/"


@pytest.fixture
def product():
    return Product.objects.create(sku="GAME-1", name="Nightfall")


@pytest.fixture
def give(admin_client, product):
    """Post the form; follows to the import's page, or returns the form's errors."""

    def post(text="", file=None, client=admin_client, **fields):
        data = {"product": product.pk, "text": text, **fields}
        answer = client.post(ADD, data | ({"file": file} if file else {}))
        if answer.status_code != 302:
            return answer.context["form"].errors if answer.status_code == 200 else answer
        return CodeImport.objects.get(pk=answer["Location"].split("/")[-3])

    return post


def confirm(client, found):
    return client.post(f"/admin/inventory/codeimport/{found.pk}/confirm/")


def some(count, start=0):
    return "\n".join(f"PLANTED-{number:06}-CODE" for number in range(start, start + count))


@pytest.mark.smoke
def test_a_preview_says_what_is_new_twice_known_and_refused_and_stores_no_code(give, admin_client, product):
    codes.import_codes(product=product, lines=[b"PLANTED-000001-CODE"], batch_reference="OLD")

    found = give(f"{some(3)}\n\nPLANTED-000002-CODE\nPLANTED-\x07-CODE")

    assert (found.lines, found.new, found.twice, found.known, found.refused) == (5, 2, 1, 1, 1)
    assert Code.objects.count() == 1
    text = admin_client.get(f"/admin/inventory/codeimport/{found.pk}/change/").content.decode()
    assert "<strong>2 new</strong> of 5 lines; 1 twice in it, 1 imported before, 1 refused." in text
    assert "the same code stands in line 3" in text
    assert "imported before: GAME-1, batch &quot;OLD&quot;" in text
    assert "PLANTED" not in text


@pytest.mark.smoke
def test_a_confirmed_import_fills_a_batch_on_its_terms_and_erases_its_lines(give, admin_client, product):
    supplier = Supplier.objects.create(name="Keys & Co")
    found = give(
        some(3), cost="4.20", currency="eur", supplier=supplier.pk, reference="INV-7", expires="2027-01-31"
    )  # fmt: skip

    assert confirm(admin_client, found).status_code == 302
    assert CodeImport.objects.get().stage == "importing"
    drain()

    found = CodeImport.objects.get()
    assert (found.stage, found.imported, found.duplicates, found.rejected) == ("ended", 3, 0, 0)
    batch = Batch.objects.get()
    assert (str(batch.cost), batch.currency, batch.supplier, batch.reference) == ("4.2000", "EUR", supplier, "INV-7")
    assert batch.imported == 3
    assert found.batch == batch
    assert {(code.state, str(code.expires_at)) for code in Code.objects.all()} == {("available", "2027-01-31")}
    assert codes.find("planted-000001-code").batch == batch
    assert list(CodeImportPart.objects.values_list("content", flat=True)) == [None]
    assert "Batch INV-7" in admin_client.get(f"/admin/inventory/codeimport/{found.pk}/change/").content.decode()


def test_a_file_is_taken_as_csv_and_its_left_out_lines_go_into_a_masked_report(give, admin_client):
    text = "code;serial;expires;cost\nPLANTED-1;S1;2027-02-01;1.5\nPLANTED-2;;tomorrow;\nPLANTED-1;;;\n"
    found = give(file=SimpleUploadedFile("codes.csv", text.encode()))
    confirm(admin_client, found)
    drain()

    code = Code.objects.get()
    assert (code.serial, str(code.expires_at), str(code.cost)) == ("S1", "2027-02-01", "1.5000")
    answer = admin_client.get(f"/admin/inventory/codeimport/{found.pk}/left-out.csv")
    assert b"".join(answer.streaming_content).decode().splitlines() == [
        "line,code,reason",
        "3,••••,the expiry date can't be read; write it as 2027-01-31",
        "4,••••,the same code stands in line 2",
    ]


@pytest.mark.parametrize(
    ("given", "field", "says"),
    [
        ({}, "file", "Choose a file, or paste codes."),
        ({"text": " \n "}, "file", "Choose a file, or paste codes."),
        ({"text": "A-1", "file": b"A-2"}, "file", "Choose either"),
        ({"file": b"PK\x03\x04rest"}, "file", "Save it as CSV"),
        ({"file": b"\xff\xfeA\x00"}, "file", "UTF-16"),
        ({"text": "code,colour\nA-1,red"}, "text", "The header may name each of code, serial"),
        ({"text": "A-1", "cost": "4.20"}, "currency", "A cost has a currency."),
        ({"text": "A-1", "cost": "-1", "currency": "EUR"}, "cost", "The cost takes 0 or more"),
        ({"text": "A-1", "cost": "much", "currency": "EUR"}, "cost", "The cost is no amount"),
        ({"text": "A-1", "currency": "EURO"}, "currency", "three letters"),
        ({"text": "A-1", "reference": "OLD", "cost": "9", "currency": "EUR"}, "reference", "exists with cost"),
        ({"text": "A-1", "product": ""}, "product", "required"),
    ],
)
def test_what_can_not_be_imported_is_said_at_its_field_and_nothing_is_kept(given, field, says, give, product):
    Batch.objects.create(product=product, reference="OLD", cost="1", currency="EUR")
    if "file" in given:
        given = given | {"file": SimpleUploadedFile("codes.txt", given["file"])}

    errors = give(**given)

    assert says in " ".join(errors[field])
    assert not CodeImport.objects.exists()
    assert not CodeImportPart.objects.exists()


def test_a_counted_product_takes_no_codes(give):
    counted = Product.objects.create(sku="CUP", kind="counted")

    assert "units that are counted take none" in give("A-1", product=counted.pk)["product"][0]


def test_a_form_with_an_error_does_not_show_the_codes_again_in_its_file_field(admin_client, product):
    answer = admin_client.post(
        ADD, {"product": product.pk, "file": SimpleUploadedFile("c.txt", b"PLANTED-1"), "cost": "x"}
    )

    assert "PLANTED" not in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]


def test_many_lines_are_compared_by_a_worker_and_imported_part_by_part(give, admin_client, monkeypatch):
    monkeypatch.setattr(code_imports, "PART_LINES", 10)
    monkeypatch.setattr(code_imports, "COMPARED_AT_ONCE", 20)
    found = give(some(45) + "\nPLANTED-000003-CODE")
    page = f"/admin/inventory/codeimport/{found.pk}/"
    assert found.stage == "comparing"
    assert admin_client.get(f"{page}progress/").json()["is_over"] is False
    assert 'data-stage="comparing"' in admin_client.get(f"{page}change/").content.decode()

    drain()
    found.refresh_from_db()
    assert (found.stage, found.new, found.twice) == ("compared", 45, 1)
    confirm(admin_client, found)
    assert admin_client.get(f"{page}progress/").json() == {
        "percent": 0, "is_over": False,
        "states": [{"state": name, "label": name, "rows": 0} for name in ("imported", "twice", "refused")],
    }  # fmt: skip
    runs.step(Run.objects.get().pk)
    assert admin_client.get(f"{page}progress/").json()["percent"] == 21
    drain()

    found = CodeImport.objects.get()
    assert (found.imported, found.duplicates, Batch.objects.count(), Code.objects.count()) == (45, 1, 1, 45)
    assert Run.objects.get().title == "Import 46 lines of codes into GAME-1, up to 10 in each row"


def test_a_worker_that_dies_within_a_part_leaves_it_for_the_next_and_nothing_goes_in_twice(
    give, admin_client, monkeypatch
):
    monkeypatch.setattr(code_imports, "PART_LINES", 10)
    found = give(some(25))
    confirm(admin_client, found)
    run = Run.objects.get()

    def die(*args):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(code_imports.Importer, "store", die)
        with pytest.raises(SystemExit):
            runs.step(run.pk)
    assert CodeImportPart.objects.filter(content__isnull=False).count() == 3

    runs.step(run.pk)
    assert (Code.objects.count(), CodeImportPart.objects.filter(content__isnull=False).count()) == (10, 2)
    Run.objects.update(
        created_at=timezone.now() - timedelta(minutes=2), stepped_at=timezone.now() - timedelta(minutes=1)
    )
    assert runs.sweep() == 1
    drain()
    code_imports.confirm(found, by=run.by)
    drain()

    assert (CodeImport.objects.get().imported, Code.objects.count(), Run.objects.count()) == (25, 25, 1)
    again = give(some(25))
    assert (again.new, again.known) == (0, 25)


def test_a_part_that_can_not_be_stored_stops_no_other_and_can_be_tried_again(give, admin_client, monkeypatch):
    monkeypatch.setattr(code_imports, "PART_LINES", 10)
    found = give(some(15))
    confirm(admin_client, found)
    real = importing._insert

    def refuse_the_first(batch, terms, chunk):
        if any(line.number == 1 for line in chunk.codes.values()):
            raise RuntimeError("the disk is full")
        return real(batch, terms, chunk)

    with monkeypatch.context() as patched:
        patched.setattr(importing, "_insert", refuse_the_first)
        drain()
    assert (CodeImport.objects.get().stage, Code.objects.count()) == ("ended", 5)
    assert (
        "1 part of it could not be imported"
        in admin_client.get(f"/admin/inventory/codeimport/{found.pk}/change/").content.decode()
    )

    runs.retry(Run.objects.get())
    drain()
    assert (CodeImport.objects.get().imported, Code.objects.count()) == (15, 15)


def test_what_is_not_confirmed_within_an_hour_is_erased_and_can_not_be_imported_any_more(give, admin_client):
    found = give(some(3))
    code_imports.sweep(timezone.now() + timedelta(minutes=59))
    assert CodeImport.objects.get().stage == "compared"

    code_imports.sweep(timezone.now() + timedelta(minutes=61))
    assert (CodeImport.objects.get().stage, CodeImportPart.objects.get().content) == ("erased", None)
    answer = admin_client.post(f"/admin/inventory/codeimport/{found.pk}/confirm/", follow=True)

    assert "was not confirmed in time" in answer.content.decode()
    assert (Code.objects.count(), Run.objects.count()) == (0, 0)


def test_an_import_is_discarded_at_once_but_not_once_it_is_confirmed(give, admin_client):
    one, other = give(some(3)), give(some(3, start=10))
    confirm(admin_client, other)
    for found in (one, other):
        admin_client.post(f"/admin/inventory/codeimport/{found.pk}/discard/")
    drain()

    assert CodeImport.objects.get(pk=one.pk).stage == "erased"
    assert (CodeImport.objects.get(pk=other.pk).imported, Code.objects.count()) == (3, 3)


def test_a_comparison_that_lost_its_wake_up_is_done_by_the_sweep(give, monkeypatch):
    monkeypatch.setattr(code_imports, "COMPARED_AT_ONCE", 1)
    monkeypatch.setattr(code_imports.queue, "enqueue", lambda *args: None)
    found = give(some(3))
    monkeypatch.undo()

    code_imports.sweep(timezone.now() + timedelta(seconds=31))
    drain()

    assert CodeImport.objects.get(pk=found.pk).stage == "compared"


def test_too_many_lines_and_none_at_all_keep_nothing(product, admin_user, monkeypatch):
    monkeypatch.setattr(code_imports, "MOST_LINES", 5)
    terms = BatchTerms(product)
    with pytest.raises(UnusableFile, match="more than 5 lines"):
        code_imports.begin(terms=terms, lines=io.BytesIO(some(6).encode()), by=admin_user)
    with pytest.raises(UnusableFile, match="no line"):
        code_imports.begin(terms=terms, lines=io.BytesIO(b"code\n"), by=admin_user)

    assert not CodeImport.objects.exists()


def test_only_who_may_import_sees_the_form_and_confirms(give, client, product):
    found = give(some(3))
    client.force_login(world.staff("auditor", "inventory.view_codeimport", "inventory.view_code"))
    page = f"/admin/inventory/codeimport/{found.pk}/"
    assert client.get(f"{page}change/").status_code == 200
    assert "Import 3 codes" not in client.get(f"{page}change/").content.decode()
    assert client.get(ADD).status_code == client.post(ADD, {"text": "A"}).status_code == 403
    assert client.post(f"{page}confirm/").status_code == client.post(f"{page}discard/").status_code == 403
    assert client.get(f"{page}confirm/").status_code == 405

    client.force_login(world.staff("keeper", "inventory.import_code"))
    assert client.get(ADD).status_code == 200
    assert confirm(client, found).status_code == 302
    client.force_login(world.staff("nobody"))
    for address in ("change/", "progress/", "left-out.csv"):
        assert client.get(page + address).status_code in (403, 404)


def test_no_code_lies_in_clear_anywhere_on_its_way(give, admin_client, caplog):
    caplog.set_level(logging.DEBUG)
    found = give(some(3) + "\nPLANTED-\x07-CODE")
    seen = [json.dumps(list(everything()))]
    confirm(admin_client, found)
    seen.append(json.dumps(list(everything())))
    drain()
    seen.append(json.dumps(list(everything())))

    for text in (*seen, caplog.text, str(dict(admin_client.session))):
        assert "PLANTED" not in text
        assert b"PLANTED".hex() not in text


def everything():
    """Every row of every table as text; binary columns in hex."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            for row in cursor.fetchall():
                yield [bytes(cell).hex() if isinstance(cell, bytes | memoryview) else str(cell) for cell in row]


def test_pages_take_few_queries(give, client, django_assert_max_num_queries):
    found = give(some(30) + "\n" + some(30))
    client.force_login(world.staff("keeper", "inventory.import_code", "inventory.view_codeimport"))
    for address in (ADD, "/admin/inventory/codeimport/", f"/admin/inventory/codeimport/{found.pk}/change/"):
        client.get(address)
        with django_assert_max_num_queries(15):
            assert client.get(address).status_code == 200


def test_the_form_is_filled_in_with_the_product_of_the_page_one_came_from(admin_client, product):
    text = admin_client.get(f"{ADD}?product={product.pk}").content.decode()

    assert f'<option value="{product.pk}" selected' in text
