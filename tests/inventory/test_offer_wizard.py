"""An offer is made step by step, on every marketplace that can; and nothing is lost or doubled on the way."""

import threading
from decimal import Decimal

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse

from inventory import drafting
from inventory.models import Fee, Offer, OfferDraft, PriceChange
from marketplaces import services
from marketplaces.models import ApiCall, CatalogueProduct
from marketplaces.sandbox_faults import Fault
from marketplaces.services.g2g.sandbox_catalogue import CARDS_CATEGORY, DENOMINATION, ITUNES_CARD, RAGNAROK_CREDIT
from tests import make
from tests.backoffice import world
from tests.drain import drain
from tests.inventory.test_admin import says, signed_in

NEW = reverse("admin:inventory_offer_new")
NUMBERS = {"price": "9.50", "currency": "USD", "min_quantity": "1", "low_stock_at": "0"}


class Way:
    """A person on the way: posts a step and follows where it leads."""

    def __init__(self, client, product, **given):
        self.client = client
        self.response = client.post(NEW, {"product": product.pk}, query_params=given, follow=True)
        self.draft = OfferDraft.objects.latest("created_at")

    def at(self, step):
        return reverse("admin:inventory_offer_new_step", args=[self.draft.pk, step])

    def post(self, step, **said):
        self.response = self.client.post(self.at(step), said, follow=True)
        return self

    def get(self, step, **query):
        self.response = self.client.get(self.at(step), query, follow=True)
        return self

    @property
    def step(self):
        return self.response.context["step"]

    @property
    def text(self):
        return says(self.response)


def choices_of(way):
    """What the page of the marketplace's questions has filled in, as a browser would post it."""
    form = way.response.context["form"]
    return {name: form[name].value() or "" for name in form.fields}


@pytest.fixture
def product(db):
    return make.product(codes=4)


@pytest.fixture
def way(g2g, product, admin_client):
    """At the price of an offer on G2G."""
    way = Way(admin_client, product).post("goods", id=ITUNES_CARD)
    assert way.step == "choices"
    return way.post("choices", **{f"group-{DENOMINATION}": "1f00aa02"})


# --- each marketplace --------------------------------------------------------------------------------------------------


def test_an_offer_is_made_with_the_choices_that_the_marketplace_asks_for(g2g, product, way):
    assert way.step == "price"
    way.post("price", **NUMBERS, quantity="3")
    assert way.step == "preview"
    assert "Denomination</dt><dd" in way.text
    assert "USD 10" in way.text
    assert not Offer.objects.exists()
    assert not g2g.sandbox.offers.all

    way.post("preview", make="1")
    assert "on its way to Main G2G" in way.text
    drain()

    offer = Offer.objects.get()
    there = g2g.sandbox.offers.all[offer.external_id]
    assert there.fields["offer_attributes"] == [{"attribute_group_id": DENOMINATION, "attribute_id": "1f00aa02"}]
    assert (there.fields["api_qty"], there.fields["unit_price"], offer.state) == (3, 9.5, "done")
    change = PriceChange.objects.get()
    assert (change.after, change.by, change.reason) == (Decimal("9.5"), "admin", "Set when the offer was made")


def test_a_top_up_asks_for_its_delivery_method(g2g, product, admin_client):
    way = Way(admin_client, product).post("goods", id=RAGNAROK_CREDIT)
    assert "Buyers fill in for “Direct top up”: User ID, Servers" in way.text

    way.post("choices", **choices_of(way) | {f"group-{DENOMINATION}": "1f00aa03", "description": "Within minutes"})
    way.post("price", **NUMBERS).post("preview", make="1")
    drain()

    (there,) = g2g.sandbox.offers.all.values()
    assert (there.kind, there.fields["description"]) == ("direct_top_up", "Within minutes")


def test_an_offer_is_made_where_prices_are_simulated(g2a, product, admin_client):
    goods = next(iter(g2a.sandbox.catalogue.products))
    way = Way(admin_client, product).post("goods", id=goods)
    way.post("choices", **choices_of(way))
    assert [name for name, _ in way.response.context["form"].fields["currency"].choices] == ["EUR"]

    way.post("price", **NUMBERS | {"currency": "EUR"}, simulate="1")
    assert "as the marketplace says" in way.text
    assert "The buyer pays" in way.text
    assert way.step == "price"
    way.post("price", **NUMBERS | {"currency": "EUR"}).post("preview", make="1")
    g2a.advance(10)

    offer = Offer.objects.get()
    assert (offer.state, offer.pushed_quantity, offer.offer_type) == ("done", 4, "dropshipping")
    assert offer.external_id in g2a.sandbox.offers.all


