"""Accounts and the evidence of what came in and went out."""

import json
from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext, gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from backoffice.admin import OUTGOING, BaseAdmin, EvidenceAdmin, age, badge, in_lines, link, preformatted, price, short
from backoffice.crypto import CannotOpen
from backoffice.run_admin import BulkRuns
from marketplaces import accounts, capabilities, connecting, masking, outgoing, services, troubles
from marketplaces.event_runs import LookAtJobs, ProcessEvents
from marketplaces.forms import CREDENTIAL, OPTION, AccountForm, opened, sealed_problem
from marketplaces.models import Account, ApiCall, CatalogueProduct, Job, WebhookEvent

BODY_SHOWN = 20_000
RESULTS = {"done": "success", "failed": "danger", "cancelled": "warning"}


class MarketplaceFilter(DropdownFilter):
    title = parameter_name = "marketplace"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return services.choices()

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        return queryset.filter(marketplace=self.value()) if self.value() else queryset


class BestSellerFilter(DropdownFilter):
    title = "best sellers"
    parameter_name = "best"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "What sells best there")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        return queryset.exclude(rank=None) if self.value() else queryset


def said_of(finding: accounts.Finding) -> tuple[str, int]:
    """What a check of an account found, for people, and how grave it is."""
    if finding.problem:
        return f"{finding.account}: {finding.problem}", messages.ERROR
    details = finding.health.details if finding.health else ()
    return " ".join([f"{finding.account}: the connection works.", *details]), messages.SUCCESS


def _page_of(trouble: troubles.Trouble) -> str:
    meta = trouble.model._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[trouble.pk])


