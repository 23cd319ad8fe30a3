"""What staff do with offers, and who may; and that a form never undoes what a worker wrote."""

from contextlib import contextmanager
from html.parser import HTMLParser

import pytest
from django.db.models.signals import pre_save
from django.urls import reverse

from inventory import publishing
from inventory.models import Offer, Pause, Product
from marketplaces.services.g2g.sandbox_catalogue import ITUNES_CARD
from tests import make
from tests.backoffice import world
from tests.drain import drain
from tests.inventory.test_admin import OFFERS, act, says, signed_in

CHOICES = {"offer_attributes": [{"attribute_group_id": "1f00aa01", "attribute_id": "1f00aa02"}]}


@pytest.fixture
def shop(db):
    return world.fill(2)


@pytest.fixture
def offer(shop):
    return Offer.objects.get(external_id="G00000000")


def form_of(client, offer, **changed):
    form = client.get(reverse("admin:inventory_offer_change", args=[offer.pk])).context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    values |= {
        form[name].html_initial_name: value for name, value in values.items() if form[name].field.show_hidden_initial
    }
    return {name: value for name, value in (values | changed).items() if value is not None and value is not False}


@contextmanager
def while_saving(work):
    """Do `work` after the form has read its row and before it is written."""

    def receiver(**kwargs):
        work()

    pre_save.connect(receiver, sender=Offer)
    try:
        yield
    finally:
        pre_save.disconnect(receiver, sender=Offer)


@pytest.mark.smoke
def test_push_makes_an_offer_due(offer, admin_client):
    response = act(admin_client, OFFERS, "push", offer, _from_page=offer.pk)

    offer.refresh_from_db()
    assert offer.state == "due"
    assert "1 offer being pushed" in says(response)


def test_an_offer_without_a_product_is_not_pushed(offer, admin_client):
    Offer.objects.update(product=None)

    response = act(admin_client, OFFERS, "push", offer, _from_page=offer.pk)

    offer.refresh_from_db()
    assert offer.state == "done"
    assert "0 offers being pushed" in says(response)


@pytest.mark.parametrize("action", ["push", "run_takeoffsale", "run_putonsale"])
def test_who_may_only_look_changes_no_offer(action, offer):
    Offer.objects.update(is_active=action == "run_takeoffsale")

    act(signed_in("inventory.view_offer"), OFFERS, action, offer, answered=1, confirmed=1, token="t")

    offer.refresh_from_db()
    assert (offer.is_active, offer.state) == (action == "run_takeoffsale", "done")


@pytest.mark.smoke
def test_saving_a_new_price_pushes_the_offer(offer, admin_client):
    url = reverse("admin:inventory_offer_change", args=[offer.pk])

    admin_client.post(url, form_of(admin_client, offer, price="12.50"))

    offer.refresh_from_db()
    assert (str(offer.price), offer.state) == ("12.5000", "due")


def test_saving_nothing_pushes_nothing(offer, admin_client):
    url = reverse("admin:inventory_offer_change", args=[offer.pk])

    assert admin_client.post(url, form_of(admin_client, offer)).status_code == 302

    offer.refresh_from_db()
    assert offer.state == "done"


def test_saving_does_not_undo_what_a_worker_wrote_meanwhile(offer, admin_client):
    url = reverse("admin:inventory_offer_change", args=[offer.pk])
    posted = form_of(admin_client, offer, price="12.50", title="Renamed")

    with while_saving(lambda: Offer.objects.update(pushed_quantity=7)):
        admin_client.post(url, posted)

    offer.refresh_from_db()
    assert (str(offer.price), offer.pushed_quantity) == ("12.5000", 7)


def test_an_offer_that_is_there_is_not_deleted_here(offer, admin_client):
    url = reverse("admin:inventory_offer_delete", args=[offer.pk])

    assert admin_client.get(url).status_code == 403


def test_wanted_pushed_and_seen_stand_side_by_side(offer, admin_client):
    make.add_codes(offer.product, 40)
    Pause.objects.all().delete()
    Offer.objects.filter(pk=offer.pk).update(quantity=31, pushed_quantity=32, seen_quantity=33)

    text = says(admin_client.get(OFFERS))

    assert "follow stock" in text
    assert text.index(">31<") < text.index(">32<") < text.index(">33<")


# --- a page that was open for a while ------------------------------------------------------------------------


class Fields(HTMLParser):
    """What a browser would post of a page's form, unchanged."""

    def __init__(self, text):
        super().__init__()
        self.values, self._text, self._select = {}, None, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        have = dict(attrs)
        name = have.get("name")
        if tag == "input" and name and have.get("type") not in ("submit", "file"):
            if have.get("type") != "checkbox" or "checked" in have:
                self.values[name] = have.get("value") or ("on" if have.get("type") == "checkbox" else "")
        elif tag == "textarea" and name:
            self._text = name
            self.values[name] = ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and "selected" in have:
            self.values[self._select] = have.get("value", "")

    def handle_endtag(self, tag):
        if tag == "textarea":
            self._text = None
        elif tag == "select":
            self._select = None

    def handle_data(self, data):
        if self._text:
            self.values[self._text] += data.removeprefix("\n")


