from datetime import date
from decimal import Decimal

import pytest
from django.db import DatabaseError

from backoffice import crypto
from inventory import codes, importing, stock
from inventory.models import Batch, Code, CodeReveal, Product, StockChange, Supplier

pytestmark = [pytest.mark.django_db, pytest.mark.smoke]


@pytest.fixture(autouse=True)
def reports(settings, tmp_path):
    settings.VAR_DIR = tmp_path


@pytest.fixture
def product():
    return Product.objects.create(sku="GAME")


def texts(**filters):
    found = Code.objects.filter(**filters).order_by("position").values_list("pk", flat=True)
    return list(codes.plaintexts(found).values())


def test_what_is_imported_is_sealed_and_can_be_sold_and_found(product):
    supplier = Supplier.objects.create(name="Wholesale")
    result = codes.import_codes(
        product=product,
        lines=[b"code,serial,expires,cost\n", b"aaa-1,S1,2031-01-31,4.20\n", b"BBB-2,,,\n"],
        file_name="may.csv",
        batch_reference="INV-1",
        cost=Decimal("5.5"),
        currency="USD",
        supplier=supplier,
        expires=date(2032, 1, 1),
    )
    assert (result.read, result.imported, result.duplicates, result.rejected) == (2, 2, 0, 0)
    first, second = Code.objects.order_by("position")
    assert (first.serial, first.expires_at, first.cost) == ("S1", date(2031, 1, 31), Decimal("4.20"))
    assert (second.serial, second.expires_at, second.cost) == ("", date(2032, 1, 1), None)
    assert (first.state, first.position) == (Code.State.AVAILABLE, first.pk)
    assert b"aaa-1" not in bytes(first.sealed)
    assert texts() == ["aaa-1", "BBB-2"]
    assert codes.find(" AAA-1 ") == first
    assert codes.find("AAA") is None
    batch = Batch.objects.get()
    assert (batch.product, batch.supplier, batch.reference, batch.file_name) == (product, supplier, "INV-1", "may.csv")
    assert (batch.cost, batch.currency, batch.imported) == (Decimal("5.5"), "USD", 2)
    assert stock.sellable(product.pk) == 2
    assert StockChange.objects.filter(product=product).exists()


def test_a_code_that_is_there_is_never_stored_again_and_the_report_says_where_it_is(product):
    codes.import_codes(product=product, lines=[b"AAA", b"BBB"], batch_reference="INV-1")
    other = Product.objects.create(sku="OTHER")
    result = codes.import_codes(product=other, lines=[b"CCC", b"bbb", b"CCC", b"D\xff"], batch_reference="INV-2")
    assert (result.read, result.imported, result.duplicates, result.rejected) == (4, 1, 2, 1)
    assert result.report.read_text().splitlines() == [
        "line,code,reason",
        '2,••••,"imported before: GAME, batch ""INV-1"""',
        "3,••••,the same code stands in line 1",
        "4,,the line is not UTF-8",
    ]
    batch = Batch.objects.get(product=other)
    assert (batch.imported, batch.duplicates, batch.rejected) == (1, 2, 1)


@pytest.mark.parametrize("reference", ["", "INV-1"])
def test_running_it_again_changes_nothing(product, reference):
    lines = [b"AAA", b"BBB"]
    codes.import_codes(product=product, lines=lines, batch_reference=reference)
    StockChange.objects.all().delete()
    again = codes.import_codes(product=product, lines=lines, batch_reference=reference)
    assert (again.read, again.imported, again.duplicates) == (2, 0, 2)
    assert Batch.objects.get().imported == 2
    assert not StockChange.objects.exists()


def test_an_import_that_broke_off_leaves_whole_chunks_and_is_completed_by_the_next(product, monkeypatch):
    monkeypatch.setattr(importing, "CHUNK_LINES", {"sqlite": 2, "postgresql": 2})
    calls = []

    def break_off(*product_ids):
        calls.append(product_ids)
        if len(calls) == 2:
            raise DatabaseError("the connection is lost")

    with monkeypatch.context() as broken:
        broken.setattr(stock, "changed", break_off)
        with pytest.raises(DatabaseError):
            codes.import_codes(product=product, lines=[b"A", b"B", b"C", b"D", b"E"], batch_reference="INV-1")
    assert texts() == ["A", "B"]
    assert Batch.objects.get().imported == 2
    result = codes.import_codes(product=product, lines=[b"A", b"B", b"C", b"D", b"E"], batch_reference="INV-1")
    assert (result.imported, result.duplicates) == (3, 2)
    assert texts() == ["A", "B", "C", "D", "E"]
    assert Batch.objects.get().imported == 5


def test_an_import_that_brings_nothing_leaves_no_batch(product):
    codes.import_codes(product=product, lines=[b"A\x00", b""], batch_reference="INV-1")
    assert not Batch.objects.exists()


def test_a_batch_is_not_quietly_given_other_terms(product):
    codes.import_codes(product=product, lines=[b"A"], batch_reference="INV-1", cost=Decimal(4), currency="EUR")
    with pytest.raises(codes.OtherTerms, match="currency EUR, not USD"):
        codes.import_codes(product=product, lines=[b"B"], batch_reference="INV-1", currency="USD")
    assert texts() == ["A"]


def test_a_reveal_is_recorded_with_who_and_why(product):
    codes.import_codes(product=product, lines=[b"SECRET-1"])
    code = Code.objects.get()
    assert codes.reveal(code, user="ann", reason=" buyer asks ") == "SECRET-1"
    kept = CodeReveal.objects.get()
    assert (kept.code, kept.user, kept.reason) == (code, "ann", "buyer asks")


@pytest.mark.parametrize(("user", "reason"), [("ann", "  "), ("", "buyer asks"), ("ann", "x" * 301)])
def test_nothing_is_revealed_off_the_record(product, user, reason):
    codes.import_codes(product=product, lines=[b"SECRET-1"])
    with pytest.raises(ValueError, match="only shown"):
        codes.reveal(Code.objects.get(), user=user, reason=reason)
    assert not CodeReveal.objects.exists()


def test_a_reveal_that_does_not_open_is_not_recorded_as_one(product):
    codes.import_codes(product=product, lines=[b"SECRET-1", b"SECRET-2"])
    one, other = Code.objects.order_by("pk")
    one.sealed = other.sealed
    with pytest.raises(crypto.CannotOpen):
        codes.reveal(one, user="ann", reason="buyer asks")
    assert not CodeReveal.objects.exists()


def test_plaintexts_are_all_or_none(product):
    codes.import_codes(product=product, lines=[b"A"])
    with pytest.raises(Code.DoesNotExist):
        codes.plaintexts([Code.objects.get().pk, 0])


def test_two_codes_whose_ciphertexts_were_swapped_do_not_open(product):
    """Who can write to the database can't make one row show another's code."""
    codes.import_codes(product=product, lines=[b"AAAA-1111-AAAA", b"BBBB-2222-BBBB"])
    one, other = Code.objects.order_by("pk")
    Code.objects.filter(pk=one.pk).update(sealed=other.sealed)
    Code.objects.filter(pk=other.pk).update(sealed=one.sealed)

    for code in Code.objects.all():
        with pytest.raises(crypto.CannotOpen):
            codes.reveal(code, user="worker", reason="the buyer asks")
    assert not CodeReveal.objects.exists()
