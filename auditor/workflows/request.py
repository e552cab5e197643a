"""Everything that one audit needs, checked before the model is opened."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.target import Limits
from auditor.engine.contract import PATIENCE_S, EngineLimits
from auditor.engine.progress import Progress
from auditor.errors import UsageError
from auditor.evidence.attest.signing import Signer
from auditor.plan.settings import AuditSettings, choose_settings
from auditor.report.views import ViewName, ViewSettings, view_settings
from auditor.samples.samples import Samples
from auditor.verdict.profile import Profile
from auditor.workflows.targets import LOCAL_CONCURRENCY, LocatedTarget

MAX_CONCURRENCY = 1000
"""Most requests in flight: beyond it the client, not the target, slows down."""
SETTINGS = frozenset(entry.name for entry in dataclasses.fields(AuditSettings))


@dataclass(frozen=True)
class AuditRequest:
    """One audit, as the command line and the Python API ask for it.

    Attributes:
        target: the model under audit.
        samples: clean, labelled samples of at least two classes.
        settings: settings of the questions.
        output: folder for everything written; made if missing.
        profile: references to judge by, or None for scores without a verdict.
        limits: limits on spending and pace.
        progress: shows every answer.
        signer: signs the plan before the first query and the head after the last, or None.
        views: views written beside ``report.json``.
        shown: content of the views; by default no frameworks.
        command: words of the command line, which the report of an audit cut short repeats;
            without folders of this machine.
    """

    target: LocatedTarget
    samples: Samples
    settings: AuditSettings
    output: Path
    profile: Profile | None = None
    limits: EngineLimits = field(default_factory=EngineLimits)
    progress: Progress = field(default_factory=Progress)
    signer: Signer | None = None
    views: Sequence[ViewName] = (ViewName.HTML,)
    shown: ViewSettings = field(default_factory=view_settings)
    command: Sequence[str] = ()


@dataclass(frozen=True)
class Spending:
    """Limits that the user sets; None leaves one to the target's description.

    Attributes:
        max_queries: hard cap on inputs sent, over all runs of the audit.
        rate: queries per second.
        request_rate: requests per second.
        concurrency: requests in flight.
        patience: longest time without an answer, in seconds.
    """

    max_queries: int | None = None
    rate: float | None = None
    request_rate: float | None = None
    concurrency: int | None = None
    patience: float | None = None

    def checked(self, spelled: Callable[[str], str] = str) -> Spending:
        """These limits; ``spelled`` gives a limit's name as the user writes it.

        Raises:
            UsageError: one of them is out of its range.
        """
        for name, value in dataclasses.asdict(self).items():
            if value is not None and not value > 0:
                raise UsageError(f"{spelled(name)} is {value}, it must be above 0")
        if self.concurrency is not None and self.concurrency > MAX_CONCURRENCY:
            name = spelled("concurrency")
            raise UsageError(f"{name} is {self.concurrency}, at most {MAX_CONCURRENCY}")
        return self

    def limits(self, located: LocatedTarget | None = None) -> EngineLimits:
        """The engine's limits: the user's, else those that the target's description states.

        ``located`` is None for several models, which no one description covers.
        """
        target = None if located is None else located.target
        stated = Limits() if target is None else target.limits
        usual = LOCAL_CONCURRENCY if located is None else located.concurrency
        return EngineLimits(
            max_queries=self.max_queries or stated.max_queries,
            queries_per_s=self.rate or stated.rate,
            requests_per_s=self.request_rate or stated.request_rate,
            concurrency=self.concurrency or stated.concurrency or usual,
            attempts=None if target is None else target.http.retry.max,
            patience_s=self.patience or stated.patience or PATIENCE_S,
        )


def merge_settings(profile: Profile | None, chosen: Mapping[str, Any]) -> AuditSettings:
    """The settings that the user chose over those of the profile over the defaults.

    Raises:
        UsageError: one is out of its range, or they do not go together.
    """
    merged = {**({} if profile is None else profile.full_settings), **chosen}
    return choose_settings({name: value for name, value in merged.items() if name in SETTINGS})
