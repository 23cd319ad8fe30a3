"""The pages on which an offer is made: product, account, product there, what it asks, price, preview, and then it is made.

Each step is a page of its own that posts to itself; what was typed stays in the draft, so that going back loses nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.models import ADDITION, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext

from backoffice import money
from backoffice.admin import BaseAdmin
from inventory import draft_words, drafting, finding, stock
from inventory.drafting import ACCOUNT, CHOICES, GOODS, NUMBERS, PREVIEW, PRODUCT, TITLES, NotReady, Wish
from inventory.models import OfferDraft, Product
from marketplaces.models import Account, CatalogueProduct
from marketplaces.types import RemoteProduct

LISTED = 20
BY_HAND = "by_hand"  # in the address of the plain form


def start_address(**given: Any) -> str:
    """Where an offer is begun: with `product`, ours, or `catalogue`, a row of the mirrored catalogue."""
    query = urlencode({name: value for name, value in given.items() if value})
    return reverse("admin:inventory_offer_new") + (f"?{query}" if query else "")


def step_address(draft: OfferDraft, step: str) -> str:
    return reverse("admin:inventory_offer_new_step", args=[draft.pk, step])


class OfferWizard(BaseAdmin):
    """The list of offers, with the pages that make a new one."""

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("new/", view(self.start_view), name="inventory_offer_new"),
            path("new/<uuid:key>/", view(self.draft_view), name="inventory_offer_draft"),
            path("new/<uuid:key>/earnings/", view(self.earnings_view), name="inventory_offer_earnings"),
            path("new/<uuid:key>/<slug:step>/", view(self.step_view), name="inventory_offer_new_step"),
            *super().get_urls(),
        ]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """The plain form is for what the steps can't do: an offer that exists there is entered with its id."""
        if request.method == "GET" and not request.GET:
            return HttpResponseRedirect(start_address())
        return super().add_view(request, form_url, extra_context)

    # --- pages ---------------------------------------------------------------------------------------------------

    def start_view(self, request: HttpRequest) -> HttpResponse:
        """Choose our product; with that the draft begins."""
        self._check(request)
        goods = _catalogue_row(request)
        if request.method == "POST":
            product = _product(request.POST.get(PRODUCT, ""))
            if product is not None:
                draft = self._begin(request, product, goods)
                return HttpResponseRedirect(reverse("admin:inventory_offer_draft", args=[draft.pk]))
        facts = {"unfinished": _unfinished(request), "goods": goods}
        return self._step_page(request, PRODUCT, None, {**_products(request), **facts})

    def draft_view(self, request: HttpRequest, key: UUID) -> HttpResponse:
        """Go on where the draft stands."""
        draft = self._draft(request, key)
        return _made(draft) or HttpResponseRedirect(step_address(draft, Wish(draft).open_step))

    def step_view(self, request: HttpRequest, key: UUID, step: str) -> HttpResponse:
        draft = self._draft(request, key)
        wish = Wish(draft)
        if done := _made(draft):
            return done
        if step not in wish.steps:
            raise Http404
        before = wish.steps[: wish.steps.index(step)]
        if wish.open_step in before:  # what it stands on is gone, or was never said
            return HttpResponseRedirect(step_address(draft, wish.open_step))
        if request.method == "POST" and "back" in request.POST:
            _keep_typed(wish, step, request.POST)
            return HttpResponseRedirect(step_address(draft, before[-1] if before else step))
        pages: dict[str, Callable[[HttpRequest, Wish], HttpResponse]] = {
            PRODUCT: self._product_step, ACCOUNT: self._account_step, GOODS: self._goods_step, CHOICES: self._choices_step,
            NUMBERS: self._numbers_step, PREVIEW: self._preview_step,
        }  # fmt: skip
        return pages[step](request, wish)

    def earnings_view(self, request: HttpRequest, key: UUID) -> JsonResponse:
        """What the price that is being typed would mean, for the script of the price's page."""
        wish = Wish(self._draft(request, key))
        if wish.account is None or not wish.goods_id:
            raise Http404
        words = _price_words(wish, request.GET)
        return JsonResponse({"lines": list(words.lines), "refusal": words.refusal})

    # --- steps ---------------------------------------------------------------------------------------------------

    def _product_step(self, request: HttpRequest, wish: Wish) -> HttpResponse:
        if request.method == "POST":
            product = _product(request.POST.get(PRODUCT, ""))
            if product is not None:
                drafting.say(wish.draft, PRODUCT, product.pk)
                return self._next(wish, PRODUCT)
        return self._step_page(request, PRODUCT, wish, {**_products(request), "goods": None})

    def _account_step(self, request: HttpRequest, wish: Wish) -> HttpResponse:
        accounts = list(Account.objects.filter(is_enabled=True))
        if request.method == "POST":
            chosen = next((one for one in accounts if str(one.pk) == request.POST.get(ACCOUNT)), None)
            if chosen is not None and not drafting.why_not(chosen):
                drafting.say(wish.draft, ACCOUNT, str(chosen.pk))
                return self._next(wish, ACCOUNT)
        rows = [
            (
                one,
                one.service_class.label,
                drafting.why_not(one),
                one.service_class.offers_exist_there,
                _by_hand(account=one.pk, product=wish.draft.said[PRODUCT]),
            )
            for one in accounts
        ]
        return self._step_page(request, ACCOUNT, wish, {"accounts": rows})

    def _goods_step(self, request: HttpRequest, wish: Wish) -> HttpResponse:
        account, service, problem = wish.account, wish.service, ""
        assert account is not None  # noqa: S101  (the steps before)
        typed = request.POST.get("id", "").strip()[:100]
        if request.method == "POST":
            goods, problem = _chosen(account, typed, request.POST.get("name", "")[:300])
            if goods is not None:
                drafting.choose_goods(wish.draft, account, goods)
                return self._next(wish, GOODS)
        facts: dict[str, Any] = {"problem": problem, "typed": typed or wish.goods_id, "field": service.own_code}
        facts["by_hand"] = _by_hand(account=account.pk, product=wish.product.pk if wish.product else "")
        if service.own_code is not None:
            facts["typed"] = facts["typed"] or (wish.product.sku if wish.product else "")
            return self._step_page(request, GOODS, wish, facts)
        return self._step_page(request, GOODS, wish, {**facts, **_searched(request, account)})

    def _choices_step(self, request: HttpRequest, wish: Wish) -> HttpResponse:
        if wish.asked is None or "again" in request.POST:
            if problem := drafting.ask(wish):
                return self._step_page(request, CHOICES, wish, {"problem": problem})
            if "again" in request.POST:
                return HttpResponseRedirect(request.path)
        form = wish.choices(request.POST if request.method == "POST" else None)
        if request.method == "POST":
            _keep_typed(wish, CHOICES, request.POST)
            if form.is_valid():
                return self._next(wish, CHOICES)
        return self._step_page(request, CHOICES, wish, {"form": form, "notes": wish.asked.notes if wish.asked else ()})

    def _numbers_step(self, request: HttpRequest, wish: Wish) -> HttpResponse:
        form = wish.numbers(request.POST if request.method == "POST" else None)
        words = None
        if request.method == "POST":
            _keep_typed(wish, NUMBERS, request.POST)
            if "simulate" in request.POST:
                words = _price_words(wish, request.POST)
                form = wish.numbers()
                form.errors.clear()  # it was asked what it means, not whether all is there
            elif form.is_valid():
                return self._next(wish, NUMBERS)
        facts = {
            "form": form, "words": words, "goods_price": money.display(wish.goods.price, wish.goods.currency),
            "has_price": "price" in form.fields,
        }  # fmt: skip
        return self._step_page(request, NUMBERS, wish, facts)

    def _preview_step(self, request: HttpRequest, wish: Wish) -> HttpResponse:
        if request.method == "POST":
            return self._make(request, wish)
        try:
            shown = draft_words.preview(wish)
        except NotReady:
            return HttpResponseRedirect(step_address(wish.draft, wish.open_step))
        return self._step_page(request, PREVIEW, wish, {"preview": shown, "twins": wish.twins()})

    def _make(self, request: HttpRequest, wish: Wish) -> HttpResponse:
        try:
            offer, is_new = drafting.create(wish.draft.pk, by=request.user.get_username())
        except NotReady as error:
            self.message_user(request, f"{error}.", messages.ERROR)
            return HttpResponseRedirect(step_address(wish.draft, Wish(wish.draft).open_step))
        if is_new:
            LogEntry.objects.log_actions(
                cast(int, request.user.pk), [offer], ADDITION, change_message="Made step by step."
            )
            text = gettext("The offer is on its way to %(account)s; its state and “seen” below show what became of it.")
            self.message_user(request, text % {"account": offer.account}, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:inventory_offer_change", args=[offer.pk]))

    # --- what they share -----------------------------------------------------------------------------------------

    def _check(self, request: HttpRequest) -> None:
        if not self.has_add_permission(request):
            raise PermissionDenied

    def _draft(self, request: HttpRequest, key: UUID) -> OfferDraft:
        """A draft of the user's own."""
        self._check(request)
        mine = OfferDraft.objects.filter(pk=key, by=request.user.get_username()).first()
        if mine is None:
            raise Http404("There is no such draft of yours; it may have been left for more than a month.")
        return mine

    def _begin(self, request: HttpRequest, product: Product, goods: CatalogueProduct | None) -> OfferDraft:
        draft = drafting.start(by=request.user.get_username(), said={PRODUCT: product.pk})
        able = [one for one in Account.objects.filter(is_enabled=True) if not drafting.why_not(one)]
        if goods is not None:
            able = [one for one in able if one.marketplace == goods.marketplace]
        if len(able) == 1:
            drafting.say(draft, ACCOUNT, str(able[0].pk))
        if goods is not None and able:
            drafting.choose_goods(draft, able[0], finding.of(goods))
        return draft

    def _next(self, wish: Wish, step: str) -> HttpResponse:
        """To the step that follows, or an earlier one that lacks an answer now."""
        now = Wish(wish.draft)
        after = now.steps[now.steps.index(step) + 1]
        to = min((after, now.open_step), key=now.steps.index)
        return HttpResponseRedirect(step_address(wish.draft, to))

    def _step_page(self, request: HttpRequest, step: str, wish: Wish | None, facts: Mapping[str, Any]) -> HttpResponse:
        steps = wish.steps if wish else list(TITLES)
        reached = steps.index(wish.open_step) if wish else 0
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"New offer: {TITLES[step]}",
            "wish": wish,
            "draft": wish.draft if wish else None,
            "marketplace": wish.service.label if wish and wish.account else "",
            "is_taken_over": bool(wish and wish.account and wish.service.offers_exist_there),
            "step": step,
            "steps": [
                {
                    "name": name, "title": TITLES[name], "is_now": name == step, "is_done": number < reached,
                    "url": step_address(wish.draft, name) if wish and number <= reached else "",
                }
                for number, name in enumerate(steps)
            ],
            "is_first": step == steps[0],
            **facts,
        }  # fmt: skip
        return TemplateResponse(request, f"admin/inventory/offer/new/{step}.html", context)


