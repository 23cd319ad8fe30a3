import csv
import io
import threading
from datetime import date
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import codes
from inventory.models import Batch, Code, Product, Supplier
from tests.command import outcome

pytestmark = [pytest.mark.django_db, pytest.mark.smoke]


@pytest.fixture(autouse=True)
def reports(settings, tmp_path):
    settings.VAR_DIR = tmp_path / "var"


def run(*arguments):
    return outcome("import_codes", *arguments)


@pytest.fixture
def file(tmp_path):
    def write(content, name="codes.txt"):
        path = tmp_path / name
        path.write_bytes(content)
        return str(path)

    return write


def test_every_bad_line_is_in_the_report_and_every_other_in_stock(file):
    content = b"\xef\xbb\xbfAAAA-BBBB-0001\r\n\r\nbad\xff\r\n" + b"x" * 10_000_000 + b"\r\n"
    content += b"AAAA-BBBB-0002\r\naaaa-bbbb-0001\r\nNU\x00L\r\n   \nAAAA-BBBB-0003"
    data, status, words = run(file(content), "--sku", "GAME", "--create")
    assert status == 1
    assert "3 lines were refused" in words
    report = data.pop("report")
    assert data == {"read": 7, "imported": 3, "duplicates": 1, "rejected": 3}
    with open(report, newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["line"], row["code"]) for row in rows] == [("3", ""), ("4", ""), ("6", "••••0001"), ("7", "••••")]
    assert "/var/imports/" in report
    assert sorted(codes.plaintexts(Code.objects.values_list("pk", flat=True)).values()) == [
        "AAAA-BBBB-0001",
        "AAAA-BBBB-0002",
        "AAAA-BBBB-0003",
    ]


def test_running_it_again_is_well_and_imports_nothing(file):
    path = file(b"A\nB\n")
    assert run(path, "--sku", "GAME", "--create", "--batch", "INV-1")[0]["imported"] == 2
    data, status, _ = run(path, "--sku", "GAME", "--batch", "INV-1")
    assert (data["imported"], data["duplicates"], status) == (0, 2, 0)
    assert Batch.objects.count() == 1


def test_an_unknown_sku_is_refused_with_the_nearest_names(file):
    for sku in ("GAME-EU", "GAME-US", "OTHER"):
        Product.objects.create(sku=sku)
    data, status, words = run(file(b"A\n"), "--sku", "game-uk")
    assert (data, status) == (None, 2)
    assert "GAME-EU" in words
    assert "OTHER" not in words
    assert "--create" in words
    assert Product.objects.count() == 3


def test_it_reads_standard_input_and_takes_every_option(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"code\nA\n")))
    options = [
        "--batch",
        "INV-1",
        "--cost",
        "4.20",
        "--currency",
        "usd",
        "--supplier",
        "Shop",
        "--expires",
        "2031-01-31",
    ]
    data, status, _ = run("-", "--sku", "GAME", "--create", *options)
    assert (data["imported"], status) == (1, 0)
    batch = Batch.objects.get()
    assert (str(batch.cost), batch.currency, batch.supplier) == ("4.2000", "USD", Supplier.objects.get(name="Shop"))
    assert str(Code.objects.get().expires_at) == "2031-01-31"


@pytest.mark.parametrize(
    "options",
    [["--cost", "4,20"], ["--cost", "-1"], ["--currency", "EURO"], ["--expires", "soon"], ["--batch", "x" * 201]],
)
def test_an_unusable_option_is_refused_before_anything_is_stored(file, options):
    Product.objects.create(sku="GAME")
    data, _, words = run(file(b"A\n"), "--sku", "GAME", *options)
    assert data is None
    assert options[0] in words
    assert not Code.objects.exists()


def test_a_file_that_is_not_there_or_makes_no_sense_is_refused(file, tmp_path):
    assert run(str(tmp_path / "none.txt"), "--sku", "GAME", "--create")[1] == 2
    assert run(str(tmp_path), "--sku", "GAME", "--create")[1] == 2
    assert not Product.objects.exists()
    assert run(file(b"code,colour\nA,red\n"), "--sku", "GAME", "--create")[1] == 2


