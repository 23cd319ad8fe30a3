"""The lowest price that an offer may have, and where it comes from."""

from decimal import Decimal

import pytest

from inventory import costs, goods, limits, pricing
from inventory.costs import MissingCost
from inventory.limits import Book, PriceRefused
from inventory.models import Batch, Code, Offer, Product
from inventory.rates import MissingRate, Rates
from marketplaces.models import CatalogueProduct
from tests import make
from tests.inventory.priced import cost, fee, margin, rate

pytestmark = pytest.mark.django_db


@pytest.fixture
def offer():
    product = make.product(codes=2)
    cost(product, "4")
    return make.offer(product, make.account(), price=Decimal("9.99"))


def floor(offer):
    return Book([offer]).limits(offer).floor


# --- cost --------------------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_the_dearest_code_that_is_still_to_be_sold_is_the_cost(offer, django_assert_num_queries):
    product = offer.product
    make.add_codes(product, 1, prefix="DEAR")
    Batch.objects.filter(pk=Batch.objects.latest("pk").pk).update(cost=6, currency="USD")
    own = Code.objects.filter(product=product).first()
    Code.objects.filter(pk=own.pk).update(cost=7)

    with django_assert_num_queries(1):
        assert costs.basis(product).dearest == {"USD": 7}
    Code.objects.filter(pk=own.pk).update(state="uploaded")
    assert costs.basis(product).dearest == {"USD": 7}
    Code.objects.filter(pk=own.pk).update(state="delivered")
    assert costs.basis(product).dearest == {"USD": 6}
    Code.objects.filter(batch__cost=6).update(state="void")
    assert costs.basis(product).dearest == {"USD": 4}
    Code.objects.update(state="delivered")
    assert costs.basis(product).dearest == {"USD": 6}, "what came in last, while there is none"


def test_costs_in_several_currencies_are_compared_in_the_one_asked_for(offer):
    make.add_codes(offer.product, 1, prefix="POUND")
    Batch.objects.filter(pk=Batch.objects.latest("pk").pk).update(cost=4, currency="GBP")
    basis = costs.basis(offer.product)

    with pytest.raises(MissingRate, match="from GBP to USD"):
        basis.in_currency("USD", Rates())
    rate("GBP", "USD", "1.25")
    assert basis.in_currency("USD", Rates()) == 5


def test_what_nobody_wrote_down_is_no_cost_of_nothing(offer):
    Batch.objects.update(cost=None)
    with pytest.raises(MissingCost, match="Enter it on the batch"):
        costs.basis(offer.product).in_currency("USD", Rates())
    Batch.objects.update(cost=4, currency="")
    with pytest.raises(MissingCost):
        costs.basis(offer.product).in_currency("USD", Rates())


@pytest.mark.smoke
def test_counted_units_cost_what_the_last_receipts_did_that_cover_them(django_assert_num_queries):
    product = make.product("SHELF", kind="counted")
    for number, (units, paid) in enumerate([(10, "9"), (5, "3"), (5, "5")]):
        goods.receive(
            product_id=product.pk, quantity=units, by="me", key=f"k{number}", cost=Decimal(paid), currency="USD"
        )

    with django_assert_num_queries(1):
        assert costs.basis(product).dearest == {"USD": 9}
    goods.ship(product_id=product.pk, quantity=10, reference="parcel")
    assert costs.basis(product).dearest == {"USD": 5}
    goods.ship(product_id=product.pk, quantity=10, reference="another")
    assert costs.basis(product).dearest == {"USD": 5}, "what came in last, while there is none"


def test_many_products_take_as_many_queries_as_one(offer, django_assert_num_queries):
    for number in range(5):
        make.product(f"P{number}", codes=number % 2)
        make.product(f"C{number}", kind="counted")
    products = list(Product.objects.all())

    with django_assert_num_queries(3):
        assert len(costs.bases(products)) == 11


# --- floors ------------------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_the_floor_leaves_the_margin_after_all_fees(offer):
    fee(offer.account, "12.5", "0.30")
    margin(offer.account, "10")

    assert floor(offer) == Decimal("5.3715")  # (4 × 1.10 + 0.30) / 0.875, rounded up
    assert pricing.earning(offer, floor(offer)).margin_percent >= 10
    assert pricing.earning(offer, floor(offer) - Decimal("0.0001")).margin_percent < 10


