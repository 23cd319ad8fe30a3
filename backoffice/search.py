"""Find rows by what somebody typed: kinds of rows that every room names, asked together in one statement a look.

What is typed may be a code or an address. So it is looked for among what is sealed first, by its keyed index, which says
nothing to whoever reads a database's log. Only a text that is no secret of ours goes into a statement as it stands.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db.models import Model, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, JSONObject
from django.http import HttpRequest
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.module_loading import import_string
from django.utils.timezone import localtime

from backoffice import money, theme

MOST = 10  # rows of one kind that are shown
SHORTEST = 3  # characters that a beginning has, or it would be the beginning of everything
LONGEST = 300

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Term:
    """What was typed, without blanks around it; never for a log."""

    text: str = field(repr=False)

    @property
    def spellings(self) -> Sequence[str]:
        """As it stands, in capital and in small letters: ids are kept as marketplaces write them."""
        return list(dict.fromkeys([self.text, self.text.upper(), self.text.lower()]))

    @property
    def number(self) -> int | None:
        """The whole number that it is, such as a row's own."""
        return int(self.text) if self.text.isascii() and self.text.isdecimal() and len(self.text) <= 18 else None

    def whole(self, *fields: str) -> Q:
        """Rows of which one of the fields is this text."""
        return functools.reduce(Q.__or__, (Q(**{f"{name}__in": self.spellings}) for name in fields))

    def beginning(self, *fields: str) -> Q | None:
        """Rows of which one of the fields begins with this text; None for a text that is too short for that."""
        if len(self.text) < SHORTEST:
            return None
        return functools.reduce(
            Q.__or__, (Q(**{f"{name}__startswith": text}) for name in fields for text in self.spellings)
        )


Look = Callable[[Term], Q | None]


def _nothing(term: Term) -> Q | None:
    return None


@dataclass(frozen=True)
class Kind:
    """Rows of one model that can be found, and by what.

    `sealed` looks by keyed indexes and `whole` for the one row that is meant; `part` finds what may be meant. Each says which
    rows, or None where the text can't be one of these. All must be answered by indexes, or from a small table. `facts` are
    columns for `show`, which gives a row's name and a line that says what it is. `permission` is asked for beside the one to
    see the model.
    """

    model: type[Model]
    finds: str  # what may be typed, in words
    facts: Mapping[str, Any]
    show: Callable[[Facts], tuple[str, str]]
    sealed: Look = _nothing
    whole: Look = _nothing
    part: Look = _nothing
    permission: str = ""

    @property
    def title(self) -> str:
        return str(self.model._meta.verbose_name_plural).capitalize()

    def is_open_to(self, request: HttpRequest) -> bool:
        page = admin.site.get_model_admin(self.model)
        return page.has_view_permission(request) and (
            not self.permission or bool(request.user.has_perm(self.permission))
        )


@dataclass(frozen=True)
class Hit:
    """A row that was found; `line` says what it is."""

    name: str
    line: str
    link: str


@dataclass
class Group:
    """The hits of one kind."""

    title: str
    hits: list[Hit] = field(default_factory=list)
    has_more: bool = False


@dataclass
class Found:
    """What was found, by kind; `only` is the one row that is meant."""

    groups: list[Group] = field(default_factory=list)
    only: Hit | None = None


@functools.cache
def kinds() -> Sequence[Kind]:
    """All kinds that can be found, as the rooms name them."""
    return [kind for path in settings.SEARCHES for kind in import_string(path)]


def find(text: str, request: HttpRequest) -> Found:
    """Find what is meant by a text, of what the user may see. At most three statements, whatever there is."""
    term = Term("".join(character for character in text.strip() if character.isprintable())[:LONGEST])
    if not term.text:
        return Found()
    mine = [kind for kind in kinds() if kind.is_open_to(request)]
    # Whoever may not see codes gets no hit, but what is a code goes no further for anybody.
    secret = _hits(kinds(), "sealed", term)
    if secret or "@" in term.text:
        return _found([(kind, hits) for kind, hits in secret if kind in mine], is_whole=True)
    whole = _hits(mine, "whole", term)
    if _count(whole) == 1:
        return _found(whole, is_whole=True)
    found = _found(_joined(mine, whole, _hits(mine, "part", term)), is_whole=False)
    return Found([*_pages(term, request), *found.groups])


