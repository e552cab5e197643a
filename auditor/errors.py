"""Everything that can go wrong in an audit, with the exit code each failure ends in.

    AuditError                     exit 4: the audit could not be done
    ├── UsageError                 exit 2: the command, the settings or the samples must change
    │   ├── SamplesError           exit 2: the clean samples cannot be used as they are
    │   │   └── MixedSizesError    exit 2: they have several sizes, and none is stated
    │   └── ProfileError           exit 2: a profile is unknown, unreadable or does not fit
    ├── StoreError                 exit 4: the label store cannot be used
    ├── EvidenceError              exit 4: evidence cannot be written, read or relied on
    │   ├── Damaged                exit 4: the samples that a bundle holds cannot be unpacked
    │   └── TooLarge               exit 4: what a bundle asks to be recomputed is too much for here
    ├── LabelsPending              exit 5: inputs were handed out as files and wait for labels
    ├── OutageError                exit 4: the target did not answer for too long
    ├── OddRepliesError            exit 4: too many good replies held no usable labels
    └── ComeBackError              exit 5: a quota is used up; the message says when it comes back
    KeyboardInterrupt
    └── AuditInterrupted           exit 130: the Python API was interrupted
    Caught within the audit, so they end in no exit code:
    Exception
    ├── AskFewerError              a request has to be asked in smaller parts
    └── HaltedError                nothing new may be sent in this run
    ValueError
    └── NoPlaneError               three samples do not span a plane

The errors of a target have a tree of their own, in :mod:`adapters.errors`: a target description
that cannot work exits with 2, any other of them with 4.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the process; scripts and CI jobs rely on them."""

    NO_EVIDENCE = 0
    BACKDOOR_SUSPECTED = 1
    USAGE = 2
    INCONCLUSIVE = 3
    FAILED = 4
    LABELS_PENDING = 5
    COME_BACK = 5
    INTERRUPTED = 130


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown ``name``: the known one nearest to it, if any is."""
    import difflib  # noqa: PLC0415 - only a slip of the pen needs it

    names = [one.lower() for one in known]
    begun = [one for one in names if len(name) > 1 and one.startswith(name.lower())]
    near = difflib.get_close_matches(name.lower(), names, n=1) or begun
    return f"; did you mean {near[0]!r}?" if near else ""


class AuditError(Exception):
    """The audit could not be done. The message is one sentence meant for a user."""

    exit_code = ExitCode.FAILED


class UsageError(AuditError):
    """The command, the settings or the samples must change before an audit is possible."""

    exit_code = ExitCode.USAGE


class SamplesError(UsageError):
    """The clean samples cannot be used as they are."""


class ProfileError(UsageError):
    """A reference profile is unknown, unreadable or does not fit this audit."""


class StoreError(AuditError):
    """The label store cannot be used: another version, another owner, a full disk."""


class EvidenceError(AuditError):
    """Evidence cannot be written, cannot be read, or is not what it says it is."""


class LabelsPending(AuditError):
    """Inputs were handed out as files and wait for their labels; the message names their place."""

    exit_code = ExitCode.LABELS_PENDING
