"""Who may reveal or pay signs in with a code of an app, too; who has none yet sets it up before anything else."""

import logging
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import connection, connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from backoffice import crypto
from backoffice.second_factor import devices
from backoffice.second_factor.models import Authenticator, RecoveryCode, SecondFactorEvent
from orders.roles import write_groups
from tests.backoffice import world

PASSWORD = "a-long-password-1"
INDEX, STATUS, CHECK, SET_UP = (
    reverse(name) for name in ("admin:index", "second_factor", "second_factor_check", "second_factor_set_up")
)
CODE_LINE = re.compile(r"<li>([a-z2-7]{4}(?:-[a-z2-7]{4}){3})</li>")


@pytest.fixture(autouse=True)
def _required(settings, db):
    settings.TWO_FACTOR = "required"


@pytest.fixture
def clock(time_machine):
    time_machine.move_to("2026-03-01T12:00:00Z", tick=False)
    return time_machine


@pytest.fixture
def revealer():
    return world.staff("revealer", "inventory.view_code", "inventory.reveal_code")


def sign_in(name="revealer", next_page=INDEX):
    client = Client()
    answer = client.post(f"{reverse('admin:login')}?next={next_page}", {"username": name, "password": PASSWORD})
    assert answer.status_code == 302
    return client


def code_of(device):
    device.refresh_from_db()
    return f"{device.totp().token():06}"


def enrol(client):
    """Set an app up as a person does; give back the app and the recovery codes that the page showed."""
    client.get(SET_UP)
    device = Authenticator.objects.get(pk=client.session["second_factor_pending"])
    page = client.post(SET_UP, {"code": code_of(device)})
    device.refresh_from_db()
    assert device.confirmed
    return device, CODE_LINE.findall(page.content.decode())


@pytest.mark.smoke
def test_whoever_must_have_one_sets_it_up_before_anything_else(revealer, clock):
    client = sign_in()

    for url in (INDEX, reverse("admin:inventory_code_changelist"), reverse("admin:password_change"), STATUS):
        assert client.get(url)["Location"].startswith(f"{SET_UP}?next=")
    page = client.get(SET_UP).content.decode()
    device = Authenticator.objects.get()
    assert "<svg" in page
    assert devices.key_text(device) in page
    assert "<script" not in page.split("<svg")[1].split("</svg>")[0]

    _, codes = enrol(client)

    assert len(set(codes)) == 10
    assert client.get(INDEX).status_code == 200
    assert SecondFactorEvent.objects.get().what == "set_up"


def test_a_post_is_led_there_too_and_does_nothing(revealer):
    client = sign_in()

    answer = client.post(reverse("admin:inventory_code_changelist"), {"action": "reveal", "_selected_action": 1})

    assert answer["Location"].startswith(SET_UP)


def test_after_the_password_only_the_code_opens_the_admin(revealer, clock):
    device, _ = enrol(sign_in())
    clock.shift(60)
    client = sign_in()

    wanted = reverse("admin:inventory_code_changelist")
    led = client.get(wanted)["Location"]
    assert led.startswith(CHECK)
    assert client.get(SET_UP)["Location"].startswith(CHECK), "a stolen password must not set up another app"
    wrong = f"{(int(code_of(device)) + 1) % 1_000_000:06}"
    assert "not right" in client.post(led, {"code": wrong}).content.decode()
    assert client.get(wanted)["Location"].startswith(CHECK)
    clock.shift(5)
    assert client.post(led, {"code": code_of(device)})["Location"] == wanted
    assert client.get(wanted).status_code == 200


def test_a_code_counts_once(revealer, clock):
    device, _ = enrol(sign_in())
    clock.shift(60)
    code = code_of(device)
    assert sign_in().post(CHECK, {"code": code}).status_code == 302

    again = sign_in()
    assert "not right" in again.post(CHECK, {"code": code}).content.decode()
    assert again.get(INDEX)["Location"].startswith(CHECK)


def test_a_recovery_code_opens_once_and_goes_on_record(revealer, clock):
    _, codes = enrol(sign_in())

    assert sign_in().post(CHECK, {"code": f" {codes[3].upper()} "}).status_code == 302
    assert "not right" in sign_in().post(CHECK, {"code": codes[3]}).content.decode()
    assert devices.codes_left(revealer) == 9
    assert list(SecondFactorEvent.objects.order_by("pk").values_list("what", flat=True)) == [
        "set_up", "recovered", "refused",
    ]  # fmt: skip


