"""Alerts about stock that runs low, users who see many codes, differences that were found, and prices below their floor."""

from datetime import datetime, timedelta

from django.contrib.auth import get_user_model
from django.db.models import Count, Q
from django.db.models.functions import TruncDate
from django.urls import reverse
from django.utils.http import urlencode

from backoffice import alerts, money
from backoffice.alerts import Cause
from backoffice.models import Alert
from inventory import limits
from inventory.models import CodeReveal, Cover, Difference, Offer, Reconciliation, StockSettings

# Beyond so many the list says more than alerts can.
MOST = 2000
# A push that is due again is not mended yet: it keeps its failure until it went well.
NOT_PUSHED = (Offer.State.NEEDS_ATTENTION, Offer.State.DUE, Offer.State.IN_FLIGHT, Offer.State.UNKNOWN)


def look(now: datetime) -> None:
    """Raise and settle the alerts that rows of stock and offers are a cause of. Asks nobody; safe to repeat."""
    alerts.match(alerts.Kind.LOW_STOCK, dict(_low()))
    alerts.match(alerts.Kind.REVEALS, dict(_reveals(now)))
    alerts.match(alerts.Kind.DIFFERENCES, dict(_differences()))
    alerts.match(alerts.Kind.PRICE_FLOOR, dict(_below_floor()))


def _low() -> list[tuple[str, Cause]]:
    low = Cover.objects.filter(is_low=True).values_list("product__sku", "product_id", "left", "days")
    return [(sku, Cause(_said(sku, left, days), _product(pk))) for sku, pk, left, days in low]


def _said(sku: str, left: int, days: object) -> str:
    lasts = "" if days is None else f", which last for {days} days"
    return f"{sku} runs low: {left} units left{lasts}."


def _product(pk: int) -> str:
    return reverse("admin:inventory_product_change", args=[pk])


def _reveals(now: datetime) -> list[tuple[str, Cause]]:
    """Who saw more codes within the hour than is usual; by number and not by name, since alerts leave this machine."""
    most = StockSettings.current().reveals_an_hour
    if not most:
        return []
    lately = CodeReveal.objects.filter(at__gt=now - timedelta(hours=1)).order_by()
    many = dict(lately.values_list("user").annotate(codes=Count("pk")).filter(codes__gt=most))
    known = dict(get_user_model().objects.filter(username__in=many).values_list("username", "pk"))
    found: dict[str, int] = {}
    for name, codes in many.items():
        # The name of the command line's user is not one of ours.
        subject = f"user {known[name]}" if name in known else "a user of the command line"
        found[subject] = max(codes, found.get(subject, 0))
    link = reverse("admin:inventory_codereveal_changelist")
    return [
        (who, Cause(f"{who.capitalize()} was shown {codes} codes within an hour; see Reveals.", link))
        for who, codes in found.items()
    ]


def _differences() -> list[tuple[str, Cause]]:
    """What comparisons found and nobody has dealt with, by account and the day it was found.

    So each night's findings are told once, however long older ones lie. What a comparison that is still under way finds is
    told when it is over. An offer there that is not kept here is no drift of ours; the front page counts it.
    """
    drifted = Difference.objects.filter(state=Difference.State.OPEN, kind__in=Difference.DRIFTS)
    found = drifted.annotate(day=TruncDate("found_at")).order_by()
    rows = found.values_list("account_id", "account__name", "day").annotate(
        count=Count("pk"), prices=Count("pk", filter=Q(field="price"))
    )
    under_way = set(Reconciliation.objects.exclude(stage="").values_list("account_id", flat=True))
    told: set[str] = set()
    if under_way:
        kind = alerts.Kind.DIFFERENCES
        told = set(Alert.objects.filter(kind=kind, settled_at=None).values_list("subject", flat=True))
    causes = []
    for account_id, name, day, count, prices in rows:
        subject = f"{name[:150]}, found {day:%Y-%m-%d}"
        if account_id not in under_way or subject in told:
            causes.append((subject, Cause(_said_of_differences(name, count, prices), _differences_of(account_id))))
    return causes


def _said_of_differences(name: str, count: int, prices: int) -> str:
    what = "1 difference" if count == 1 else f"{count:,} differences"
    priced = f", {prices:,} of them in prices" if prices else ""
    return (
        f"Account “{name}”: {what} between what we want or know and what it shows{priced}. Push ours, take theirs, or ignore"
        " them."
    )


def _differences_of(account_id: object) -> str:
    return f"{reverse('admin:inventory_difference_changelist')}?{urlencode({'account__id__exact': str(account_id)})}"


def _below_floor() -> list[tuple[str, Cause]]:
    """Offers whose price is held back because it is below their floor."""
    held_back = Offer.objects.filter(failure=limits.BELOW_FLOOR, state__in=NOT_PUSHED).order_by("pk")
    rows = held_back.values_list("pk", "external_id", "account__name", "product__sku", "price", "currency")[:MOST]
    return [
        (
            f"{account[:100]}: offer {pk}",
            Cause(
                f"Offer {external_id or f'{pk}, not there yet,'} of {sku or 'no product'} on “{account}”: its price"
                f" {money.display(price, currency)} is below its floor, so only its stock is pushed. Its page says what the"
                " floor stands on: raise the price, or lower the floor or the least margin.",
                reverse("admin:inventory_offer_change", args=[pk]),
            ),
        )
        for pk, external_id, account, sku, price, currency in rows
    ]
