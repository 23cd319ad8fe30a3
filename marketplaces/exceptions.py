"""What can go wrong with a marketplace, named by what to do next.

`kind` keeps the contract's finer class (such as "rate_limited" or "not_found") for people and tests; the program
decides by the exception's class alone.
"""

from enum import StrEnum


class MarketplaceError(Exception):
    """Base of all. The text is a report for people: what, why, next step. It never holds a secret."""

    def __init__(
        self,
        message: str,
        *,
        kind: str = "",
        operation: str = "",
        code: str = "",
        status: int | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.operation = operation
        self.code = code
        self.status = status
        self.request_id = request_id

    def __str__(self) -> str:
        parts = [self.operation, f"HTTP {self.status}" if self.status else "", self.code]
        facts = ", ".join(part for part in (*parts, self.request_id and f"request {self.request_id}") if part)
        return f"{self.message} ({facts})" if facts else self.message


class TemporaryError(MarketplaceError):
    """Nothing happened there; try later, after `retry_after` seconds if it says so."""

    def __init__(self, message: str, *, retry_after: float | None = None, **facts: object) -> None:
        super().__init__(message, **facts)  # type: ignore[arg-type]
        self.retry_after = retry_after


class NotPaid(TemporaryError):
    """What we ask for is not paid there yet, or its payment is still on its way."""


class BudgetSpent(TemporaryError):
    """Our own budget of requests has no room yet. No request was made and no attempt is counted."""


class UnknownOutcome(MarketplaceError):
    """It may have happened: look before you repeat."""


class PermanentError(MarketplaceError):
    """The same request will never succeed; stop this row and show it."""


class NotFound(PermanentError):
    """There is no such object."""


class Unsupported(PermanentError):
    """This marketplace, or this version of it, cannot do that."""


class ConfigurationError(MarketplaceError):
    """The account is set up wrong; stop the account and show it."""


class Refused(Exception):
    """An inbound call that is not accepted. `status` is answered; `reason` is for staff, never for the caller.

    `by_stranger` is False where the caller has proved who it is: it is told each time, however often it asks.
    """

    def __init__(self, status: int, reason: str, *, by_stranger: bool = True) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.by_stranger = by_stranger


class Reason(StrEnum):
    """Why the shop declines what a marketplace asks for."""

    NOT_FOUND = "not_found"
    OUT_OF_STOCK = "out_of_stock"
    PRICE_TOO_LOW = "price_too_low"
    EXPIRED = "expired"
    RELEASED = "released"
    ALREADY_ORDERED = "already_ordered"
    CONFLICT = "conflict"


class Declined(Exception):
    """The shop's answer to a question is no, and nothing was changed. The text may be told to the caller."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
