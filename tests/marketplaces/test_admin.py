"""The account form, the connection test, and the evidence of what came in."""

import html
import json

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ

from marketplaces import capabilities, services
from marketplaces.base import MarketplaceService
from marketplaces.forms import AccountForm, option_field
from marketplaces.models import Account, ApiCall, WebhookEvent
from marketplaces.sandbox_faults import Fault
from marketplaces.types import Field
from tests import make
from tests.backoffice import world

LIST = reverse("admin:marketplaces_account_changelist")
ADD = reverse("admin:marketplaces_account_add") + "?marketplace=g2g"

# The tables on an account's page, without a row.
NO_ROWS = {f"{name}-{count}_FORMS": "0" for name in ("fees", "terms") for count in ("TOTAL", "INITIAL")}


def page(account):
    return reverse("admin:marketplaces_account_change", args=[account.pk])


def answers(account=None, **fields):
    """What a browser posts: the page's own values, with some changed."""
    form_class = type("Form", (AccountForm,), {"slug": "g2g"})
    form = form_class(instance=account) if account else form_class()
    values = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    shown = {f"initial-{name}": values[name] for name in AccountForm.Meta.fields}
    posted = values | shown | fields | (NO_ROWS if account else {})
    return {name: value for name, value in posted.items() if value is not None and value is not False}


def act(client, action, *accounts, **fields):
    posted = {"action": action, "index": 0, "_selected_action": [account.pk for account in accounts], **fields}
    return client.post(LIST, posted, follow=True)


@pytest.fixture
def account(db):
    return world.account()


# --- the form ------------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_adding_asks_for_the_marketplace_first(db, admin_client):
    text = admin_client.get(reverse("admin:marketplaces_account_add")).content.decode()

    assert all(f"?marketplace={slug}" in text for slug in services.all_services())


@pytest.mark.parametrize("slug", services.all_services())
def test_every_marketplace_has_a_form_with_all_it_declares(slug, db, admin_client):
    service = services.get_service(slug)
    url = f"{reverse('admin:marketplaces_account_add')}?marketplace={slug}"

    text = admin_client.get(url).content.decode()

    assert [field.label for field in (*service.credentials, *service.options) if f'_{field.name}"' not in text] == []


@pytest.mark.smoke
def test_an_account_is_added_and_its_page_shows_where_webhooks_go(db, admin_client):
    given = {"credential_api_key": "key-1", "credential_secret": "secret-1", "credential_user_id": "17"}

    response = admin_client.post(ADD, answers(name="New shop", webhook_secret="hook-1", **given), follow=True)

    made = Account.objects.get()
    assert (made.marketplace, made.is_enabled) == ("g2g", True)
    assert made.credentials == {"api_key": "key-1", "secret": "secret-1", "user_id": "17"}
    assert (made.webhook_secrets, made.options) == (["hook-1"], {})
    assert response.redirect_chain[-1][0] == connect(made)
    assert made.hook_url in response.content.decode()


def test_a_missing_credential_is_named(db, admin_client):
    response = admin_client.post(ADD, answers(name="New shop", credential_api_key="key-1", credential_user_id="17"))

    assert "G2G needs the API secret." in response.content.decode()
    assert not Account.objects.exists()


def test_a_play_account_takes_the_sandboxs_credentials(db, admin_client):
    admin_client.post(ADD, answers(name="Play shop", is_sandbox="on"))

    made, service = Account.objects.get(), services.get_service("g2g")
    assert made.credentials == service.sandbox_credentials
    assert made.webhook_secrets == list(service.sandbox_webhook_secrets)
    assert made.base_url == "http://127.0.0.1:9000/g2g"


@pytest.mark.smoke
def test_an_empty_secret_keeps_what_is_stored(account, admin_client):
    admin_client.post(page(account), answers(account, name="Renamed", credential_secret="fresh-secret"))

    account = Account.objects.get()
    assert account.name == "Renamed"
    assert account.credentials == {"api_key": world.CREDENTIAL, "secret": "fresh-secret", "user_id": "1000001"}
    assert account.webhook_secrets == [world.WEBHOOK_SECRET]