# --- what a page reads and keeps ---------------------------------------------------------------------------------------


def _made(draft: OfferDraft) -> HttpResponse | None:
    """A draft whose offer was made leads to it."""
    if draft.offer_id is None:
        return None
    return HttpResponseRedirect(reverse("admin:inventory_offer_change", args=[draft.offer_id]))


def _keep_typed(wish: Wish, step: str, posted: Mapping[str, str]) -> None:
    forms = {CHOICES: wish.choices, NUMBERS: wish.numbers}
    if step in forms and (step != CHOICES or wish.asked is not None):
        names = forms[step]().fields
        drafting.say(wish.draft, step, {name: posted[name] for name in names if name in posted})


def _price_words(wish: Wish, typed: Mapping[str, str]) -> draft_words.PriceWords:
    """What a price that is being typed means; where it can't be read yet, that is said."""
    form = wish.numbers(typed)
    form.is_valid()
    said = form.cleaned_data
    readable = {name: said.get(name) for name in ("price", "currency", "floor", "ceiling")}
    readable["price"] = readable["price"] or _amount(form, typed)
    return draft_words.of_price(wish.offer_with(readable), wish.book)


def _amount(form: Any, typed: Mapping[str, str]) -> Any:
    """The price as it was typed, also one that is refused for its limits: those are told beside what it means."""
    field = form.fields.get("price")
    try:
        return field.clean(typed.get("price")) if field else None
    except Exception:
        return None


