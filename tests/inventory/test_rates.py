"""Exchange rates: what an amount is worth in another currency, and files of rates."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from inventory import rates
from inventory.models import ExchangeRate
from inventory.rates import MissingRate, convert
from tests.command import outcome
from tests.inventory.test_admin import says, signed_in

pytestmark = pytest.mark.django_db

DAY = date(2026, 11, 20)
IMPORT = reverse("admin:inventory_exchangerate_import")
FILE = "base,quote,rate,day\nUSD,EUR,0.92,2026-11-20\neur,pln,4.30,2026-11-20\n"


def rate(base, quote, value, day=DAY):
    return ExchangeRate.objects.create(base=base, quote=quote, rate=value, day=day)


@pytest.mark.smoke
def test_the_newest_rate_that_is_not_after_the_day_counts():
    rate("USD", "EUR", "0.90", DAY - timedelta(days=3))
    rate("USD", "EUR", "0.95", DAY + timedelta(days=1))

    assert convert(Decimal(10), "USD", "EUR", DAY) == 9
    assert convert(Decimal(10), "USD", "EUR", DAY + timedelta(days=1)) == Decimal("9.5")
    with pytest.raises(MissingRate):
        convert(Decimal(10), "USD", "EUR", DAY - timedelta(days=4))


def test_a_pair_counts_the_other_way_round_and_the_newer_row_wins():
    rate("EUR", "USD", "1.25")
    assert convert(Decimal(10), "USD", "EUR", DAY) == 8
    rate("USD", "EUR", "0.5", DAY - timedelta(days=1))
    assert convert(Decimal(10), "USD", "EUR", DAY) == 8


def test_one_step_over_a_third_currency_is_taken_and_no_two():
    rate("USD", "EUR", "0.8")
    rate("EUR", "PLN", "4")
    rate("PLN", "CZK", "6")

    assert convert(Decimal(10), "USD", "PLN", DAY) == 32
    assert convert(Decimal(32), "PLN", "USD", DAY) == 10
    with pytest.raises(MissingRate, match="from USD to CZK"):
        convert(Decimal(1), "USD", "CZK", DAY)


def test_the_same_currency_needs_no_rate():
    assert convert(Decimal(7), "EUR", "EUR", DAY) == 7


def test_a_missing_rate_names_the_pair_and_the_next_step():
    with pytest.raises(MissingRate, match=r"from IDR to EUR for 2026-11-20\. Enter one under Exchange rates"):
        convert(Decimal(1), "IDR", "EUR", DAY)


@pytest.mark.smoke
def test_bad_lines_of_a_file_are_told_and_stop_no_other():
    found = rates.read(
        f"{FILE}USD,EUR,0.93,2026-11-20\nUSD,USD,1,2026-11-20\nUSD,JPY,-1,2026-11-20\nUSD,JPY,many,2026-11-20\n"
        "USD,JPY,150,20.11.2026\nDOLLAR,JPY,150,2026-11-20\nUSD,,150,2026-11-20\n".splitlines(keepends=True)
    )

    assert [(row.base, row.quote, row.rate) for row in found.rows] == [
        ("USD", "EUR", Decimal("0.92")), ("EUR", "PLN", Decimal("4.30")),
    ]  # fmt: skip
    reasons = dict(found.errors)
    assert sorted(reasons) == [4, 5, 6, 7, 8, 9, 10]
    assert "a line before it" in reasons[4]
    assert "same currency" in reasons[5]
    assert "more than nothing" in reasons[6]
    assert "no amount" in reasons[7]
    assert "2026-12-31" in reasons[8]
    assert reasons[9].startswith("base:")
    assert reasons[10] == "quote is empty"


def test_the_command_imports_and_a_second_time_changes_nothing(tmp_path):
    path = tmp_path / "rates.csv"
    path.write_text(FILE)

    assert outcome("import_rates", str(path), "--dry-run").data["new"] == 2
    assert not ExchangeRate.objects.exists()
    assert outcome("import_rates", str(path)).data == {
        "read": 2, "new": 2, "changed": 0, "unchanged": 0, "rejected": 0, "errors": [],
    }  # fmt: skip
    assert outcome("import_rates", str(path)).data["unchanged"] == 2
    path.write_text(FILE.replace("0.92", "0.93"))
    assert outcome("import_rates", str(path)).data["changed"] == 1
    assert convert(Decimal(1), "USD", "EUR", DAY) == Decimal("0.93")


def test_the_command_refuses_what_is_no_file_of_rates(tmp_path):
    path = tmp_path / "rates.csv"
    path.write_text("from,to\nUSD,EUR\n")

    assert outcome("import_rates", str(path)).status == 2
    assert outcome("import_rates", str(tmp_path / "none.csv")).status == 2
    path.write_text(f"{FILE}USD,USD,1,2026-11-20\n")
    data, status, _ = outcome("import_rates", str(path))
    assert (data["new"], data["rejected"], status) == (2, 1, 1)


@pytest.mark.smoke
def test_the_page_shows_what_would_change_before_it_does(admin_client):
    rate("USD", "EUR", "0.90")
    page = says(admin_client.post(IMPORT, {"text": f"{FILE}USD,USD,1,2026-11-20\n"}))

    assert "1 new rates, 1 changed, 0 as they were; 1 lines can't be used." in page
    assert "line 4: base and quote are the same currency" in page
    assert ExchangeRate.objects.count() == 1

    told = says(admin_client.post(IMPORT, {"text": FILE, "confirmed": 1}, follow=True))
    assert "1 rates were added and 1 changed" in told
    assert ExchangeRate.objects.count() == 2


def test_the_page_says_what_a_file_lacks_and_is_not_for_everybody(admin_client):
    assert "the header lacks rate, day" in says(admin_client.post(IMPORT, {"text": "base,quote\nUSD,EUR\n"}))
    assert "Choose a file" in says(admin_client.post(IMPORT, {"text": " "}))
    assert signed_in("inventory.view_exchangerate").post(IMPORT, {"text": FILE, "confirmed": 1}).status_code == 403
    assert not ExchangeRate.objects.exists()
