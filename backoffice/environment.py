"""Read one setting from the environment, or refuse it by name in one line."""

import base64
import binascii
import ipaddress
import os
import re
import secrets
import warnings
import zoneinfo
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

KEY_BYTES = 32
DATABASE_ENGINES = ("django.db.backends.postgresql", "django.db.backends.sqlite3")

T = TypeVar("T")


def refused(name: str, takes: str) -> ImproperlyConfigured:
    """Make the one-line error for the variable `name`. It never repeats the value, which may be a secret."""
    return ImproperlyConfigured(f"{name} is missing or not usable: it takes {takes}.")


def checked(name: str, takes: str, parse: Callable[[], T]) -> T:
    """Call `parse`; whatever it trips over becomes the one-line error for `name`."""
    try:
        return parse()
    except (ValueError, KeyError, TypeError, ImproperlyConfigured) as error:
        raise refused(name, takes) from error


def boolean(env: environ.Env, name: str, default: bool) -> bool:
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    return checked(name, "True or False", lambda: words[env.str(name, default=str(default)).strip().lower()])


def whole_number(env: environ.Env, name: str, default: int, low: int, high: int) -> int:
    def parse() -> int:
        value = int(env.str(name, default=str(default)))
        if not low <= value <= high:
            raise ValueError
        return value

    return checked(name, f"a whole number from {low} to {high}", parse)


def one_of(env: environ.Env, name: str, choices: tuple[str, ...]) -> str:
    value = env.str(name, default=choices[0])
    if value not in choices:
        raise refused(name, " or ".join(choices))
    return str(value)


def words(env: environ.Env, name: str, default: str) -> list[str]:
    """A comma-separated list; blanks around and empty entries are dropped."""
    return [word.strip() for word in env.str(name, default=default).split(",") if word.strip()]


def header(env: environ.Env, name: str) -> str:
    """The name of an HTTP header as WSGI spells it, such as HTTP_X_REAL_IP; empty where none is named."""
    value = str(env.str(name, default=""))
    if value and not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", value):
        raise refused(name, "the name of a header, such as X-Real-IP, or nothing")
    return f"HTTP_{value.upper().replace('-', '_')}" if value else ""


def base_url(env: environ.Env, name: str, default: str) -> str:
    def parse() -> str:
        value = str(env.str(name, default=default)).rstrip("/")
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError
        return value

    return checked(name, "an address such as https://shop.example.com", parse)


def networks(env: environ.Env, name: str, default: str) -> list[Any]:
    def parse() -> list[Any]:
        return [ipaddress.ip_network(word) for word in words(env, name, default)]

    return checked(name, "addresses or networks, separated by commas", parse)


def database(env: environ.Env, name: str, default: str) -> dict[str, Any]:
    def parse() -> dict[str, Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the one for an unknown scheme shows the password
            config = dict(env.db_url_config(env.str(name, default=default)))
        if config.get("ENGINE") not in DATABASE_ENGINES or not config.get("NAME"):
            raise ValueError
        return config

    return checked(name, "postgres://user:password@host/name or sqlite:///path/file.sqlite3", parse)


def make_once(path: Path, make: Callable[[], str]) -> str:
    """Return the text of `path`, writing it first (readable by its owner only) when it does not exist.

    Two processes that start together agree: the one that loses the race reads the winner's file.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(make())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()


def new_key() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def key_bytes(text: str) -> bytes:
    """Decode base64 (standard or URL-safe) of exactly 32 bytes; ValueError otherwise."""
    try:
        key = base64.b64decode(text.strip().replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if len(key) != KEY_BYTES:
        raise ValueError(f"not {KEY_BYTES} bytes")
    return key


def code_keys(text: str) -> dict[str, bytes]:
    """Parse `id:base64[,id:base64…]`, first key first; ids are 1 to 32 characters and differ."""
    keys: dict[str, bytes] = {}
    for entry in text.split(","):
        key_id, separator, encoded = entry.strip().partition(":")
        if not separator or not 1 <= len(key_id.encode()) <= 32 or key_id in keys:
            raise ValueError("bad key id")
        keys[key_id] = key_bytes(encoded)
    return keys


def time_zone(name: str) -> zoneinfo.ZoneInfo:
    """The time zone of a name. Raises ValueError for one that is not known here, whatever it is instead."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, OSError) as error:  # the name of a folder of zones is the latter
        raise ValueError(name) from error
