"""Alerts about differences that were found and prices that are held back: once an event, until the cause is gone."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from backoffice.models import Alert
from inventory import pricing, publishing, stock, watching
from inventory.models import Code, Difference, Offer, Reconciliation
from inventory.pricing import NewPrice
from tests import make
from tests.inventory.priced import margin, on_sale

pytestmark = [pytest.mark.django_db, pytest.mark.smoke]

PAGE = reverse("admin:inventory_difference_changelist")


def look():
    watching.look(timezone.now())


def alerts(kind):
    return list(Alert.objects.filter(kind=kind, settled_at=None).order_by("subject"))


def differ(account, number, *, field="quantity", kind="changed", **fields):
    return Difference.objects.create(
        account=account, external_id=f"G{number}", field=field, kind=kind, ours="9", theirs="7", **fields
    )


# --- differences ---------------------------------------------------------------------------------------------------


def test_offers_there_that_are_not_kept_here_are_counted_on_the_front_page_and_raise_no_alarm(admin_client):
    shop = make.account()
    for number in range(3):
        differ(shop, number, kind="unknown")
    differ(shop, 4)
    look()

    (alert,) = alerts("differences")
    assert alert.text.startswith("Account “Main shop”: 1 difference between")
    needs = admin_client.get(reverse("admin:index")).context["dashboard"]["needs"]
    rows = {
        need["text"]: admin_client.get(need["link"]).context["cl"].queryset.count()
        for need in needs
        if PAGE in need["link"]
    }
    assert rows == {"1 open difference": 1, "3 offers there that are not kept here: take them over, or ignore them": 3}


def test_differences_are_one_alert_an_account_until_they_are_dealt_with():
    shop, other = make.account(), make.account("Second shop")
    differ(shop, 1)
    differ(shop, 2, field="price")
    differ(other, 3, state="ignored")
    look()
    look()

    (alert,) = alerts("differences")
    day = f"{timezone.now():%Y-%m-%d}"
    assert (alert.subject, alert.count) == (f"Main shop, found {day}", 1)
    assert alert.text == (
        "Account “Main shop”: 2 differences between what we want or know and what it shows, 1 of them in prices. Push ours,"
        " take theirs, or ignore them."
    )
    assert alert.link == f"{PAGE}?account__id__exact={shop.pk}"

    Difference.objects.filter(field="price").update(state="settled")
    look()
    assert alerts("differences")[0].text.startswith("Account “Main shop”: 1 difference between")
    Difference.objects.update(state="ignored")
    look()
    assert alerts("differences") == []


def test_what_a_later_night_finds_is_told_however_long_older_ones_lie():
    shop = make.account()
    differ(shop, 1, found_at=timezone.now() - timedelta(days=3))
    look()
    Alert.objects.update(told_at=timezone.now())
    differ(shop, 2)
    look()
    assert [alert.told_at is None for alert in alerts("differences")] == [False, True]


def test_a_comparison_that_is_under_way_is_not_told_half():
    shop = make.account()
    state = Reconciliation.objects.create(account=shop, stage="offers", next_at=timezone.now())
    differ(shop, 1)
    look()
    assert alerts("differences") == []
    state.stage = ""
    state.save()
    look()
    assert len(alerts("differences")) == 1
    state.stage = "offers"
    state.save()
    look()
    assert len(alerts("differences")) == 1, "what was told stays while the next comparison runs"


def test_the_alert_leads_to_the_accounts_differences(admin_client):
    shop, other = make.account(), make.account("Second shop")
    differ(shop, 1)
    differ(other, 2)
    look()
    for alert, mine in zip(alerts("differences"), ("G1", "G2"), strict=True):
        rows = admin_client.get(alert.link).context["cl"].result_list
        assert [row.external_id for row in rows] == [mine]


# --- prices --------------------------------------------------------------------------------------------------------


@pytest.fixture
def offer(g2g):
    sold = on_sale(g2g)
    margin(g2g.account, "25")  # codes cost 4 USD and the account keeps 10 %: nothing below 5.5556 goes out
    return sold


def test_a_price_that_is_held_back_is_an_alert_until_one_goes_out(offer, g2g):
    Offer.objects.filter(pk=offer.pk).update(price=Decimal(5))
    publishing.request(Offer.objects.all())
    g2g.settle()
    look()

    (alert,) = alerts("price_floor")
    assert alert.link == reverse("admin:inventory_offer_change", args=[offer.pk])
    for part in (offer.external_id, "5.00 USD is below its floor, so only its stock is pushed", "raise the price"):
        assert part in alert.text

    stock.withdraw(list(Code.objects.values_list("pk", flat=True)[:1]), Code.State.FAULTY)
    look()  # it is due again, for its number alone
    g2g.settle()
    look()
    assert [one.pk for one in alerts("price_floor")] == [alert.pk], "a sale in between is no new event"

    pricing.set_price({offer.pk: NewPrice(Decimal(6))}, reason="Raised", by="ann")
    publishing.request(Offer.objects.all())
    g2g.settle()
    look()
    assert alerts("price_floor") == []


def test_a_price_above_the_ceiling_is_no_price_below_the_floor(offer, g2g):
    Offer.objects.filter(pk=offer.pk).update(ceiling=Decimal(6), price=Decimal(9))
    publishing.request(Offer.objects.all())
    g2g.settle()
    look()
    assert Offer.objects.get().failure == "above_ceiling"
    assert alerts("price_floor") == []
