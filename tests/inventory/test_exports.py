"""What leaves as CSV, and what must not."""

import csv
import io
import os

import pytest
from django.core.management import CommandError, call_command

from backoffice import crypto
from inventory import codes
from inventory.models import Code, CodeReveal, Offer
from tests import make
from tests.backoffice import world
from tests.command import outcome

pytestmark = [pytest.mark.django_db, pytest.mark.smoke]


def exported(name, *arguments):
    out = io.StringIO()
    call_command(name, *arguments, stdout=out)
    return list(csv.DictReader(io.StringIO(out.getvalue())))


@pytest.fixture
def shop():
    return world.fill(3)


def test_codes_are_exported_without_the_codes(shop, monkeypatch):
    monkeypatch.setattr("backoffice.crypto.decrypt", pytest.fail)

    rows = exported("export_codes")

    assert len(rows) == Code.objects.count() == 6
    assert not any(world.CODE in value for row in rows for value in row.values())
    first = rows[0]
    assert (first["id"], first["sku"], first["batch"], first["state"]) == ("1001", "GAME-000", "INV-0", "sent")
    assert (first["cost"], first["currency"]) == ("4.2000", "EUR")
    assert "code" not in first


def test_codes_can_be_chosen(shop):
    assert {row["sku"] for row in exported("export_codes", "--sku", "GAME-001", "--sku", "GAME-002")} == {
        "GAME-001",
        "GAME-002",
    }
    assert {row["state"] for row in exported("export_codes", "--state", "available")} == {"available"}
    assert {row["batch"] for row in exported("export_codes", "--batch", "INV-1")} == {"INV-1"}


def test_codes_are_shown_for_a_reason_and_each_is_on_record(shop):
    before = CodeReveal.objects.count()

    rows = exported("export_codes", "--sku", "GAME-001", "--reveal", "Moving house")

    assert [row["code"] for row in rows] == [f"{world.CODE}-1-1", f"{world.CODE}-1-2"]
    kept = CodeReveal.objects.order_by("-pk")[:2]
    assert CodeReveal.objects.count() == before + 2
    assert {(reveal.code.product.sku, reveal.reason) for reveal in kept} == {("GAME-001", "Moving house")}
    assert all(reveal.user.endswith("(export_codes)") for reveal in kept)


def test_a_code_is_on_record_before_it_is_shown(shop):
    before = CodeReveal.objects.count()

    next(codes.reveal_all(Code.objects.all(), user="ann", reason="Audit"))

    assert CodeReveal.objects.count() == before + 6


@pytest.mark.parametrize("reason", ["", "  ", "x" * 301])
def test_no_reason_no_code(shop, reason):
    before = CodeReveal.objects.count()

    with pytest.raises(CommandError) as error:
        exported("export_codes", "--reveal", reason)

    assert error.value.returncode == 2
    assert CodeReveal.objects.count() == before


def test_a_code_that_does_not_open_stops_no_other(shop, settings):
    keys, lost = settings.CODE_KEYS, Code.objects.get(pk=1001)
    settings.CODE_KEYS = {"lost": os.urandom(32)}
    Code.objects.filter(pk=lost.pk).update(sealed=crypto.encrypt(b"X", lost.binding))
    settings.CODE_KEYS = keys
    out = io.StringIO()

    with pytest.raises(CommandError, match="code 1001") as error:
        call_command("export_codes", "--reveal", "Audit", stdout=out)

    assert error.value.returncode == 1
    assert [row["code"] == "" for row in csv.DictReader(io.StringIO(out.getvalue()))] == [True] + [False] * 5


def test_offers_come_back_in_as_they_went_out(shop, tmp_path):
    Offer.objects.update(attributes={"region": ["EU", "US"]}, description="two\nlines", quantity=None)
    before = list(Offer.objects.order_by("pk").values())
    out = io.StringIO()
    call_command("export_offers", "--account", shop.name, stdout=out)
    (tmp_path / "offers.csv").write_text(out.getvalue())

    data = outcome("import_offers", str(tmp_path / "offers.csv"), "--account", shop.name).data

    assert (data["read"], data["unchanged"], data["rejected"]) == (3, 3, 0)
    assert list(Offer.objects.order_by("pk").values()) == before


def test_offers_can_be_chosen_and_tell_their_state(shop):
    make.offer(make.product("OTHER"), make.account("Other shop"), external_id="other")

    assert [row["external_id"] for row in exported("export_offers", "--account", "Other shop")] == ["other"]
    (row,) = exported("export_offers", "--sku", "GAME-001", "--state")
    assert (row["account"], row["pushed_quantity"], row["seen_status"]) == ("Main shop", "2", "live")


@pytest.mark.parametrize("name", ["export_offers", "export_codes"])
def test_an_unknown_sku_is_refused(shop, name):
    with pytest.raises(CommandError) as error:
        exported(name, "--sku", "GAME-0")

    assert error.value.returncode == 2
    assert "GAME-000" in str(error.value)


def test_nothing_becomes_a_formula_and_a_long_list_is_not_read_at_once(db, django_assert_max_num_queries):
    product = make.product("=1+1")
    make.offer(product, make.account(), title="@SUM(A1)")

    with django_assert_max_num_queries(2):
        (row,) = exported("export_offers")

    assert (row["sku"], row["title"]) == ("'=1+1", "'@SUM(A1)")
