"""A price below the floor reaches no marketplace, whichever way it takes; what is sold out does all the same."""

from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from backoffice import runs
from inventory import (
    difference_runs,
    differences,
    offer_runs,
    offers,
    pauses,
    pricing,
    publishing,
    repricing,
    stock,
)
from inventory.differences import Finding
from inventory.models import Code, Difference, Offer, PriceChange, PriceRule, Product
from inventory.pricing import NewPrice
from tests import make
from tests.backoffice import world
from tests.command import outcome
from tests.drain import drain
from tests.inventory.goods import open_market, sent, shelf, there as shown_there
from tests.inventory.priced import cost, fee, margin, on_sale, there
from tests.inventory.test_admin import says
from tests.inventory.test_offer_admin import shown_on

pytestmark = [pytest.mark.django_db, pytest.mark.smoke]

# Codes cost 4 USD and the account keeps 10 %: with this margin no price below 5.5556 may go out.
MARGIN = "25"


@pytest.fixture
def offer(g2g):
    sold = on_sale(g2g)
    margin(g2g.account, MARGIN)
    return sold


def by_form(offer, admin_client):
    url, posted = shown_on(admin_client, offer, price="5.00")
    assert "is below the floor of 5.5556 USD" in says(admin_client.post(url, posted))


def by_csv(offer, admin_client):
    row = f"GAME-1,{offer.external_product_id},5.00,USD,{offer.external_id}"
    done = offers.import_offers(
        account=offer.account, lines=["sku,external_product_id,price,currency,external_id\n", row]
    )
    ((_, reason),) = done.errors
    assert "is below the floor of 5.5556 USD" in reason


def by_run(offer, admin_client):
    run = runs.start(
        offer_runs.ChangePrice(), rows=Offer.objects.all(), said={"way": "to", "value": "5"}, by=world.staff("boss"),
        token="t",
    )  # fmt: skip
    runs.step(run.pk)
    ((_, state, reason),) = runs.results(run)
    assert state == "failed"
    assert "is below the floor of 5.5556 USD" in reason


def by_push_run(offer, admin_client):
    """The bulk run that pushes what is chosen, of a price that got past every form of ours."""
    Offer.objects.update(price=5)
    run = runs.start(offer_runs.Push(), rows=Offer.objects.all(), said={}, by=world.staff("boss"), token="t")
    drain()
    runs.step(run.pk)
    ((_, state, reason),) = runs.results(run)
    assert state == "failed"
    assert "is below the floor of 5.5556 USD" in reason


def by_taking_theirs(offer, admin_client):
    """What somebody changed over there is not taken over, nor pushed back from here."""
    finding = Finding("price", Difference.Kind.BY_HAND, "9.99 USD", "5.00 USD", offer.external_id, offer_id=offer.pk)
    differences.record(offer.account, [finding], offers=[offer.external_id], at=timezone.now())
    run = runs.start(
        difference_runs.TakeTheirs(), rows=Difference.objects.all(), said={}, by=world.staff("boss"), token="t"
    )
    runs.step(run.pk)
    ((_, state, reason),) = runs.results(run)
    assert state == "failed"
    assert "is below the floor of 5.5556 USD" in reason


def by_rule(offer, admin_client):
    rule = PriceRule.objects.create(name="cheap", account=offer.account, kind="fixed", value=5, is_dry_run=False)
    repricing.page()
    change = PriceChange.objects.get(rule=rule)
    assert change.after == Decimal("5.56")
    assert "held at the floor" in change.reason


def by_command(offer, admin_client):
    Offer.objects.update(price=5)  # past every form of ours, as a hand in the database would
    data, status, _ = outcome("push_offers", "--wait")
    assert status == 1
    assert "is below the floor of 5.5556 USD" in data["failed"][0]["reason"]


def by_set_price(offer, admin_client):
    pricing.set_price({offer.pk: NewPrice(Decimal(5))}, reason="straight")
    publishing.request(Offer.objects.all())


WAYS = (by_form, by_csv, by_run, by_push_run, by_taking_theirs, by_rule, by_command, by_set_price)


@pytest.mark.parametrize("way", WAYS)
def test_it_is_not_pushed(way, g2g, offer, admin_client):
    way(offer, admin_client)
    publishing.request(Offer.objects.all())
    g2g.settle()

    price, units = there(g2g, offer)
    assert price >= Decimal("5.5556")
    assert units == 5
    offer.refresh_from_db()
    if offer.price < Decimal("5.5556"):
        assert (offer.state, offer.failure) == ("needs_attention", "below_floor")
        assert "cost 4.00 USD, margin 25 %" in offer.last_error


def test_nor_is_an_offer_created_at_it(g2g, offer):
    other = make.offer(
        offer.product, g2g.account, external_product_id=offer.external_product_id, attributes=offer.attributes, price=5
    )
    publishing.request(Offer.objects.filter(pk=other.pk))
    g2g.settle()

    other.refresh_from_db()
    assert (other.external_id, other.failure) == ("", "below_floor")
    assert len(g2g.sandbox.offers.all) == 1


def test_what_is_sold_out_is_shown_though_the_price_is_refused(g2g, offer):
    Offer.objects.update(price=5, title="Another title")
    stock.withdraw(list(Code.objects.values_list("pk", flat=True)), Code.State.FAULTY)
    g2g.settle()

    assert there(g2g, offer) == (Decimal("9.99"), 0)
    offer.refresh_from_db()
    assert (offer.state, offer.pushed_quantity, offer.pushed["price"]) == ("needs_attention", 0, "9.99")
    assert offer.pushed["title"] != "Another title"


