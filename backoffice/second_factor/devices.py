"""Set up, check, replace and reset a person's second factor: one transaction each, with its evidence."""

import base64
import secrets
from datetime import datetime, timedelta
from typing import Any

import django_otp
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from backoffice.second_factor.models import Authenticator, Prover, RecoveryCode, RecoveryCodes, SecondFactorEvent

RECOVERY_CODES = 10
What = SecondFactorEvent.What


class Wait(Exception):
    """Too many wrong codes: no code is looked at before `until`."""

    def __init__(self, until: datetime) -> None:
        super().__init__("Too many wrong codes")
        self.until = until


class NotAllowed(Exception):
    """The text says why, and what to do instead."""


def must_have(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Whether this user has to have a second factor: by what the user may do, whatever their groups are called."""
    if settings.TWO_FACTOR != "required" or not isinstance(user, User):
        return False
    return user.is_superuser or any(user.has_perm(name) for name in settings.TWO_FACTOR_PERMISSIONS)


def confirmed(user: Any) -> Authenticator | None:
    found: Authenticator | None = Authenticator.objects.filter(user_id=user.pk, confirmed=True).first()
    return found


def codes_left(user: Any) -> int:
    return RecoveryCode.objects.filter(owner__user_id=user.pk).count()


def begin(user: Any, *, instead_of: int | None = None) -> Authenticator:
    """Make an authenticator that is not confirmed yet, for one session alone: nobody else has seen its seed."""
    old = Q(pk=instead_of) | Q(created_at__lt=timezone.now() - timedelta(days=1))
    Authenticator.objects.filter(old, user_id=user.pk, confirmed=False).delete()
    made: Authenticator = Authenticator.objects.create(user_id=user.pk, name="app", confirmed=False)
    return made


def confirm(
    user: Any, pk: int, token: str, *, is_verified: bool, address: str | None = None
) -> tuple[Authenticator, list[str]] | None:
    """Take the app into use with its first code; give back it and new recovery codes, or None for a wrong code.

    It replaces the one before, which only a verified session may do. Raises Wait, NotAllowed.
    """
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)  # one at a time of the same user
        before = confirmed(user)
        if before and not is_verified:
            raise NotAllowed("A second factor was set up meanwhile. Sign in with it.")
        device = Authenticator.objects.select_for_update().filter(pk=pk, user_id=user.pk, confirmed=False).first()
        if device is None:
            raise NotAllowed("This page is out of date: open it again and scan the new picture.")
        _wait_for(device)
        if not device.verify_token(_typed(token)):
            return None
        Authenticator.objects.filter(user_id=user.pk).exclude(pk=device.pk).delete()
        device.confirmed = True
        device.save(update_fields=["confirmed"])
        _note(user, What.REPLACED if before else What.SET_UP, by=user.get_username(), address=address)
        return device, _new_codes(user)


def check(user: Any, token: str, *, address: str | None = None) -> Prover | None:
    """Check a code of the app, or a recovery code, which is used up; None when it is wrong. Raises Wait."""
    typed = _typed(token)
    kind: type[Prover] = Authenticator if typed.isdigit() else RecoveryCodes
    device = kind.objects.filter(user_id=user.pk, confirmed=True).first()
    if device is None:
        return None
    _wait_for(device)
    proved: Prover | None = django_otp.verify_token(user, device.persistent_id, typed)
    if proved is None or isinstance(proved, RecoveryCodes):
        what = What.RECOVERED if proved else What.REFUSED
        _note(user, what, by=user.get_username(), address=address)
    return proved


def new_recovery_codes(user: Any, *, address: str | None = None) -> list[str]:
    """Make new recovery codes; the old ones are good no more. They are given back once and kept nowhere."""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        if confirmed(user) is None:
            raise NotAllowed("Set up an app first: recovery codes stand in for it.")
        _note(user, What.NEW_CODES, by=user.get_username(), address=address)
        return _new_codes(user)


def turn_off(user: Any, *, address: str | None = None) -> None:
    """Let a user do without, who does not have to have it. Raises NotAllowed."""
    if must_have(user):
        raise NotAllowed("With what you may do here, you need a second factor. Replace it instead.")
    with transaction.atomic():
        _remove(user)
        _note(user, What.TURNED_OFF, by=user.get_username(), address=address)


def reset(user: User, *, by: str, actor: User | None, reason: str, address: str | None = None) -> None:
    """Take a lost second factor away and end the user's sessions: the next sign-in sets up another.

    `actor` is who does it in the admin; None for a command. Raises NotAllowed. Safe to repeat.
    """
    if actor is not None and actor.pk == user.pk:
        raise NotAllowed("Nobody resets their own: ask a colleague, or use the command on the server.")
    if actor is not None and user.is_superuser and not actor.is_superuser:
        raise NotAllowed(f"{user} is a superuser, whose second factor only another superuser resets.")
    with transaction.atomic():
        _remove(user)
        _note(user, What.RESET, by=by, reason=reason, address=address)
        end_sessions(user)


def end_sessions(user: User) -> None:
    """End what is open: whoever found the phone may hold a session, too, and would be led to set up their own."""
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        if session.get_decoded().get("_auth_user_id") == str(user.pk):
            session.delete()


def key_text(device: Authenticator) -> str:
    """The seed as people type it into an app: base32, in groups of four."""
    text = base64.b32encode(bytes.fromhex(device.seed)).decode()
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def _typed(token: str) -> str:
    return "".join(token.split())


def _wait_for(device: Prover) -> None:
    allowed, why = device.verify_is_allowed()
    if not allowed:
        raise Wait(why["locked_until"])


def _remove(user: Any) -> None:
    for kind in (Authenticator, RecoveryCodes):
        kind.objects.filter(user_id=user.pk).delete()


def _new_codes(user: Any) -> list[str]:
    RecoveryCodes.objects.filter(user_id=user.pk).delete()
    owner = RecoveryCodes.objects.create(user_id=user.pk, name="recovery codes")
    made = [base64.b32encode(secrets.token_bytes(10)).decode().lower() for _ in range(RECOVERY_CODES)]
    RecoveryCode.objects.bulk_create(RecoveryCode(owner=owner, digest=owner.digest(code)) for code in made)
    return ["-".join(code[start : start + 4] for start in range(0, 16, 4)) for code in made]


def _note(user: Any, what: str, *, by: str, reason: str = "", address: str | None = None) -> None:
    SecondFactorEvent.objects.create(
        user_id=user.pk,
        whose=user.get_username(),
        what=what,
        by=by[:150],
        reason=reason[:200],
        address=address or None,
    )
