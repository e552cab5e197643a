"""Finds labels of a planned audit that its output folder holds already, without asking."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from adapters.contract import LabelOracle
from auditor.engine.contract import EngineLimits, EngineResult
from auditor.engine.engine import QueryEngine
from auditor.engine.requests import Order
from auditor.engine.rounds import Decide
from auditor.engine.store import NOT_ASKED, LabelStore
from auditor.probes.base import FixedProbe
from auditor.verdict.evidence import incomplete
from auditor.verdict.profile import Profile
from auditor.workflows.ask import ask_through, stop_rules
from auditor.workflows.known import Known
from auditor.workflows.prepare import STORE_NAME, Prepared

STORE_FILES = (STORE_NAME, f"{STORE_NAME}-wal")
NOTHING_SENT = EngineLimits(max_queries=0)


class _StoreAlone(QueryEngine):
    """Answers from its store alone; ``known`` counts the inputs of adaptive probes, by kind."""

    known: Counter[str]

    async def run(
        self,
        probes: Sequence[FixedProbe],
        plan_digest: str,
        rounds: Iterable[Order] | None = None,
        decided: Decide | None = None,
    ) -> EngineResult:
        """Labels of ``probes`` as far as they are known."""
        done = await super().run(probes, plan_digest, rounds, decided)
        self.known[probes[0].kind] += done.ledger.cached + done.ledger.deduplicated
        return done


async def known_labels(
    oracle: LabelOracle, ready: Prepared, output: Path, profile: Profile | None = None
) -> Known:
    """The labels in ``output`` that the audit would find.

    The audit runs on a copy of the store until a label is missing, so what a search asks counts as
    far as its own answers lead. ``oracle`` is asked nothing.

    Raises:
        StoreError: the store is damaged.
        OSError: it cannot be read.
    """
    with TemporaryDirectory() as place:
        for name in STORE_FILES:
            if (output / name).exists():
                shutil.copy(output / name, place)
        store = LabelStore(Path(place) / STORE_NAME)
        try:
            return await _known(oracle, ready, store, profile)
        finally:
            await asyncio.to_thread(store.close)


async def _known(
    oracle: LabelOracle, ready: Prepared, store: LabelStore, profile: Profile | None
) -> Known:
    plan = ready.plan
    engine = _StoreAlone(oracle, store, NOTHING_SENT)
    engine.known = Counter()
    rules = stop_rules(oracle, ready, profile, oracle.label_space.size)
    answers = await ask_through(engine, oracle, ready, None, rules)
    fixed = await engine.run([*plan.probes, *plan.perturbations], plan.digest)
    return Known(
        tuple(int((labels != NOT_ASKED).sum()) for labels in fixed.labels),
        engine.known["trigger"],
        engine.known["picture"],
        fixed.ledger.sent_all_runs,
        searched=answers.trigger is not None,
        ended=incomplete(answers, 0) is None and len(answers.label_maps) == len(plan.mapped_planes),
    )
