"""`make audit`: ask the registry of known weaknesses about everything that requirements.txt pins.

Where that service can't be reached it says so plainly and ends with 0: it then knows nothing, which is no failure of ours.
Ends with 1 when a pinned package has a known weakness.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

COMMAND = (
    *(sys.executable, "-m", "pip_audit", "--requirement", "requirements.txt", "--no-deps", "--disable-pip"),
    *("--progress-spinner", "off", "--timeout", "15", "--format", "json"),
)
COULD_NOT_LOOK = "Could not look: the registry of known weaknesses does not answer from here. Run this where it does."


def verdict(found: Mapping[str, Any] | None) -> tuple[int, list[str]]:
    """What to say of pip-audit's findings, None where it found nothing out, and the exit status."""
    packages = found["dependencies"] if found else []
    known = [package for package in packages if "skip_reason" not in package]
    if not known:
        return 0, [COULD_NOT_LOOK]
    lines = [
        f"{package['name']} {package['version']}: {weakness['id']}, mended in {_mended(weakness)}"
        for package in known
        for weakness in package["vulns"]
    ]
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    unknown = [f"Could not look at: {', '.join(skipped)}."] if skipped else []
    if lines:
        return 1, [*lines, *unknown]
    return 0, [f"{len(known)} packages have no known weakness.", *unknown]


def _mended(weakness: Mapping[str, Any]) -> str:
    return ", ".join(weakness["fix_versions"]) or "nothing yet"


def main() -> int:
    ran = subprocess.run(COMMAND, capture_output=True, text=True)
    try:
        found = json.loads(ran.stdout)
    except ValueError:
        found = None
    status, lines = verdict(found)
    print("\n".join(lines))
    return status


if __name__ == "__main__":
    sys.exit(main())