def test_a_refused_form_does_not_give_back_what_was_typed(account, admin_client):
    response = admin_client.post(page(account), answers(account, name="", credential_secret="typed-secret"))

    assert response.status_code == 200
    assert "typed-secret" not in response.content.decode()


def test_a_new_webhook_secret_stands_beside_the_older_ones(account, admin_client):
    admin_client.post(page(account), answers(account, webhook_secret="second"))
    assert Account.objects.get().webhook_secrets == ["second", world.WEBHOOK_SECRET]

    account.refresh_from_db()
    admin_client.post(page(account), answers(account, webhook_secret="third", forget_webhook_secrets="on"))
    assert Account.objects.get().webhook_secrets == ["third"]


def test_only_options_that_differ_from_their_default_are_stored(account, admin_client):
    admin_client.post(page(account), answers(account, option_requests_per_minute="90"))
    assert Account.objects.get().options == {"requests_per_minute": 90}

    account.refresh_from_db()
    admin_client.post(page(account), answers(account, option_requests_per_minute="60"))
    assert Account.objects.get().options == {}


@pytest.mark.parametrize("number", ["0", "6001", "many"])
def test_a_number_out_of_bounds_is_refused(number, account, admin_client):
    response = admin_client.post(page(account), answers(account, option_requests_per_minute=number))

    assert response.status_code == 200
    assert Account.objects.get().options == {}


def test_a_yes_or_no_option_is_a_switch():
    field = option_field(Field("strict", "Strict", "Help.", default=True))

    assert (field.clean(False), field.required) == (False, False)


def test_saving_new_credentials_clears_the_trouble(account, admin_client):
    account.has_trouble("The marketplace refused the signature.")

    admin_client.post(page(account), answers(account, credential_secret="good-secret"))

    account.refresh_from_db()
    assert (account.trouble, account.trouble_since, account.is_stopped) == ("", None, False)


def test_saving_nothing_leaves_the_trouble(account, admin_client):
    account.has_trouble("The marketplace refused the signature.")

    admin_client.post(page(account), answers(account))

    account.refresh_from_db()
    assert account.trouble


def test_saving_does_not_undo_what_a_worker_wrote_meanwhile(account, admin_client, monkeypatch):
    seen = timezone.now()
    clean = AccountForm.clean

    def while_somebody_works(form):
        Account.objects.update(last_success_at=seen, refused_calls=3)
        return clean(form)

    monkeypatch.setattr(AccountForm, "clean", while_somebody_works)
    admin_client.post(page(account), answers(account, name="Renamed"))

    account.refresh_from_db()
    assert (account.name, account.last_success_at, account.refused_calls) == ("Renamed", seen, 3)


def test_who_may_only_look_sees_options_and_no_credentials(account):
    client = Client()
    client.force_login(world.staff("viewer", "marketplaces.view_account"))
    Account.objects.update(options={"requests_per_minute": 77})

    text = client.get(page(account)).content.decode()

    assert "77" in text
    assert "credential_" not in text


def test_every_operation_stands_among_what_a_marketplace_supports():
    own = {name for name, member in vars(MarketplaceService).items() if callable(member) and not name.startswith("_")}
    no_operation = {"plan", "letter", "code_problem", "file_problem", "notices", "answers", "offer_pages"}
    named = {name for names in capabilities.LINES.values() for name in names} | capabilities.PARTS

    assert named == own - no_operation


def test_the_page_says_what_the_marketplace_supports_and_what_not(admin_client, db):
    account = make.account(marketplace="gcommerce")

    lines = {line.words: line for line in capabilities.of(account)}
    text = " ".join(admin_client.get(page(account)).content.decode().split())

    assert (lines["Create offers"].is_there, lines["Buy codes from others"].is_there) == (True, False)
    assert 'aria-label="no">cancel</span> <span>Buy codes from others' in text


# --- the guided set-up ---------------------------------------------------------------------------------------


def connect(account):
    return reverse("admin:marketplaces_account_connect", args=[account.pk])


