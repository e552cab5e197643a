"""From a URL and labelled samples to a target description: ask the server, try, choose."""

from __future__ import annotations

import json
from collections.abc import Iterator

from adapters.discovery.forms import Proposal
from adapters.discovery.job_guess import job_polls, refined, results
from adapters.discovery.openapi import look_routes
from adapters.discovery.proposals import MAX_PROPOSALS, propose
from adapters.discovery.refusal_hints import MAX_HINTS, hinted
from adapters.discovery.survey import survey
from adapters.errors import (
    AccessDenied,
    AdapterError,
    BadReply,
    EndpointError,
    ServerFailed,
    TargetError,
    Unreachable,
)
from adapters.http.client.endpoint import read_endpoint
from adapters.http.client.exchange import Exchange
from adapters.target import over
from auditor.errors import AuditError, SamplesError
from auditor.workflows.check.choose import COMPARED, MOST_OTHERS, Working, choose, others, right
from auditor.workflows.check.class_names import spread
from auditor.workflows.check.client import names_of
from auditor.workflows.check.trial import MOST_JOBS, Table, Trial
from auditor.workflows.check.two_classes import may_be_empty

MOST_EMPTY = 3
"""Further samples that a format is asked whose reply held nothing where a label might be."""
MOST_SILENT = 2
"""Formats in a row that wait for a reply in vain before the server counts as silent."""
MOST_TRIES = (
    (1 + MOST_EMPTY) * (MAX_PROPOSALS + MAX_HINTS)
    + MOST_JOBS
    + 4
    + MOST_OTHERS
    + (1 + MOST_OTHERS) * COMPARED
)
"""Most inputs that finding a format sends: one for each, more after empty answers and for jobs, and
V2's with a layout of their own; then those that choose among all that work."""


async def find_format(trial: Trial) -> None:
    """Find the format: at most the questions of the survey and ``MOST_TRIES`` queries.

    Raises:
        AdapterError: there is no answer at the URL, or a key is missing.
        AuditError: no format that was tried gave a label.
    """
    trial.asker.trying, trial.asker.doing = True, "Asking the server what it is"
    facts = await survey(trial.target(trial.stated), trial.asker.patiently, trial.asker.transcribe)
    trial.found.asked = facts.asked
    trial.looks = look_routes(facts.answers.get("/openapi.json"))
    proposals = propose(
        facts, trial.found.samples.images.shape[1], sorted(set(trial.found.samples.classes))
    )
    first, trial.found.table = await _first_that_answers(trial, proposals, facts.wants_key)
    await _choose(trial, first, proposals if first in proposals else [first, *proposals])
    trial.asker.trying = False


async def _first_that_answers(
    trial: Trial,
    proposals: list[Proposal],
    wants_key: bool,  # noqa: FBT001 - one caller
) -> tuple[Proposal, Table]:
    waiting, known = list(proposals), {json.dumps(one.table, sort_keys=True) for one in proposals}
    left = MAX_HINTS
    while waiting:
        proposal = waiting.pop(0)
        table = await _try(trial, proposal)
        if table is not None:
            return proposal, table
        hints = _hints(trial, proposal, known)[:left]
        waiting[:0], left = hints, left - len(hints)
    # Three attempts with each another outcome, of which the first stands for the others.
    outcomes: dict[str, str] = {}
    for one in trial.found.tried:
        outcomes.setdefault(one.rpartition(", because of ")[2].partition(": ")[2], one)
    tried = "; ".join(list(outcomes.values())[-3:])
    key = " The server asked for a key: set XRAY_AUDIT_API_KEY." if wants_key else ""
    raise AuditError(
        f"none of {len(trial.found.tried)} formats gave a label ({tried}).{key} Describe the "
        "request in a target file (adapters/README.md shows how; --write FILE begins one) and run "
        "xray-audit check --target FILE"
    )


def _hints(trial: Trial, proposal: Proposal, known: set[str]) -> list[Proposal]:
    """Requests that the newest refusal asks for and that are not ``known``; they are from now."""
    if not trial.asker.exchanges or "url" not in proposal.table:
        return []
    found = hinted(trial.asker.exchanges[-1], proposal.table)
    fresh = {json.dumps(one.table, sort_keys=True): one for one in found}
    new = [one for key, one in fresh.items() if key not in known]
    known.update(fresh)
    return new


async def _choose(trial: Trial, first: Proposal, proposals: list[Proposal]) -> None:
    """Try the other formats that the server may take, and keep the best that works."""
    found = trial.found
    working = [(first, found.table)]
    async with trial.asker.opened(trial.target(found.table)) as oracle:
        described = oracle.description
    target = trial.target(found.table)
    as_it_was = found.samples, list(found.notes)
    for other in others(first, found.table, proposals, target, described):
        found.samples, found.notes = as_it_was[0], list(as_it_was[1])
        try:
            table = await _try(trial, other)
        except AdapterError as error:
            found.tried.append(f"{_in_words(other)}: {error}")
            continue
        if table is not None:
            working.append((other, table))
    if len(working) == 1:
        found.samples, found.notes = as_it_was
        return
    measured = [await _compare(trial, proposal, table) for proposal, table in working]
    found.samples, found.notes = as_it_was  # the format taken states again the size it needs
    usable = [one for one in measured if one is not None]
    if not usable:
        return
    taken = usable.pop(choose(usable))
    found.table = dict(taken.table)
    found.notes.append(
        f"{len(usable) + 1} formats work; taken is the one that sends the fewest bytes per "
        f"input of those whose labels are as good: {taken}."
    )
    found.notes += [f"Also works: {one}." for one in usable]


