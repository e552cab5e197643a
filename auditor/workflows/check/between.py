"""Pictures between classes, as an audit asks them: a service may name nothing, or several."""

from __future__ import annotations

import itertools

from adapters.errors import BadReply, EndpointError
from adapters.http.client.exchange import Exchange
from adapters.target import over
from auditor.workflows.check.class_names import hits, spread
from auditor.workflows.check.correct import SAMPLES, measured_answers
from auditor.workflows.check.replies import NAMED_KINDS, answers_under
from auditor.workflows.check.trial import Trial
from auditor.workflows.check.two_classes import NO_LABEL

_PAIRS, _CHANGES = 4, 2
MOST_BETWEEN = _PAIRS * (1 + _CHANGES) + SAMPLES
"""Most inputs that are asked so."""


async def ask_between(trial: Trial) -> None:
    """Ask blends of samples of different classes. If one gets no label, or several, the found
    description gets a rule that reads it: a class for answers without a label, or another place of
    the label. At most ``MOST_BETWEEN`` queries.
    """
    samples, left = trial.found.samples, _CHANGES
    if "response" in trial.stated:
        return
    picks = spread(samples.classes, _PAIRS + 1)
    for pair in itertools.pairwise(picks):
        failed = await _failed_between(trial, pair)
        while failed is not None and left:
            left -= 1
            with_class = trial.allow_nothing(failed, trial.found.table)
            if with_class is not None:
                trial.found.table = with_class
            elif not await _read_otherwise(trial, failed):
                return
            failed = await _failed_between(trial, pair)


async def _failed_between(trial: Trial, pair: tuple[int, int]) -> Exchange | None:
    """The exchange about a blend of two samples if its reply cannot be read."""
    target = trial.target(trial.found.table)
    if target.http.reply.kind not in NAMED_KINDS:
        return None
    trial.asker.doing = "Asking pictures between classes"
    trial.asker.forget()
    async with trial.asker.opened(target) as oracle:
        images = trial.fitted(oracle)
        try:
            await oracle.predict_labels(images[list(pair)].mean(axis=0, keepdims=True))
        except BadReply:
            return trial.asker.exchanges[-1] if trial.asker.exchanges else None
        except EndpointError:  # what this says of the service was measured before
            return None
    return None


async def _read_otherwise(trial: Trial, failed: Exchange) -> bool:
    """Take another rule that reads ``failed``, and the samples no worse; True if there is one."""
    found = trial.found
    measured = await measured_answers(trial, found.table)
    truth = [found.samples.classes[pick] for pick in measured.picks]
    for guess in trial.readable(failed, found.table):
        # A list that is now longer, now shorter may be empty too.
        nothing = {"no_label": NO_LABEL} if guess["kind"] == "label-score-list" else {}
        table = over(found.table, {"response": {**guess, **nothing}})
        answers = answers_under(measured.replies, trial.target(table))
        if answers and hits(truth, answers) >= measured.rate * len(truth):
            found.table = table
            found.notes.append(
                f"The label was read at {guess['path']!r} instead: a picture between classes may "
                f"get several, or none ({NO_LABEL!r})."
            )
            return True
    return False
