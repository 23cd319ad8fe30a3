import csv
import io
import threading

import pytest
from django.core.management import call_command
from django.db import connection

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
