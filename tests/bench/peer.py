"""What people would use instead, in an environment of its own under var/, which the first run makes."""

import json
import os
import subprocess
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PEERS = Path(__file__).parent / "peers"
ENVIRONMENTS = Path(__file__).resolve().parents[2] / "var" / "bench"
REASON_CHARACTERS = 200


class NotThere(Exception):
    """The peer could not be installed or run here; the text says why."""


def run(name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any]:
    """Run `peers/<name>.py` with what `peers/<name>.txt` lists; returns the JSON object that it prints."""
    python = _installed(name)
    # Nothing of the product's own settings reaches it.
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    done = subprocess.run(
        [python, PEERS / f"{name}.py", *arguments], env={**kept, **environment}, capture_output=True, text=True
    )
    if done.returncode:
        raise NotThere(_last_line(done.stderr))
    return dict(json.loads(done.stdout))


def _installed(name: str) -> Path:
    requirements = PEERS / f"{name}.txt"
    home = ENVIRONMENTS / name
    python, stamp = home / "bin" / "python", home / "installed.txt"
    if stamp.exists() and stamp.read_text() == requirements.read_text():
        return python
    venv.create(home, clear=True, with_pip=True)
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements],
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise NotThere(_last_line(done.stderr))
    stamp.write_text(requirements.read_text())
    return python


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it failed without a word"])[-1][:REASON_CHARACTERS]
