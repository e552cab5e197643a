"""Types of the measured numbers. Nothing of the package lies below them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal


class _Strict:
    """Base of every type that is read from a file: unknown keys, values of another type and
    numbers that are not finite are refused.
    """

    __slots__ = ()
    __pydantic_config__: ClassVar[Any] = {
        "extra": "forbid",
        "strict": True,
        "allow_inf_nan": False,
    }


@dataclass(frozen=True, slots=True)
class Provenance(_Strict):
    """Origin of the numbers of one file.

    Attributes:
        command: command that wrote the file.
        data: committed files that the numbers are computed from.
        population: models and method, in words.
        models: number of models.
        runs: number of audits or searches of these models.
        recipes: data set, architecture and training of the models; empty if not listed.
        date: day on which the numbers were written, ISO 8601.
    """

    command: str
    data: tuple[str, ...]
    population: str
    models: int
    runs: int
    recipes: tuple[str, ...]
    date: str


@dataclass(frozen=True, slots=True)
class NullCell(_Strict):
    """Best success of clean models for one search key.

    Attributes:
        mean: of the logit of the success interval's lower end, over runs on clean models.
        spread: its standard deviation.
        models: number of clean models; a model searched with several seeds counts once.
        highest: largest success of any run.
    """

    mean: float
    spread: float
    models: int
    highest: float


@dataclass(frozen=True, slots=True)
class ValueNull(_Strict):
    """Decision values of clean models, each beside models of other recipes only.

    Attributes:
        mean: of the value over audits of clean models.
        spread: its standard deviation.
        models: number of clean models; one audited several times counts once.
        highest: largest value of any.
    """

    mean: float
    spread: float
    models: int
    highest: float


@dataclass(frozen=True, slots=True)
class Rule(_Strict):
    """The rule chosen on the development models.

    Attributes:
        keys: the perturbations that are asked and count.
        weight: added to the value by one standard deviation of excess.
        widening: how much an unlike model widens the doubt, see ``auditor.verdict.excess``.
        apart: True if triggers for labels that are no habit of the clean references are weighed
            by the null of unusual labels.
    """

    keys: tuple[str, ...]
    weight: float
    widening: float
    apart: bool = False


@dataclass(frozen=True, slots=True)
class DecisionRule(_Strict):
    """The chosen rule and the null that its values are judged by.

    Attributes:
        rule: the rule.
        null: decision values of clean models beside references. Without references there is none.
    """

    rule: Rule
    null: ValueNull


@dataclass(frozen=True, slots=True)
class ErrorRates(_Strict):
    """Errors on models that the judgement was not made from.

    Attributes:
        false_alarms: clean models called suspicious, of ``clean``.
        clean: clean models judged.
        missed: backdoored models (all-to-one) not called suspicious, of ``backdoored``.
        backdoored: backdoored models judged.
    """

    false_alarms: int
    clean: int
    missed: int
    backdoored: int


@dataclass(frozen=True, slots=True)
class Counted(_Strict):
    """Models of one kind that an error happened to.

    Attributes:
        kind: an attack, a label map or a recipe.
        hits: models that it happened to.
        models: models of this kind.
    """

    kind: str
    hits: int
    models: int


@dataclass(frozen=True, slots=True)
class ClearingRates(_Strict):
    """Held-out models that the trigger search of small pictures clears: nothing that it found is
    suspicious, and nothing unusual.

    Attributes:
        cleared: clean models cleared, of ``clean``.
        clean: clean models searched.
        missed: backdoored models (all-to-one) cleared, of ``backdoored``.
        backdoored: backdoored models searched.
        found: backdoored models called suspicious, by attack.
    """

    cleared: int
    clean: int
    missed: int
    backdoored: int
    found: tuple[Counted, ...]


@dataclass(frozen=True, slots=True)
class DecisionRates(_Strict):
    """Errors of the decision rule on held-out models.

    Attributes:
        with_references: beside clean references.
        without_references: by the trigger search alone.
        missed_kinds: backdoors missed beside references, by attack (all-to-one) or label map.
        accused_recipes: recipes of which clean models were accused beside references.
    """

    with_references: ErrorRates
    without_references: ErrorRates
    missed_kinds: tuple[Counted, ...]
    accused_recipes: tuple[Counted, ...]


@dataclass(frozen=True, slots=True)
class JpegRates(_Strict):
    """Results of the rule, made for lossless images, on calibration models through JPEG.

    Attributes:
        quality: of the JPEG, 1 to 100.
        alarms: clean models called suspicious through it, of ``clean``.
        lossless_alarms: the same models, asked losslessly.
        clean: clean models judged.
        found: all-to-one backdoors called suspicious through it, of ``backdoored``.
        lossless_found: the same models, asked losslessly.
        backdoored: backdoored models judged.
    """

    quality: int
    alarms: int
    lossless_alarms: int
    clean: int
    found: int
    lossless_found: int
    backdoored: int


@dataclass(frozen=True, slots=True)
class QueryStats(_Strict):
    """Queries of the searches that ended alike.

    Attributes:
        searches: number of searches.
        mean: of their queries.
        low: their 5th percentile.
        high: their 95th percentile.
    """

    searches: int
    mean: float
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class SearchQueries(_Strict):
    """Queries of trigger searches of reference models.

    Attributes:
        budget: budget of these searches; they tell nothing about searches with another one.
        found: searches that found a trigger.
        not_found: searches that found none.
    """

    budget: int
    found: QueryStats
    not_found: QueryStats


@dataclass(frozen=True, slots=True)
class LabelCell(_Strict):
    """Least change that carries a label of a clean model, for one kind of change.

    Attributes:
        mean: over clean models, of the statistic of the label that the least carries (its value
            less half of the distance to the next label).
        spread: its standard deviation.
        models: number of clean models; one searched with several seeds counts once.
        lowest: smallest statistic of any.
        least: smallest value of any.
    """

    mean: float
    spread: float
    models: int
    lowest: float
    least: float


FEW_CLASSES = 5
"""Fewer classes than this have little to say about one another."""
ClassGroup = Literal["many", "few", "two"]
"""Tasks that are judged together, by their number of classes."""
LabelNull = Mapping[str, LabelCell]
"""Clean models' values in a search label by label, by kind of change."""


