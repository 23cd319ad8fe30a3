"""What goes wrong in a sandbox, by order or by chance: broken answers to our calls, and webhooks that misbehave.

One registry for both: the operation id says which. A fault is used up after `times`; what a profile holds comes by
chance.
"""

import json
import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

# Modes of an answer to a call.
ANSWER_MODES = frozenset(
    {
        "http_error",
        "slow",
        "timeout",
        "drop_after_commit",
        "malformed_json",
        "empty_body",
        "html",
        "extra_keys",
        "missing_optional",
        "unknown_status",
        "wrapped_data",
    }
)
# What a gateway says in the marketplace's place.
HTML = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>"
# Modes of a webhook that every marketplace's sandbox knows; each adds its own.
WEBHOOK_MODES = frozenset({"duplicate", "reorder", "delay", "drop", "wrong_signature", "stale_timestamp"})

# Chances per request or webhook. They stay below what a careful client has to live through anyway.
PROFILES: Mapping[str, Mapping[str, float]] = {
    "none": {},
    "mild": {"http_error": 0.01, "slow": 0.02, "duplicate": 0.02},
    "rough": {
        "http_error": 0.05,
        "drop_after_commit": 0.02,
        "slow": 0.05,
        "extra_keys": 0.05,
        "duplicate": 0.02,
        "reorder": 0.05,
        "delay": 0.05,
        "drop": 0.01,
    },
}


class Dropped(ConnectionAbortedError):
    """The connection ends without an answer, after the work was done. (wsgiref lets this class pass in silence.)"""


class Silence(ConnectionAbortedError):
    """No answer comes for longer than any client waits, and nothing is done."""


@dataclass
class Fault:
    """A trouble to come: `times` None means until the sandbox is reset."""

    op: str  # an operation id, or "*"
    mode: str
    times: int | None = 1
    status: int = 500
    code: str = ""
    seconds: float = 10.0

    def shown(self) -> Json:
        return {"op": self.op, "mode": self.mode, "times": self.times}


class Faults:
    """The troubles that wait. The caller holds the sandbox's lock."""

    def __init__(self, *, modes: Collection[str], profile: str = "none", seed: int | None = None) -> None:
        self.modes = frozenset(modes)
        self.chances = dict(PROFILES[profile])
        self.waiting: list[Fault] = []
        self._random = random.Random(seed)  # noqa: S311  (no secret)

    def add(self, fault: Fault) -> None:
        """Order a trouble. Raises ValueError for a mode that this sandbox does not know."""
        if fault.mode not in self.modes:
            raise ValueError(f"mode is one of {', '.join(sorted(self.modes))}")
        self.waiting.append(fault)

    def take(self, op: str, among: Collection[str]) -> Fault | None:
        """Return what goes wrong with this call, and count it; ordered troubles come before chance."""
        taken = self.take_all(op, among, most=1)
        return taken[0] if taken else None

    def take_all(self, op: str, among: Collection[str], most: int = 100) -> list[Fault]:
        """Return all that goes wrong at once, at most one of each mode."""
        taken: dict[str, Fault] = {}
        for fault in self.waiting:
            if len(taken) < most and fault.op in (op, "*") and fault.mode in among and fault.mode not in taken:
                taken[fault.mode] = fault
                if fault.times is not None:
                    fault.times -= 1
        self.waiting = [fault for fault in self.waiting if fault.times is None or fault.times > 0]
        for mode, chance in self.chances.items():
            if len(taken) < most and mode in among and mode not in taken and self._random.random() < chance:
                taken[mode] = Fault(op, mode, seconds=self._random.uniform(0.5, 3.0))
        return list(taken.values())


def bend(mode: str, body: bytes, *, essential: Collection[str], status_keys: Collection[str]) -> bytes:
    """Spoil the body of an answer as `mode` says; modes that do not touch the body leave it alone.

    `essential` are the keys that `missing_optional` leaves in; lists and objects always stay.
    """
    if mode == "malformed_json":
        return body[: max(len(body) - 9, 1)]
    if mode == "empty_body":
        return b""
    if mode == "html":
        return HTML
    change = _CHANGES.get(mode)
    if change is None or not body:
        return body
    keys = essential if mode == "missing_optional" else status_keys
    return json.dumps(change(json.loads(body), keys), ensure_ascii=False).encode()


def _walk(value: Any, change: Callable[[Json], Json]) -> Any:
    if isinstance(value, list):
        return [_walk(entry, change) for entry in value]
    if isinstance(value, dict):
        return change({key: _walk(entry, change) for key, entry in value.items()})
    return value


def _extra_keys(document: Any, keys: Collection[str]) -> Any:
    return _walk(document, lambda found: {**found, "added_later": {"why": "new fields come without notice"}})


def _missing_optional(document: Any, keys: Collection[str]) -> Any:
    def only_essential(found: Json) -> Json:
        return {key: value for key, value in found.items() if key in keys or isinstance(value, list | dict)}

    return _walk(document, only_essential)


def _unknown_status(document: Any, keys: Collection[str]) -> Any:
    return _walk(document, lambda found: {key: "word_of_tomorrow" if key in keys else found[key] for key in found})


def _wrapped_data(document: Any, keys: Collection[str]) -> Any:
    is_wrapped = isinstance(document, dict) and "data" in document
    return document if is_wrapped else {"data": document}


_CHANGES: Mapping[str, Callable[[Any, Collection[str]], Any]] = {
    "extra_keys": _extra_keys,
    "missing_optional": _missing_optional,
    "unknown_status": _unknown_status,
    "wrapped_data": _wrapped_data,
}
