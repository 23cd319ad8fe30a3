"""A bad or missing setting stops the start with one line that names it, and never repeats its value."""

import base64
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from backoffice import environment

ROOT = Path(__file__).resolve().parents[2]
KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
GOOD = {
    "DEBUG": "False",
    "SECRET_KEY": "0123456789-abcdefghij-0123456789-abcdefghij",
    "DATABASE_URL": "postgres://seller:s3cret-pass@127.0.0.1/shop",
    "CODE_KEYS": f"k1:{KEY}",
    "CODE_INDEX_KEY": KEY,
    "CACHE_URL": "",
    "PUBLIC_BASE_URL": "https://shop.example.com",
    "ALLOWED_HOSTS": "shop.example.com",
    "CSRF_TRUSTED_ORIGINS": "https://shop.example.com",
    "ALLOW_LOCAL_MARKETPLACES": "False",
    "METRICS_ALLOW": "127.0.0.1",
    "Q_WORKERS": "4",
    "LOG_FORMAT": "text",
    "TIME_ZONE": "UTC",
    "EMAIL_URL": "consolemail://",
    "SENTRY_DSN": "",
    "CLIENT_ADDRESS_HEADER": "",
    "TWO_FACTOR": "required",
}
BAD = [
    ("DEBUG", "maybe-7f3a"),
    ("SECRET_KEY", ""),
    ("SECRET_KEY", "short-7f3a"),
    ("DATABASE_URL", "mysql://root:7f3a@127.0.0.1/shop"),
    ("DATABASE_URL", "7f3a://user:7f3a@127.0.0.1/shop"),
    ("CODE_KEYS", ""),
    ("CODE_KEYS", "k1:7f3a"),
    ("CODE_KEYS", f"k1:{KEY},k1:{KEY}"),
    ("CODE_KEYS", KEY),
    ("CODE_INDEX_KEY", ""),
    ("CODE_INDEX_KEY", "7f3a7f3a"),
    ("CACHE_URL", "memcached://7f3a"),
    ("PUBLIC_BASE_URL", "shop.example.com/7f3a"),
    ("PUBLIC_BASE_URL", "https://shop.example.com/?7f3a"),
    ("ALLOW_LOCAL_MARKETPLACES", "7f3a"),
    ("METRICS_ALLOW", "7f3a"),
    ("Q_WORKERS", "many-7f3a"),
    ("Q_WORKERS", "0"),
    ("LOG_FORMAT", "xml-7f3a"),
    ("TIME_ZONE", "Mars/7f3a"),
    ("EMAIL_URL", "7f3a://post"),
    ("SENTRY_DSN", "7f3a"),
    ("CLIENT_ADDRESS_HEADER", "X Real 7f3a"),
    ("TWO_FACTOR", "maybe-7f3a"),
]


def start(**changed: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], **GOOD, **changed}
    command = [sys.executable, "manage.py", "check"]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)


def test_it_starts_with_good_settings() -> None:
    result = start()
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(("name", "value"), BAD, ids=lambda text: text[:24] or "empty")
def test_it_refuses_a_bad_value_in_one_line_that_names_it(name: str, value: str) -> None:
    result = start(**{name: value})
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"{name} is missing or not usable: it takes ")
    assert "7f3a" not in line
    assert KEY not in line


def test_a_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "var" / "key"
    first = environment.make_once(path, environment.new_key)
    assert environment.make_once(path, environment.new_key) == first
    assert len(environment.key_bytes(first)) == environment.KEY_BYTES
    assert path.stat().st_mode & 0o077 == 0
    assert list(path.parent.iterdir()) == [path]


def test_processes_that_start_together_agree_on_a_key(tmp_path: Path) -> None:
    path = tmp_path / "key"

    def lose_the_race() -> str:
        path.write_text("the winner's")
        return "the loser's"

    assert environment.make_once(path, lose_the_race) == "the winner's"


def test_a_key_may_be_written_in_either_alphabet_of_base64() -> None:
    key = bytes(range(224, 256))
    for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
        assert environment.key_bytes(encode(key).decode()) == key


def test_the_example_file_explains_every_setting_and_no_other() -> None:
    source = (ROOT / "backoffice" / "settings.py").read_text()
    example = (ROOT / ".env.example").read_text()
    read = set(re.findall(r"(?:read\.\w+\(env, |env\.\w+\()\s*\"([A-Z_]+)\"", source))
    assert len(read) > 15
    assert set(re.findall(r"^#?([A-Z_]+)=", example, re.M)) == read