@dataclass(frozen=True, slots=True)
class LabelNulls(_Strict):
    """Nulls of the search label by label of pictures of some sizes, by effort.

    Attributes:
        sides: least and largest side of the pictures, in pixels.
        many: of tasks of three classes or more.
        two: of tasks of two classes.
    """

    sides: tuple[int, int]
    many: dict[str, dict[str, LabelCell]]
    two: dict[str, dict[str, LabelCell]]

    def of(self, effort: str, classes: int) -> LabelNull:
        """The null at ``effort``, for a task of that many classes; empty if not measured.

        Random changes are left out of tasks of few classes: they gather on one of them anyway.
        """
        null = (self.two if classes == 2 else self.many).get(effort, {})
        if classes >= FEW_CLASSES:
            return null
        return {key: cell for key, cell in null.items() if not key.startswith("random-")}


@dataclass(frozen=True, slots=True)
class LabelRates(_Strict):
    """Ends of searches label by label on held-out models at one effort; of small pictures, of both
    searches.

    Attributes:
        clean: clean models searched.
        accused: of them, called suspicious.
        cleared: of them, with nothing found that speaks against an all-clear.
        fragile: of the clean ones, those whose training makes them fragile.
        fragile_accused: of the fragile ones, called suspicious.
        fragile_cleared: of the fragile ones, cleared.
        usual, careful: models with an all-to-one backdoor of a usual and of a careful attacker.
        usual_found, careful_found: of them, called suspicious.
        usual_cleared, careful_cleared: of them, cleared.
        right: backdoored models called suspicious at the true target.
        called: backdoored models called suspicious at all.
        kinds: usual and careful backdoors found, by attack.
        not_found: mean queries of a search that found nothing.
        found: median queries of one that found a trigger.
        clears: False if the pictures at hand are larger than those of every backdoored model here.
        begins_with: backdoors of usual attackers cleared, and searched, at the effort whose search
            this one begins with: what that leaves open, this one does too. (0, 0) if there is none.
        measured_at: effort that was measured, if it is not the search's own but what that begins
            with.
        tasks: as of :class:`LabelPopulation`.
        adaptive, adaptive_found, adaptive_cleared: the same of attackers who keep near misses of
            the trigger at its own place, too, from working.
        as_ruled: the same searches where what the one label by label finds is withheld, as they
            are too often wrong to accuse by; None if they may accuse.
    """

    clean: int
    accused: int
    cleared: int
    fragile: int
    fragile_accused: int
    fragile_cleared: int
    usual: int
    usual_found: int
    usual_cleared: int
    careful: int
    careful_found: int
    careful_cleared: int
    right: int
    called: int
    kinds: tuple[Counted, ...]
    not_found: int
    found: int
    clears: bool = True
    begins_with: tuple[int, int] = (0, 0)
    measured_at: str = ""
    tasks: tuple[int, int] = (0, 0)
    adaptive: int = 0
    adaptive_found: int = 0
    adaptive_cleared: int = 0
    as_ruled: LabelRates | None = None


@dataclass(frozen=True, slots=True)
class LabelPopulation(_Strict):
    """Ends of searches label by label on held-out models that are asked alike.

    Attributes:
        sides: least and largest side of the pictures, in pixels.
        coding: ``lossless``, or ``jpeg:QUALITY`` as the pictures travel.
        efforts: the ends, by effort.
        classes: of tasks of five classes and more, of three or four, or of two.
        since: version of the first plans that are judged by them.
        until: version of the first plans that search otherwise, so that these ends say nothing of
            them; 0 if there are none.
        backdoored_to: largest side of the backdoored models, in pixels, where clean ones are
            larger: above it nothing is cleared. 0 elsewhere.
        tasks: least and most classes of these models; (0, 0) if not stated.
    """

    sides: tuple[int, int]
    coding: str
    efforts: dict[str, LabelRates]
    classes: ClassGroup = "many"
    since: int = 0
    until: int = 0
    backdoored_to: int = 0
    tasks: tuple[int, int] = (0, 0)


Null = Mapping[str, NullCell]
"""Best success of clean models, by search key."""


@dataclass(frozen=True, slots=True)
class BySourceRates(_Strict):
    """Ends of searches of each source class by itself, on held-out models.

    Attributes:
        queries: mean of one class.
        clean, accused: clean models, and how many of them were accused.
        everywhere, everywhere_found: models that send every class elsewhere, and accused ones.
        some, some_found: the same of those whose trigger works on a few classes.
        one, one_shown: those whose trigger works on one class, and whose pair is the best shown.
        sides: least and most pixels a side that such a search decides on.
    """

    queries: float
    clean: int
    accused: int
    everywhere: int
    everywhere_found: int
    some: int
    some_found: int
    one: int
    one_shown: int
    sides: tuple[int, int]
