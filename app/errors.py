"""What can go wrong, as exceptions: the code and the HTTP status live on the class.

Services raise these; each edge has one handler that turns them into the JSON envelope of the API, a
message at the form field, or a retry. A message says what is wrong and how to mend it, and never carries
SQL, a trace or somebody's data.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field of an input that cannot be used; `pointer` is an RFC 6901 JSON pointer such as
    `/lines/0/quantity`.
    """

    pointer: str
    code: str
    message: str


class DomainError(Exception):
    """A refusal that the caller can understand and act on."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 400

    def __init__(self, message: str, *, fields: Iterable[FieldError] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.fields = tuple(fields)

    @classmethod
    def at(cls, pointer: str, message: str, *, code: str | None = None) -> "DomainError":
        """Return the error for one field, its message also the error's own."""
        return cls(message, fields=(FieldError(pointer, code or cls.code, message),))


class Invalid(DomainError):
    """The input breaks a rule; `fields` names where."""

    code = "invalid"


class Unauthorized(DomainError):
    """Nobody is known behind the request. One message for every cause."""

    code = "unauthorized"
    status = 401


class Forbidden(DomainError):
    """Somebody is known and may not do this."""

    code = "forbidden"
    status = 403


class StepUpRequired(Forbidden):
    """This needs a fresh proof of who somebody is; `back` is the page to which they come back with it, '' for
    the one that they asked for.
    """

    code = "step_up_required"

    def __init__(self, back: str = "") -> None:
        super().__init__("Sign in again for this: your last sign-in was too long ago. Then do it once more.")
        self.back = back


class NotFound(DomainError):
    """There is no such thing, or it is somebody else's: the two look the same."""

    code = "not_found"
    status = 404


class Conflict(DomainError):
    """The state of things does not allow it now."""

    code = "conflict"
    status = 409


class IdempotencyInProgress(Conflict):
    """The first call with this idempotency key has not answered yet."""

    code = "idempotency_in_progress"


class IdempotencyMismatch(DomainError):
    """The idempotency key was used before with another body."""

    code = "idempotency_mismatch"
    status = 422


class TooLarge(DomainError):
    """The body or batch is over its limit."""

    code = "too_large"
    status = 413


class UnsupportedMediaType(DomainError):
    """The content type is not one this address reads."""

    code = "unsupported_media_type"
    status = 415


class RateLimited(DomainError):
    """Too many requests; `retry_after_seconds` tells when to come back."""

    code = "rate_limited"
    status = 429

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(DomainError):
    """The outcome is unknown or the database is away: send the same again, with the same ids."""

    code = "unavailable"
    status = 503


class InsufficientFunds(Conflict):
    """The wallet has less available than asked for; nothing was written."""

    code = "insufficient_funds"


class CurrencyMismatch(Invalid):
    """Two currencies meet where only one can be."""

    code = "currency_mismatch"


class IllegalTransition(Conflict):
    """A state table does not list this move."""

    code = "illegal_transition"


class Frozen(Conflict):
    """The record can no longer change: a published plan version, an issued invoice."""

    code = "frozen"


class Overlapping(Conflict):
    """Two subscriptions of one account to one plan would cover the same instant."""

    code = "overlapping"


class Parked(Conflict):
    """A safety check stopped it; a person decides."""

    code = "parked"


class GatewayRefused(DomainError):
    """The payment gateway answered no."""

    code = "gateway_refused"
    status = 402


class GatewayUnavailable(Unavailable):
    """The payment gateway did not answer; the payment is unknown until it is asked again."""

    code = "gateway_unavailable"