@admin.register(Account)
class AccountAdmin(BaseAdmin):
    """One account's page: its form is what its marketplace declares. Secrets go in and never come out."""

    empty_help = _(
        "No account yet. Add one: its page asks for what its marketplace needs, checks the connection, and"
        " shows the address to give to the marketplace. A play account talks to the sandbox."
    )
    list_display: Sequence[Any] = (
        "name", "marketplace", "kind", "condition", age("last_success_at"), "refused_calls",
    )  # fmt: skip
    list_filter = (MarketplaceFilter, "is_enabled", "is_sandbox")
    search_fields = ("name",)
    form = AccountForm
    readonly_fields: Sequence[str] = (
        "marketplace_name", "set_up", "address", "letter", "letter_noted", "can_do", "trouble", "its_troubles",
        "trouble_since", "last_success_at", "refused_calls", "last_refused", "last_refused_at",
    )  # fmt: skip
    actions: Sequence[str] = ("check_now", "note_letter")
    buttons: Sequence[str] = ("check_now", "note_letter")

    def get_buttons(self, request: HttpRequest, row: Account) -> Sequence[str]:
        return [name for name in self.buttons if name != "note_letter" or accounts.letter_of(row)]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # its orders and evidence hang on it: it is switched off instead

    # --- columns and facts -----------------------------------------------------------------------------------

    @display(label={"play": "warning"}, description=_("kind"))
    def kind(self, account: Account) -> str:
        return "play" if account.is_sandbox else ""

    @display(label={"works": "success", "trouble": "danger", "new": "info"})
    def condition(self, account: Account) -> str:
        facts = {
            "off": not account.is_enabled,
            "trouble": account.trouble,
            "works": account.last_success_at,
        }
        return next((word for word, is_so in facts.items() if is_so), "new")

    @display(description=_("marketplace"))
    def marketplace_name(self, account: Account) -> str:
        return account.service_class.label

    @display(description=_("webhook address"))
    def address(self, account: Account) -> str:
        if not account.service_class.calls_us():
            return f"None: {account.service_class.label} sends nothing by itself, so it is asked for news every few minutes."
        return render_to_string("admin/copyable.html", {"text": account.hook_url})

    @display(description=_("to be sent to the marketplace"))
    def letter(self, account: Account) -> str:
        return in_lines(accounts.letter_of(account))

    @display(description=_("sent"))
    def letter_noted(self, account: Account) -> str:
        sent = account.letter_sent
        if not sent:
            return "Not yet, as far as is noted here."
        changed = "" if sent["text"] == accounts.letter_of(account) else " The text has changed since: send it again."
        return f"{parse_datetime(sent['at']):%Y-%m-%d %H:%M} UTC.{changed}"

    @display(description=_("supports"))
    def can_do(self, account: Account) -> str:
        return render_to_string("admin/marketplaces/account/supports.html", {"lines": capabilities.of(account)})

    @display(description=_("set-up"))
    def set_up(self, account: Account) -> str:
        steps = self.get_steps(account)
        done = sum(step.is_done for step in steps)
        return link("admin:marketplaces_account_connect", f"Step by step: {done} of {len(steps)} are done", account.pk)

    def get_troubles(self, account: Account) -> list[tuple[str, str]]:
        """What went wrong with rows of the account: a text, and the address of a page that has more."""
        return [(str(trouble), _page_of(trouble)) for trouble in troubles.of(account)]

    def _troubles(self, account: Any) -> list[tuple[str, str]]:
        # The page asks twice: where they stand, and what they are.
        if not hasattr(account, "_its_troubles"):
            account._its_troubles = self.get_troubles(account)
        return cast("list[tuple[str, str]]", account._its_troubles)

    @display(description=_("rows in trouble"))
    def its_troubles(self, account: Account) -> str:
        found = self._troubles(account)
        return render_to_string("admin/marketplaces/account/troubles.html", {"troubles": found}) if found else "none"

    # --- the form --------------------------------------------------------------------------------------------

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """First the marketplace is chosen, since the fields depend on it; then they are asked."""
        slug = request.GET.get("marketplace", "")
        if slug in services.all_services():
            title = f"Add {services.get_service(slug).label} account"
            return super().add_view(request, form_url, {**(extra_context or {}), "title": title})
        if not self.has_add_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Add account",
            "marketplaces": services.choices(),
        }
        return TemplateResponse(request, "admin/marketplaces/account/choose.html", context)

    def get_page_context(self, request: HttpRequest, row: Account) -> dict[str, Any]:
        if problem := sealed_problem(row):
            text = gettext("What is stored of %(account)s can't be opened. %(problem)s.")
            self.message_user(request, text % {"account": row, "problem": problem}, messages.ERROR)
        return super().get_page_context(request, row)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **{**kwargs, "fields": AccountForm.Meta.fields})
        form.slug = obj.marketplace if obj else request.GET.get("marketplace", "")
        return form

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        slug = obj.marketplace if obj else request.GET.get("marketplace", "")
        service = services.get_service(slug)
        facts = (
            ("name", "marketplace_name", "is_sandbox", "is_enabled", "set_up")
            if obj
            else ("name", "is_sandbox", "is_enabled")
        )
        if obj and not self.has_change_permission(request, obj):
            return [(None, {"fields": facts}), (gettext("Options"), {"fields": ("options",)}), *self._health()]
        secrets = [CREDENTIAL + field.name for field in service.credentials]
        forget = ["forget_webhook_secrets"] if obj and opened(obj, "webhook_secrets", [])[0] else []
        options = [OPTION + field.name for field in service.options]
        hook = ["address"] if obj else []
        hook += ["letter", "letter_noted"] if obj and accounts.letter_of(obj) else []
        registered = ("registered_url",) if service.calls_us() else ()
        secrets += ["webhook_secret", *forget] if service.calls_us() else []
        sets = [
            (None, {"fields": facts}),
            (gettext("Credentials"), {"fields": secrets}),
            (gettext("Addresses"), {"fields": (*hook, *registered, "base_url")}),
            (gettext("Options"), {"fields": options}),
        ]
        if obj is None:
            return sets
        is_urgent = obj.trouble or self._troubles(obj)
        return [sets[0], *self._health(), *sets[1:]] if is_urgent else [*sets, *self._health()]

    def _health(self) -> list[tuple[str, dict[str, Any]]]:
        here = ("trouble", "trouble_since", "its_troubles", "last_success_at")
        calls = (*here, "refused_calls", "last_refused", "last_refused_at")
        return [(gettext("Health"), {"fields": calls}), (gettext("What it can do"), {"fields": ("can_do",)})]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.save()
        elif form.changed_data:
            changed = [name for name in AccountForm.Meta.fields if name in form.changed_data]
            obj.save(update_fields=[*changed, *form.written])
            accounts.resume(obj)  # what was changed may have mended its trouble

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        text = gettext("%(account)s is set up. What is left to do stands below.") % {"account": obj}
        self.message_user(request, text, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:marketplaces_account_connect", args=[obj.pk]))

    # --- the guided set-up -----------------------------------------------------------------------------------

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.connect_view)
        return [path("<uuid:key>/connect/", view, name="marketplaces_account_connect"), *super().get_urls()]

    def get_read(self, account: Account) -> list[tuple[str, bool]]:
        """What was read of the account so far, in words, and whether any of it is there. The floors above know more."""
        return []

    def get_steps(self, account: Account) -> list[connecting.Step]:
        return connecting.steps(account, self.get_read(account))

    def connect_view(self, request: HttpRequest, key: UUID) -> HttpResponse:
        """Guide through the set-up: what is done, what is left, the test and the address to copy."""
        account = self.get_object(request, str(key))
        if account is None:
            raise Http404
        may_change = self.has_change_permission(request, account)
        if not may_change and not self.has_view_permission(request, account):
            raise PermissionDenied
        if request.method == "POST":
            if not may_change:
                raise PermissionDenied
            self.message_user(request, *said_of(accounts.check(account)))
            return HttpResponseRedirect(request.path)
        steps = self.get_steps(account)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Set up {account}",
            "account": account,
            "marketplace": account.service_class.label,
            "steps": steps,
            "is_ready": all(step.is_done for step in steps),
            "address": account.hook_url if account.service_class.calls_us() else "",
            "may_change": may_change,
            "lines": capabilities.of(account),
        }
        return TemplateResponse(request, "admin/marketplaces/account/connect.html", context)

    # --- actions ---------------------------------------------------------------------------------------------

    @admin.action(description=_("Test connection"), permissions=["change"])
    def check_now(self, request: HttpRequest, queryset: "QuerySet[Account]") -> None:
        for account in queryset:
            self.message_user(request, *said_of(accounts.check(account)))

    @admin.action(description=_("Note that the letter was sent"), permissions=["change"])
    def note_letter(self, request: HttpRequest, queryset: "QuerySet[Account]") -> None:
        noted = sum(accounts.note_letter(account) for account in queryset)
        self.tell(request, noted, gettext("{rows} noted, with today's wording of the letter."))


