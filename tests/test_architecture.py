"""The rules that keep a fifth marketplace one folder, where an import contract can't say them."""

import ast
import re
from pathlib import Path

import pytest

from marketplaces import services

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("backoffice", "marketplaces", "inventory", "orders")
SERVICES = ROOT / "marketplaces" / "services"
SLUGS = re.compile(rf"\b({'|'.join(sorted({'g2a', 'g2g', 'ginee', 'gcommerce', *services.all_services()}))})\b", re.I)
MAY_NAME_ONE = ("demo_data.py",)
# The seam is imported where no database is: by services, sandboxes and their tests.
WITHOUT_DATABASE = [
    *(ROOT / "marketplaces" / f"{name}.py" for name in ("types", "exceptions", "http", "masking", "base", "shop")),
    *sorted((ROOT / "marketplaces").glob("sandbox*.py")),
    *sorted(SERVICES.rglob("*.py")),
]


def product_sources() -> list[Path]:
    sources = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")) if "migrations" not in path.parts]
    return [*sources, ROOT / "manage.py"]


def imports(path: Path) -> set[str]:
    """Every module that a file imports by name, wherever the statement stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def is_below(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def test_it_finds_what_it_checks() -> None:
    assert len(product_sources()) > 40
    assert all(path.exists() for path in WITHOUT_DATABASE)
    assert is_below("django.db.models", "django.db")


@pytest.mark.parametrize("path", WITHOUT_DATABASE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_seam_imports_no_database(path: Path) -> None:
    forbidden = ("django.db", "marketplaces.models", "marketplaces.budget", "backoffice.models", "inventory", "orders")
    assert not [module for module in imports(path) if any(is_below(module, package) for package in forbidden)]


def test_nothing_outside_its_folder_names_a_marketplace() -> None:
    sources = [path for path in product_sources() if SERVICES not in path.parents and path.name not in MAY_NAME_ONE]
    sources += sorted((ROOT / "templates").rglob("*.html"))
    named = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sources
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if SLUGS.search(line)
    ]
    assert not named


@pytest.mark.parametrize("slug", services.all_services())
def test_a_marketplace_knows_no_other(slug: str) -> None:
    others = [other for other in services.all_services() if other != slug]
    known = {
        f"{path.name}: {module}"
        for path in (SERVICES / slug).rglob("*.py")
        for module in imports(path)
        for other in others
        if is_below(module, f"marketplaces.services.{other}")
    }
    assert not known


def test_only_the_queue_module_knows_the_queue_library() -> None:
    own = {"queue.py", "broker.py", "tasks.py", "queue_admin.py"}  # its verbs, its rows, its history, its pages
    users = [path for path in product_sources() if any(is_below(module, "django_q") for module in imports(path))]
    assert {path.relative_to(ROOT).parts for path in users} <= {("backoffice", name) for name in own}


def test_no_module_has_a_name_that_says_nothing() -> None:
    empty = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "handler", "handlers"}
    assert not [path for path in product_sources() if path.stem in empty]


def test_only_three_modules_open_connections_to_others() -> None:
    """So an address of anybody's, such as a picture's, can't make this machine ask somewhere."""
    asks = re.compile(
        r"^\s*(?:import|from) (?:requests|urllib3|urllib\.request|http\.client|socket|aiohttp|httpx)\b", re.M
    )
    allowed = {
        "backoffice/addresses.py",  # which addresses
        "backoffice/alert_messages.py",  # alerts by webhook
        "backoffice/supervisor.py",  # our own processes
        "marketplaces/http.py",  # marketplaces
        "orders/management/commands/demo_data.py",  # is the sandbox there
    }
    found = {
        str(path.relative_to(ROOT))
        for room in ("backoffice", "marketplaces", "inventory", "orders")
        for path in (ROOT / room).rglob("*.py")
        if asks.search(path.read_text()) and "sandbox" not in path.name
    }

    assert found <= allowed, found - allowed


def test_every_csv_is_written_where_formulas_are_made_harmless() -> None:
    """One module writes CSV; the report of an import, and offers' files, go cell by cell through the same function."""
    writes = re.compile(r"csv\.(?:writer|DictWriter)\(|to_csv\(|tablib\.")
    found = {str(path.relative_to(ROOT)) for path in product_sources() if writes.search(path.read_text())}

    assert found - {"backoffice/csvio.py", "inventory/codes.py", "inventory/offer_files.py"} == set()
    assert "csvio.plain(cell(offer, column))" in (ROOT / "inventory/offer_rows.py").read_text()
    assert "csvio.plain(refusal.shown), csvio.plain(refusal.reason)" in (ROOT / "inventory/codes.py").read_text()