def test_recovery_codes_of_another_user_open_nothing(revealer, clock):
    world.staff("other", "inventory.reveal_code")
    _, codes = enrol(sign_in())
    enrol(sign_in("other"))

    assert "not right" in sign_in("other").post(CHECK, {"code": codes[0]}).content.decode()


def test_each_wrong_code_doubles_the_wait_and_the_wait_ends(revealer, clock):
    device, _ = enrol(sign_in())
    clock.shift(60)
    client = sign_in()
    for _ in range(30):
        client.post(CHECK, {"code": "000000"})
        clock.shift(timedelta(minutes=9))
    client.post(CHECK, {"code": "000000"})

    assert "Too many wrong codes" in client.post(CHECK, {"code": code_of(device)}).content.decode()
    assert client.get(INDEX)["Location"].startswith(CHECK)
    clock.shift(timedelta(minutes=9))
    assert client.post(CHECK, {"code": code_of(device)}).status_code == 302


def test_wrong_codes_count_for_the_lock_of_the_login_and_are_not_kept(revealer, clock, settings, caplog):
    settings.AXES_ENABLED = True
    caplog.set_level(logging.DEBUG)
    enrol(sign_in())
    client, statuses = sign_in(), []
    for _ in range(10):
        clock.shift(600)
        statuses.append(client.post(CHECK, {"code": "135791"}).status_code)

    assert statuses == [200] * 9 + [429]
    assert "135791" not in str(list(AccessAttempt.objects.values()))
    assert "135791" not in caplog.text


def test_the_seed_is_sealed_and_recovery_codes_are_digests(revealer, clock, caplog):
    caplog.set_level(logging.DEBUG)
    client = sign_in()
    device, codes = enrol(client)
    seed, key = device.seed, devices.key_text(device)
    with connection.cursor() as cursor:
        rows = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            rows += [bytes(c) if isinstance(c, bytes | memoryview) else str(c).encode() for r in cursor for c in r]

    for secret in (seed, key, key.replace(" ", ""), *codes, codes[0].replace("-", "")):
        assert not any(secret.encode() in row or secret.encode().upper() in row for row in rows)
        assert secret not in caplog.text
    pages = [STATUS, INDEX, reverse("second_factor_recovery_codes")]
    assert not any(codes[0] in client.get(page, follow=True).content.decode() for page in pages)


def test_a_seed_moved_to_another_user_does_not_open(revealer, clock):
    other = world.staff("other")
    device, _ = enrol(sign_in())
    with connection.cursor() as cursor:
        cursor.execute("UPDATE backoffice_authenticator SET user_id = %s", [other.pk])

    with pytest.raises(crypto.CannotOpen):
        str(Authenticator.objects.get(pk=device.pk).seed)


def test_who_may_neither_reveal_nor_pay_is_asked_for_nothing_and_may_set_it_up(clock):
    world.staff("lister", "inventory.view_offer")
    client = sign_in("lister")
    assert client.get(INDEX).status_code == 200

    device, _ = enrol(client)

    clock.shift(60)
    again = sign_in("lister")
    assert again.get(INDEX)["Location"].startswith(CHECK)
    again.post(CHECK, {"code": code_of(device)})
    again.post(reverse("second_factor_turn_off"))
    assert sign_in("lister").get(INDEX).status_code == 200


@pytest.mark.parametrize("name", ["Managers", "Operators", "Stock keepers"])
def test_roles_that_reveal_or_pay_must_have_one(name):
    from django.apps import apps

    write_groups(using="default", apps=apps)
    user = world.staff("member")
    user.groups.add(Group.objects.get(name=name))

    assert devices.must_have(User.objects.get(pk=user.pk))


@pytest.mark.parametrize("name", ["Listers", "Finance", "Auditors"])
def test_roles_that_only_look_or_list_need_none(name):
    from django.apps import apps

    write_groups(using="default", apps=apps)
    user = world.staff("member")
    user.groups.add(Group.objects.get(name=name))

    assert not devices.must_have(User.objects.get(pk=user.pk))


def test_a_superuser_must_have_one_and_every_named_permission_exists(settings, admin_user):
    assert devices.must_have(admin_user)
    for number, permission in enumerate(settings.TWO_FACTOR_PERMISSIONS):
        assert devices.must_have(world.staff(f"member-{number}", permission))


