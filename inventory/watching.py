"""Alerts about stock that runs low, and about users who see many codes."""

from datetime import datetime, timedelta

from django.contrib.auth import get_user_model
from django.db.models import Count
from django.urls import reverse

from backoffice import alerts
from backoffice.alerts import Cause
from inventory.models import CodeReveal, Cover, StockSettings


def look(now: datetime) -> None:
    """Raise and settle the alerts about low stock and many reveals. Safe to repeat."""
    alerts.match(alerts.Kind.LOW_STOCK, dict(_low()))
    alerts.match(alerts.Kind.REVEALS, dict(_reveals(now)))


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
