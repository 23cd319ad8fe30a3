"""How many units an offer shows: rules of offer, product and account, and never more than can be honoured."""

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from hypothesis import given, strategies as st

from inventory import publishing, shelves
from inventory.models import Offer, QuantityRule
from inventory.shelves import Numbers
from tests import make
from tests.inventory.test_admin import signed_in

RULES = reverse("admin:inventory_quantityrule_changelist")


@pytest.mark.parametrize(
    ("numbers", "at_most", "units", "shown"),
    [
        (Numbers(), None, 7, 7),
        (Numbers(), 3, 7, 3),
        (Numbers(buffer=2), None, 7, 5),
        (Numbers(buffer=9), None, 7, 0),
        (Numbers(share=50), None, 7, 3),
        (Numbers(buffer=1, share=50), None, 7, 3),
        (Numbers(cap=4), None, 7, 4),
        (Numbers(cap=4), 2, 7, 2),
        (Numbers(stop_below=8), None, 7, 0),
        (Numbers(stop_below=7), None, 7, 7),
        (Numbers(fixed=99), None, 0, 99),
        (Numbers(fixed=99, cap=10), None, 0, 10),
    ],
)
def test_what_rules_make_of_a_stock(numbers, at_most, units, shown):
    assert numbers.shown(units, at_most) == shown


@given(
    st.builds(
        Numbers,
        buffer=st.none() | st.integers(0, 50), share=st.none() | st.integers(1, 100), cap=st.none() | st.integers(0, 50),
        stop_below=st.none() | st.integers(0, 50),
    ),
    st.integers(0, 100),
    st.none() | st.integers(0, 100),
)  # fmt: skip
def test_a_rule_that_follows_stock_never_shows_more_than_there_is(numbers, units, at_most):
    assert 0 <= numbers.shown(units, at_most) <= units


@pytest.fixture
def offer(db):
    return make.offer(make.product(codes=10), make.account(), external_id="o-1")


@pytest.mark.smoke
def test_what_the_offer_does_not_say_its_product_says_and_then_its_account(offer):
    QuantityRule.objects.create(account=offer.account, buffer=1, cap=8)
    assert publishing.wanted_quantity(offer) == 8

    QuantityRule.objects.create(product=offer.product, cap=6)
    assert publishing.wanted_quantity(offer) == 6

    QuantityRule.objects.create(offer=offer, cap=100, buffer=3)
    assert publishing.wanted_quantity(offer) == 7


@pytest.mark.smoke
def test_rules_pauses_and_stock_of_many_offers_are_three_statements(offer, django_assert_num_queries):
    places = [shelves.Place(n, offer.product_id, offer.account_id, "g2g") for n in range(500)]

    with django_assert_num_queries(3):
        assert shelves.read(places).shown(places[0]) == 10


def test_a_rule_is_for_exactly_one_thing(offer):
    with pytest.raises(ValidationError, match="Choose one"):
        QuantityRule(offer=offer, product=offer.product).full_clean()
    with pytest.raises(ValidationError, match="Choose one"):
        QuantityRule(cap=1).full_clean()
    with pytest.raises(ValidationError, match="Only a single offer"):
        QuantityRule(product=offer.product, fixed=3).full_clean()


def test_a_rule_that_is_saved_or_deleted_is_pushed_at_once(offer, admin_client):
    admin_client.post(reverse("admin:inventory_quantityrule_add"), {"offer": offer.pk, "cap": 2})
    offer.refresh_from_db()
    assert (offer.state, publishing.wanted_quantity(offer)) == ("due", 2)

    Offer.objects.update(state="done")
    admin_client.post(
        reverse("admin:inventory_quantityrule_delete", args=[QuantityRule.objects.get().pk]), {"post": "yes"}
    )
    offer.refresh_from_db()
    assert (offer.state, publishing.wanted_quantity(offer)) == ("due", 10)


def test_rules_are_for_those_who_may(offer):
    assert signed_in("inventory.view_offer").get(RULES).status_code == 403
