"""Help texts, titles of columns, buttons, labels and messages go through gettext, so that a catalogue can translate them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("backoffice", "marketplaces", "inventory", "orders")
NOT_FOR_STAFF = {"migrations", "management", "templatetags"}
KEYWORDS = {"description", "help_text", "search_help_text", "verbose_name", "verbose_name_plural"}
ATTRIBUTES = {"empty_help", "search_help_text"}
LEVELS = {"debug", "error", "info", "success", "warning"}
# The place of the text among the arguments. `messages.error()` and the like are told by what they belong to.
PLACES = {"ValidationError": 0, "add_error": 1, "message_user": 1, "tell": 2}
# Calls whose keywords are no texts of the admin's pages.
OTHERS = {
    "ArgumentParser",  # read in a terminal
    "OfferContent",  # what a marketplace shows to buyers
    "Question",  # a marketplace's questions are of one piece with its own words for the choices
}


def modules() -> list[Path]:
    found = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    return [path for path in found if not NOT_FOR_STAFF & {*path.parts} and not path.stem.startswith("sandbox")]


def bare_texts(source: str) -> list[int]:
    """The lines with a text for people that no gettext is around, whether it is given directly or by a local name."""
    tree = ast.parse(source)
    lines = set()
    for scope in ast.walk(tree):
        if isinstance(scope, ast.FunctionDef | ast.Module):
            named = _assigned(scope)
            for text in _texts(scope):
                given = named.get(text.id, []) if isinstance(text, ast.Name) else [text]
                lines |= {each.lineno for each in given if _is_bare(each)}
    return sorted(lines)


def _texts(scope: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(scope):
        if isinstance(node, ast.Call):
            yield from _arguments(node)
        elif isinstance(node, ast.Assign) and any(_name(target) in ATTRIBUTES for target in node.targets):
            yield node.value


def _arguments(call: ast.Call) -> Iterator[ast.expr]:
    name = _name(call.func)
    of_messages = isinstance(call.func, ast.Attribute) and _name(call.func.value) == "messages" and name in LEVELS
    place = 1 if of_messages else PLACES.get(name)
    if place is not None and len(call.args) > place:
        yield call.args[place]
    for keyword in call.keywords if name not in OTHERS else ():
        if keyword.arg in KEYWORDS or (keyword.arg == "label" and name.endswith("Field")):
            yield keyword.value


def _assigned(scope: ast.AST) -> dict[str, list[ast.expr]]:
    """What a function, or a module, gives to its names."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(scope) if isinstance(scope, ast.FunctionDef) else ast.iter_child_nodes(scope):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                found.setdefault(_name(target), []).append(node.value)
    return found


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _is_bare(text: ast.expr | None) -> bool:
    match text:
        case ast.Constant(value=str(words)):
            return any(letter.isalpha() for letter in words)
        case ast.JoinedStr(values=parts):
            return any(_is_bare(part) for part in parts)
        case ast.IfExp(body=one, orelse=other):
            return _is_bare(one) or _is_bare(other)
        case ast.BinOp(left=one, right=other, op=operation):
            return _is_bare(one) or (isinstance(operation, ast.Add) and _is_bare(other))
        case ast.Dict(values=texts):  # errors by field
            return any(_is_bare(each) for each in texts)
    return False


def test_every_text_for_people_can_be_translated() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in modules()
        for line in bare_texts(path.read_text(encoding="utf-8"))
    ]
    assert not found, "no gettext is around the text at: " + ", ".join(found)


def test_it_looks_at_all_rooms() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in modules()} == {*ROOMS}
    assert ROOT / "inventory" / "models" / "stock.py" in modules()


@pytest.mark.parametrize(
    "source",
    [
        'CharField(help_text="Such as 5.")',
        'CharField(help_text="Such" " as 5.")',
        'forms.CharField(label="Why")',
        'display(description="code")',
        'search_help_text = "A word"',
        'self.message_user(request, f"{count} rows")',
        'self.message_user(request, "one" if count else _("none"))',
        'messages.error(request, "%s rows" % count)',
        'self.tell(request, count, "{rows} " + more)',
        'raise ValidationError({"cost": "Too much."})',
        'def tell():\n    text = f"{count} rows"\n    messages.error(request, text)',
        'HELP = "Such as 5."\nCharField(help_text=HELP)',
    ],
)
def test_a_text_without_gettext_is_found(source: str) -> None:
    assert bare_texts(source)


@pytest.mark.parametrize(
    "source",
    [
        'CharField(help_text=_("Such as 5."))',
        'CharField(help_text="")',
        'display(label={"failed": "danger"})',
        'self.message_user(request, f"{error}.")',
        'self.message_user(request, gettext("%(count)s rows") % {"count": count})',
        'log.error("Not", "for people")',
        'def tell():\n    text = gettext("none")\n    messages.error(request, text)',
    ],
)
def test_what_is_translated_or_no_text_is_left_alone(source: str) -> None:
    assert not bare_texts(source)