async def _compare(trial: Trial, proposal: Proposal, table: Table) -> Working | None:
    """A format on a few samples; None if it fails on them."""
    trial.asker.doing = f"Comparing {_in_words(proposal)} with others that work"
    try:
        async with trial.asker.opened(trial.target(table)) as oracle:
            images = trial.fitted(oracle)  # in another size other samples may be copies
            picks = spread(trial.found.samples.classes, COMPARED)
            answers = await names_of(oracle, images[picks])
            expected = trial.expected(oracle.label_space, picks)
            batch = oracle.max_batch
            size = oracle.request_bytes(batch) // batch
            access = oracle.input_spec.access
    except (EndpointError, TargetError, SamplesError) as error:
        trial.found.tried.append(f"{_in_words(proposal)}, several samples: {error}")
        return None
    classes = trial.found.samples.classes
    good = right(expected, [classes[pick] for pick in picks], classes, answers)
    return Working(table, _in_words(proposal), access, size, batch, good, answers)


async def _try(trial: Trial, proposal: Proposal) -> Table | None:
    """The description that ``proposal`` leads to; None if it gave no label."""
    words = _in_words(proposal)
    trial.asker.doing = f"Trying {words}"
    for table in _variants(trial, proposal.table):
        try:
            working = await _ask_first(trial, table)
        except TargetError as error:
            problem = str(error)
            continue
        except (AccessDenied, Unreachable) as error:
            if isinstance(error, AccessDenied) or not error.advice.outcome_unknown:
                raise
            _refuse_silence(trial, error)
            problem = str(error)
            break
        except EndpointError as error:
            problem = str(error)
            trial.missed(table, problem)
            trial.silent = 0
            break
        trial.found.tried.append(f"{words}: a label")
        trial.silent = 0
        return working
    trial.found.tried.append(f"{words}: {problem}")
    return None


def _refuse_silence(trial: Trial, error: Unreachable) -> None:
    """End the search if ``error`` is one more format in a row that waited in vain."""
    # What a job is asked for later waits as well, but its server has answered.
    waited = error.advice.silent and not trial.asker.exchanges
    trial.silent = trial.silent + 1 if waited else 0
    if trial.silent == MOST_SILENT:
        raise Unreachable(
            f"the server does not answer: {MOST_SILENT} formats in a row got no reply in time; "
            "raise limits.timeout if it is only slow, or describe the one format that it answers "
            "in a target file"
        ) from error


def _variants(trial: Trial, table: Table) -> Iterator[Table]:
    """``table`` under everything the user states, with the samples' shape if it needs one."""
    stated = {k: v for k, v in trial.stated.items() if k != "url"}
    whole = over(table, stated)
    shape = {"input": {"shape": list(trial.found.samples.images.shape[1:])}}
    if str(table.get("preset", "")).startswith(("v2", "triton")):
        yield whole
        for layout in ("NCHW", "NHWC"):
            yield over(over(shape, {"input": {"layout": layout}}), whole)
        yield over({"access": "image", **shape}, whole)
    else:
        yield over(shape, whole)


async def _ask_first(trial: Trial, table: Table) -> Table:
    """Ask one sample; ``table`` with a rule that reads the reply.

    Raises:
        AdapterError: it cannot be asked, or no rule reads the reply.
    """
    trial.asker.forget()
    async with trial.asker.opened(trial.target(table)) as oracle:
        images = trial.fitted(oracle)
        empty: Exchange | None = None
        for pick in spread(trial.found.samples.classes, 1 + MOST_EMPTY):
            try:
                await oracle.predict_labels(images[pick : pick + 1])
            except (BadReply, ServerFailed) as error:
                if not trial.asker.exchanges:
                    raise
                last, failure = trial.asker.exchanges[-1], error
                later = await _ask_later(trial, table, last)
                if later is not None:
                    return _also_empty(trial, empty, later)
                trial.asker.exchanges[:] = [last]
                if isinstance(error, ServerFailed) or "response" in trial.stated:
                    raise
                for guess in trial.readable(last, table):
                    return _also_empty(trial, empty, over(table, {"response": guess}))
                if not may_be_empty(last):
                    raise
                empty = empty or last
            else:
                return _also_empty(trial, empty, table)
    raise failure


async def _ask_later(trial: Trial, table: Table, last: Exchange) -> Table | None:
    """``table`` with the way to answers that come later, if ``last`` holds a job in place of one
    and the way is found.
    """
    poll, known = table.get("poll"), trial.target(table).http.poll
    if not 200 <= last.reply.status < 300 or (poll is None and known is not None):
        return None
    try:
        body = last.reply.json()
    except BadReply:
        body = None
    if poll is None:
        found = job_polls(
            last.reply, body, read_endpoint(trial.target(table).location).path, trial.looks
        )
    else:
        better = refined(poll, body)
        found = [better] if better else results(poll, body)
    for one in found:
        if not trial.jobs:
            break
        trial.jobs -= 1
        trial.asker.doing = "Waiting for the answer of a job"
        try:
            return await _ask_first(trial, over(table, {"poll": one}))
        except (AccessDenied, Unreachable):
            raise
        except EndpointError as error:
            if error.advice.outcome_unknown:  # it was the right place, and no answer came in time
                raise
    return None


def _also_empty(trial: Trial, empty: Exchange | None, table: Table) -> Table:
    """``table``, with a class for the answer without a label that came before, if one did."""
    return table if empty is None else trial.allow_nothing(empty, table) or table


def _in_words(proposal: Proposal) -> str:
    table = proposal.table
    request = table.get("request", {})
    what = request.get("field") or request.get("template") or request.get("body") or ""
    axes = request.get("axes", "")
    layout = "" if axes == "grey" else table.get("input", {}).get("layout", "")
    preset = f"preset {table.get('preset')}"
    parts = [preset, str(what), axes, layout, f"because of {proposal.why}"]
    return ", ".join(part for part in parts if part)
