"""What makes the pages people's own: their time zone and keys, their saved filters; and who changed what. Rows alone."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Preference(models.Model):
    """How one person wants to work. Who has no row has the defaults."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="preference")
    time_zone = models.CharField(max_length=60, blank=True)
    has_shortcuts = models.BooleanField(default=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"preferences of {self.user}"


class SavedFilter(models.Model):
    """A list's filter, search and order under a name. See backoffice.filters: nothing that may be a code is in it."""

    page = models.CharField(max_length=100)  # "app.model" of the list
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=1000, blank=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="saved_filters")
    is_shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()
        permissions = [("share_savedfilter", "Can share saved filters with everyone")]
        constraints = [models.UniqueConstraint(fields=["page", "owner", "name"], name="one_filter_per_name")]
        indexes = [models.Index(fields=["page"], name="filter_shared", condition=Q(is_shared=True))]

    def __str__(self) -> str:
        return self.name


class DefaultFilter(models.Model):
    """The saved filter with which a list opens for one person."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="default_filters")
    page = models.CharField(max_length=100)
    filter = models.ForeignKey(SavedFilter, models.CASCADE, related_name="default_of")

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["user", "page"], name="one_default_filter_per_list")]


class Change(models.Model):
    """Who changed what, before and after. Append only, written by backoffice.trail; secrets are named, never shown."""

    class Kind(models.TextChoices):
        ADDED = "added", _("added")
        CHANGED = "changed", _("changed")
        DELETED = "deleted", _("deleted")

    page = models.CharField(_("what"), max_length=100)  # "app.model"
    target = models.CharField(max_length=40)  # its primary key
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    by = models.CharField(max_length=150, blank=True)
    how = models.CharField(max_length=200, blank=True, help_text=_("The page, the action or the run that did it."))
    fields = models.JSONField(default=dict, help_text=_("By field: before and after."))
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["page", "target", "-at"], name="changes_of_object"),
            models.Index(fields=["-at"], name="changes_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.get_kind_display()} by {self.by or 'the program'}"