def steps_of(client, account):
    return {step.name: step for step in client.get(connect(account)).context["steps"]}


def test_the_set_up_ticks_what_is_done(g2g, admin_client, django_assert_max_num_queries):
    empty = Account.objects.get()  # not the object that tells the sandbox which credentials are right
    empty.credentials = {}
    empty.save(update_fields=["credentials"])
    steps = steps_of(admin_client, g2g.account)
    assert not any(step.is_done for step in steps.values())
    assert "Missing: API key, API secret, User id." in steps["credentials"].facts

    g2g.account.save(update_fields=["credentials"])
    admin_client.post(connect(g2g.account))
    WebhookEvent.objects.create(
        account=g2g.account, event_id="1", kind="order.created", method="POST", received_at=timezone.now(), body="{}"
    )
    make.offer(make.product(), g2g.account, seen_at=timezone.now())
    admin_client.get(connect(g2g.account))
    with django_assert_max_num_queries(15):
        response = admin_client.get(connect(g2g.account))
    assert response.context["is_ready"]
    assert "G2G is connected" in response.content.decode()


def test_a_marketplace_that_sends_nothing_needs_no_webhook_step(admin_client, db):
    account = make.account(marketplace="gcommerce")

    step = steps_of(admin_client, account)["webhook"]

    assert step.is_done
    assert "sends nothing by itself" in step.facts[0]
    assert account.hook_url not in admin_client.get(connect(account)).content.decode()


@pytest.mark.parametrize("slug", services.all_services())
def test_each_marketplace_says_how_it_is_connected(slug, admin_client, db):
    account = make.account(marketplace=slug)
    service = account.service_class

    text = html.unescape(admin_client.get(connect(account)).content.decode())

    assert all(line in text for line in service.guide["credentials"])
    assert not service.calls_us() or all(line in text for line in service.guide["webhook"])
    assert set(service.guide) <= {"credentials", "connection", "webhook", "reading"}


def test_who_may_only_look_sees_the_set_up_and_tests_nothing(g2g):
    client = Client()
    client.force_login(world.staff("viewer", "marketplaces.view_account"))

    assert "Test connection</button>" not in client.get(connect(g2g.account)).content.decode()
    assert client.post(connect(g2g.account)).status_code == 403
    assert not ApiCall.objects.exists()


# --- the connection test -------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_a_working_connection_clears_the_trouble_and_says_so(g2g, admin_client):
    g2g.account.has_trouble("The marketplace refused the signature.")

    text = act(admin_client, "check_now", g2g.account).content.decode()

    g2g.account.refresh_from_db()
    assert "Main G2G (play): the connection works." in text
    assert g2g.account.trouble == ""


def test_refused_credentials_put_the_account_in_trouble(g2g, admin_client):
    account = Account.objects.get()  # not the object that tells the sandbox which secret is right
    account.credentials = {**account.credentials, "secret": "a-wrong-secret"}
    account.save(update_fields=["credentials"])

    text = act(admin_client, "check_now", account).content.decode()

    account.refresh_from_db()
    assert account.is_stopped
    assert f"Main G2G (play): {account.trouble}" in html.unescape(text)
    assert "a-wrong-secret" not in text


def test_a_marketplace_that_is_away_is_named(g2g, admin_client):
    g2g.sandbox.faults.add(Fault("*", "http_error", status=503))

    text = act(admin_client, "check_now", g2g.account).content.decode()

    assert "the connection works" not in text
    assert "Main G2G (play): " in text
    assert "HTTP 503" in text


def test_a_web_page_in_place_of_the_api_is_told(g2g, admin_client):
    g2g.sandbox.faults.add(Fault("G2G-18", "html"))

    text = html.unescape(act(admin_client, "check_now", g2g.account).content.decode())

    assert "What answers at http://g2g.test is a web page, not G2G's API" in text


def test_who_may_only_look_cannot_test_the_connection(g2g):
    client = Client()
    client.force_login(world.staff("viewer", "marketplaces.view_account"))

    act(client, "check_now", g2g.account)

    assert not ApiCall.objects.exists()


