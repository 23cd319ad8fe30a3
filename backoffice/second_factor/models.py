"""What a person proves a sign-in with: an app that makes codes, and recovery codes for the day it is lost.

They are devices as django-otp knows them, which has the arithmetic, the throttling and the mark in the session. What it
would keep in clear is sealed or hashed here.
"""

import secrets
import time
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_otp.models import Device, ThrottlingMixin, TimestampMixin
from django_otp.oath import TOTP

from backoffice import crypto
from backoffice.crypto import EncryptedField

STEP_SECONDS, DIGITS, TOLERANCE = 30, 6, 1
# Each wrong code doubles the wait for the next, up to 2 ** 9 s: about 170 tries a day of a million codes.
MOST_FAILURES = 10


def new_seed() -> str:
    return secrets.token_hex(20)


class Prover(TimestampMixin, ThrottlingMixin, Device):  # type: ignore[misc]
    """What the app and the recovery codes have in common: waits that double with each failure, and end."""

    throttling_failure_count: Any

    class Meta:
        abstract = True

    def get_throttle_factor(self) -> int:
        return 1

    def verify_token(self, token: str) -> bool:
        """Say whether the code is right, use it up, and count a failure. The caller has locked the row."""
        if not self.verify_is_allowed()[0]:
            return False
        if not self.matches(token):
            self.throttling_failure_count = min(int(self.throttling_failure_count), MOST_FAILURES - 1)
            self.throttle_increment()
            return False
        self.throttle_reset(commit=False)
        self.set_last_used_timestamp(commit=False)
        self.save()
        return True

    def matches(self, token: str) -> bool:
        raise NotImplementedError


class Authenticator(Prover):
    """An app on a person's phone; unconfirmed until it has made its first right code."""

    seed = EncryptedField(default=new_seed, bound_to="user_id")
    drift = models.SmallIntegerField(default=0, editable=False)  # steps that the phone's clock is off
    last_step = models.BigIntegerField(default=-1, editable=False)  # a code, and those before it, count once

    class Meta:
        verbose_name = _("second factor")
        constraints = [
            models.UniqueConstraint(fields=["user"], condition=Q(confirmed=True), name="one_authenticator_per_user")
        ]
        permissions = [("reset_second_factor", "Can reset the second factor of others")]

    def __str__(self) -> str:
        return f"Second factor of {self.user}"

    def totp(self) -> Any:
        """django-otp's arithmetic for now."""
        made = TOTP(bytes.fromhex(self.seed), STEP_SECONDS, 0, DIGITS, self.drift)
        made.time = time.time()
        return made

    def matches(self, token: str) -> bool:
        if not (token.isascii() and token.isdigit() and len(token) == DIGITS):
            return False
        totp = self.totp()
        if not totp.verify(int(token), TOLERANCE, self.last_step + 1):
            return False
        self.drift, self.last_step = totp.drift, totp.t()
        return True


class RecoveryCodes(Prover):
    """A person's recovery codes, each good once."""

    class Meta:
        verbose_name = verbose_name_plural = _("recovery codes")
        constraints = [models.UniqueConstraint(fields=["user"], name="one_set_of_recovery_codes_per_user")]

    def __str__(self) -> str:
        return f"Recovery codes of {self.user}"

    def digest(self, code: str) -> bytes:
        """What is kept of a code: nobody reads it back."""
        return crypto.blind_index(f"recovery code of {self.user_id}: {''.join(code.split()).replace('-', '')}")

    def matches(self, token: str) -> bool:
        used, _ = self.codes.filter(digest=self.digest(token)).delete()
        return bool(used)


class RecoveryCode(models.Model):
    owner = models.ForeignKey(RecoveryCodes, models.CASCADE, related_name="codes")
    digest = models.BinaryField(max_length=32)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "digest"], name="one_recovery_code")]

    def __str__(self) -> str:
        return "Recovery code"


class SecondFactorEvent(models.Model):
    """What happened to a person's second factor; evidence, so that nobody edits it."""

    class What(models.TextChoices):
        SET_UP = "set_up", "set up"
        REPLACED = "replaced", "replaced"
        RECOVERED = "recovered", "recovery code used"
        NEW_CODES = "new_codes", "new recovery codes"
        REFUSED = "refused", "wrong code"
        TURNED_OFF = "turned_off", "turned off"
        RESET = "reset", "reset"

    # A user may be deleted; what happened stays, under the name of then.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="second_factor_events"
    )
    whose = models.CharField("user", max_length=150)
    what = models.CharField(max_length=12, choices=What.choices)
    by = models.CharField(max_length=150)
    reason = models.CharField(max_length=200, blank=True)
    address = models.GenericIPAddressField("from", null=True, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("second factor event")
        indexes = [models.Index(fields=["-at"])]

    def __str__(self) -> str:
        return f"{self.get_what_display()}, {self.whose}, {self.at:%Y-%m-%d %H:%M}"