def test_who_must_have_one_cannot_switch_it_off(revealer, clock):
    client = sign_in()
    enrol(client)

    client.post(reverse("second_factor_turn_off"))

    assert devices.confirmed(revealer) is not None
    assert "be switched off" in client.get(STATUS).content.decode()


def test_another_phone_replaces_the_first_and_ends_what_it_marked(revealer, clock):
    first_client = sign_in()
    first, old_codes = enrol(first_client)
    clock.shift(60)
    second_client = sign_in()
    second_client.post(CHECK, {"code": code_of(first)})

    _, codes = enrol(second_client)

    assert Authenticator.objects.count() == 1
    assert not set(codes) & set(old_codes)
    assert RecoveryCode.objects.count() == 10
    assert first_client.get(INDEX)["Location"].startswith(CHECK)
    assert SecondFactorEvent.objects.order_by("-pk")[0].what == "replaced"


def test_a_seed_that_another_session_saw_is_never_taken_into_use(revealer, clock):
    thief, owner = sign_in(), sign_in()
    thief.get(SET_UP)
    seen = Authenticator.objects.get().seed

    device, _ = enrol(owner)

    assert device.seed != seen
    assert thief.get(INDEX)["Location"].startswith(CHECK)
    assert thief.post(SET_UP, {"code": "123456"})["Location"].startswith(CHECK)


def test_a_wrong_first_code_switches_nothing_on(revealer, clock):
    client = sign_in()
    client.get(SET_UP)
    wrong = f"{(int(code_of(Authenticator.objects.get())) + 1) % 1_000_000:06}"

    assert "not right" in client.post(SET_UP, {"code": wrong}).content.decode()
    assert devices.confirmed(revealer) is None
    assert client.get(INDEX)["Location"].startswith(SET_UP)


def test_new_recovery_codes_take_the_place_of_the_old(revealer, clock):
    client = sign_in()
    _, old = enrol(client)

    new = CODE_LINE.findall(client.post(reverse("second_factor_recovery_codes")).content.decode())

    assert len(new) == 10
    assert "not right" in sign_in().post(CHECK, {"code": old[0]}).content.decode()
    clock.shift(10)
    assert sign_in().post(CHECK, {"code": new[0]}).status_code == 302


# --- a lost phone --------------------------------------------------------------------------------------------


def verified(name, *permissions):
    world.staff(name, *permissions)
    client = sign_in(name)
    enrol(client)
    return client


def ask_reset(client, device, **form):
    return client.post(
        reverse("admin:backoffice_authenticator_changelist"),
        {"action": "reset", "index": 0, "_selected_action": device.pk, "answered": "1", **form},
    )


def test_a_manager_resets_the_lost_phone_of_a_colleague_and_it_goes_on_record(revealer, clock):
    finder = sign_in()
    device, _ = enrol(finder)
    manager = verified("manager", "backoffice.view_authenticator", "backoffice.reset_second_factor")
    assert "reason" in ask_reset(manager, device).content.decode()
    assert devices.confirmed(revealer), "nothing happens without a reason"

    ask_reset(manager, device, reason="phone lost in a taxi")

    assert devices.confirmed(revealer) is None
    assert "login" in finder.get(INDEX)["Location"], "whoever holds a session is out, too"
    event = SecondFactorEvent.objects.get(what="reset")
    assert (event.user, event.by, event.reason) == (revealer, "manager", "phone lost in a taxi")
    assert sign_in().get(INDEX)["Location"].startswith(SET_UP)


def test_nobody_resets_their_own_nor_a_superusers_from_below(admin_user, clock):
    manager = verified("manager", "backoffice.view_authenticator", "backoffice.reset_second_factor")
    own = Authenticator.objects.get()
    boss = Authenticator.objects.create(user=admin_user, name="app")

    ask_reset(manager, own, reason="mine")
    ask_reset(manager, boss, reason="theirs")

    assert Authenticator.objects.filter(confirmed=True).count() == 2
    assert not SecondFactorEvent.objects.filter(what="reset").exists()


def test_staff_without_the_permission_cannot_reset(revealer, clock):
    device, _ = enrol(sign_in())
    viewer = verified("viewer", "backoffice.view_authenticator", "inventory.reveal_code")

    ask_reset(viewer, device, reason="because")

    assert devices.confirmed(revealer)


