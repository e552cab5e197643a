"""MNTD (Xu et al. 2021): a meta-classifier on a model's answers to tuned queries. Needs torch.

Ten queries and a small network on the logits of their answers are trained together, through the
models that they are trained on; another model is then asked the ten queries only. As in the
authors' code several meta-classifiers are trained; here each leaves out another fold of the
models, which chooses its epoch and gets scores from a classifier that was not trained on it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from auditor.verdict.thresholds import auroc
from examples.benchmarks.rivals.population import (
    DEVELOPMENT,
    HELD_OUT,
    group_of,
    models_of,
    part_of,
)
from examples.benchmarks.rivals.shadows import ARCHITECTURE
from examples.benchmarks.rivals.templates import as_pictures
from examples.benchmarks.stored import Record, read, write
from examples.benchmarks.zoo_models import recipe_of
from examples.zoo.architectures import MEAN, SPREAD, build
from examples.zoo.data import DATASETS, DatasetInfo

QUERIES, HIDDEN, RATE = 10, 20, 1e-3
"""Queries, hidden units and learning rate, as published."""
EPOCHS = 40
"""Passes over the models; published: 10, over 4,096 models."""
FOLDS = 5
SEED = 17


@dataclass(frozen=True)
class Known:
    """A model to train on or to score.

    Attributes:
        name: its name.
        net: the network, frozen.
        backdoored: whether it has a backdoor.
        row: what the results keep of it.
    """

    name: str
    net: nn.Module
    backdoored: bool
    row: Record


class MetaClassifier(nn.Module):
    """Queries and the network that reads the answers to them.

    Args:
        shape: shape of a query, ``(c, h, w)``.
        classes: logits of one answer.
    """

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(MEAN + SPREAD * torch.randn(QUERIES, *shape))
        self.hidden = nn.Linear(QUERIES * classes, HIDDEN)
        self.out = nn.Linear(HIDDEN, 1)

    def pictures(self) -> Tensor:
        """The queries within the range of pictures."""
        return self.queries.clamp(0, 1)

    def forward(self, answers: Tensor) -> Tensor:
        """The score of one model from its logits ``(queries, classes)``; above 0 is backdoored."""
        score: Tensor = self.out(functional.relu(self.hidden(answers.flatten())))
        return score[0]

    def score(self, net: nn.Module) -> float:
        """The score of a model that is asked the queries as 8-bit pictures."""
        with torch.no_grad():
            asked = torch.from_numpy(as_pictures(self.pictures().numpy()))
            return float(self(net(asked)))


def measure_all(path: Path, options: argparse.Namespace) -> None:
    """Train meta-classifiers for each data set that has none, and score everything by them; the
    results of each data set are kept at once.
    """
    torch.set_num_threads(1)
    kept: Record = read(path, {})
    for name, info in DATASETS.items():
        if name in kept:
            continue
        models = _models(info, options.models)
        held_out = [one for one in models if one.row["part"] == HELD_OUT]
        trained = [one for one in models if one.row["part"] == DEVELOPMENT]
        kept[name] = measure(info, [*_shadows(info, options.shadow_dir), *trained], held_out)
        write(path, kept)
        print(name, kept[name]["folds"], file=sys.stderr, flush=True)


def measure(info: DatasetInfo, trained: Sequence[Known], held_out: Sequence[Known]) -> Record:
    """Scores of one data set: of models trained on by the fold that left them out, of held-out
    ones by the mean over all folds.
    """
    folds = _folds([one.backdoored for one in trained])
    known: Record = {}
    scores = np.zeros((FOLDS, len(held_out)))
    areas = []
    for fold in range(FOLDS):
        left = [one for one, mine in zip(trained, folds, strict=True) if mine == fold]
        rest = [one for one, mine in zip(trained, folds, strict=True) if mine != fold]
        meta, area = fit(info, rest, left, SEED + fold)
        areas.append(None if area is None else round(area, 3))
        known |= {one.name: {**one.row, "score": round(meta.score(one.net), 4)} for one in left}
        scores[fold] = [meta.score(one.net) for one in held_out]
    rows = {
        one.name: {**one.row, "score": round(float(score), 4)}
        for one, score in zip(held_out, scores.mean(axis=0), strict=True)
    }
    return {"folds": areas, "queries": QUERIES * FOLDS, "seed": SEED, "trained": known,
            "held_out": rows}  # fmt: skip


def fit(
    info: DatasetInfo, trained: Sequence[Known], left: Sequence[Known], seed: int
) -> tuple[MetaClassifier, float | None]:
    """The meta-classifier of the epoch that separates the models left out best, and its AUROC; of
    the last epoch, and None, where those are not of both kinds.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    meta = MetaClassifier(info.shape, len(info.classes))
    optimizer = torch.optim.Adam(meta.parameters(), RATE)
    best, kept = -1.0, meta.state_dict()
    for _ in range(EPOCHS):
        for number in rng.permutation(len(trained)):
            one = trained[number]
            wanted = torch.tensor(float(one.backdoored))
            loss = functional.binary_cross_entropy_with_logits(
                meta(one.net(meta.pictures())), wanted
            )
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
        area = _area(meta, left)
        if area is not None and area > best:
            best, kept = area, {key: value.clone() for key, value in meta.state_dict().items()}
    if best < 0:
        return meta, None
    meta.load_state_dict(kept)
    return meta, best


def _area(meta: MetaClassifier, models: Sequence[Known]) -> float | None:
    if len({one.backdoored for one in models}) < 2:
        return None
    scores = [(meta.score(one.net), one.backdoored) for one in models]
    clean = np.array([-score for score, bad in scores if not bad])
    return auroc(clean, np.array([-score for score, bad in scores if bad]))


def _folds(backdoored: Sequence[bool]) -> NDArray[np.int64]:
    """A fold of each model; every fold has its share of clean and of backdoored ones."""
    kinds, folds = np.array(backdoored), np.zeros(len(backdoored), np.int64)
    rng = np.random.default_rng(SEED)
    for kind in (False, True):
        places = rng.permutation(np.flatnonzero(kinds == kind))
        folds[places] = np.arange(len(places)) % FOLDS
    return folds


def _shadows(info: DatasetInfo, folder: Path) -> list[Known]:
    """The shadow networks of a data set."""
    found = []
    for path in sorted(folder.glob(f"{info.name}-*.pt")):
        held = torch.load(path, weights_only=True, map_location="cpu")
        net = _frozen(ARCHITECTURE, info, held["state"])
        facts = held["facts"]
        found.append(Known(path.stem, net, facts["backdoored"], {**facts, "shadow": True}))
    return found


def _models(info: DatasetInfo, folders: Sequence[Path]) -> list[Known]:
    """The zoo's models of a data set."""
    found = []
    for path, model in models_of(folders):
        if model["dataset"] == info.name:
            state = torch.load(path.with_suffix(".pt"), weights_only=True, map_location="cpu")
            net = _frozen(model["architecture"], info, state)
            row = {"part": part_of(model), "group": group_of(model), "recipe": recipe_of(model)}
            found.append(Known(path.name, net, model["attack"] != "clean", row))
    return found


def _frozen(architecture: str, info: DatasetInfo, state: dict[str, Tensor]) -> nn.Module:
    net = build(architecture, info.channels, info.side, len(info.classes))
    net.load_state_dict(state)
    return net.eval().requires_grad_(requires_grad=False)
