"""The oracle for a model file, resolved from what the user and the file say."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from adapters.checks import check_batch
from adapters.contract import Batch, LabelOracle, Labels, LabelSpace, WireCount
from adapters.errors import BadReply, InputRejected, RetryAdvice
from adapters.model_files.file import ModelFile, Wanted
from adapters.model_files.input_plan import InputPlan, plan_input
from adapters.model_files.labels import label_space, read_labels
from adapters.model_files.loaded_model import Infer, ModelFacts
from adapters.quoting import one_line
from adapters.target import Target
from adapters.worker import Worker

_INPUTS = ("access", "encoding", "value_range", "mean", "std", "shape", "layout", "color")
"""Fields of a target that decide how inputs are written, and nothing of how a model is loaded."""


def run_failure(error: object, n: int) -> InputRejected:
    """Error for a failed run of ``n`` inputs: fewer may fit the memory or a baked-in size."""
    advice = RetryAdvice("too-large" if n > 1 else "never")
    return InputRejected(f"the model failed on {n} inputs: {one_line(error)}", advice)


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """Properties of an oracle for a model file, resolved from the user and the file; ``again``
    resolves the same model as another target describes it.
    """

    plan: InputPlan
    space: LabelSpace
    fingerprint: str
    description: dict[str, Any]
    again: Callable[[Target], ResolvedModel]


def differ_in_inputs_alone(one: Target, other: Target) -> bool:
    """True if the two describe one model, and at most its inputs in different ways."""
    inputs = {name: getattr(one, name) for name in _INPUTS}
    return replace(other, **inputs) == one


def wanted(target: Target) -> Wanted:
    """The part of ``target`` that the model's runtime must know."""
    return Wanted(target.http.reply.path, dict(target.constants), target.threshold)


def resolve(target: Target, file: ModelFile, facts: ModelFacts, isolation: Any) -> ResolvedModel:
    """Bring together what the user (who wins) and the file say; ``isolation`` is for the report."""
    account = {**file.facts(), "isolation": isolation}
    return resolve_facts(target, f"sha256:{file.digest}", facts, account)


def resolve_facts(
    target: Target, model: str, facts: ModelFacts, account: dict[str, Any]
) -> ResolvedModel:
    """Bring together what the user and the ``facts`` say of the model that ``model`` identifies;
    ``account`` is what else the report is to hold of it.
    """
    plan = plan_input(target, facts)
    space = label_space(target.classes or facts.names, facts.classes, text=facts.text)
    identity = f"{facts.format} {model} {facts.identity}"
    if facts.text and not space.open:  # the order of the names decides the labels
        identity += f" classes {json.dumps(space.names)}"
    return ResolvedModel(
        plan,
        space,
        f"{identity} {plan.identity()}",
        {
            "kind": target.kind,
            **account,
            **facts.description,
            "input": plan.facts(),
        },
        functools.partial(resolve_facts, model=model, facts=facts, account=account),
    )


class ModelFileOracle(LabelOracle):
    """The common part of oracles for model files; ``resolved`` are its properties."""

    def __init__(self, resolved: ResolvedModel) -> None:
        self.label_space = resolved.space
        self.max_batch = resolved.plan.max_batch
        self.wire = WireCount()
        self._take(resolved)

    def takes(self, target: Target) -> bool:
        """Take inputs as ``target`` describes them from the next batch on; False if the model must
        be opened anew for that, because its tensor has another shape. ``target`` may differ in its
        inputs alone from the one that was opened. Raises TargetError if it does not fit the model.
        """
        resolved = self._again(target)
        before, after = self._plan, resolved.plan
        if after != replace(before, spec=after.spec, layout=after.layout, color=after.color):
            return False
        if after.tensor_shape() != before.tensor_shape():
            return False
        self._take(resolved)
        return True

    def _take(self, resolved: ResolvedModel) -> None:
        self._plan, self._again = resolved.plan, resolved.again
        self.input_spec = resolved.plan.spec
        self.fingerprint = resolved.fingerprint
        self.description = resolved.description


class LocalOracle(ModelFileOracle):
    """A model that runs in this process, asked on one worker thread, which closes with the oracle;
    ``leave`` is called last, and once.
    """

    def __init__(
        self,
        infer: Infer,
        resolved: ResolvedModel,
        worker: Worker,
        leave: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(resolved)
        self._infer = infer
        self._worker = worker
        self._leave = leave

    async def predict_labels(self, batch: Batch) -> Labels:
        """See :meth:`adapters.contract.LabelOracle.predict_labels`."""
        return await self._worker.run(self._ask, batch)

    def _ask(self, batch: Batch) -> Labels:
        checked = check_batch(batch, self.input_spec, self.max_batch)
        tensor = self._plan.encode(checked)
        self.wire.requests += 1
        try:
            reply = self._infer(tensor)
        except BadReply:
            raise
        except Exception as error:
            raise run_failure(error, len(checked)) from error
        return read_labels(reply, len(tensor), self.label_space)[: len(checked)]

    async def aclose(self) -> None:
        """End the worker thread and let go of the model."""
        await self._worker.aclose()
        self._infer = _closed
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()


def _closed(_: NDArray[Any]) -> NDArray[Any]:
    raise RuntimeError("this model is closed")
