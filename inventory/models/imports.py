"""Codes on their way into stock: what somebody pasted or uploaded waits here, sealed, until it is confirmed and used."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backoffice.crypto import EncryptedField
from backoffice.models import Run
from inventory.models.stock import CURRENCY_HELP, Batch, Product, Supplier


class CodeImport(models.Model):
    """One import of codes by a person: on which terms, what is new in it, and what became of it.

    Its lines lie in its parts, sealed, and not for longer than they are of use; see inventory.code_imports.
    """

    class Stage(models.TextChoices):
        COMPARING = "comparing", "being compared"
        COMPARED = "compared", "to be confirmed"
        IMPORTING = "importing", "being imported"
        ENDED = "ended", "ended"
        ERASED = "erased", "not imported"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)  # known before anything is sealed
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="code_imports")
    product = models.ForeignKey(Product, models.PROTECT, related_name="code_imports")
    supplier = models.ForeignKey(Supplier, models.PROTECT, null=True, blank=True, related_name="code_imports")
    reference = models.CharField(max_length=200, blank=True)
    file_name = models.CharField("file", max_length=300, blank=True, help_text=_("Empty: pasted."))
    cost = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True, help_text=_("Of one code."))
    currency = models.CharField(max_length=3, blank=True, help_text=CURRENCY_HELP)
    expires = models.DateField(null=True, blank=True, help_text=_("Where a line names none."))
    lines = models.PositiveIntegerField(default=0)
    # By the comparison that was shown.
    twice = models.PositiveIntegerField("twice in it", default=0)
    known = models.PositiveIntegerField("in stock before", default=0)
    refused = models.PositiveIntegerField(default=0)
    # What became of the lines that were worked off.
    imported = models.PositiveIntegerField(default=0)
    duplicates = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    batch = models.ForeignKey(Batch, models.SET_NULL, null=True, blank=True, related_name="imports")
    run = models.OneToOneField(Run, models.SET_NULL, null=True, blank=True, related_name="code_import")
    created_at = models.DateTimeField("started", default=timezone.now)
    compared_at = models.DateTimeField(null=True)
    erased_at = models.DateTimeField(null=True, help_text=_("When nothing of its lines was left here."))

    class Meta:
        verbose_name = _("import of codes")
        verbose_name_plural = _("imports of codes")
        permissions = [("import_code", "Can import codes")]
        indexes = [
            models.Index(fields=["-created_at"]),
            models.Index(fields=["created_at"], name="code_import_to_erase", condition=Q(erased_at=None)),
        ]

    def __str__(self) -> str:
        return self.reference or self.file_name or f"{self.product} {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def stage(self) -> str:
        if self.run is not None:
            return self.Stage.ENDED if self.run.ended_at else self.Stage.IMPORTING
        if self.erased_at is not None:
            return self.Stage.ERASED
        return self.Stage.COMPARED if self.compared_at else self.Stage.COMPARING

    @property
    def new(self) -> int:
        """How many codes it would add, by the comparison."""
        return self.lines - self.twice - self.known - self.refused

    @property
    def worked_off(self) -> int:
        return self.imported + self.duplicates + self.rejected


class CodeImportPart(models.Model):
    """Some thousand lines of an import, which go into stock in one transaction; the same one erases them here."""

    code_import = models.ForeignKey(CodeImport, models.CASCADE, related_name="parts", db_index=False)
    number = models.PositiveIntegerField()
    place = models.CharField(max_length=60, unique=True, editable=False)  # what the content is bound to
    first_line = models.PositiveIntegerField(default=0)
    last_line = models.PositiveIntegerField(default=0)
    content = EncryptedField(null=True, bound_to="place")  # None once it is used, or was not for an hour
    # Lines that are not imported: number, as much of the code as may be seen, and why.
    left_out = models.JSONField(default=list)

    class Meta:
        verbose_name = _("part of an import")
        verbose_name_plural = _("parts of imports")
        constraints = [models.UniqueConstraint(fields=["code_import", "number"], name="one_part_of_each_number")]

    def __str__(self) -> str:
        return f"lines {self.first_line:,} to {self.last_line:,}"