@admin.register(WebhookEvent)
class WebhookEventAdmin(BulkRuns, EvidenceAdmin):
    empty_help = _(
        "Nothing was received yet. Give the webhook address on the account's page to the marketplace, then"
        " check the connection."
    )
    empty_steps = ((_("Accounts"), "admin:marketplaces_account_changelist", "marketplaces.view_account"),)
    list_display = (
        "__str__", "account", age("received_at"), "source", badge("state", OUTGOING), "repeats", "failure", "remark",
    )  # fmt: skip
    list_filter = (("state", ChoicesDropdownFilter), ("account", RelatedDropdownFilter), "source")
    list_select_related = ("account",)
    search_fields = ("subject__startswith",)
    search_help_text = _("Beginning of an order's or offer's id")
    ordering = ("-received_at",)
    sortable_by = ()  # there are millions, and no other order of them has an index
    fields = (
        "account", "kind", "subject", "source", "received_at", "happened_at", "repeats", "event_id", "state", "attempts",
        "next_try_at", "failure", "last_error", "remark", "answer_status", "method", "path", "headers", "masked_body",
    )  # fmt: skip
    actions = ("process_again",)
    buttons = ("process_again",)
    page_only = ("process_again",)
    run_kinds = (ProcessEvents,)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).defer("body", "headers")

    def has_process_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("marketplaces.change_webhookevent"))

    def get_buttons(self, request: HttpRequest, row: WebhookEvent) -> Sequence[str]:
        return self.buttons if row.method else ()

    @display(description=_("body, masked"))
    def masked_body(self, event: WebhookEvent) -> str:
        if not event.method:
            return "Erased: bodies are kept for 30 days after an event is done with."
        try:
            raw = event.body.encode("latin-1")
            secrets = [*event.account.credentials.values(), *event.account.webhook_secrets]
        except CannotOpen as error:  # what is not known to be secret can't be masked either
            return f"It can't be opened. {error.advice}."
        try:
            body = json.loads(raw)
        except ValueError:
            return f"{len(raw)} bytes that are no JSON"  # what can't be read can't be masked
        account = event.account
        masked = masking.mask_json(body, account.service_class.secret_keys)
        text = json.dumps(masked, indent=2, ensure_ascii=False)
        return in_lines(masking.scrub(text, secrets)[:BODY_SHOWN])

    @admin.action(description=_("Process again"), permissions=["process"])
    def process_again(self, request: HttpRequest, queryset: "QuerySet[WebhookEvent]") -> None:
        count = sum(outgoing.try_again(event) for event in queryset.exclude(WebhookEvent.ERASED))
        self.tell(
            request,
            count,
            gettext("{rows} will be processed again now; the state shows the result. Erased ones can't be."),
        )


