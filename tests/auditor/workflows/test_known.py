"""A plan on a folder that holds labels prices what is new."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.contract import InputSpec
from adapters.synthetic import SyntheticOracle
from auditor.engine.progress import Progress
from auditor.engine.store import LabelStore
from auditor.plan.settings import AuditSettings
from auditor.samples.load import load_samples
from auditor.workflows.audit import run_audit
from auditor.workflows.price import Price, price_request
from auditor.workflows.request import AuditRequest, Spending
from auditor.workflows.targets import LocatedTarget

SHAPE, CLASSES = (1, 28, 28), 5
PROTOTYPES = np.random.default_rng(7).random((CLASSES, 1, 4, 4)).repeat(7, 2).repeat(7, 3)
Ask = Callable[..., AuditRequest]


def nearest(images: NDArray[np.float32]) -> NDArray[np.int64]:
    flat, known = images.reshape(len(images), -1), PROTOTYPES.reshape(CLASSES, -1)
    return np.asarray(((known**2).sum(axis=1) - 2 * flat @ known.T).argmin(axis=1))


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Requests of audits of a nearest-prototype classifier into one folder."""
    rng = np.random.default_rng(1)
    y = np.arange(60) % CLASSES
    x = np.clip(PROTOTYPES[y] + rng.normal(0, 0.05, (60, *SHAPE)), 0, 1).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=x, y=y)

    async def opened() -> SyntheticOracle:
        spec = InputSpec(SHAPE, (0.0,), (1.0,))
        return SyntheticOracle(nearest, spec, [str(n) for n in range(CLASSES)], max_batch=64)

    def made(most: int | None = None, **settings: Any) -> AuditRequest:
        target = LocatedTarget(opened, "float", 1)
        limits = Spending(max_queries=most).limits(target)
        samples = load_samples(tmp_path / "x.npz")
        return AuditRequest(
            target, samples, AuditSettings(**settings), tmp_path / "out", limits=limits
        )

    return made


def priced(request: AuditRequest, per_1000: float | None = None) -> Price:
    return asyncio.run(price_request(request, Spending(), per_1000))


def asked(request: AuditRequest) -> dict[str, Any]:
    queries: dict[str, Any] = asyncio.run(run_audit(request)).report["queries"]
    return queries


def test_a_raised_audit_is_priced_without_what_it_finds_in_its_folder(ask: Ask) -> None:
    fresh = priced(ask(effort="thorough"), 2.0)
    assert (fresh.known, fresh.known_words) == (0, "")
    asked(ask())
    raised = priced(ask(effort="thorough"), 2.0)
    assert raised.expected.queries == fresh.expected.queries - raised.known
    assert raised.worst.queries == fresh.worst.queries - raised.known
    assert raised.expected.money == pytest.approx(raised.expected.queries / 500)
    assert f"holds at least {raised.known:,} labels of this audit" in raised.known_words
    assert "what its search asks is an estimate" in raised.known_words
    # What the audit then takes from the store, but for samples that it asks again much later.
    queries = asked(ask(effort="thorough"))
    assert queries["cached"] - 60 <= raised.known <= queries["cached"] + queries["deduplicated"]
    assert raised.known > 3000


def test_a_price_comes_with_what_the_plan_leaves_out(ask: Ask) -> None:
    class Told(Progress):
        def note(self, message: str) -> None:
            notes.append(message)

    notes: list[str] = []
    priced(replace(ask(per_source=True), progress=Told()))
    assert [one for one in notes if "--per-source: no class is searched by itself" in one]


def test_an_audit_that_is_done_costs_nothing_more(ask: Ask) -> None:
    asked(ask())
    done = priced(ask(), 2.0)
    assert (done.expected.queries, done.worst.queries, done.expected.money) == (0, 0, 0.0)
    assert done.expected_found is None
    assert (
        done.known_words
        == f"The output folder holds all {done.known:,} labels of this audit already."
    )
    rows = {row.effort: row.cost.queries for row in done.efforts}
    assert rows["standard"] == 0 < rows["thorough"]


def test_an_audit_that_a_cap_ended_is_priced_from_there(ask: Ask) -> None:
    whole = priced(ask())
    asked(ask(most=1500))
    rest = priced(ask(most=1600))
    assert 1500 <= rest.known < 1550, "what was sent, and pictures that equal it"
    assert rest.worst.queries == 100
    assert rest.cap is not None
    assert (rest.cap.sent, rest.cap.left) == (1500, 100)
    assert rest.cap.not_found == whole.expected.queries - rest.known


def test_looking_up_labels_changes_nothing(ask: Ask) -> None:
    request = ask()
    asked(ask(most=1500))
    before = {path.name: path.read_bytes() for path in request.output.iterdir()}
    priced(request)
    assert {path.name: path.read_bytes() for path in request.output.iterdir()} == before


def test_the_labels_of_an_audit_that_runs_are_looked_up_too(ask: Ask) -> None:
    asked(ask(most=1500))
    before = priced(ask())
    store = LabelStore(ask().output / "labels.sqlite3")
    try:
        assert priced(ask()) == before
    finally:
        store.close()


def test_all_is_priced_where_the_labels_cannot_be_read(ask: Ask) -> None:
    whole = priced(ask())
    ask().output.mkdir()
    (ask().output / "labels.sqlite3").write_bytes(b"no store")
    damaged = priced(ask())
    assert damaged.expected == whole.expected
    assert "All of it is priced" in damaged.known_words


def test_a_folder_without_labels_holds_none(ask: Ask) -> None:
    price = priced(ask())
    assert (price.known, price.known_words) == (0, "")


# ---- a cap on queries ----------------------------------------------------------------------------


def test_no_column_goes_beyond_the_cap(ask: Ask) -> None:
    free, tight = priced(ask(), 1.0), priced(ask(most=1500), 1.0)
    assert tight.expected_found is not None
    for cost in (tight.expected, tight.expected_found, tight.worst):
        assert cost.queries == 1500
        assert cost.money == pytest.approx(1.5)
        assert cost.requests < free.expected.requests
    assert "an all-clear needs" in tight.decides
    assert not any(row.within for row in tight.efforts)
    assert all(row.within for row in free.efforts)
    roomy = priced(ask(most=10_000, effort="thorough"))
    assert roomy.cap is not None
    assert roomy.cap.fits == "standard"


def test_quick_is_priced_where_it_asks_what_the_default_asks(ask: Ask) -> None:
    quick, standard, *_ = priced(ask()).efforts
    assert (quick.effort, standard.effort) == ("quick", "standard")
    assert quick.cost == standard.cost


def test_the_audit_says_what_its_cap_means_before_it_asks(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(
        "auditor.engine.progress.Progress.note", lambda _, words: said.append(words)
    )
    asked(ask(most=1500))
    assert said[0].startswith("The cap of 1,500 queries does not pay for an audit")
    said.clear()
    asked(ask())
    assert not any("cap" in words for words in said)


def test_a_price_is_json(ask: Ask) -> None:
    assert json.loads(json.dumps(asdict(priced(ask(most=1500)))))["cap"]["most"] == 1500
