"""The account form: built from what its marketplace declares, so a new marketplace needs no form of its own."""

from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from backoffice.crypto import CannotOpen
from marketplaces import accounts, services
from marketplaces.exceptions import ConfigurationError
from marketplaces.models import Account
from marketplaces.types import Field

CREDENTIAL, OPTION = "credential_", "option_"
STORED = _("Stored. Leave this empty to keep it.")
SEALED = _("Stored, and it can't be opened here. Empty leaves it as it is; otherwise enter everything anew.")


def secret_field(label: str, help_text: str, *, is_stored: bool, required: bool) -> forms.CharField:
    """A field that is written and never shown: empty keeps what is stored."""
    widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}, render_value=False)
    text = f"{help_text} {STORED}".strip() if is_stored else help_text
    return forms.CharField(label=label, help_text=text, required=required and not is_stored, widget=widget)


def option_field(field: Field) -> forms.Field:
    """The form field for an option; a number keeps to its bounds, a choice to its words."""
    facts: dict[str, Any] = {"label": field.label, "help_text": field.help_text, "initial": field.default}
    if isinstance(field.default, bool):
        return forms.BooleanField(**facts, required=False, widget=UnfoldBooleanSwitchWidget())
    if field.choices:
        choices = [(choice, choice) for choice in field.choices]
        return forms.ChoiceField(**facts, choices=choices, widget=UnfoldAdminSelectWidget())
    facts["required"] = field.required and field.default != ""
    if field.is_number:
        facts |= {"min_value": field.minimum, "max_value": field.maximum}
        return forms.IntegerField(**facts, widget=UnfoldAdminIntegerFieldWidget())
    return forms.CharField(**facts, widget=UnfoldAdminTextInputWidget())


def opened(account: Account, column: str, empty: Any) -> tuple[Any, str]:
    """What an account holds in a sealed column; where it does not open, `empty` and what to do about it."""
    try:
        return getattr(account, column), ""
    except CannotOpen as error:
        return empty, error.advice


def sealed_problem(account: Account) -> str:
    """Say what keeps an account's secrets from being opened; empty when all is well."""
    problems = [opened(account, column, None)[1] for column in ("credentials", "webhook_secrets")]
    return next(filter(None, problems), "")


class AccountForm(forms.ModelForm):
    """One account of the marketplace `slug`, which the admin class sets before it makes the form."""

    slug = ""

    class Meta:
        model = Account
        fields = ("name", "is_sandbox", "is_enabled", "base_url", "registered_url")
        labels = {"base_url": _("Marketplace's address"), "registered_url": _("Registered webhook address")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        account: Account = self.instance
        self.service = services.get_service(self.slug)
        self.stored, self.sealed = opened(account, "credentials", {})
        self.stored_secrets, self.sealed_secrets = opened(account, "webhook_secrets", [])
        for field in self.service.credentials:
            is_stored = bool(self.stored.get(field.name))
            self.fields[CREDENTIAL + field.name] = secret_field(
                field.label, str(SEALED) if self.sealed else field.help_text, is_stored=is_stored, required=False
            )
        for field in self.service.options:
            self.fields[OPTION + field.name] = option_field(field)
            self.initial[OPTION + field.name] = account.options.get(field.name, field.default)
        count = len(self.stored_secrets)
        self.fields["webhook_secret"] = secret_field(
            gettext("Webhook secret"),
            gettext("Only where the marketplace gives you one. A new one is used beside the older ones."),
            is_stored=bool(count),
            required=False,
        )
        if count:
            self.fields["forget_webhook_secrets"] = forms.BooleanField(
                label=gettext("Forget older webhook secrets"),
                help_text=gettext("%(count)s stored. Tick this when the marketplace no longer signs with them.")
                % {"count": count},
                required=False,
                widget=UnfoldBooleanSwitchWidget(),
            )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        self.before = dict(self.stored)
        self.credentials = self._credentials(data)
        if self.is_left_sealed(data):
            return data
        try:
            self.service.completed(self.before, self.credentials)
        except ConfigurationError as error:
            self.add_error(None, str(error))
        for field in self.service.credentials:
            if field.required and not self.credentials.get(field.name) and not data.get("is_sandbox"):
                self.add_error(
                    CREDENTIAL + field.name,
                    gettext("%(marketplace)s needs the %(field)s.")
                    % {"marketplace": self.service.label, "field": field.label},
                )
        return data

    def _credentials(self, data: dict[str, Any]) -> dict[str, str]:
        typed = {field.name: data.get(CREDENTIAL + field.name) or "" for field in self.service.credentials}
        given = {name: value for name, value in typed.items() if value}
        return {**self.stored, **given}

    def is_left_sealed(self, data: dict[str, Any]) -> bool:
        """Whether credentials that can't be opened stay as they are: nothing was entered in their place."""
        return bool(self.sealed and not self.credentials and not data.get("is_sandbox"))

    @property
    def written(self) -> list[str]:
        """The columns that save() has put something into, beside the fields of Meta."""
        is_play = bool(self.cleaned_data.get("is_sandbox"))  # which takes what is missing from the sandbox
        left = {
            "credentials": self.is_left_sealed(self.cleaned_data),
            "webhook_secrets": bool(self.sealed_secrets and not self._webhook_secrets() and not is_play),
        }
        return ["options", *(column for column, is_left in left.items() if not is_left)]

    def _options(self) -> dict[str, Any]:
        """What differs from the marketplace's defaults, and what an older version stored."""
        chosen = {field.name: (self.cleaned_data[OPTION + field.name], field.default) for field in self.service.options}
        kept = {name: value for name, value in self.instance.options.items() if name not in chosen}
        return kept | {name: value for name, (value, default) in chosen.items() if value != default}

    def _webhook_secrets(self) -> list[str]:
        given = self.cleaned_data["webhook_secret"]
        older = [] if self.cleaned_data.get("forget_webhook_secrets") else self.stored_secrets
        return list(dict.fromkeys([*([given] if given else []), *older]))

    def save(self, commit: bool = True) -> Account:
        """Put the form's answers on the account."""
        account: Account = self.instance
        account.marketplace = self.slug
        account.options = self._options()
        if "credentials" in self.written:
            account.credentials = self.credentials
        if "webhook_secrets" in self.written:
            account.webhook_secrets = self._webhook_secrets()
        if account.is_sandbox:
            accounts.fill_in_for_play(account)
        if "credentials" in self.written:
            account.credentials = self.service.completed(self.before, account.credentials)
        return super().save(commit)


class ReasonForm(forms.Form):
    """Why somebody does something that others will ask about."""

    reason = forms.CharField(
        max_length=300,
        widget=UnfoldAdminTextInputWidget(attrs={"autofocus": True}),
        help_text=_("Others will read it beside your name."),
    )