def test_a_products_margin_goes_before_its_accounts(offer):
    margin(offer.account, "10")
    offer.product.min_margin = Decimal(50)
    assert floor(offer) == 6
    offer.product.min_margin = Decimal(0)
    assert floor(offer) == 4


def test_the_higher_of_the_two_floors_holds(offer):
    margin(offer.account, "10")
    for own, holds in (("4", "4.4"), ("5", "5")):
        offer.floor = Decimal(own)
        assert floor(offer) == Decimal(holds)


def test_a_category_has_a_fee_of_its_own(offer):
    fee(offer.account, "10")
    fee(offer.account, "50", category="Gift cards")
    margin(offer.account, "0")
    assert floor(offer) == Decimal("4.4445")

    CatalogueProduct.objects.create(marketplace="g2g", external_id="product-1", name="x", category="gift cards")
    assert floor(offer) == 8


def test_costs_and_fees_are_converted_to_the_offers_currency(offer):
    fee(offer.account, "0", "1", "EUR")
    cost(offer.product, "4", "EUR")
    margin(offer.account, "0")
    rate("EUR", "USD", "1.5")
    assert floor(offer) == Decimal("7.5")


@pytest.mark.parametrize("lacks", ["cost", "rate", "product"])
def test_where_something_is_missing_there_is_no_computed_floor_and_it_is_said(lacks, offer):
    margin(offer.account, "10")
    if lacks == "cost":
        Batch.objects.update(cost=None)
    elif lacks == "rate":
        cost(offer.product, "4", "EUR")
    else:
        offer.product = None
    found = Book([offer]).limits(offer)

    assert found.floor is None
    assert "no floor is computed: " in found.words
    limits.check(offer)
    offer.floor = Decimal(20)
    with pytest.raises(PriceRefused, match="below the floor of 20.00 USD"):
        limits.check(offer)


def test_a_refusal_names_price_floor_cost_margin_and_what_to_do(offer):
    fee(offer.account, "10")
    margin(offer.account, "25")
    offer.price = Decimal("5.55")

    with pytest.raises(PriceRefused) as refused:
        limits.check(offer)
    assert refused.value.kind == "below_floor"
    for said in ("5.55 USD", "5.5556 USD", "cost 4.00 USD", "margin 25 %", "fees 10 %", "Raise the price to that"):
        assert said in str(refused.value)


def test_a_price_above_the_ceiling_is_refused_too(offer):
    offer.ceiling = Decimal(9)
    with pytest.raises(PriceRefused, match=r"9.99 USD is above the offer's ceiling of 9.00 USD"):
        limits.check(offer)


def test_a_currency_of_whole_units_is_rounded_up_to_one(offer):
    cost(offer.product, "1000.50", "IDR")
    margin(offer.account, "0")
    offer.currency = "IDR"
    assert floor(offer) == 1001


@pytest.mark.smoke
def test_a_thousand_offers_take_as_many_queries_as_one(offer, django_assert_max_num_queries):
    fee(offer.account, "10")
    margin(offer.account, "10")
    cost(offer.product, "4", "EUR")
    rate("EUR", "USD", "1.5")
    Offer.objects.bulk_create(
        Offer(account=offer.account, product=offer.product, external_product_id=f"p-{n}", price=9, currency="USD")
        for n in range(1000)
    )
    offers = list(Offer.objects.select_related("account"))

    book = Book(offers)
    with django_assert_max_num_queries(7):
        assert {book.limits(each).floor for each in offers} == {Decimal("7.3334")}


# --- what is left ------------------------------------------------------------------------------------------------


def test_the_marketplaces_own_answer_counts_for_exactly_its_price(offer):
    fee(offer.account, "10")
    offer.we_get, offer.simulated_price = Decimal("7.77"), Decimal("9.99")

    asked = pricing.earning(offer, Decimal("9.99"))
    assert (asked.amount, asked.source) == (Decimal("7.77"), "as the marketplace says")
    assert asked.margin_words == "3.77 USD (94.2 %)"
    other = pricing.earning(offer, Decimal(10))
    assert (other.amount, other.source) == (9, "by the account's fees")


def test_without_any_fee_nobody_pretends_to_know(offer):
    earning = pricing.earning(offer, offer.price)
    assert (earning.amount, earning.margin_words) == (None, "")
    assert "no fee is entered" in earning.source
