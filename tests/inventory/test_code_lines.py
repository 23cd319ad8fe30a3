import io
from datetime import date
from decimal import Decimal

import pytest

from inventory.code_lines import CodeLine, Refusal, UnusableFile, mask, numbered, parse


def read(content, **kwargs):
    return list(parse(numbered(io.BytesIO(content)), **kwargs))


def test_a_text_file_holds_a_code_a_line_with_commas_and_inner_blanks_kept():
    assert read(b"  AAA,BBB \r\nC  D\n") == [CodeLine(1, "AAA,BBB"), CodeLine(2, "C  D")]


def test_a_csv_names_its_columns_in_any_order():
    content = b'\xef\xbb\xbfCost;"Code";expires;serial\r\n4.20;"A;1";2027-01-31;S-1\r\n;B;;\r\n'
    assert read(content) == [
        CodeLine(2, "A;1", serial="S-1", expires=date(2027, 1, 31), cost=Decimal("4.20")),
        CodeLine(3, "B"),
    ]


def test_blank_lines_are_no_lines():
    assert read(b"\n   \nA\n\xef\xbb\xbf\n\r\nB") == [CodeLine(3, "A"), CodeLine(6, "B")]
    assert read(b"code,cost\n , \nA,\n") == [CodeLine(3, "A")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"code,cost\n,4.20", "empty"),
        (b"code,cost\nA,4.20,1", "3 cells under 2 columns"),
        (b'code,cost\n"A,4.20', "quotes"),
        (b"code,cost\nA,four", "no amount"),
        (b"code,cost\nA,-1", "0 or more"),
        (b"code,cost\nA,1.00001", "4 decimal places"),
        (b"code,cost\nA,NaN", "no amount"),
        (b"code,cost\nA,12345678901", "10 digits"),
        (b"code,expires\nA,31.01.2027", "2027-01-31"),
        (b"code,expires\nA,2027-02-30", "2027-01-31"),
        (b"code,serial\nA," + b"9" * 201, "serial"),
        (b"ok\nA\x00B", "control"),
        (b"ok\nA\x1b[31mB", "control"),
        (b"ok\n" + "A\u200bB".encode(), "invisible"),
        (b"ok\nA\xff\xfeB", "not UTF-8"),
        (b"ok\n" + b"A" * 2001, "2,000 characters"),
        (b"ok\n" + b"A" * 70_000, "64 KB"),
    ],
)
def test_a_bad_line_is_refused_with_its_number_and_reason(line, reason):
    refusal = read(line)[-1]
    assert isinstance(refusal, Refusal)
    assert refusal.number == 2
    assert reason in refusal.reason


def test_a_refusal_never_tells_the_code_even_from_the_wrong_column():
    (refusal,) = read(b"code,cost,expires\n4.20,SECRET-CODE-1234,2027-01-31\n")
    assert "SECRET" not in refusal.reason + refusal.shown


@pytest.mark.parametrize("piece", [1, 7, 64 * 1024])
def test_a_huge_line_is_refused_without_being_kept_and_its_neighbours_are_read(piece, monkeypatch):
    monkeypatch.setattr("inventory.code_lines.PIECE_BYTES", piece)
    monkeypatch.setattr("inventory.code_lines.LONGEST_LINE_BYTES", 100)
    content = b"A\n" + b"x" * 1000 + b"\nB\n" + b"y" * 101
    assert [(entry.number, isinstance(entry, Refusal)) for entry in read(content)] == [
        (1, False),
        (2, True),
        (3, False),
        (4, True),
    ]


def test_lines_can_come_from_a_list():
    assert list(parse(numbered([b"A\n", b"B"]))) == [CodeLine(1, "A"), CodeLine(2, "B")]


@pytest.mark.parametrize("content", [b"code,price\nA,1\n", b"code,code\nA,B\n", "A\nB\n".encode("utf-16")])
def test_a_file_whose_beginning_makes_no_sense_is_refused_whole(content):
    with pytest.raises(UnusableFile):
        read(content)


def test_a_csv_without_the_column_code_is_not_taken_for_codes():
    with pytest.raises(UnusableFile, match="no header"):
        read(b"AAA,2027-01-31\n", is_csv=True)
    assert read(b"AAA\n", is_csv=True) == [CodeLine(1, "AAA")]


@pytest.mark.parametrize(("code", "shown"), [("SHORT-CODE1", "••••"), ("TWELVE-CODE1", "••••ODE1"), ("", "••••")])
def test_a_mask_shows_four_characters_of_a_long_code_at_most(code, shown):
    assert mask(code) == shown
