"""Take secrets out of what is about to be logged or shown."""

from collections.abc import Collection, Iterator
from typing import Any

MASK = "•••"
# Values shorter than this are no secrets worth finding, and replacing them would garble every text.
SHORTEST_SECRET = 4


def mask_json(value: Any, secret_keys: Collection[str]) -> Any:
    """Return `value` with everything under a secret key (compared in small letters) replaced by dots."""
    if isinstance(value, dict):
        return {
            key: MASK if str(key).lower() in secret_keys and item not in ("", None) else mask_json(item, secret_keys)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [mask_json(item, secret_keys) for item in value]
    return value


def secret_values(value: Any, secret_keys: Collection[str], *, is_secret: bool = False) -> Iterator[str]:
    """Yield every text that stands under a secret key."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from secret_values(item, secret_keys, is_secret=is_secret or str(key).lower() in secret_keys)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from secret_values(item, secret_keys, is_secret=is_secret)
    elif is_secret and isinstance(value, str | int) and not isinstance(value, bool):
        yield str(value)


def scrub(text: str, secrets: Collection[str]) -> str:
    """Replace each secret that stands in `text`, longest first so that none is left in part."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, MASK)
    return text
