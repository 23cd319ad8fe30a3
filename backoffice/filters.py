"""Saved filters: which there are, saving one, and keeping everything out of them that may be a code.

A saved filter is a query string, stored in clear and shown to others. People type codes into search boxes, so a search is
kept only when it looks like no code and is none that we hold; what a list does not know is not kept at all.
"""

import re
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.admin.views.main import ORDER_VAR, SEARCH_VAR
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import QueryDict
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from backoffice.comfort import DefaultFilter, SavedFilter

SHARE = "backoffice.share_savedfilter"
# Shorter texts of letters and digits are names, SKUs and the like.
SHORTEST_CODE = 10
MOST = 50  # of one person, for one list
LONGEST = 1000


def may_be_code(text: str) -> bool:
    """Whether a text looks like a code, or is one that we hold. Asks the database; keeps nothing."""
    bare = re.sub(r"[\s\-_.:/]+", "", text)
    looks = len(bare) >= SHORTEST_CODE and any(sign.isdigit() for sign in bare)
    # Groups of equal length, such as ABCD-EFGH-JKLM, are a code without a digit, too.
    groups = [part for part in re.split(r"[\s\-]+", text.strip()) if part]
    looks = looks or (len(groups) >= 3 and len({len(part) for part in groups}) == 1 and len(groups[0]) >= 4)
    return looks or any(import_string(path)(text) for path in settings.SECRET_LOOKUPS)


def _is_plain(value: str) -> bool:
    """Whether a filter's value is a number, a date, a time or an id of a row: what filters are made of."""
    if value.isdecimal() and len(value) <= 18:
        return True
    for read in (UUID, parse_date, parse_datetime):
        try:
            if read(value):
                return True
        except ValueError:
            continue
    return False


def cleaned(pairs: Iterable[tuple[str, str]], known: Iterable[str]) -> tuple[str, list[str]]:
    """The query string that may be kept of a list's address, and what was left out of it, by the parameter's name."""
    known, kept, left_out = set(known), QueryDict(mutable=True), []
    for name, value in pairs:
        if name == ORDER_VAR and re.fullmatch(r"[-.\d]*", value):
            kept.appendlist(name, value)
        elif name not in known and name != SEARCH_VAR:
            continue  # pages, popups, and whatever else is no part of a filter
        elif (name == SEARCH_VAR or not _is_plain(value)) and any(
            may_be_code(part) for part in (value, *value.split())
        ):
            left_out.append(name)
        elif value:
            kept.appendlist(name, value)
    return kept.urlencode(), left_out


def visible(user: User) -> "QuerySet[SavedFilter]":
    """The filters that a person may use: their own and the shared ones."""
    return SavedFilter.objects.filter(Q(owner=user) | Q(is_shared=True))


def of_list(page: str, user: User) -> list[Any]:
    """A list's filters for a person, own first, each with `is_default`: whether the list opens with it. One query."""
    mine = DefaultFilter.objects.filter(user=user, filter=OuterRef("pk"))
    rows = visible(user).filter(page=page).select_related("owner").annotate(is_default=Exists(mine))
    return list(rows.order_by("is_shared", "name", "pk"))


def save(page: str, user: User, *, name: str, query: str, is_shared: bool = False) -> SavedFilter:
    """Keep a cleaned query under a name; one of the same name is replaced. Raises ValidationError."""
    name = _checked(name)
    if len(query) > LONGEST:
        raise ValidationError(_("This filter is too long to be saved. Choose less at once."))
    with transaction.atomic():
        mine = SavedFilter.objects.select_for_update().filter(page=page, owner=user)
        if mine.exclude(name=name).count() >= MOST:
            raise ValidationError(_("You have %(most)s filters of this list. Delete one first.") % {"most": MOST})
        found, _new = SavedFilter.objects.update_or_create(
            page=page, owner=user, name=name,
            defaults={"query": query, "is_shared": is_shared and user.has_perm(SHARE)},
        )  # fmt: skip
    return found


def rename(saved: SavedFilter, name: str) -> None:
    """Give a filter another name. Raises ValidationError."""
    saved.name = _checked(name)
    others = SavedFilter.objects.filter(page=saved.page, owner=saved.owner_id, name=saved.name).exclude(pk=saved.pk)
    if others.exists():
        raise ValidationError(_("You have a filter of this name already."))
    saved.save(update_fields=["name"])


def share(saved: SavedFilter, user: User, *, is_shared: bool) -> None:
    """Show a filter to everyone, or to its owner alone. Raises ValidationError for those who may not share."""
    if is_shared and not user.has_perm(SHARE):
        raise ValidationError(_("You may not share filters. Ask a manager."))
    saved.is_shared = is_shared
    saved.save(update_fields=["is_shared"])
    if not is_shared:
        DefaultFilter.objects.filter(filter=saved).exclude(user=saved.owner_id).delete()


def _checked(name: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > 60:
        raise ValidationError(_("Give it a name of at most 60 characters."))
    if any(may_be_code(part) for part in (name, *name.split())):
        raise ValidationError(_("This name looks like a code, which must not be written down. Choose another."))
    return name


def make_default(saved: SavedFilter, user: User, *, is_default: bool) -> None:
    """Open the list with this filter for one person, or not any more. Safe to repeat."""
    if is_default:
        DefaultFilter.objects.update_or_create(user=user, page=saved.page, defaults={"filter": saved})
    else:
        DefaultFilter.objects.filter(user=user, filter=saved).delete()


def may_change(saved: SavedFilter, user: Any) -> bool:
    """Own filters are their owner's; a shared one also belongs to those who may share."""
    return saved.owner_id == user.pk or (saved.is_shared and bool(user.has_perm(SHARE)))
