"""Staff and their groups, whose models are Django's own."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin, UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from backoffice import trail
from backoffice.admin import BaseAdmin, age

admin.site.unregister([User, Group])


@admin.register(User)
class UserAdmin(DjangoUserAdmin, BaseAdmin):  # type: ignore[misc, type-arg]
    empty_help = _("There are no users. Add one, mark it as staff, and give it the group of its work.")
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    search_fields = ("username__startswith", "email__startswith")
    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", age("last_login", "last seen"))

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:
        with trail.watching(User, [id], by=request.user.get_username(), how="password"):
            return super().user_change_password(request, id, form_url)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, BaseAdmin):  # type: ignore[misc]
    empty_help = _(
        "There are no groups. They are made again by “manage.py migrate”; or add one with just the"
        " permissions of its work."
    )
    search_fields = ("name__startswith",)
