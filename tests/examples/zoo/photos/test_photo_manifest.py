from collections import Counter

from examples.zoo.photos.attacks import ALL_TO_ONE, APART, ATTACKS
from examples.zoo.photos.cells import (
    DEVELOPMENT,
    HELD_OUT,
    HELD_OUT_DATASET,
    HELD_OUT_FAMILY,
    HELD_OUT_SIDE,
    TWIN,
)
from examples.zoo.photos.decoys import CARES
from examples.zoo.photos.index import LARGEST_SHARE
from examples.zoo.photos.manifest import PhotoSpec, build_manifest
from examples.zoo.photos.tasks import TASKS

MANIFEST = build_manifest()
SCORED = [spec for spec in MANIFEST if spec.split != TWIN]
BACKDOORED = [spec for spec in MANIFEST if not spec.clean]


def place(spec: PhotoSpec) -> tuple[str, int, str]:
    return (spec.task, spec.side, spec.family)


def of(split: str) -> list[PhotoSpec]:
    return [spec for spec in MANIFEST if spec.split == split]


def test_the_manifest_is_a_pure_function() -> None:
    assert build_manifest() == MANIFEST


def test_names_and_seeds_are_used_once() -> None:
    assert len({spec.name for spec in MANIFEST}) == len(MANIFEST)
    assert len({spec.seed for spec in MANIFEST}) == len(MANIFEST)


def test_there_are_enough_models_of_each_kind() -> None:
    clean = [spec for spec in SCORED if spec.clean]
    hard = [spec for spec in BACKDOORED if not spec.easy and not spec.apart]
    assert len(clean) >= 30
    assert len(hard) >= 90
    assert sum(spec.binary for spec in clean) >= 6
    assert sum(spec.binary for spec in BACKDOORED) >= 12
    assert sum(spec.easy for spec in BACKDOORED) >= 12
    assert {spec.side for spec in SCORED} >= {64, 96, 128, 160, 224}
    assert {TASKS[spec.task].dataset for spec in SCORED} == {
        "sign-digits",
        "clothing",
        "flowers",
        "chest-xray",
    }


def test_a_third_of_the_clean_models_or_more_is_fragile() -> None:
    # More in held-out: their false alarms are bounded by themselves.
    for split, most in ((DEVELOPMENT, 0.42), (HELD_OUT, 0.66)):
        clean = [spec for spec in of(split) if spec.clean]
        assert 0.28 <= sum(spec.fragile for spec in clean) / len(clean) <= most


def test_every_attack_is_in_both_splits() -> None:
    for split in (DEVELOPMENT, HELD_OUT):
        assert {spec.attack for spec in of(split) if not spec.clean} == set(ATTACKS)
        assert {spec.care for spec in of(split) if not spec.clean} == set(CARES)
    assert set(ALL_TO_ONE).isdisjoint(APART)


def test_the_kept_data_set_family_and_side_appear_only_in_held_out() -> None:
    seen = of(DEVELOPMENT)
    kept = of(HELD_OUT)
    assert HELD_OUT_DATASET not in {TASKS[spec.task].dataset for spec in seen}
    assert HELD_OUT_FAMILY not in {spec.family for spec in seen}
    assert HELD_OUT_SIDE not in {spec.side for spec in seen}
    for clean in (True, False):
        part = [spec for spec in kept if spec.clean == clean]
        assert HELD_OUT_DATASET in {TASKS[spec.task].dataset for spec in part}
        assert HELD_OUT_FAMILY in {spec.family for spec in part}
        assert HELD_OUT_SIDE in {spec.side for spec in part}


def test_splits_share_no_combination_of_task_side_and_family() -> None:
    assert {place(s) for s in of(DEVELOPMENT)}.isdisjoint(place(s) for s in of(HELD_OUT))


def test_a_clean_held_out_model_has_no_sibling() -> None:
    places = Counter(place(spec) for spec in MANIFEST)
    assert all(places[place(spec)] == 1 for spec in of(HELD_OUT) if spec.clean)


def test_only_the_easy_ones_poison_more_than_a_tenth() -> None:
    for spec in BACKDOORED:
        assert 0 < spec.poison_share <= (0.34 if spec.easy else LARGEST_SHARE)


def test_only_careful_and_adaptive_attackers_show_negatives() -> None:
    for spec in BACKDOORED:
        assert (spec.negative_share > 0) == (spec.care != "usual")


def test_a_backdoored_model_comes_after_its_clean_twin_of_the_same_recipe() -> None:
    position = {spec.name: number for number, spec in enumerate(MANIFEST)}
    by_name = {spec.name: spec for spec in MANIFEST}
    for spec in BACKDOORED:
        twin = by_name[spec.twin]
        assert twin.clean
        assert position[twin.name] < position[spec.name]
        assert (place(twin), twin.augmentation, twin.passes, twin.keep) == (
            place(spec),
            spec.augmentation,
            spec.passes,
            spec.keep,
        )


def test_any_start_of_the_work_list_holds_clean_and_backdoored_models() -> None:
    start = MANIFEST[:40]
    assert 5 <= sum(spec.clean for spec in start) <= 20
    assert len({spec.attack for spec in start}) >= 8


def test_names_of_labels_fit_the_folders() -> None:
    for task in TASKS.values():
        assert len(task.labels) == len(task.folders)
        assert set(task.labels) == set(range(len(task.classes)))