Hits = list[tuple[Kind, list[Hit]]]


def _hits(asked: Sequence[Kind], look: str, term: Term) -> Hits:
    """Look into all kinds in one statement; one row more of each than is shown."""
    parts = [
        _rows(kind, rows).values_list(Value(number), Cast("pk", TextField()), JSONObject(**kind.facts))
        for number, kind in enumerate(asked)
        if (rows := getattr(kind, look)(term)) is not None
    ]
    if not parts:
        return []
    first, *others = parts
    found: dict[int, list[Hit]] = {}
    for number, pk, facts in first.union(*others, all=True) if others else first:
        found.setdefault(number, []).append(_hit(asked[number], pk, facts))
    return [(asked[number], hits) for number, hits in sorted(found.items())]


def _rows(kind: Kind, which: Q) -> "QuerySet[Any]":
    # Limited in a query of its own: SQLite knows no limit for a part of a union.
    manager = kind.model._default_manager
    return manager.filter(pk__in=manager.filter(which).order_by().values("pk")[: MOST + 1]).order_by()


def _hit(kind: Kind, pk: str, facts: Facts) -> Hit:
    name, line = kind.show(facts)
    meta = kind.model._meta
    return Hit(name, line, reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[quote(pk)]))


def _count(found: Hits) -> int:
    return len({hit.link for _, hits in found for hit in hits})


def _joined(asked: Sequence[Kind], *looks: Hits) -> Hits:
    """What several looks found, each row once, in the order of the kinds."""
    by_kind = [(kind, [hit for look in looks for one, hits in look if one is kind for hit in hits]) for kind in asked]
    return [(kind, list(dict.fromkeys(hits))) for kind, hits in by_kind if hits]


def _found(found: Hits, *, is_whole: bool) -> Found:
    groups: dict[str, Group] = {}
    for kind, hits in found:
        group = groups.setdefault(kind.title, Group(kind.title))
        fresh = [hit for hit in hits if hit not in group.hits]
        group.has_more = group.has_more or len(fresh) > MOST
        group.hits += fresh[:MOST]
    only = groups[found[0][0].title].hits[0] if is_whole and _count(found) == 1 else None
    return Found(list(groups.values()), only)


def _pages(term: Term, request: HttpRequest) -> list[Group]:
    """The sidebar's pages whose title has the text in it."""
    lines = [line for group in theme.NAVIGATION for line in group["items"]]
    hits = [
        Hit(str(line["title"]), "list", str(line["link"]))
        for line in lines
        if term.text.lower() in line["title"].lower() and line["permission"](request)
    ]
    return [Group("Pages", hits)] if hits else []


def help_for(request: HttpRequest) -> list[tuple[str, str]]:
    """What can be searched for, by kind, of what the user may see."""
    words: dict[str, list[str]] = {}
    for kind in kinds():
        if kind.is_open_to(request):
            words.setdefault(kind.title, []).append(kind.finds)
    return [(title, "; ".join(finds)) for title, finds in words.items()]


# --- what a line is made of ------------------------------------------------------------------------------------------


def line(*parts: object) -> str:
    """Join what there is to say of a row."""
    return " · ".join(str(part) for part in parts if part not in (None, ""))


def label(model: type[Model], name: str, value: Any) -> str:
    """The words for a choice."""
    choices: dict[Any, Any] = dict(model._meta.get_field(name).flatchoices)  # type: ignore[union-attr]
    return str(choices.get(value, value))


def amount(value: object, currency: str) -> str:
    return money.display(Decimal(str(value)), currency) if value not in (None, "") else ""


def moment(value: str | None) -> str:
    """A time that went through JSON, in the user's zone."""
    at = parse_datetime(value) if value else None
    if at is None:
        return ""
    return date_format(localtime(at if at.tzinfo else at.replace(tzinfo=UTC)), "DATETIME_FORMAT")