# --- evidence ------------------------------------------------------------------------------------------------


@pytest.fixture
def event(db):
    world.fill(1)
    return WebhookEvent.objects.get()


def try_event(client, event):
    url = reverse("admin:marketplaces_webhookevent_changelist")
    posted = {"action": "process_again", "index": 0, "_selected_action": event.pk, "_from_page": event.pk}
    return client.post(url, posted, follow=True)


@pytest.mark.smoke
def test_an_event_can_be_processed_again(event, admin_client):
    text = try_event(admin_client, event).content.decode()

    event.refresh_from_db()
    assert "1 event will be processed again now" in text
    assert event.state == "due"
    assert OrmQ.objects.count() == 1


def test_looking_at_events_is_not_processing_them(event):
    client = Client()
    client.force_login(world.staff("viewer", "marketplaces.view_webhookevent"))

    try_event(client, event)

    event.refresh_from_db()
    assert event.state == "needs_attention"
    assert OrmQ.objects.count() == 0


def test_the_button_on_the_page_does_what_the_action_does(event, admin_client):
    url = reverse("admin:marketplaces_webhookevent_change", args=[event.pk])
    assert "Process again" in admin_client.get(url).content.decode()
    posted = {"action": "process_again", "index": 0, "_selected_action": event.pk, "_from_page": event.pk}

    response = admin_client.post(reverse("admin:marketplaces_webhookevent_changelist"), posted)

    event.refresh_from_db()
    assert (response.url, event.state) == (url, "due")


def test_an_action_stands_in_the_history_of_its_rows(event, admin_client):
    try_event(admin_client, event)

    text = admin_client.get(reverse("admin:marketplaces_webhookevent_history", args=[event.pk])).content.decode()

    assert "Process again." in text


def test_a_body_is_shown_with_its_secrets_masked(event, admin_client):
    text = admin_client.get(reverse("admin:marketplaces_webhookevent_change", args=[event.pk])).content.decode()

    assert event.subject in text
    assert "•••" in text


def test_a_body_that_cannot_be_masked_is_not_shown(event, admin_client):
    event.body = f"secret={world.CODE}"
    event.save(update_fields=["body"])

    text = admin_client.get(reverse("admin:marketplaces_webhookevent_change", args=[event.pk])).content.decode()

    assert f"{len(event.body)} bytes that are no JSON" in text
    assert world.CODE not in text


def test_a_secret_is_masked_wherever_it_stands_in_a_body(event, admin_client):
    event.body = json.dumps({"note": [f"signed with {world.WEBHOOK_SECRET}", world.CREDENTIAL]})
    event.save(update_fields=["body"])

    text = admin_client.get(reverse("admin:marketplaces_webhookevent_change", args=[event.pk])).content.decode()

    assert "signed with •••" in text
    assert world.CREDENTIAL not in text


def test_a_marketplace_that_sends_nothing_asks_for_no_webhook(db, admin_client, client):
    add = f"{reverse('admin:marketplaces_account_add')}?marketplace=gcommerce"
    given = {"credential_email": "vendor@example.com", "credential_api_key": "key-1"}
    given |= {
        "option_requests_per_minute": 10,
        "option_bulk_size": 500,
        "option_page_size": 250,
        "option_watch_days": 7,
    }
    assert "webhook_secret" not in admin_client.get(add).content.decode()

    response = admin_client.post(
        add, answers(name="Goods", **given, **{"option_statuses": '{"Q": "on_hold"}'}), follow=True
    )

    made = Account.objects.get()
    assert made.options["bulk_size"] == 500
    assert made.connection().options["statuses"] == '{"Q": "on_hold"}'
    text = response.content.decode()
    assert made.hook_url not in text
    assert "sends nothing by itself" in text
    assert "webhook address below" not in text
    for name in ("webhook_secret", "registered_url"):
        assert name not in text

    assert client.post(f"/hooks/{made.pk}/", b"{}", content_type="application/json").status_code == 405
