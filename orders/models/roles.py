"""What each role of the product was given, so that what an administrator took away stays away."""

from django.contrib.auth.models import Group
from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.Model):
    """A role of `orders.roles` and the group that was made of it, whatever that group is called now."""

    name = models.CharField(max_length=50, unique=True)
    group = models.OneToOneField(Group, models.SET_NULL, null=True, related_name="+")
    given = models.JSONField(default=list, help_text=_("Every permission that it was given once, as “app.codename”."))

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name