def test_the_command_resets_with_a_reason(revealer, clock, capsys):
    from django.core.management import CommandError, call_command

    enrol(sign_in())
    with pytest.raises(CommandError, match="no user"):
        call_command("reset_second_factor", "nobody", "--reason", "x")

    call_command("reset_second_factor", "revealer", "--reason", "phone lost", "--by", "root")
    call_command("reset_second_factor", "revealer", "--reason", "phone lost", "--by", "root")

    assert "was reset" in capsys.readouterr().out
    assert devices.confirmed(revealer) is None
    assert {event.by for event in SecondFactorEvent.objects.filter(what="reset")} == {"command, root"}


def test_what_happened_is_edited_by_nobody(admin_client, settings, revealer, clock):
    enrol(sign_in())
    settings.TWO_FACTOR = "off"
    event = SecondFactorEvent.objects.get()
    for page in ("change", "delete"):
        url = reverse(f"admin:backoffice_secondfactorevent_{page}", args=[event.pk])
        assert admin_client.post(url, {"post": "yes"}).status_code == 403
    assert admin_client.post(reverse("admin:backoffice_secondfactorevent_add"), {}).status_code == 403


# --- the setting ---------------------------------------------------------------------------------------------


def test_off_asks_nobody_and_has_no_pages(settings, admin_client):
    settings.TWO_FACTOR = "off"

    assert admin_client.get(INDEX).status_code == 200
    assert admin_client.get(STATUS).status_code == 404
    assert STATUS not in admin_client.get(INDEX).content.decode()


def test_optional_asks_only_who_set_it_up(settings, revealer, clock):
    settings.TWO_FACTOR = "optional"
    assert sign_in().get(INDEX).status_code == 200
    client = sign_in()
    assert STATUS in client.get(INDEX).content.decode()
    enrol(client)

    assert sign_in().get(INDEX)["Location"].startswith(CHECK)


@pytest.mark.parametrize(
    ("mode", "on_https", "ids"), [("off", True, ["backoffice.W001"]), ("off", False, []), ("required", True, [])]
)
def test_a_check_warns_when_it_is_off_where_others_can_reach_it(mode, on_https, ids, settings):
    from backoffice import checks

    settings.TWO_FACTOR, settings.ON_HTTPS = mode, on_https

    assert [message.id for message in checks.check_second_factor()] == ids


def test_the_demo_is_entered_with_name_and_password(tmp_path, monkeypatch):
    from backoffice import supervisor

    monkeypatch.setattr(supervisor, "VAR_DIR", tmp_path)

    assert supervisor.demo_environment("http://127.0.0.1:8000")["TWO_FACTOR"] == "off"


def test_next_leads_nowhere_else(revealer, clock):
    device, _ = enrol(sign_in())
    clock.shift(60)

    answer = sign_in().post(f"{CHECK}?next=https://elsewhere.example/", {"code": code_of(device)})

    assert answer["Location"] == INDEX


def test_every_page_that_is_not_the_admins_is_known(settings):
    """The gate stands before what is below /admin/; whatever is added elsewhere must not be for staff."""
    from django.urls import get_resolver

    elsewhere = {str(pattern.pattern) for pattern in get_resolver().url_patterns}
    elsewhere = {address for address in elsewhere if not address.startswith("admin/")}

    assert elsewhere == {"", "admin", "hooks/", "healthz", "readyz", "metrics"}
    assert admin.site.urls


def test_pages_of_unconfirmed_apps_age_away(revealer, clock):
    client = sign_in()
    client.get(SET_UP)
    Authenticator.objects.update(created_at=timezone.now() - timedelta(days=2))

    client.get(SET_UP)

    assert Authenticator.objects.count() == 1


def test_what_happened_outlives_its_user(revealer, clock):
    enrol(sign_in())
    revealer.delete()

    event = SecondFactorEvent.objects.get()
    assert (event.user, event.whose, event.what) == (None, "revealer", "set_up")
    assert not Authenticator.objects.exists()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_code_that_is_typed_in_two_places_at_once_opens_one():
    user = world.staff("revealer", "inventory.reveal_code")
    device = Authenticator.objects.create(user=user, name="app")
    code = code_of(device)

    def check(number):
        try:
            return devices.check(user, code) is not None
        except devices.Wait:
            return False
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(check, range(6))) == 1
