"""The other formats worth a try once one gave a label, and the choice among those that work.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.discovery.forms import Proposal
from adapters.discovery.proposals import GUESS
from adapters.target import Target, over
from auditor.workflows.check.class_names import hits

MOST_OTHERS = 6
"""Other formats tried."""

COMPARED = 6
"""Samples that every format which gave a label is asked."""


@dataclass(frozen=True, slots=True)
class Working:
    """A format that gave a label.

    Attributes:
        table: the description.
        words: name of the format, in words.
        access: its access mode.
        input_bytes: bytes on the wire per input, in the largest request.
        batch: most inputs per request.
        right: number of the ``COMPARED`` samples that got their own label; None if unknown.
        answers: labels that the target gave them.
    """

    table: Mapping[str, Any]
    words: str
    access: str
    input_bytes: int
    batch: int
    right: int | None
    answers: Sequence[str]

    def __str__(self) -> str:
        known = "" if self.right is None else f", {self.right} of {len(self.answers)} right"
        return (
            f"{self.words}: {self.access} access, {self.input_bytes:,} bytes per input, up to "
            f"{self.batch} inputs per request{known}"
        )


def others(
    first: Proposal,
    table: Mapping[str, Any],
    proposals: Sequence[Proposal],
    target: Target,
    described: Mapping[str, Any],
) -> list[Proposal]:
    """Formats to try beside ``first``, which gave a label; at most ``MOST_OTHERS``.

    A server of raw bodies is not tried: JSON that it cannot read ends its worker.

    Args:
        first: the format that gave a label.
        table: the whole description that it led to.
        proposals: everything proposed, in order.
        target: the same description, with its preset filled in.
        described: the model's account of itself.
    """
    if described.get("protocol") in {"v2", "v2-binary"}:
        return _other_v2(table, described)
    chat = target.http.reply.kind == "chosen"  # structured output, where it works, is what counts
    if chat or target.http.protocol != "http" or target.http.request.body == "raw":
        return []
    later = proposals[proposals.index(first) + 1 :]
    if first.why == GUESS and target.http.request.body == "json":
        return []
    kinds = {_kind(first)}
    found = []
    for one in later:
        body = one.table.get("request", {}).get("body", "json")
        if body == "raw" or (first.why == GUESS and body != "json") or _kind(one) in kinds:
            continue
        if (one.why == GUESS) == (first.why == GUESS):
            kinds.add(_kind(one))
            found.append(one)
    return found[:MOST_OTHERS]


def _other_v2(table: Mapping[str, Any], described: Mapping[str, Any]) -> list[Proposal]:
    """KServe takes raw tensors and does not say so; OpenVINO Model Server takes pictures too."""
    found = []
    if described["protocol"] == "v2":
        one = over(table, {"preset": "v2-binary"})
        found.append(Proposal(one, "some servers take raw tensors unlisted"))
    if "openvino" in str(described.get("server", "")).lower():
        plain = {name: value for name, value in table.items() if name != "input"}
        one = over(plain, {"preset": "v2-image"})
        found.append(Proposal(one, "OpenVINO Model Server decodes pictures"))
    return found


def _kind(one: Proposal) -> tuple[str, ...]:
    """Marks of a format worth a try of its own; another order of axes alone is not."""
    request = one.table.get("request", {})
    names = ("body", "field", "template", "value")
    stated = (str(request.get(name, "")) for name in names)
    return (str(one.table.get("url")), str(one.table.get("preset")), *stated)


def choose(working: Sequence[Working]) -> int:
    """Number of the format to take: of those whose labels are as good as the best, the one that
    sends the fewest bytes per input.

    If the right labels are unknown, only formats that agree with the first count. If none is
    right, only arrays count: their range, layout and colours can still be corrected.
    """
    best = max((one.right for one in working if one.right is not None), default=None)
    every = range(len(working))
    if best is None:
        good = [n for n in every if _agree(working[0].answers, working[n].answers)]
    elif 2 * best < len(working[0].answers):
        good = [n for n in every if working[n].access == "float"] or list(every)
    else:
        good = [n for n in every if (working[n].right or 0) >= best - 1]
    return min(good, key=lambda n: working[n].input_bytes)


def right(
    expected: Sequence[str] | None,
    truth: Sequence[str],
    names: Sequence[str],
    answers: Sequence[str],
) -> int | None:
    """Number of right answers; None if unknown.

    Args:
        expected: the right answers; None if the target's class names do not show them.
        truth: class of each sample.
        names: all classes of the samples.
        answers: the target's answers; numbers count as places in the names' alphabetical order.
    """
    if all(answer.isdecimal() for answer in answers):
        places = {name: str(place) for place, name in enumerate(sorted(set(names)))}
        by_place = hits([places[one] for one in truth], answers)
        return by_place if expected is None else max(by_place, hits(expected, answers))
    return None if expected is None else hits(expected, answers)


def _agree(first: Sequence[str], second: Sequence[str]) -> bool:
    """True if both name the same classes, under any names."""
    pairs = set(zip(first, second, strict=False))
    return len(pairs) == len(set(first)) == len(set(second))
