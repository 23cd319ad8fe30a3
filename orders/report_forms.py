"""What a report is of: a period in the days of who looks, an account, a marketplace, a product, a currency."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from inventory.models import Product
from marketplaces import services
from marketplaces.models import Account
from orders.profit import Period

LONGEST = 1100  # days
MONTH = 31
SPANS = {"7": 7, "30": 30, "90": 90}


class DayInput(UnfoldAdminTextInputWidget):
    input_type = "date"

    def format_value(self, value: Any) -> Any:
        return value.isoformat() if isinstance(value, date) else value


def _choice(label: Any, choices: list[tuple[str, Any]]) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, required=False, choices=choices, widget=UnfoldAdminSelectWidget())


class ReportForm(forms.Form):
    """The filters that all reports share. What is not given is the last 30 days of everything."""

    period = _choice(
        _("Period"),
        [
            ("30", _("Last 30 days")), ("7", _("Last 7 days")), ("90", _("Last 90 days")), ("this_month", _("This month")),
            ("last_month", _("Last month")), ("days", _("From – to")),
        ],
    )  # fmt: skip
    since = forms.DateField(label=_("From"), required=False, widget=DayInput())
    until = forms.DateField(label=_("To"), required=False, widget=DayInput())
    marketplace = _choice(_("Marketplace"), [])
    account = _choice(_("Account"), [])
    product = forms.CharField(
        label=_("Product"), required=False, widget=UnfoldAdminTextInputWidget(attrs={"placeholder": _("SKU")})
    )
    currency = forms.CharField(
        label=_("Convert to"), required=False, max_length=3,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": _("Such as EUR"), "size": 6}),
    )  # fmt: skip

    names: tuple[str, ...] = ("period", "since", "until", "marketplace", "account", "product", "currency")

    def __init__(self, *args: Any, accounts: list[Account], by: list[tuple[str, Any]] = (), **kwargs: Any) -> None:  # type: ignore[assignment]
        super().__init__(*args, **kwargs)
        self.accounts = accounts
        if by:
            self.fields = {"by": _choice(_("Split by"), list(by)), **self.fields}
        marketplaces = [pair for pair in services.choices() if pair[0] in {each.marketplace for each in accounts}]
        for name, choices in (
            ("marketplace", marketplaces), ("account", [(str(account.pk), str(account)) for account in accounts]),
        ):  # fmt: skip
            if name in self.fields:
                self.fields[name].choices = [("", _("All")), *choices]  # type: ignore[attr-defined]
        for name in list(self.fields):
            if name != "by" and name not in self.names:
                del self.fields[name]

    def clean_product(self) -> Product | None:
        sku = self.cleaned_data["product"].strip()
        if not sku:
            return None
        found = Product.objects.filter(sku=sku).first()
        if found is None:
            raise forms.ValidationError(_("No product has exactly this SKU. Copy it from the list of products."))
        return found

    def clean_currency(self) -> str:
        text = str(self.cleaned_data["currency"]).strip().upper()
        if text and not (len(text) == 3 and text.isascii() and text.isalpha()):
            raise forms.ValidationError(_("Three letters, such as EUR."))
        return text

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        if said.get("since") or said.get("until"):
            said["period"] = "days"
        since, until = said.get("since"), said.get("until")
        if since and until and since > until:
            self.add_error("until", _("It is before the first day."))
        elif since and ((until or timezone.localdate()) - since).days > LONGEST:
            self.add_error("since", _("At most three years at once."))
        return said

    def days(self) -> tuple[date, date]:
        """The first and the last day, in the current time zone."""
        said, today = self.cleaned_data, timezone.localdate()
        name = said.get("period") or "30"
        if name == "this_month":
            return today.replace(day=1), today
        if name == "last_month":
            last = today.replace(day=1) - timedelta(days=1)
            return last.replace(day=1), last
        if name == "days":
            last = said.get("until") or today
            return said.get("since") or last - timedelta(days=29), last
        return today - timedelta(days=SPANS[name] - 1), today

    def chosen(self) -> list[Account]:
        """The accounts that the report is of."""
        said = self.cleaned_data
        marketplace, account = said.get("marketplace"), said.get("account")
        return [
            each
            for each in self.accounts
            if (not marketplace or each.marketplace == marketplace) and (not account or str(each.pk) == account)
        ]


class TimesForm(ReportForm):
    names = ("period", "since", "until", "marketplace", "account", "product")


class StockForm(ReportForm):
    names = ("product", "currency", "unsold_days", "only")
    unsold_days = forms.IntegerField(
        label=_("Not sold for (days)"), required=False, min_value=1, max_value=LONGEST,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "60", "size": 6}),
    )  # fmt: skip
    only = _choice(
        _("Show"), [("", _("All stock")), ("dead", _("Dead stock")), ("expiring", _("Expires within 30 days"))]
    )


def period_of(first: date, last: date) -> Period:
    """From midnight to midnight, in the current time zone."""
    since, until = (timezone.make_aware(datetime.combine(day, time.min)) for day in (first, last + timedelta(days=1)))
    return Period(since, until)
