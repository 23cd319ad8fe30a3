"""docs/security.md stays true: every test that it names is there, and what it says of pages and scripts."""

import re
from pathlib import Path

import pytest
from django.urls import reverse

from tests.orders.test_every_address import addresses

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "security.md"
NAMED = re.compile(r"`(test_\w+)`")
DEFINED = re.compile(r"^\s*(?:async )?def (test_\w+)\(", re.M)
# A script with a text inside, and what runs one: the policy would stop both.
INLINE = re.compile(
    r"<script(?![^>]*\bsrc=)(?![^>]*type=\"application/json\")[^>]*>|\son(?:click|load|error|submit|change)="
)


def test_every_test_that_the_document_names_exists():
    named = set(NAMED.findall(DOCUMENT.read_text()))
    defined = {name for path in (ROOT / "tests").rglob("test_*.py") for name in DEFINED.findall(path.read_text())}

    assert len(named) > 40
    assert named - defined == set()


def test_every_threat_has_a_proof():
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| ") and "shown by" not in line]
    without = [row for row in rows if not row.startswith("| ---") and not NAMED.search(row)]

    assert len(rows) > 20
    assert without == []


def test_no_template_of_ours_has_a_script_inside():
    found = {
        str(path.relative_to(ROOT)): INLINE.findall(path.read_text())
        for path in (ROOT / "templates").rglob("*.html")
        if INLINE.search(path.read_text())
    }

    assert found == {}


@pytest.mark.django_db
def test_no_page_of_ours_needs_a_script_inside_it(admin_client):
    """What the library adds counts as well: the policy has no unsafe-inline, so such a script would never run."""
    pages = [address for name, address in addresses() if name.endswith(("changelist", "_add")) or name == "index"]
    inside = {}
    for address in [*pages[::4], reverse("admin:index")]:
        answer = admin_client.get(address)
        if answer.status_code != 200:
            continue
        assert "'unsafe-inline'" not in script_rule(answer)
        if found := INLINE.findall(answer.content.decode()):
            inside[address] = found

    assert inside == {}


def script_rule(answer):
    return next(rule for rule in answer["Content-Security-Policy"].split("; ") if rule.startswith("script-src"))
