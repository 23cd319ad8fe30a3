"""What docs/operations.md promises: a way out for every alarm, and files to deploy with that fit the product."""

import configparser
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands

from backoffice import supervisor
from backoffice.models import Alert

ROOT = Path(settings.BASE_DIR)
GUIDE = (ROOT / "docs/operations.md").read_text()
SOURCES = [
    path for room in ("backoffice", "marketplaces", "inventory", "orders") for path in (ROOT / room).rglob("*.py")
]
CHECK_ID = re.compile(r'"((?:backoffice|marketplaces|inventory|orders)\.[EWI]\d{3})"')
REASON = re.compile(r'"what": "(\w+)"')
METRIC = re.compile(r'"(backoffice_[a-z_]+)"')
HEADINGS = re.findall(r"^#+ (.+)$", GUIDE, re.M)


def section(title: str) -> str:
    """The text below a heading, up to the next."""
    return GUIDE.split(f"# {title}\n", 1)[1].split("\n#", 1)[0].strip()


def test_every_alert_has_a_section_that_says_what_to_do() -> None:
    kinds = set(Alert.Kind.values)
    assert kinds == kinds & set(HEADINGS)
    assert [kind for kind in kinds if len(section(kind)) < 100] == []


def test_every_reason_for_not_being_ready_has_a_section() -> None:
    reasons = set(REASON.findall((ROOT / "backoffice/health.py").read_text()))
    assert reasons >= {"database", "keys", "workers", "cache"}
    assert {heading.removeprefix("readyz: ") for heading in HEADINGS if heading.startswith("readyz: ")} == reasons


def test_every_check_before_a_start_is_explained_and_no_other() -> None:
    raised = {found for path in SOURCES for found in CHECK_ID.findall(path.read_text())}
    assert len(raised) > 10
    assert set(re.findall(r"^\| (\w+\.[EWI]\d{3}) \|", GUIDE, re.M)) == raised


def test_every_figure_of_the_metrics_is_named() -> None:
    told = [path.read_text() for path in SOURCES if path.name in ("metrics.py", "health.py")]
    figures = {name for text in told for name in METRIC.findall(text)}
    figures |= {f"backoffice_{name}" for text in told for name in re.findall(r'rows_by_state\("(\w+)"', text)}
    assert len(figures) > 15
    assert [name for name in sorted(figures) if f"`{name}" not in GUIDE] == []


def test_every_command_that_is_named_exists() -> None:
    named = set(re.findall(r"manage\.py (\w+)", GUIDE))
    assert named
    assert named <= set(get_commands())


# --- units ------------------------------------------------------------------------------------------------------------

UNITS = sorted((ROOT / "docs/deploy").glob("*.service"))


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_starts_what_there_is_and_gives_it_time_to_stop(path: Path) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(path.read_text())
    service = unit["Service"]
    command = shlex.split(service["ExecStart"])
    assert command[1:3] == ["-m", "backoffice.supervisor"]
    assert command[3] in ("web", "workers")
    assert (service["KillMode"], service["Restart"]) == ("mixed", "always")
    assert int(service["TimeoutStopSec"]) > supervisor.STOP_SECONDS + 10
    assert supervisor.STOP_SECONDS > settings.TASK_SECONDS
    assert path.name.removesuffix(".service") in GUIDE


# --- containers: there may be no engine here, so what can be read is read --------------------------------------------------


def composed() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return found


def test_the_composition_runs_what_there_is() -> None:
    services = composed()["services"]
    assert set(services) == {"database", "migrate", "web", "workers"}
    assert services["migrate"]["command"] == ["python", "manage.py", "migrate"]
    assert services["workers"]["command"] == ["python", "-m", "backoffice.supervisor", "workers"]
    for name in ("web", "workers"):
        assert services[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
        assert services[name]["restart"] == "unless-stopped"
        assert int(services[name]["stop_grace_period"].removesuffix("s")) > supervisor.STOP_SECONDS + 10
        assert services[name]["environment"]["DATABASE_URL"].startswith("postgres://backoffice:${POSTGRES_PASSWORD")
    assert all(port.startswith("127.0.0.1:") for port in services["web"]["ports"])


def test_the_image_holds_all_that_it_needs_and_none_of_what_is_secret() -> None:
    lines = [line.split() for line in (ROOT / "Dockerfile").read_text().splitlines()]
    copied = {word for line in lines if line[:1] == ["COPY"] for word in line[1:-1]}
    let_in = {
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    assert copied == let_in
    assert all((ROOT / name).exists() for name in copied)
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"} <= copied
    assert not {".env", "var", "."} & copied
    command = json.loads(next(" ".join(line[1:]) for line in lines if line[:1] == ["CMD"]))
    assert command[:3] == ["python", "-m", "backoffice.supervisor"]
    assert command[3] in ("web", "run")
    assert not any(word.startswith(("SECRET_KEY", "CODE_KEYS")) for line in lines for word in line)