def test_a_product_is_made_under_our_own_code(gcommerce, product, admin_client):
    way = Way(admin_client, product).get("goods")
    assert 'value="GAME-1"' in way.text
    assert "Product code" in way.text

    way.post("goods", id="GAME-1")
    said = choices_of(way) | {"title": "Nightfall key", "category_ids": "8201", "images": "https://img.example/1.jpg\n"}
    way.post("choices", **said).post("price", **NUMBERS).post("preview", make="1")
    gcommerce.advance(61)

    offer = Offer.objects.get()
    there = gcommerce.sandbox.products.all[int(offer.external_id)]
    assert (there.code, there.name, there.category_ids, offer.state) == ("GAME-1", "Nightfall key", [8201], "done")


def test_where_nothing_is_made_what_exists_is_taken_over(ginee, admin_client):
    product = make.product("MUG-RED", codes=5)
    way = Way(admin_client, product).post("goods", id="MUG-GREEN")
    assert "Ginee has no Master SKU “MUG-GREEN”" in way.text

    way.post("goods", id="MUG-RED")
    assert way.step == "price"
    assert set(way.response.context["form"].fields) == {"quantity"}
    way.post("price", quantity="")
    assert "Take it over" in way.text
    way.post("preview", make="1")
    drain()

    offer = Offer.objects.get()
    assert (offer.external_id, offer.pushed_quantity, offer.state) == ("MUG-RED", 5, "done")


# --- the catalogue -----------------------------------------------------------------------------------------------------


def test_the_catalogue_is_searched_within_a_category(g2g, product, admin_client):
    way = Way(admin_client, product).get("goods", q="itunes", category=CARDS_CATEGORY)

    assert "iTunes Gift Card" in way.text
    assert f'value="{ITUNES_CARD}"' in way.text
    way.post("goods", id=ITUNES_CARD, name="iTunes Gift Card")
    assert "as iTunes Gift Card" in way.text


def test_the_mirrored_catalogue_stands_in_for_a_search_that_is_not_possible(g2a, product, admin_client):
    CatalogueProduct.objects.create(
        marketplace="g2a", external_id="77", name="Mirrored Legend", currency="EUR", price=3
    )

    way = Way(admin_client, product).get("goods", q="legend")

    assert "From the mirrored catalogue" in way.text
    assert "Mirrored Legend" in way.text


def test_an_offer_is_started_from_the_mirrored_catalogue(g2g, product, admin_client):
    row = CatalogueProduct.objects.create(marketplace="g2g", external_id=ITUNES_CARD, name="iTunes Gift Card")
    page = says(admin_client.get(reverse("admin:marketplaces_catalogueproduct_changelist")))
    assert f"{NEW}?catalogue={row.pk}" in page
    assert "For “iTunes Gift Card”" in says(admin_client.get(NEW, {"catalogue": row.pk}))

    way = Way(admin_client, product, catalogue=row.pk)

    assert way.step == "choices"
    assert "as iTunes Gift Card" in way.text


def test_a_marketplace_that_does_not_answer_says_so_and_is_asked_again(g2g, product, admin_client):
    g2g.sandbox.faults.add(Fault("G2G-04", "http_error", status=503))

    way = Way(admin_client, product).post("goods", id=ITUNES_CARD)
    assert "HTTP 503" in way.text
    assert way.response.context.get("form") is None

    way.post("choices", again="1")
    assert "Denomination" in way.text


def test_an_offer_is_started_from_our_products_page(product, admin_client):
    other = make.product("OTHER")
    address = f"{NEW}?product={product.pk}"
    assert address in says(admin_client.get(reverse("admin:inventory_product_change", args=[product.pk])))

    text = says(admin_client.get(address))

    assert "Choose GAME-1" in text
    assert f"Choose {other.sku}" not in text


def test_where_there_is_no_product_the_way_to_one_is_shown(db, admin_client):
    text = says(admin_client.get(NEW))

    assert "There is no product yet" in text
    assert reverse("admin:inventory_product_add") in text


# --- typing, going back, pressing twice -------------------------------------------------------------------------------


def test_going_back_keeps_what_was_typed_also_when_it_is_not_right_yet(way):
    way.post("price", price="much", currency="usd", back="1")
    assert way.step == "choices"
    assert choices_of(way) == {f"group-{DENOMINATION}": "1f00aa02"}

    way.get("price")
    form = way.response.context["form"]
    assert (form["price"].value(), form["currency"].value()) == ("much", "usd")


