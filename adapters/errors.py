"""Everything that can go wrong while reaching a model, as one tree.

    AdapterError
    ├── TargetError               the target description cannot work as written; nothing was asked
    │   ├── MissingExtra          an optional package is not installed
    │   ├── OpenShape             the model leaves the size of its pictures open
    │   ├── PixelsOnly            the model takes 8-bit pixels, and float access was asked for
    │   ├── ProviderUnavailable   the execution provider asked for did not start
    │   └── UntrustedModel        it cannot be isolated here, and the user did not vouch for it
    ├── ModelFileError            the model file is missing, corrupt or unsupported
    │   ├── ModelRefused          the file holds something that an audit does not run
    │   └── ModelStopped          the process that ran it crashed, hung or hit a limit
    └── EndpointError             a request failed
        ├── Unreachable           no connection: refused, name, TLS, time-out
        ├── AccessDenied          401, 403
        ├── NotFound              404
        ├── InputRejected         the model refuses this input: shape, dtype, size
        ├── Throttled             429, 503, or any status that the target calls "too fast"
        ├── ServerFailed          5xx
        └── BadReply              an answer without usable labels
    Always caught, so they end no command:
    Exception
    ├── BrokenOffError            the process of a model file ended, or broke its protocol
    └── TooLateError              the process of a model file said nothing in time
    OSError
    ├── ForbiddenAddressError     a host's name leads to an address that must not be asked
    └── HeadTooLongError          a reply's headers are more than any honest one has
    ValueError
    ├── NotProtobufError          bytes that are no protobuf message of the kind expected
    └── StrictJsonError           JSON that could be read in two ways, or not at all

A TargetError ends the command with exit code 2, any other AdapterError with 4.
Adapters classify, and say with :class:`RetryAdvice` what a retry could achieve. Only the query
engine retries, waits and spends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from adapters.secrets import without_secrets

RetryKind = Literal["never", "transient", "throttled", "outage", "gone", "too-large", "odd"]
"""never: the same request fails again. transient: it may work, or be at fault itself. throttled:
slow down first. outage: the server is down, or not ready yet. gone: nothing like that is there; an
outage if it was there before. too-large: a smaller batch may work. odd: a success without a usable
answer, which a server in order gives now and then; a few more attempts show if it is more than
that."""


@dataclass(frozen=True, slots=True)
class RetryAdvice:
    """Outcome that a retry could have; ``retry_after_s`` is the wait in seconds that the server
    asked for.

    Attributes:
        outcome_unknown: True if the server may have done (and billed) the work although no answer
        reached us, for example after a time-out.
        unsent: True if it is certain that nothing of the request left: no address, no connection,
            no
        trusted certificate. It cannot be billed, so it is not counted.
        silent: True if a reply was waited for in vain.
    """

    kind: RetryKind = "never"
    retry_after_s: float | None = None
    outcome_unknown: bool = False
    unsent: bool = False
    silent: bool = False


NEVER = RetryAdvice()


class AdapterError(Exception):
    """Base of everything an adapter raises. The message is one sentence meant for a user;
    ``status`` is the HTTP number, or gRPC's name, of the reply that it stands for, empty if there
    was none.
    """

    def __init__(self, message: str, advice: RetryAdvice = NEVER) -> None:
        super().__init__(without_secrets(message))
        self.advice = advice
        self.status = ""


class TargetError(AdapterError):
    """The target description cannot work as written; nothing was asked."""


class OpenShape(TargetError):
    """The model leaves the size of its pictures open, and none was stated."""


class PixelsOnly(TargetError):
    """The model takes 8-bit pixels, and another access mode was stated or is the default."""


class MissingExtra(TargetError):
    """An optional package is missing; the message names the extra that brings it."""


class ProviderUnavailable(TargetError):
    """The requested execution provider did not start; there is no silent fallback."""


class UntrustedModel(TargetError):
    """The file cannot be isolated on this machine, and the user did not vouch for it."""


class ModelFileError(AdapterError):
    """The model file is missing, corrupt, or of a kind the runtime does not support."""


class ModelRefused(ModelFileError):
    """A look into the file, before any runtime saw it, found what an audit does not run."""


class ModelStopped(ModelFileError):
    """The process that ran the model crashed, hung, hit a limit or broke its protocol."""


class EndpointError(AdapterError):
    """A request to the model failed."""


class Unreachable(EndpointError):
    """No connection, or it broke: refused, unknown name, TLS failure, time-out."""


class AccessDenied(EndpointError):
    """The endpoint refused our credentials (401, 403)."""


class NotFound(EndpointError):
    """The endpoint exists but this path or model does not (404)."""


class InputRejected(EndpointError):
    """The model refused the input itself: wrong shape, datatype or size."""


class Throttled(EndpointError):
    """The endpoint asked us to slow down."""


class ServerFailed(EndpointError):
    """The endpoint failed on its side."""


class BadReply(EndpointError):
    """The endpoint answered, but without one usable label per input."""
