"""A found change as values of a reason."""

from __future__ import annotations

from typing import Any

from adapters.contract import LabelSpace
from auditor.probes.trigger_search.judge import SOME_CLASSES
from auditor.probes.trigger_search.result import TriggerFinding


def change_values(best: TriggerFinding, names: LabelSpace) -> dict[str, Any]:
    """A change and its effect, as values of a reason."""
    return {
        "kind": best.kind,
        "size": best.size,
        # Labels that the search chose: what it moves of the others does not count.
        "of": " of some classes" if best.key == SOME_CLASSES else "",
        "hits": best.success.hits,
        "samples": best.success.images,
        "label": best.target,
        "name": names.name(best.target),
    }
