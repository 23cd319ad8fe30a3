"""What a member of staff may do, read in one statement a page."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission
from django.db.models import Value

from backoffice.models import Run

# What nobody can be given: whoever began a run may follow it.
FOLLOWS_RUNS = "backoffice.follows_runs"


class Backend(ModelBackend):
    """Django's own, which reads a user's and their groups' permissions apart, and whether they began a run comes on top."""

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        if not user_obj.is_active or user_obj.is_anonymous or obj is not None:
            return set()
        if user_obj.is_superuser:
            return super().get_all_permissions(user_obj, obj)
        if not hasattr(user_obj, "_perm_cache"):
            user_obj._perm_cache = {f"{app}.{name}" for app, name in _statement(user_obj)}
        return set(user_obj._perm_cache)


def _statement(user: Any) -> Any:
    named = ("content_type__app_label", "codename")
    own = Permission.objects.filter(user=user).order_by().values_list(*named)
    of_groups = Permission.objects.filter(group__user=user).order_by().values_list(*named)
    app, name = FOLLOWS_RUNS.split(".")
    follows = Run.objects.filter(by=user).order_by().values_list(Value(app), Value(name))
    return own.union(of_groups, follows)