def test_a_required_choice_is_asked_for(g2g, product, admin_client):
    way = Way(admin_client, product).post("goods", id=ITUNES_CARD).post("choices")

    assert way.step == "choices"
    assert "This field is required" in way.text


def test_a_price_below_the_floor_is_refused_where_it_is_typed(way):
    way.post("price", **NUMBERS | {"floor": "10"})

    assert way.step == "price"
    assert "is below the floor of 10.00 USD" in way.text


def test_no_step_can_be_jumped_over(way):
    way.get("preview")
    assert way.step == "price"
    way.post("preview", make="1")
    assert (way.step, Offer.objects.count()) == ("price", 0)


def test_another_product_there_asks_its_own_questions(way):
    way.post("price", **NUMBERS).post("goods", id=RAGNAROK_CREDIT)

    assert way.step == "choices"
    assert "Delivery method" in way.text


def test_the_last_button_pressed_twice_makes_one_offer(way):
    way.post("price", **NUMBERS)
    way.post("preview", make="1")
    first = way.response.redirect_chain[-1]
    way.post("preview", make="1")

    assert way.response.redirect_chain[-1] == first
    assert Offer.objects.count() == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_the_last_button_pressed_twice_at_once_makes_one_offer(way):
    way.post("price", **NUMBERS)
    made, gate = [], threading.Barrier(4)

    def press():
        gate.wait()
        made.append(drafting.create(way.draft.pk, by="admin"))
        connections.close_all()

    threads = [threading.Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Offer.objects.count() == 1
    assert sorted(is_new for _, is_new in made) == [False, False, False, True]


def test_the_same_offer_again_is_warned_of(way, g2g, product):
    make.offer(product, g2g.account, external_product_id=ITUNES_CARD, external_id="G-OLD")

    way.post("price", **NUMBERS)

    assert "The same is offered through this account already" in way.text
    assert "G-OLD" in way.text


def test_a_draft_can_be_taken_up_again(way, admin_client):
    way.post("price", **NUMBERS)

    page = says(admin_client.get(NEW))
    address = reverse("admin:inventory_offer_draft", args=[way.draft.pk])

    assert address in page
    assert admin_client.get(address, follow=True).context["step"] == "preview"


# --- what a price means -----------------------------------------------------------------------------------------------


def test_what_is_left_after_fees_is_told_while_it_is_typed(way, admin_client, g2g):
    Fee.objects.create(account=g2g.account, percent=10)
    url = reverse("admin:inventory_offer_earnings", args=[way.draft.pk])

    told = admin_client.get(url, {"price": "20", "currency": "USD", "floor": "30"}).json()

    assert "We get 18.00 USD, by the account's fees." in told["lines"]
    assert "below the floor of 30.00 USD" in told["refusal"]


@pytest.mark.parametrize("typed", [{}, {"price": ""}, {"price": "much", "currency": "USD"}, {"price": "NaN"}])
def test_a_price_that_is_half_typed_breaks_nothing(typed, way, admin_client):
    url = reverse("admin:inventory_offer_earnings", args=[way.draft.pk])

    assert admin_client.get(url, typed).json() == {"lines": ["Enter a price and its currency."], "refusal": ""}


# --- who may -----------------------------------------------------------------------------------------------------------


def test_who_may_not_add_offers_makes_none(way):
    client = signed_in("inventory.view_offer")

    assert client.get(NEW).status_code == 403
    assert client.post(way.at("preview"), {"make": "1"}).status_code == 403
    assert not Offer.objects.exists()


def test_a_draft_is_its_makers_alone(way):
    other = Client()
    other.force_login(world.staff("other", "inventory.add_offer", "inventory.view_offer"))

    assert other.get(way.at("price")).status_code == 404


def test_looking_asks_for_no_more_than_it_needs(way, admin_client, django_assert_max_num_queries):
    way.post("price", **NUMBERS)
    way.get("goods")  # which reads the categories, and keeps them
    calls, steps = ApiCall.objects.count(), way.response.context["wish"].steps
    for step in steps:
        with django_assert_max_num_queries(15):
            assert admin_client.get(way.at(step)).status_code == 200
    with django_assert_max_num_queries(15):
        admin_client.get(NEW)

    assert ApiCall.objects.count() == calls


# --- every marketplace ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slug", services.all_services())
def test_what_creates_offers_can_say_what_it_would_send(slug):
    service = services.get_service(slug)

    assert service.supports("rehearse") == service.supports("create_offer")
    assert service.supports("offer_form") or service.offers_exist_there
