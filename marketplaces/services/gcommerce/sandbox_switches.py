"""How the make-believe G-Commerce behaves where the contract leaves a choice; the first value of each is the default."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, get_type_hints

WORDS: Mapping[str, tuple[str, ...]] = {
    "style": ("modern", "old"),
    "numbers": ("sample", "text", "number"),
    "category_ids": ("list", "number", "text"),
    "total_items": ("text", "number", "absent"),
    "params": ("echo", "absent"),
    "bulk_bad_row": ("missing", "empty", "false", "refuse"),
    "accept_refusal": ("silent", "conflict", "invalid"),
    "shipment_update": ("whitelist", "blank"),
}


@dataclass
class Switches:
    """Set an attribute in Python, or `POST _sim/switches` with a JSON object; a reset takes all of it back."""

    # the limit
    limit: int = 10
    window_seconds: float = 60.0
    fixed_window: bool = False
    limit_per_ip: bool = False
    limit_html: bool = False
    retry_after: bool = False
    hourly_limit: int = 0  # answered 509; 0 is none
    # who may call
    user_disabled: bool = False
    read_only: bool = False
    https_only: bool = False
    # how answers look
    style: str = "modern"  # 201, 204 and `messages`; or 200 everywhere and {"message": "Ok"}
    numbers: str = "sample"  # ids, money and counts: as the samples mix them, all as text, all as numbers
    empty_as_object: bool = False  # an empty map is {} instead of []
    lists_as_objects: bool = False
    bare_lists: bool = False
    category_ids: str = "list"  # of a product; "number" where it has one
    params: str = "echo"
    params_noise: bool = False
    category_params: bool = False
    total_items: str = "text"
    # lists
    page_cap: int = 0  # the most rows of a page; 0 is no cap
    repeat_last_page: bool = False
    shifted_rows: int = 0  # rows that came in at the top between one page and the next; negative: that went
    live_filters: bool = True  # those of orders that the brief does not name
    text_flags_on: bool = False  # an absent text flag counts as Y
    # products
    approval: bool = False
    image_seconds: float = 0.0  # the time an image's download takes
    # bulk and feed
    bulk_shuffled: bool = False
    bulk_missing: list[str] = field(default_factory=list)  # ids or codes whose row is neither done nor answered
    bulk_empty: list[str] = field(default_factory=list)  # ids or codes whose row is not done: no updates
    bulk_false: list[str] = field(default_factory=list)  # fields that are not done: false
    bulk_strict: bool = False  # one unknown field refuses the whole batch
    bulk_bad_row: str = "missing"  # a row that names no product, or that holds what cannot be
    cut_decimals: bool = False
    feed_seconds: float = 60.0
    feed_refused: list[str] = field(default_factory=list)  # codes that the feed does not take
    # orders and shipments
    accept_refusal: str = "silent"  # what K does to an order that is past it: 200, 409 or 400
    shipment_update: str = "whitelist"
    order_status_ignored: bool = False  # a new shipment leaves the order's letter alone
    complete_seconds: float = 3 * 86_400.0  # from J to C

    def change(self, **values: Any) -> None:
        """Set several at once, or none of them: raises ValueError for an unknown name or an impossible value."""
        kinds = get_type_hints(type(self))
        for name, value in values.items():
            if name not in kinds:
                raise ValueError(f"switches are {', '.join(sorted(kinds))}")
            kind = getattr(kinds[name], "__origin__", kinds[name])
            fits = type(value) is kind or (kind is float and type(value) is int)
            if not fits:
                raise ValueError(f"{name} is {kind.__name__}")
            if name in WORDS and value not in WORDS[name]:
                raise ValueError(f"{name} is one of {', '.join(WORDS[name])}")
        for name, value in values.items():
            setattr(self, name, value)

    def shown(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(self)}
