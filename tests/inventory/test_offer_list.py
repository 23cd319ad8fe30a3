"""The list of offers: what stands in it, changes of price and quantity in their rows, and which are out of step."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from inventory.models import Difference, Fee, Offer, PriceChange
from tests import make
from tests.backoffice import world
from tests.inventory.test_admin import OFFERS, says, signed_in


@pytest.fixture
def shop(db):
    return make.account(marketplace="g2g")


@pytest.fixture
def offers(shop):
    """Three offers that say there what they should."""
    seen = {
        "state": "done",
        "pushed_at": timezone.now() - timedelta(hours=1),
        "seen_at": timezone.now(),
        "seen_status": "live",
    }
    return [
        make.offer(
            make.product(f"GAME-{number}", codes=2), shop, external_product_id=f"p-{number}", external_id=f"G{number}",
            pushed_quantity=2, seen_quantity=2, seen_price="9.99", **seen,
        )
        for number in range(3)
    ]  # fmt: skip


def rows_of(client, **changed):
    """What a browser posts of the list: every row as it was shown, with some cells changed, such as `G1_price`."""
    formset = client.get(OFFERS).context["cl"].formset
    posted = {"_save": "Save", **{f"form-{name}": formset.management_form[name].value() for name in
              ("TOTAL_FORMS", "INITIAL_FORMS", "MIN_NUM_FORMS", "MAX_NUM_FORMS")}}  # fmt: skip
    for form in formset.forms:
        posted[form.add_prefix("id")] = form.instance.pk
        for name in ("price", "quantity"):
            shown = form[name].value()
            posted[form[name].html_initial_name] = "" if shown is None else shown
            cell = changed.get(f"{form.instance.external_id}_{name}", shown)
            posted[form[name].html_name] = "" if cell is None else cell
    return posted


def save(client, **changed):
    return client.post(OFFERS, rows_of(client, **changed), follow=True)


# --- what stands in it -------------------------------------------------------------------------------------------------


def test_a_row_tells_stock_and_what_is_wanted_pushed_and_seen(offers, admin_client):
    make.add_codes(offers[0].product, 5)
    Offer.objects.filter(pk=offers[0].pk).update(quantity=6, pushed_quantity=4, seen_quantity=3)
    Fee.objects.create(account=offers[0].account, percent=10)

    row = says(admin_client.get(OFFERS)).split("GAME-0")[1].split("</tr>")[0]

    cells = [f"field-{name} " for name in ("earns", "stock", "quantity", "wanted", "pushed_quantity", "seen_quantity")]
    assert [cell for cell in cells if cell not in row] == []
    assert row.index(">7<") < row.index('value="6"') < row.index(">6<") < row.index(">4<") < row.index(">3<")
    assert "8.99" in row


def test_the_list_asks_for_no_more_the_longer_it_is(db, admin_client, django_assert_max_num_queries):
    shop = world.fill(3)
    for number in range(40, 80):
        make.offer(make.product(f"GAME-{number}", codes=1), shop, external_id=f"G{number}")
    admin_client.get(OFFERS)  # the count of open alerts is kept for a while

    with django_assert_max_num_queries(15):
        admin_client.get(OFFERS)


# --- changes in its rows -----------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_a_price_changed_in_its_row_keeps_its_history_and_is_pushed(offers, admin_client):
    save(admin_client, G1_price="12.5")

    changed, other = Offer.objects.get(external_id="G1"), Offer.objects.get(external_id="G0")
    assert (changed.price, changed.state, other.state) == (Decimal("12.5"), "due", "done")
    change = PriceChange.objects.get()
    assert (change.offer_id, change.after, change.reason) == (
        changed.pk,
        Decimal("12.5"),
        "Changed in the list of offers",
    )
    assert change.by == "admin"


def test_a_quantity_is_limited_and_follows_stock_again(offers, admin_client):
    save(admin_client, G0_quantity="1")
    assert Offer.objects.get(external_id="G0").quantity == 1

    save(admin_client, G0_quantity="")
    assert Offer.objects.get(external_id="G0").quantity is None
    assert not PriceChange.objects.exists()


def test_a_price_below_the_floor_is_told_in_its_row(offers, admin_client):
    Offer.objects.filter(external_id="G1").update(floor="9")

    response = save(admin_client, G1_price="8", G0_price="11")

    text = says(response)
    assert "is below the floor of 9.00 USD" in text
    assert text.index("GAME-1") < text.index("is below the floor") < text.index("GAME-0")
    assert 'value="8"' in text
    assert not PriceChange.objects.exists()


def test_a_list_that_was_open_for_a_while_undoes_nothing(offers, admin_client):
    posted = rows_of(admin_client, G1_price="12.5")
    Offer.objects.filter(external_id="G0").update(price="7", quantity=5)
    Offer.objects.filter(external_id="G1").update(quantity=4)

    admin_client.post(OFFERS, posted)

    assert list(Offer.objects.order_by("pk").values_list("price", "quantity")[:2]) == [
        (Decimal("7"), 5), (Decimal("12.5"), 4),
    ]  # fmt: skip


def test_nothing_changed_is_nothing_pushed(offers, admin_client):
    save(admin_client)

    assert set(Offer.objects.values_list("state", flat=True)) == {"done"}
    assert not PriceChange.objects.exists()


def test_who_may_only_look_sees_prices_as_they_are_paid_and_changes_none(offers, admin_client):
    posted = rows_of(admin_client, G1_price="12.5")
    client = signed_in("inventory.view_offer")

    text = says(client.get(OFFERS))
    assert "9.99" in text
    assert "form-0-price" not in text
    assert "9.9900" not in text
    client.post(OFFERS, posted)
    assert Offer.objects.get(external_id="G1").price == Decimal("9.99")


# --- out of step -------------------------------------------------------------------------------------------------------


def found(client, kind):
    response = client.get(OFFERS, {"out_of_step": kind})
    return {offer.external_id for offer in response.context["cl"].result_list}


def put_out_of_step(name, shop):
    offer = Offer.objects.get(external_id="G1")
    match name:
        case "unsent":
            offer.state = "due"
        case "shown":
            offer.seen_quantity = 7
        case "gone":
            offer.seen_status = "removed"
        case "differences":
            Difference.objects.create(
                account=shop, offer=offer, external_id="G1", field="title", kind="changed", found_at=timezone.now(),
                last_seen_at=timezone.now(),
            )  # fmt: skip
    offer.save()


@pytest.mark.parametrize("kind", ["unsent", "shown", "gone", "differences"])
def test_what_is_out_of_step_is_found(kind, offers, shop, admin_client):
    assert found(admin_client, "any") == set()

    put_out_of_step(kind, shop)

    assert found(admin_client, kind) == found(admin_client, "any") == {"G1"}
    others = {"unsent", "shown", "gone", "differences"} - {kind}
    assert [other for other in others if found(admin_client, other)] == []


def test_a_price_there_that_is_not_ours_is_out_of_step(offers, admin_client):
    Offer.objects.filter(external_id="G2").update(seen_price="8")

    assert found(admin_client, "shown") == {"G2"}


def test_what_was_seen_before_the_last_push_proves_nothing(offers, admin_client):
    Offer.objects.filter(external_id="G2").update(seen_quantity=9, seen_at=timezone.now() - timedelta(days=1))

    assert found(admin_client, "any") == set()
