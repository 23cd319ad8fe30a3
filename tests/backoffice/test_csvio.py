import csv
import io

import pytest
from hypothesis import given, strategies as st

from backoffice import csvio

FORMULAS = ["=1+1", "+SUM(A1)", "-2+3", "@cmd", "\t=1", '=HYPERLINK("http://x")', "-", "+49 170", "＝1+1", "＠x"]


@pytest.mark.parametrize("cell", FORMULAS)
def test_no_cell_becomes_a_formula(cell: str) -> None:
    assert csvio.plain(cell) == f"'{cell}"


def test_line_breaks_become_newlines_and_none_starts_a_formula() -> None:
    assert csvio.plain("\r=1") == "'\n=1"
    assert csvio.plain("a\r\nb\rc") == "a\nb\nc"


@pytest.mark.parametrize("cell", ["-4.20", "+7", "-1", "AAAA-BBBB", "a=b", "", "4.20"])
def test_numbers_and_plain_text_stay_as_they_are(cell: str) -> None:
    assert csvio.plain(cell) == cell


def test_nothing_is_an_empty_cell() -> None:
    assert csvio.plain(None) == ""


@given(st.lists(st.tuples(st.text(alphabet=st.characters(codec="utf-8")), st.integers()), max_size=5))
def test_what_is_written_reads_back_in_as_many_rows(rows: list[tuple[str, int]]) -> None:
    out = io.StringIO(newline="")
    assert csvio.write(out, ["text", "number"], rows) == len(rows)
    read = list(csv.reader(io.StringIO(out.getvalue(), newline="")))
    assert [cells[1] for cells in read[1:]] == [str(number) for _, number in rows]
    assert not [cells for cells in read[1:] if cells[0].startswith(csvio.FORMULA_STARTS) and not _is_number(cells[0])]


def _is_number(text: str) -> bool:
    return text.lstrip("+-").replace(".", "", 1).isdigit()


def test_it_reads_rows_with_their_line_numbers() -> None:
    lines = ["\ufeffSKU , Price\n", "\n", "a,1\n", " b , 2 ,extra\n", " , \n", "c\n"]
    assert list(csvio.read(lines, ["sku"])) == [
        (3, {"sku": "a", "price": "1"}),
        (4, {"sku": "b", "price": "2"}),
        (6, {"sku": "c"}),
    ]


def test_it_names_the_columns_that_are_missing() -> None:
    with pytest.raises(ValueError, match=r"the header lacks price, currency; it has: sku"):
        list(csvio.read(["sku\n", "a\n"], ["sku", "price", "currency"]))
    with pytest.raises(ValueError, match="it has: nothing"):
        list(csvio.read([], ["sku"]))