def test_people_read_what_was_new_twice_and_refused(file, capsys):
    call_command("import_codes", file(b"A\nB\nA\n"), "--sku", "GAME", "--create")
    assert "3 codes read for GAME: 2 imported, 1 duplicates, 0 refused." in capsys.readouterr().out


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_imports_of_the_same_codes_at_once_bring_each_in_once(tmp_path, monkeypatch):
    """Each has the same codes in another order, which would let them wait for each other in a circle."""
    monkeypatch.setattr("inventory.importing.CHUNK_LINES", {"postgresql": 400})
    product = Product.objects.create(sku="GAME")
    lines = [b"CODE-%05d" % number for number in range(2000)]
    imported, errors = [], []

    def work(order):
        try:
            result = codes.import_codes(
                product=product, lines=order, batch_reference="INV-1", report=tmp_path / str(id(order))
            )
            imported.append(result.imported)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=work, args=(order,)) for order in (lines, lines[::-1], lines[1000:] + lines[:1000])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert sum(imported) == Code.objects.count() == Batch.objects.get().imported == 2000


SERIALS = ('a"b', "back\\slash \\N", "semi;colon, comma", "\\.", " ’ä")


def test_what_stands_beside_a_code_is_stored_as_it_was_written(tmp_path):
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["code", "serial", "expires", "cost"])
    rows.writerows([f"CODE-{number}", serial, "2031-02-03", "1.25"] for number, serial in enumerate(SERIALS))
    rows.writerow(["CODE-9", "", "", ""])
    product, report = Product.objects.create(sku="GAME"), tmp_path / "report"
    lines = table.getvalue().encode().splitlines()

    codes.import_codes(product=product, lines=lines, expires=date(2030, 1, 1), report=report)

    stored = list(Code.objects.order_by("pk").values_list("serial", "expires_at", "cost"))
    assert stored[:-1] == [(serial.strip(), date(2031, 2, 3), Decimal("1.25")) for serial in SERIALS]
    assert stored[-1] == ("", date(2030, 1, 1), None)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_an_import_waits_for_the_disk_at_its_end_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("inventory.importing.CHUNK_LINES", {"postgresql": 2})
    product, waits = Product.objects.create(sku="GAME"), []
    real = connection._commit

    def commit():
        with connection.connection.cursor() as cursor:
            cursor.execute("SHOW synchronous_commit")
            waits.append(cursor.fetchone()[0] != "off")
        return real()

    monkeypatch.setattr(connection, "_commit", commit)
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")
    with CaptureQueriesContext(connection) as queries:
        codes.import_codes(product=product, lines=[b"A", b"B", b"C", b"A", b"D"], report=tmp_path / "report")

    said = [query["sql"] for query in queries]
    assert waits == [False] * 6  # for each chunk its ids, and itself
    assert said[-1].startswith("UPDATE")
    assert (
        "inventory_batch" in said[-1]
    )  # by itself, so it waits, and what was written before it is on the disk by then
    assert Batch.objects.values_list("imported", "duplicates").get() == (4, 1)


def test_what_was_read_before_a_file_broke_off_is_in_stock(tmp_path, monkeypatch):
    monkeypatch.setattr("inventory.importing.CHUNK_LINES", {"postgresql": 2, "sqlite": 2})
    product = Product.objects.create(sku="GAME")

    def lines():
        yield from (b"A", b"B", b"C", b"D", b"E")
        raise OSError("the disk was pulled out")

    with pytest.raises(OSError, match="pulled out"):
        codes.import_codes(product=product, lines=lines(), report=tmp_path / "report")
    assert Code.objects.count() == Batch.objects.get().imported == 4  # whole chunks
    codes.import_codes(product=product, lines=[b"A", b"B", b"C", b"D", b"E"], report=tmp_path / "again")
    assert Code.objects.count() == 5


@pytest.mark.postgres
def test_an_import_within_anothers_transaction_leaves_its_commit_alone(tmp_path):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = on")
        codes.import_codes(product=Product.objects.create(sku="GAME"), lines=[b"A"], report=tmp_path / "report")
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone() == ("on",)
