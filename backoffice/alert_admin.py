"""Alerts, who is told of them, and what was sent."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.translation import gettext, gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import display

from backoffice import alert_messages, alerts
from backoffice.admin import BaseAdmin, EvidenceAdmin, age, badge, plain, short
from backoffice.alert_forms import AlertRuleForm
from backoffice.crypto import CannotOpen
from backoffice.models import Alert, AlertMessage, AlertRule

KINDS = {kind: "danger" if kind in alerts.URGENT else "warning" for kind in Alert.Kind.values}
MESSAGE_STATES = {
    "gathering": "info", "due": "info", "in_flight": "info", "done": "success", "needs_attention": "danger",
}  # fmt: skip


class OpenFilter(DropdownFilter):  # type: ignore[misc]
    """Open ones, unless others are asked for."""

    title = "state"
    parameter_name = "is"
    words: Mapping[str, dict[str, Any]] = {
        "open": {"settled_at": None},
        "new": {"settled_at": None, "acknowledged_at": None},
        "settled": {"settled_at__isnull": False},
        "all": {},
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Open"), ("new", "Open, seen by nobody"), ("settled", "Settled"), ("all", "All")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        return queryset.filter(**self.words.get(self.value() or "open", {}))


@admin.register(Alert)
class AlertAdmin(EvidenceAdmin):
    empty_help = _(
        "No alert is open. One appears by itself when stock runs low, a delivery needs a person, an account"
        " is in trouble and the like, and settles when its cause is gone. Who is told of it is set up under"
        " Alert rules."
    )
    empty_steps = ((_("Alert rules"), "admin:backoffice_alertrule_changelist", "backoffice.view_alertrule"),)
    list_display = (
        badge("kind", KINDS), "subject", "what", plain("count", _("times")), age("first_at", _("since")),
        age("last_at", _("last")), plain("acknowledged_by", _("acknowledged by")), age("settled_at", _("settled")),
    )  # fmt: skip
    list_filter = (OpenFilter, ("kind", ChoicesDropdownFilter))
    search_fields = ("subject__startswith",)
    search_help_text = _("Beginning of the subject")
    ordering = ("-last_at",)
    fields = (
        "kind", "subject", "what", "count", "first_at", "last_at", "acknowledged_by", "acknowledged_at", "settled_at",
    )  # fmt: skip
    readonly_fields = ("what",)
    actions: Sequence[str] = ("acknowledge",)
    buttons: Sequence[str] = ("acknowledge",)

    def has_acknowledge_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("backoffice.acknowledge_alert"))

    def get_buttons(self, request: HttpRequest, row: Alert) -> Sequence[str]:
        return () if row.settled_at or row.acknowledged_at else super().get_buttons(request, row)

    @display(description=_("what"))  # type: ignore[untyped-decorator]
    def what(self, alert: Alert) -> str:
        if not alert.link:
            return alert.text
        return render_to_string("admin/link.html", {"url": alert.link, "text": alert.text})

    @admin.action(description=_("Acknowledge"), permissions=["acknowledge"])
    def acknowledge(self, request: HttpRequest, queryset: "QuerySet[Alert]") -> None:
        count = alerts.acknowledge(queryset, by=request.user.get_username())
        self.tell(request, count, gettext("{rows} acknowledged. Each settles by itself when its cause is gone."))


@admin.register(AlertRule)
class AlertRuleAdmin(BaseAdmin):
    empty_help = _(
        "Nobody is told of alerts yet. Add a rule: which alerts, to which e-mail addresses or webhook, and"
        " when it is to be quiet."
    )
    form = AlertRuleForm
    list_display = ("name", "is_enabled", "about", "by", "quiet_from", "quiet_until", "time_zone")
    fieldsets = (
        (None, {"fields": ("name", "is_enabled", "kinds")}),
        (_("E-mail"), {"fields": ("mail_to",)}),
        (_("Webhook"), {"fields": ("url", "secret", "forget_webhook")}),
        (_("Quiet hours"), {"fields": (("quiet_from", "quiet_until"), "time_zone")}),
    )

    @display(description=_("about"))  # type: ignore[untyped-decorator]
    def about(self, rule: AlertRule) -> str:
        return ", ".join(Alert.Kind(kind).label for kind in rule.kinds if kind in Alert.Kind.values) or "everything"

    @display(description=_("by"))  # type: ignore[untyped-decorator]
    def by(self, rule: AlertRule) -> str:
        try:
            mails = len(rule.addresses)
            return " and ".join(
                [*([f"e-mail to {mails}"] if mails else []), *(["webhook"] if rule.webhook_url else [])]
            )
        except CannotOpen as error:
            return error.advice

    def save_model(self, request: HttpRequest, obj: AlertRule, form: Any, change: bool) -> None:
        """Sealed columns are written with the rest: for the form they are fields of their own."""
        sealed = form.sealed()
        for column, value in sealed.items():
            setattr(obj, column, value)
        super().save_model(request, obj, form, change)
        if change:
            obj.save(update_fields=list(sealed))


@admin.register(AlertMessage)
class AlertMessageAdmin(EvidenceAdmin):
    empty_help = _(
        "No message was sent yet. Messages are made when an alert fits a rule; without a rule there are none."
    )
    empty_steps = ((_("Alert rules"), "admin:backoffice_alertrule_changelist", "backoffice.view_alertrule"),)
    list_display = (
        "rule", "channel", badge("state", MESSAGE_STATES), age("created_at"), age("sent_at", _("sent")), "attempts",
        short("last_error", _("problem")),
    )  # fmt: skip
    list_filter = (("state", ChoicesDropdownFilter),)
    list_select_related = ("rule",)
    ordering = ("-created_at",)
    fields = (
        "rule", "channel", "state", "its_alerts", "created_at", "next_try_at", "sent_at", "attempts", "last_error",
    )  # fmt: skip
    readonly_fields = ("its_alerts",)
    actions: Sequence[str] = ("send_again",)
    buttons: Sequence[str] = ("send_again",)

    def has_send_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("backoffice.change_alertrule"))

    @display(description=_("alerts"))  # type: ignore[untyped-decorator]
    def its_alerts(self, message: AlertMessage) -> str:
        content = alert_messages.said(message)
        more = f", and {content.more} more" if content.more else ""
        return "; ".join(str(alert) for alert in content.alerts) + more

    @admin.action(description=_("Send again"), permissions=["send"])
    def send_again(self, request: HttpRequest, queryset: "QuerySet[AlertMessage]") -> None:
        count = sum(alert_messages.send_again(message) for message in queryset)
        self.tell(request, count, gettext("{rows} on their way again."))


def open_alerts(request: HttpRequest) -> str:
    """The number beside “Alerts” in the sidebar; nothing while there is none."""
    if not request.user.has_perm("backoffice.view_alert"):
        return ""
    count = alerts.open_count()
    return "" if not count else f"{count}+" if count >= alerts.MOST_COUNTED else str(count)