def shown_on(client, row, **changed):
    url = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    text = client.get(url).content.decode()
    begin = text.index(f'id="{row._meta.model_name}_form"')
    return url, Fields(text[begin:]).values | changed


@pytest.mark.smoke
def test_a_stale_page_does_not_wipe_the_id_of_an_offer_that_was_made_meanwhile(offer, admin_client):
    Offer.objects.filter(pk=offer.pk).update(external_id="")
    url, posted = shown_on(admin_client, offer, title="A better title")
    assert posted["external_id"] == posted["initial-external_id"] == ""
    Offer.objects.filter(pk=offer.pk).update(external_id="G77", pushed_quantity=7)

    assert admin_client.post(url, posted).status_code == 302

    offer.refresh_from_db()
    assert (offer.title, offer.external_id, offer.pushed_quantity) == ("A better title", "G77", 7)


def test_what_the_user_did_not_change_stays_as_another_wrote_it(offer, admin_client):
    url, posted = shown_on(admin_client, offer, price="12.50")
    Offer.objects.filter(pk=offer.pk).update(is_active=False, quantity=3, description="two\nlines", attributes={"a": 1})

    assert admin_client.post(url, posted).status_code == 302

    offer.refresh_from_db()
    kept = (str(offer.price), offer.is_active, offer.quantity, offer.description, offer.attributes)
    assert kept == ("12.5000", False, 3, "two\nlines", {"a": 1})


def test_a_page_that_is_saved_as_it_was_shown_changes_nothing(offer, admin_client):
    Offer.objects.filter(pk=offer.pk).update(
        quantity=3, description="two\nlines", attributes={"b": [1, "ü"], "a": None}, min_quantity=2, is_active=False
    )
    before = Offer.objects.filter(pk=offer.pk).values().get()
    url, posted = shown_on(admin_client, offer)

    admin_client.post(url, posted)

    assert Offer.objects.filter(pk=offer.pk).values().get() == before


def test_another_page_of_ours_is_as_careful(shop, admin_client):
    product = Product.objects.first()
    url, posted = shown_on(admin_client, product, name="Renamed")
    Product.objects.filter(pk=product.pk).update(sku="MOVED")

    assert admin_client.post(url, posted).status_code == 302

    product.refresh_from_db()
    assert (product.sku, product.name) == ("MOVED", "Renamed")


def test_an_account_that_was_switched_off_meanwhile_stays_so(shop, admin_client):
    url, posted = shown_on(admin_client, shop, name="Renamed")
    type(shop).objects.update(is_enabled=False)

    assert admin_client.post(url, posted).status_code == 302

    shop.refresh_from_db()
    assert (shop.name, shop.is_enabled) == ("Renamed", False)


# --- the id of an offer --------------------------------------------------------------------------------------


def test_an_offers_id_can_be_entered_once_and_not_changed(offer, admin_client):
    url, posted = shown_on(admin_client, offer)
    assert "external_id" not in posted
    admin_client.post(url, posted | {"external_id": "G-OTHER"})
    offer.refresh_from_db()
    assert offer.external_id == "G00000000"

    Offer.objects.filter(pk=offer.pk).update(external_id="")
    admin_client.post(url, shown_on(admin_client, offer, external_id="G-FOUND")[1])
    offer.refresh_from_db()
    assert offer.external_id == "G-FOUND"


def test_forgetting_the_id_asks_first_and_says_what_follows(offer, admin_client):
    asked = act(admin_client, OFFERS, "forget_id", offer, _from_page=offer.pk)

    assert "the next push makes a new offer" in says(asked)
    offer.refresh_from_db()
    assert offer.external_id == "G00000000"


def test_an_offer_whose_id_is_forgotten_is_made_anew_at_the_next_push(g2g, admin_client):
    product = make.product(codes=2)
    offer = make.offer(product, g2g.account, external_product_id=ITUNES_CARD, attributes=CHOICES)
    publishing.request(Offer.objects.all())
    drain()
    offer.refresh_from_db()
    first = offer.external_id
    assert first

    Offer.objects.update(seen_status="removed")
    act(admin_client, OFFERS, "forget_id", offer, _from_page=offer.pk, answered=1)
    offer.refresh_from_db()
    assert (offer.external_id, offer.pushed, offer.pushed_quantity, offer.seen_status) == ("", {}, None, "")
    act(admin_client, OFFERS, "push", offer, _from_page=offer.pk)
    drain()

    offer.refresh_from_db()
    assert offer.external_id not in ("", first)
    assert (offer.state, offer.pushed_quantity) == ("done", 2)


def test_an_offer_in_flight_keeps_its_id(offer, admin_client):
    Offer.objects.filter(pk=offer.pk).update(state="in_flight")

    response = act(admin_client, OFFERS, "forget_id", offer, _from_page=offer.pk, answered=1)

    offer.refresh_from_db()
    assert offer.external_id == "G00000000"
    assert "wait for it" in says(response)


def test_who_may_only_look_forgets_no_id(offer):
    act(signed_in("inventory.view_offer"), OFFERS, "forget_id", offer, _from_page=offer.pk, answered=1)

    offer.refresh_from_db()
    assert offer.external_id
