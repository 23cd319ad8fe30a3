"""Whatever somebody takes for a file of codes or offers: each line counts once, and nothing comes in that is not there."""

import csv
import io

import pytest
from django.core.management import CommandError
from hypothesis import HealthCheck, given, settings, strategies as st

from backoffice import csvio
from inventory import code_lines, codes
from inventory.models import Code, Offer, Product
from tests import make
from tests.command import outcome

pytestmark = pytest.mark.django_db

QUICK = settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
cells = st.sampled_from(
    [
        "",
        "AAAA-1111",
        "bbbb-2222 ",
        "=1+1",
        '"',
        "4.20",
        "-1",
        "1e9999",
        "2027-01-31",
        "2027-02-30",
        "\x00",
        "é",
        "\u202e",
        "x" * 2001,
    ]
) | st.text(max_size=20)
lines = st.lists(cells, min_size=1, max_size=5).map(",".join)
files = st.one_of(
    st.binary(max_size=300),
    st.lists(lines, max_size=12).map(lambda rows: "\n".join(rows).encode()),
    st.lists(lines, max_size=12).map(lambda rows: "\r\n".join(["code,serial,expires,cost", *rows]).encode()),
    st.lists(cells, max_size=12).map(lambda rows: b"\xef\xbb\xbf" + "\n".join(["code", *rows]).encode()),
)


@QUICK
@given(content=files, name=st.sampled_from(["codes.txt", "codes.csv"]))
def test_every_line_of_codes_is_taken_found_twice_or_refused_and_nothing_is_made_up(content, name, tmp_path_factory):
    product, _ = Product.objects.get_or_create(sku="ANY", defaults={"name": "Any"})
    before = Code.objects.count()
    report = tmp_path_factory.getbasetemp() / "report.csv"
    try:
        first = codes.import_codes(product=product, lines=io.BytesIO(content), file_name=name, report=report)
    except code_lines.UnusableFile:
        assert Code.objects.count() == before
        return

    assert first.read == first.imported + first.duplicates + first.rejected
    assert Code.objects.count() == before + first.imported
    text = content.decode(errors="replace")
    newest = Code.objects.order_by("-pk")[: first.imported]
    for plain in codes.plaintexts([code.pk for code in newest]).values():
        assert plain.replace('"', '""') in text or plain in text
    with report.open(newline="") as refused:
        rows = list(csv.reader(refused))[1:]
    assert len(rows) >= first.rejected
    assert not any(cell.startswith(csvio.FORMULA_STARTS) for row in rows for cell in row)

    again = codes.import_codes(product=product, lines=io.BytesIO(content), file_name=name, report=report)

    assert (again.read, again.imported) == (first.read, 0)


HEADER = "sku,external_product_id,price,currency,quantity,title"
offers = st.one_of(
    st.binary(max_size=200),
    st.lists(lines, max_size=8).map(lambda rows: "\n".join([HEADER, *rows]).encode()),
    st.lists(
        st.tuples(
            st.sampled_from(["GAME", "OTHER", "", "=GAME"]),
            cells,
            cells,
            st.sampled_from(["EUR", "??", ""]),
            cells,
            cells,
        ).map(",".join),
        max_size=8,
    ).map(lambda rows: "\n".join([HEADER, *rows]).encode()),
)


@QUICK
@given(content=offers)
def test_every_row_of_offers_is_counted_and_no_price_is_made_up(content, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "offers.csv"
    path.write_bytes(content)
    if not Product.objects.filter(sku="GAME").exists():
        make.product("GAME")
        make.account()
    Offer.objects.all().delete()
    try:
        data, status, words = outcome("import_offers", str(path), "--account", "Main shop")
    except CommandError:
        pytest.fail("outcome() tells it as a status")

    if data is None:  # the file as a whole is unusable, in words
        assert status == 2
        assert words
        assert not Offer.objects.exists()
        return
    assert data["read"] == data["created"] + data["changed"] + data["unchanged"] + data["rejected"]
    assert Offer.objects.count() == data["created"]
    text = content.decode(errors="replace")
    assert all(offer.price is None or offer.external_product_id in text for offer in Offer.objects.all())
    assert status == (1 if data["rejected"] else 0)
