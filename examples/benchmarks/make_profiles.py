"""Makes the shipped profiles from the committed scores of the zoo's calibration split.

    python -m examples.benchmarks.make_profiles

It asks nothing: ``score_zoo``, ``family_counts`` and ``trigger_search`` did, and what they got is
committed. The same calibration runs as in ``xray-audit calibrate``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

from auditor.measured.decision import RULE
from auditor.plan.settings import choose_settings
from auditor.verdict.profile import Profile, Reference
from auditor.verdict.thresholds import calibrate
from auditor.workflows import profiles
from auditor.workflows.calibrate import profile_settings
from auditor.workflows.profiles import save_profile
from examples.benchmarks.decision_data import load_searches, natural_patches
from examples.benchmarks.family_counts import read_counts
from examples.zoo.data import DATASETS

HERE = Path(__file__).parent
NAMES = {"fashion-mnist": "fashion-mnist", "cifar10": "cifar-10", "gtsrb": "gtsrb"}
SETTINGS = choose_settings({"sampler": "frugal", "families": True})
MIN_CLEAN = 5


def main() -> None:
    """Write one profile per data set and access mode that has enough references."""
    index = {
        m["name"]: m for m in json.loads((HERE.parent / "zoo" / "index.json").read_text())["models"]
    }
    for dataset, name in NAMES.items():
        for access in ("float", "image"):
            path = HERE / "scores" / f"{dataset}-{access}-{SETTINGS.sampler}.json"
            if path.exists():
                counts = json.loads((HERE / "counts" / f"{dataset}-image.json").read_text())
                profile = make_profile(dataset, access, json.loads(path.read_text()), counts, index)
                file = Path(profiles.__file__).parent / f"{name}.{access}.json"
                save_profile(profile, file)
                print(summary(profile))


def make_profile(
    dataset: str,
    access: str,
    scores: dict[str, Any],
    counts: dict[str, Any],
    index: dict[str, Any],
) -> Profile:
    """Calibrate on every scored model of the calibration split that did not fail."""
    patches = natural_patches(load_searches()[1])
    references = [
        reference(name, index[name], scored, counts.get(f"{name}/reference"), patches.get(name, ()))
        for name, scored in sorted(scores.items())
        if index[name]["split"] == "calibration" and not index[name]["failed"]
    ]
    info = DATASETS[dataset]
    return calibrate(
        references,
        name=NAMES[dataset],
        task=f"{dataset}, {len(info.classes)} classes, {info.side}x{info.side} pixels",
        access=access,
        settings=profile_settings(SETTINGS),
        input_shape=info.shape,
        labels=None,
        provenance=(
            "calibration split of examples/zoo, asked by examples/benchmarks/score_zoo.py on test "
            "images 10 to 29 of each class, seed 0; references are small networks trained for "
            "minutes, and a model of another recipe may score differently"
        ),
    )


def reference(
    name: str,
    model: dict[str, Any],
    scored: dict[str, Any],
    counted: dict[str, Any] | None,
    patches: Iterable[int],
) -> Reference:
    """One reference from its committed scores, counts and trigger searches.

    The rule's families are pictures, the same in both access modes, so the counts of ``image``
    serve both. Only clean references are compared with.
    """
    planes = slice(SETTINGS.planes)
    held = {} if counted is None or model["attack"] != "clean" else read_counts(counted)
    return Reference(
        name=name,
        attack="" if model["attack"] == "clean" else model["attack"],
        re=fmean(scored["plane_re"][planes]),
        ats=None,
        ats_by_label=fmean(scored["plane_ats_by_label"][planes]),
        # Of a clean reference on the samples that its families disturb, as an audit compares it.
        accuracy=counted["accuracy"] if held and counted else scored["accuracy"],
        shares=tuple(scored["shares"]),
        families=tuple(held[key] for key in RULE.keys if key in held),
        natural_patches=tuple(sorted(patches)),
    )


def summary(profile: Profile) -> str:
    """What was made, in one line."""
    rates = {
        k: v and f"{v.rate:.2f} [{v.low:.2f}, {v.high:.2f}]" for k, v in profile.error_rates.items()
    }
    return (
        f"{profile.name} {profile.access}: {profile.count(backdoored=False)} clean, "
        f"{profile.count(backdoored=True)} backdoored, decides by {profile.decides_by}, {rates}, "
        f"outliers {list(profile.outliers)}"
    )


if __name__ == "__main__":
    main()