def _product(text: str) -> Product | None:
    return (
        Product.objects.filter(pk=int(text)).first() if text.isascii() and text.isdigit() and len(text) < 19 else None
    )


def _products(request: HttpRequest) -> dict[str, Any]:
    """Our products that a text finds, or the one that the address names, with what can be sold of each."""
    text = request.GET.get("q", "").strip()[:200]
    chosen = _product(request.GET.get(PRODUCT, ""))
    found = Product.objects.filter(pk=chosen.pk) if chosen and not text else Product.objects.all()
    if text:
        found = found.filter(Q(sku__istartswith=text) | Q(name__icontains=text))
    products = list(found.order_by("sku")[: LISTED + 1])
    units = stock.sellable_of([product.pk for product in products])
    return {
        "q": text,
        "products": [(product, units[product.pk]) for product in products[:LISTED]],
        "is_cut": len(products) > LISTED,
    }


def _catalogue_row(request: HttpRequest) -> CatalogueProduct | None:
    text = request.GET.get("catalogue", "")
    known = CatalogueProduct.objects.defer("raw")
    return known.filter(pk=int(text)).first() if text.isascii() and text.isdigit() and len(text) < 19 else None


def _unfinished(request: HttpRequest) -> list[dict[str, Any]]:
    """The user's drafts that are not done, by the names of their products."""
    drafts = drafting.unfinished(request.user.get_username())
    names = Product.objects.in_bulk([draft.said.get(PRODUCT) for draft in drafts])
    return [
        {
            "name": names.get(draft.said.get(PRODUCT), "a product that is gone"),
            "at": draft.changed_at,
            "url": reverse("admin:inventory_offer_draft", args=[draft.pk]),
        }
        for draft in drafts
    ]


