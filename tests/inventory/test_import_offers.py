from decimal import Decimal

import pytest

from inventory.models import Offer
from marketplaces.models import ApiCall
from marketplaces.services.g2g.sandbox_catalogue import ITUNES_CARD
from tests import make
from tests.command import outcome
from tests.orders.story import CHOICES

pytestmark = [pytest.mark.django_db, pytest.mark.smoke]

HEADER = "sku,external_product_id,price,currency"


@pytest.fixture
def account():
    return make.account()


@pytest.fixture
def load(tmp_path, account):
    make.product("GAME")

    def load(*rows, header=HEADER, options=(), content=None):
        path = tmp_path / "offers.csv"
        path.write_bytes(content if content is not None else "\n".join([header, *rows]).encode())
        return outcome("import_offers", str(path), "--account", account.name, *options)

    return load


def test_a_row_creates_an_offer_that_is_wanted_and_not_pushed(load, account):
    header = f"{HEADER},quantity,title,min_quantity,low_stock_at,attributes,description,offer_type,visibility"
    row = 'GAME,p-1,9.99,usd,,"A game, new",2,5,"{""region"": ""EU""}",Text,promo,retail'
    data, status, _ = load(row, header=header)
    assert (data, status) == (
        {"read": 1, "created": 1, "changed": 0, "unchanged": 0, "rejected": 0, "errors": []},
        0,
    )
    offer = Offer.objects.get()
    assert (offer.account, offer.product.sku, offer.external_product_id) == (account, "GAME", "p-1")
    assert (offer.price, offer.currency, offer.quantity) == (Decimal("9.99"), "USD", None)
    assert (offer.title, offer.min_quantity, offer.low_stock_at) == ("A game, new", 2, 5)
    assert (offer.attributes, offer.description) == ({"region": "EU"}, "Text")
    assert (offer.offer_type, offer.visibility) == ("promo", "retail")
    assert offer.state == Offer.State.DONE


def test_a_second_run_changes_only_what_differs(load):
    header = f"{HEADER},quantity"
    load("GAME,p-1,9.99,USD,5", "GAME,p-2,1,USD,", header=header)
    data, status, _ = load("GAME,p-1,8.99,USD,5", "GAME,p-2,1.00,USD,", header=header)
    assert (data["created"], data["changed"], data["unchanged"], status) == (0, 1, 1, 0)
    assert Offer.objects.count() == 2


def test_an_empty_cell_leaves_what_is_there_and_an_empty_quantity_follows_stock(load):
    header = f"{HEADER},quantity,title"
    load("GAME,p-1,9.99,USD,5,Title", header=header)
    load("GAME,p-1,,,,", header=header)
    offer = Offer.objects.get()
    assert (offer.price, offer.currency, offer.title, offer.quantity) == (Decimal("9.99"), "USD", "Title", None)
    offer.quantity = 3
    offer.save()
    load("GAME,p-1,9.99,USD")
    offer.refresh_from_db()
    assert offer.quantity == 3


def test_bad_rows_are_told_with_their_lines_and_good_ones_applied(load):
    header = f"{HEADER},quantity,attributes"
    bad = {
        "GAMES,p-1,9.99,USD,,": "Nearest: GAME",
        "GAME,p-1,cheap,USD,,": "price",
        "GAME,p-1,0,USD,,": "price",
        "GAME,p-1,1.23456,USD,,": "4 decimal places",
        "GAME,p-1,9.99,DOLLAR,,": "currency",
        "GAME,p-1,9.99,USD,-1,": "quantity",
        "GAME,p-1,9.99,USD,x,": "quantity",
        "GAME,,9.99,USD,,": "external_product_id is empty",
        "GAME,p-1,,USD,,": "price is empty",
        "GAME,p-1,9.99,USD,1,[]": "attributes",
        "GAME,p-1,9.99,USD,1,{,": "7 cells under 6 columns",
    }
    data, status, words = load(*bad, "", "GAME,p-9,9.99,USD,1,", header=header)
    assert status == 1
    assert "11 rows" in words
    assert (data["read"], data["created"], data["rejected"]) == (12, 1, 11)
    assert [error["line"] for error in data["errors"]] == list(range(2, 13))
    for error, reason in zip(data["errors"], bad.values(), strict=True):
        assert reason in error["reason"]
    assert Offer.objects.get().external_product_id == "p-9"


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ("sku,price", "external_product_id, currency"),
        (f"{HEADER},colour", "colour"),
        (f"{HEADER},price", "twice"),
        ("", "sku"),
    ],
)
def test_a_header_that_can_not_be_used_is_refused_by_name(load, header, named):
    data, status, words = load("GAME,p-1,9.99,USD,x", header=header)
    assert (data, status) == (None, 2)
    assert named in words


def test_what_is_no_utf8_or_no_csv_is_refused_alone(load):
    content = f"\ufeff{HEADER}\r\n".encode() + b"GAME,p-\xff,1,USD\r\nGAME,p-2,1,USD\r\n" + b'GAME,"p-3,1,USD\r\n'
    data, status, _ = load(content=content)
    assert (status, data["created"], [error["line"] for error in data["errors"]]) == (1, 1, [2, 4])


def test_an_offer_is_found_by_its_id_first(load, account):
    mine = make.offer(None, account, external_id="G1", external_product_id="p-1")
    other = make.offer(make.product("OTHER"), account, external_id="G2", external_product_id="p-1")
    header = f"{HEADER},external_id"
    assert load("GAME,p-1,5,USD,G1", header=header).data["changed"] == 1
    mine.refresh_from_db()
    other.refresh_from_db()
    assert (mine.product.sku, mine.price, other.price) == ("GAME", Decimal(5), Decimal("9.99"))
    assert load("GAME,p-1,5,USD,G3", header=header).data["created"] == 1
    _, status, _ = load("GAME,p-2,5,USD,G1", header=header)
    assert status == 1


def test_a_row_that_could_mean_two_offers_is_refused(load, account):
    product = make.product("TWICE")
    for external_id in ("G1", "G2"):
        make.offer(product, account, external_id=external_id)
    data, status, _ = load("TWICE,product-1,5,USD")
    assert status == 1
    assert "external_id" in data["errors"][0]["reason"]


def test_an_unknown_account_or_file_is_refused(load, account, tmp_path):
    assert outcome("import_offers", str(tmp_path / "none.csv"), "--account", account.name).status == 2
    (tmp_path / "some.csv").write_text(HEADER)
    unknown = outcome("import_offers", str(tmp_path / "some.csv"), "--account", "Main shpo")
    assert unknown.status == 2
    assert "Main shop" in unknown.words


def test_with_push_the_marketplace_follows_also_what_an_earlier_import_changed(g2g, tmp_path):
    product = make.product("GAME", codes=3)
    offer = make.offer(product, g2g.account, external_product_id=ITUNES_CARD, attributes=CHOICES)
    path = tmp_path / "offers.csv"
    path.write_text(f"{HEADER}\nGAME,{ITUNES_CARD},7.50,USD\n")
    arguments = ["import_offers", str(path), "--account", g2g.account.name]
    assert outcome(*arguments).data["changed"] == 1
    g2g.settle()
    assert not ApiCall.objects.exists()
    assert outcome(*arguments, "--push").data["unchanged"] == 1
    g2g.settle()
    offer.refresh_from_db()
    assert float(g2g.sandbox.offers.all[offer.external_id].fields["unit_price"]) == 7.5
