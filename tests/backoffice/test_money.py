from decimal import Decimal

import pytest

from backoffice import money


@pytest.mark.parametrize(
    ("value", "amount"),
    [("4.20", "4.20"), (" 7 ", "7"), (3, "3"), (0.1, "0.1"), (Decimal("1.005"), "1.005"), ("-2.5", "-2.5")],
)
def test_it_reads_amounts_exactly(value: object, amount: str) -> None:
    assert money.to_decimal(value) == Decimal(amount)


@pytest.mark.parametrize("value", [None, ""])
def test_nothing_is_no_amount_and_not_zero(value: object) -> None:
    assert money.to_decimal(value) is None


@pytest.mark.parametrize("value", ["free", "1,5", "NaN", "Infinity", "-inf", True, [], "1.2.3"])
def test_it_refuses_what_is_no_amount(value: object) -> None:
    with pytest.raises(ValueError, match="is no amount"):
        money.to_decimal(value)


@pytest.mark.parametrize(
    ("amount", "currency", "rounded"),
    [("1.005", "EUR", "1.01"), ("2.675", "USD", "2.68"), ("-1.005", "EUR", "-1.01"), ("1499.5", "IDR", "1500")],
)
def test_it_rounds_half_up_to_the_smallest_unit(amount: str, currency: str, rounded: str) -> None:
    assert str(money.rounded(Decimal(amount), currency)) == rounded


def test_it_shows_amounts_to_people() -> None:
    assert money.display(Decimal("1204.5"), "EUR") == "1,204.50 EUR"
    assert money.display(Decimal("15000"), "IDR") == "15,000 IDR"
    assert money.display(Decimal("3"), "") == "3.00"
    assert money.display(None, "EUR") == ""