@admin.register(ApiCall)
class ApiCallAdmin(EvidenceAdmin):
    empty_help = _("No marketplace was called yet. Open an account and press “Check connection”.")
    empty_steps = ((_("Accounts"), "admin:marketplaces_account_changelist", "marketplaces.view_account"),)
    list_display = ("operation", "account", "about", "outcome", "milliseconds", age("started_at"))
    list_filter = (("account", RelatedDropdownFilter),)
    list_select_related = ("account",)
    search_fields = ("about__startswith",)
    search_help_text = _("Beginning of an order's or offer's id")
    ordering = ("-started_at",)
    sortable_by = ()  # as of events
    fields = (
        "account", "operation", "about", "method", "url", "status", "error", "milliseconds", "started_at",
        "request_shown", "response_shown",
    )  # fmt: skip

    request_shown = staticmethod(preformatted("request", _("request, masked")))
    response_shown = staticmethod(preformatted("response", _("answer, masked")))

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).defer("request", "response")

    @display(label={"ok": "success", "failed": "danger"})
    def outcome(self, call: ApiCall) -> tuple[str, str]:
        is_ok = call.status is not None and call.status < 400 and not call.error
        return "ok" if is_ok else "failed", call.error or str(call.status or "no answer")


@admin.register(CatalogueProduct)
class CatalogueProductAdmin(EvidenceAdmin):
    empty_help = _(
        "No catalogue was read yet. “manage.py sync catalog” reads what the marketplaces sell; then offers"
        " can be started from here."
    )
    empty_steps = ((_("Accounts"), "admin:marketplaces_account_changelist", "marketplaces.view_account"),)
    list_display: Sequence[Any] = (
        short("name"), "marketplace", "external_id", "rank", price("price"), "available", "category", "brand", "region",
        age("seen_at"),
    )  # fmt: skip
    list_filter = (MarketplaceFilter, BestSellerFilter)
    search_fields = ("name", "external_id__exact")
    search_help_text = _("A word of the name, or the exact id")
    fields: Sequence[Any] = (
        "marketplace", "external_id", "name", "category", "brand", "region", "rank", ("price", "currency"), "available",
        "seen_at", "raw",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).defer("raw")


@admin.register(Job)
class JobAdmin(BulkRuns, EvidenceAdmin):
    """What a marketplace is still working on, and how it ended."""

    empty_help = _(
        "No marketplace is working on anything. Where one answers a push with a job, it is followed here to its end."
    )
    list_display = (
        "external_id", "account", "purpose", badge("state", OUTGOING), badge("result", RESULTS), "is_stuck", "status_word",
        "polls", age("started_at"), age("ended_at"), short("reason"),
    )  # fmt: skip
    list_filter = (
        ("account", RelatedDropdownFilter), ("result", ChoicesDropdownFilter), "is_stuck", ("state", ChoicesDropdownFilter),
    )  # fmt: skip
    list_select_related = ("account",)
    search_fields = ("external_id__exact", "resource_id__exact")
    search_help_text = _("The whole id of the job, or of what it made")
    ordering = ("-pk",)
    fields = (
        "external_id", "account", "purpose", "result", "is_stuck", "reason", "resource_id", "status_word", "polls",
        "started_at", "ended_at", "state", "attempts", "next_try_at", "failure", "last_error",
    )  # fmt: skip
    actions = ("look_again",)
    buttons = ("look_again",)
    page_only = ("look_again",)
    run_kinds = (LookAtJobs,)

    def has_look_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("marketplaces.change_job"))

    @admin.action(description=_("Look again"), permissions=["look"])
    def look_again(self, request: HttpRequest, queryset: "QuerySet[Any]") -> None:
        count = sum(outgoing.try_again(job) for job in queryset.filter(result=""))
        self.tell(request, count, gettext("{rows} looked at now. Those that ended are left alone."))
