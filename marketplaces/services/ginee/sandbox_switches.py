"""What can be switched in the make-believe Ginee: how it answers, and how its webhooks look and go wrong.

A switch that is a number from 0 to 1 is a chance, drawn for each event from the sandbox's seed. All are off or at their
plainest until somebody sets them; `set(preset="contract")` turns on the troubles that the contract's section 11 lists,
and `preset="limited"` its invented rate limit.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "calm": {"duplicate": 0.0, "reorder": 0.0, "delay": 0.0, "drop": 0.0, "delay_seconds": 30.0, "retries": 3},
    "contract": {"duplicate": 0.1, "reorder": 0.1, "delay": 1.0, "drop": 0.02, "delay_seconds": 30.0, "retries": 3},
    "limited": {"rate_limit": 5.0},
}
CHOICES: Mapping[str, tuple[Any, ...]] = {
    "language": ("mixed", "english", "chinese"),
    "message_member": ("message", "msg"),
    "rate_answer": ("429", "busy"),
    "list_end": ("more", "no_cursor", "empty_page", "same_cursor"),
    "details_shape": ("list", "content", "object"),
    "shops_shape": ("content", "list"),
    "generation": ("old", "new", "mixed"),
    "decimals": (0, 3, 6, "mixed"),
    "auth": ("none", "signature", "key_signature", "wrong_signature", "shared_secret", "wrong_secret"),
}


@dataclass
class Switches:
    """Set one by assignment, or several with `set`, which refuses what it does not know."""

    # how calls are answered
    language: str = "mixed"
    message_member: str = "message"
    absent_members: float = 0.3  # transactionId and pricingStrategy, each
    refuse_with_401: bool = False
    rate_limit: float = 0.0  # calls a second; the real one is unknown, 5 is a guess. 0 is as the sandbox was made
    rate_answer: str = "429"
    retry_after: bool = True
    refuse_zero: bool = False
    stock_is_difference: bool = False
    list_end: str = "more"  # how the last page of GIN-C01 says that it is the last
    details_shape: str = "list"
    shops_shape: str = "content"
    tracking_key: str = "trackingNumber"  # its name inside logisticsInfos
    channel_clock_seconds: float = 0.0  # how far the channel's clock, by which GIN-C01 filters, is behind

    # what is sent, and where to
    is_sending: bool = True
    order_updates: bool = True  # False: as the old page has it, orders tell of their creation alone
    is_per_module: bool = False  # one URL per entity
    keeps_slash: bool = True
    generation: str = "old"
    decimals: int | str = 3
    auth: str = "none"
    signed_path: str = ""  # over which the signature is made; empty: the path of the registered URL
    secret_header: str = "X-Webhook-Secret"  # noqa: S105  (a header's name)

    # chances of troubles on the way
    duplicate: float = 0.0
    reorder: float = 0.0
    delay: float = 0.0
    delay_seconds: float = 30.0  # the longest
    drop: float = 0.0
    retries: int = 3

    # chances of troubles in what is said
    empty_payload: float = 0.0
    partial_delete: float = 1.0
    foreign_owner: float = 0.0
    empty_shop: float = 0.0
    underscore_id: float = 0.0  # user._id
    early_envelope: float = 0.0
    unknown_entity: float = 0.0
    unknown_action: float = 0.0
    unknown_status: float = 0.0
    missing_last_update: float = 0.0
    same_id: float = 0.0  # a second notification with the same id and another body
    number_id: float = 0.0
    quantity_text: float = 0.0

    def set(self, preset: str = "", **values: Any) -> None:
        """Set several at once. Raises ValueError for an unknown name, preset, word or type, and then sets none."""
        if preset and preset not in PRESETS:
            raise ValueError(f"preset is one of {', '.join(PRESETS)}")
        values = {**PRESETS.get(preset, {}), **values}
        known = {field.name: getattr(Switches, field.name) for field in fields(self)}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"switches are {', '.join(known)}")
            if value not in CHOICES.get(name, (value,)):
                raise ValueError(f"{name} is one of {', '.join(map(str, CHOICES[name]))}")
            if name not in CHOICES and not _fits(value, known[name]):
                raise ValueError(f"{name} is of another type")
        for name, value in values.items():
            setattr(self, name, value)

    def shown(self) -> dict[str, Any]:
        return asdict(self)


def _fits(value: Any, usual: Any) -> bool:
    if isinstance(usual, float):
        return isinstance(value, int | float)
    return type(value) is type(usual)