def _by_hand(**given: Any) -> str:
    """The plain form, filled in, in which an offer that exists there is entered with its id."""
    query = urlencode({BY_HAND: 1, **{name: str(value) for name, value in given.items() if value}})
    return f"{reverse('admin:inventory_offer_add')}?{query}"


def _chosen(account: Account, product_id: str, name: str) -> tuple[RemoteProduct | None, str]:
    """The product there that was chosen or typed, and why it can't be offered. `name` is what a search showed of it."""
    if not product_id:
        return None, "Choose a product, or enter its id."
    if account.service_class.own_code is not None:
        problem = drafting.why_not_there(account, product_id)
        return (None, problem) if problem else (RemoteProduct(product_id, ""), "")
    if found := finding.known(account, product_id):
        return found, ""
    if account.can("get_product"):
        return finding.look_up(account, product_id)
    return RemoteProduct(product_id, name), ""


def _searched(request: HttpRequest, account: Account) -> dict[str, Any]:
    """What a search of the marketplace's catalogue finds."""
    text, category = request.GET.get("q", "").strip()[:200], request.GET.get("category", "")[:100]
    places, problem = finding.categories(account)
    known = {place for place, _ in places}
    found = finding.to_sell(account, text, category if category in known else "") if text or category else None
    mirror = CatalogueProduct.objects.filter(marketplace=account.marketplace).exists()
    return {
        "q": text, "category": category, "categories": places, "found": found, "is_mirrored": mirror,
        "search_problem": problem or (found.problem if found else ""),
    }  # fmt: skip
