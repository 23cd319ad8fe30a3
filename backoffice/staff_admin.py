"""Staff and their groups, whose models are Django's own."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin, UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import prefetch_related_objects
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from backoffice import trail
from backoffice.admin import BaseAdmin, age

admin.site.unregister([User, Group])


class PermissionsAtOnce(BaseAdmin):
    """A page that names permissions to who may not change them: a name needs its model's, so all are read together."""

    granted: str

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        if row is not None and not self.has_change_permission(request, row):
            prefetch_related_objects([row], f"{self.granted}__content_type")
        return row


@admin.register(User)
class UserAdmin(DjangoUserAdmin, PermissionsAtOnce):  # type: ignore[misc, type-arg]
    granted = "user_permissions"
    empty_help = _("There are no users. Add one, mark it as staff, and give it the group of its work.")
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    search_fields = ("username__startswith", "email__startswith")
    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", age("last_login", _("last seen")))

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:
        with trail.watching(User, [id], by=request.user.get_username(), how="password"):
            return super().user_change_password(request, id, form_url)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, PermissionsAtOnce):  # type: ignore[misc]
    granted = "permissions"
    empty_help = _(
        "There are no groups. They are made again by “manage.py migrate”; or add one with just the"
        " permissions of its work."
    )
    search_fields = ("name__startswith",)
