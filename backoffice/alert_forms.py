"""The form of an alert rule: its sealed columns are written here, and the webhook's are never shown."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext, gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from backoffice.addresses import unsafe_address
from backoffice.crypto import CannotOpen
from backoffice.models import Alert, AlertRule

STORED = _("Stored. Leave this empty to keep it.")
SHORTEST_SECRET = 16


class AlertRuleForm(forms.ModelForm):  # type: ignore[type-arg]
    kinds = forms.MultipleChoiceField(
        choices=Alert.Kind.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None chosen: all."),
    )
    mail_to = forms.CharField(
        label=_("E-mail addresses"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("One a line."),
    )
    url = forms.CharField(
        label=_("Webhook address"), required=False, max_length=500,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}, render_value=False),
        help_text=_("Alerts are posted there as JSON. It is kept as a secret."),
    )  # fmt: skip
    secret = forms.CharField(
        label=_("Webhook secret"), required=False, min_length=SHORTEST_SECRET, max_length=200,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}, render_value=False),
        help_text=_("With which X-Alert-Signature is made, so that the receiver knows it is us."),
    )  # fmt: skip
    forget_webhook = forms.BooleanField(
        label=_("Forget the webhook"), required=False, widget=UnfoldBooleanSwitchWidget()
    )

    class Meta:
        model = AlertRule
        fields = ("name", "is_enabled", "kinds", "quiet_from", "quiet_until", "time_zone")
        widgets = {"name": UnfoldAdminTextInputWidget()}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kept_url, self.kept_secret = self._opened("webhook_url"), self._opened("webhook_secret")
        self.initial["mail_to"] = "\n".join(self._opened("addresses") or [])
        for name, is_stored in (("url", bool(self.kept_url)), ("secret", bool(self.kept_secret))):
            if is_stored:
                self.fields[name].help_text = f"{self.fields[name].help_text} {STORED}"

    def _opened(self, column: str) -> Any:
        try:
            return getattr(self.instance, column) or ""
        except CannotOpen:
            return ""

    def clean_mail_to(self) -> list[str]:
        found = [line.strip() for line in self.cleaned_data["mail_to"].replace(",", "\n").splitlines() if line.strip()]
        for address in found:
            validate_email(address)
        return found

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"].strip()
        if url and (reason := unsafe_address(url, allow_local=settings.ALLOW_LOCAL_MARKETPLACES)):
            raise ValidationError(gettext("This address is refused: %(reason)s.") % {"reason": reason})
        return url

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        is_forgotten = data.get("forget_webhook")
        self.webhook = (
            "" if is_forgotten else data.get("url") or self.kept_url,
            "" if is_forgotten else data.get("secret") or self.kept_secret,
        )
        url, secret = self.webhook
        if url and not secret:
            self.add_error("secret", gettext("A webhook needs a secret."))
        if not url and not data.get("mail_to") and not self.errors:
            self.add_error("mail_to", gettext("Name an address, or a webhook: otherwise nobody is told."))
        return data

    def sealed(self) -> dict[str, Any]:
        """What the sealed columns are to hold."""
        url, secret = self.webhook
        return {"addresses": self.cleaned_data["mail_to"], "webhook_url": url, "webhook_secret": secret}