def test_an_offer_without_a_price_is_shown_as_sold_out_too(g2g, offer):
    Offer.objects.update(price=None)
    stock.withdraw(list(Code.objects.values_list("pk", flat=True)), Code.State.FAULTY)
    g2g.settle()

    assert there(g2g, offer) == (Decimal("9.99"), 0)


def test_a_wrong_currency_keeps_nothing_that_is_sold_out_on_show(g2g, offer):
    Offer.objects.update(price=5, currency="EUR", floor=6)
    stock.withdraw(list(Code.objects.values_list("pk", flat=True)), Code.State.FAULTY)
    g2g.settle()

    assert there(g2g, offer) == (Decimal("9.99"), 0)
    offer.refresh_from_db()
    assert offer.pushed["currency"] == "USD"


def test_sales_that_are_stopped_are_stopped_though_the_price_is_refused(g2g, offer):
    Offer.objects.update(price=5)
    pauses.pause(pauses.target(g2g.account), by="boss", reason="theft")
    g2g.settle()

    assert there(g2g, offer)[1] == 0


def test_more_units_are_not_shown_at_a_price_that_costs_have_overtaken(g2g, offer):
    cost(offer.product, "20")
    make.add_codes(offer.product, 3, prefix="NEW")
    cost(offer.product, "20")
    stock.changed(offer.product_id)
    g2g.settle()

    assert there(g2g, offer) == (Decimal("9.99"), 5)
    stock.withdraw(list(Code.objects.values_list("pk", flat=True)[:6]), Code.State.FAULTY)
    g2g.settle()
    assert there(g2g, offer) == (Decimal("9.99"), 2)


def test_more_units_are_shown_at_a_price_there_that_is_good(g2g, offer):
    Offer.objects.update(price=5)
    make.add_codes(offer.product, 3, prefix="NEW")
    cost(offer.product, "4")
    stock.changed(offer.product_id)
    g2g.settle()

    assert there(g2g, offer) == (Decimal("9.99"), 8)


def test_a_price_that_is_raised_again_goes_out_with_all_the_rest(g2g, offer):
    Offer.objects.update(price=5)
    publishing.request(Offer.objects.all())
    g2g.settle()
    Offer.objects.update(price=6)
    publishing.request(Offer.objects.all())
    g2g.settle()

    offer.refresh_from_db()
    assert (there(g2g, offer), offer.state) == ((Decimal(6), 5), "done")


def test_a_page_may_be_mended_while_its_price_is_overtaken_by_costs(offer, admin_client):
    Product.objects.update(min_margin=1000)
    url, posted = shown_on(admin_client, offer, title="A better title")

    assert admin_client.post(url, posted).status_code == 302
    page = says(admin_client.get(reverse("admin:inventory_offer_change", args=[offer.pk])))
    assert "is below the floor of 48.8889 USD" in page


def test_the_push_that_waits_for_a_job_shows_what_is_sold_out_too(g2a):
    product_id = g2a.account.service().search_products()[0].external_id
    product = make.product(codes=3)
    cost(product, "4", "EUR")
    fee(g2a.account, "10", currency="EUR")
    sold = make.offer(product, g2a.account, external_product_id=product_id, currency="EUR", price="9.99",
                      offer_type="dropshipping", visibility="all")  # fmt: skip
    publishing.request(Offer.objects.all())
    g2a.advance(30)
    sold.refresh_from_db()
    assert (sold.state, sold.pushed_quantity) == ("done", 3)

    margin(g2a.account, MARGIN)
    Offer.objects.update(price=5)
    stock.withdraw(list(Code.objects.values_list("pk", flat=True)), Code.State.FAULTY)
    g2a.advance(30)

    sold.refresh_from_db()
    assert (sold.state, sold.failure, sold.pushed_quantity) == ("needs_attention", "below_floor", 0)
    remote = g2a.account.service().get_offer(sold.external_id)
    assert (remote.price, remote.quantity or 0) == (Decimal("9.99"), 0)


def test_a_bulk_update_takes_the_good_prices_and_leaves_the_refused_one():
    """One request for many offers: the price that must not go out is not in it, what is sold of it is."""
    with open_market() as goods:
        offers_there = shelf(goods, 3)
        bad = offers_there[0]
        Offer.objects.filter(pk=bad.pk).update(floor=Decimal("5.60"))
        Offer.objects.update(price=5, quantity=4)
        run = runs.start(offer_runs.Push(), rows=Offer.objects.all(), said={}, by=world.staff("boss"), token="t")
        goods.advance(130)

        assert [shown_there(goods, offer)[0] for offer in offers_there] == [Decimal("9.99"), Decimal(5), Decimal(5)]
        assert {shown_there(goods, offer)[1] for offer in offers_there} == {4}
        assert sent(goods, "GCO-08") == 1
        states = {name: (state, text) for name, state, text in runs.results(run)}
        assert sorted(state for state, _ in states.values()) == ["done", "done", "failed"]
        assert any("is below the floor of 5.60" in text for state, text in states.values() if state == "failed")
        bad.refresh_from_db()
        assert (bad.state, bad.failure) == ("needs_attention", "below_floor")
