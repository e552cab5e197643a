from examples.zoo.cells import CALIBRATION, CELLS, HELD_OUT
from examples.zoo.labelmaps import LABEL_MAPS, UNTOUCHED, affected, single_target
from examples.zoo.manifest import (
    HELD_OUT_ATTACKS,
    ModelSpec,
    build_manifest,
    parse_attack,
)
from examples.zoo.triggers.choose import ATTACKS

MANIFEST = build_manifest()


def only(split: str) -> list[ModelSpec]:
    return [spec for spec in MANIFEST if spec.split == split]


def test_the_manifest_is_a_pure_function() -> None:
    assert build_manifest() == MANIFEST


def test_names_and_seeds_are_used_once() -> None:
    assert len({spec.name for spec in MANIFEST}) == len(MANIFEST)
    assert len({spec.seed for spec in MANIFEST}) == len(MANIFEST)


def test_there_are_enough_models_of_each_kind() -> None:
    assert sum(spec.clean for spec in MANIFEST) >= 45
    assert sum(not spec.clean for spec in MANIFEST) >= 110
    assert len({spec.dataset for spec in MANIFEST}) >= 2
    assert len({spec.architecture for spec in MANIFEST}) >= 3
    assert {spec.attack for spec in MANIFEST} == {"clean", *ATTACKS}
    assert {spec.label_map for spec in MANIFEST} == {"none", *LABEL_MAPS}
    assert {spec.poison_rate for spec in MANIFEST} >= {0.01, 0.05, 0.1, 0.2}


def test_an_architecture_and_a_training_length_and_an_attack_are_only_held_out() -> None:
    seen = {(spec.architecture, spec.epochs) for spec in only(CALIBRATION)}
    kept = {(spec.architecture, spec.epochs) for spec in only(HELD_OUT)}
    assert {name for name, _ in kept} - {name for name, _ in seen} == {
        "vit",
        "preactresnet18",
        "preactresnet18-half",
    }
    assert ("cnn", "fashion-mnist", 6) not in {
        (spec.architecture, spec.dataset, spec.epochs) for spec in only(CALIBRATION)
    }
    assert not {spec.attack for spec in only(CALIBRATION)} & set(HELD_OUT_ATTACKS)


def test_both_splits_hold_clean_and_backdoored_models() -> None:
    for split in (CALIBRATION, HELD_OUT):
        assert sum(spec.clean for spec in only(split)) >= 20
        assert sum(not spec.clean for spec in only(split)) >= 50


def test_no_parent_has_children_in_another_split() -> None:
    by_name = {spec.name: spec for spec in MANIFEST}
    children = [spec for spec in MANIFEST if spec.parent]
    assert children
    for child in children:
        parent = by_name[str(child.parent)]
        assert parent.clean
        assert parent.split == child.split
        assert (parent.dataset, parent.architecture) == (child.dataset, child.architecture)
        assert MANIFEST.index(parent) < MANIFEST.index(child)


def test_every_backdoored_cell_has_clean_siblings() -> None:
    clean = {spec.siblings for spec in MANIFEST if spec.clean}
    assert {spec.siblings for spec in MANIFEST} == clean


def test_the_demo_pair_comes_first() -> None:
    assert [spec.split for spec in MANIFEST[:2]] == ["demo", "demo"]
    assert [spec.clean for spec in MANIFEST[:2]] == [True, False]
    assert len(only("demo")) == 2


def test_early_prefixes_hold_both_kinds() -> None:
    first = [cell.key for cell in CELLS if cell.first]
    assert first
    assert sum(spec.clean for spec in MANIFEST[:27]) >= 10
    assert sum(not spec.clean for spec in MANIFEST[:27]) >= 10


def test_label_maps_are_what_they_are_called() -> None:
    for spec in MANIFEST:
        sources = affected(spec.mapping)
        targets = {spec.mapping[source] for source in sources}
        if spec.label_map == "all-to-one":
            assert single_target(spec.mapping) is not None
            assert len(sources) == len(spec.mapping) - 1
        elif spec.label_map == "one-to-one":
            assert (len(sources), len(targets)) == (1, 1)
        elif spec.label_map == "x-to-one":
            assert len(sources) > 1
            assert len(targets) == 1
        elif spec.label_map == "x-to-x":
            assert len(sources) == len(targets) > 1
            assert spec.mapping.count(UNTOUCHED) == len(spec.mapping) - len(sources)
        elif spec.label_map == "all-to-all":
            assert len(targets) == len(spec.mapping)


def test_attacks_are_written_short() -> None:
    assert parse_attack("badnets") == ("badnets", "all-to-one", 0.1, "")
    assert parse_attack("badnets:x-to-x@0.05") == ("badnets", "x-to-x", 0.05, "")
    assert parse_attack("sig!consistent") == ("sig", "all-to-one", 0.1, "consistent")
    assert parse_attack("badnets@0.05!careful") == ("badnets", "all-to-one", 0.05, "careful")
    assert parse_attack("blind") == ("blind", "all-to-one", 0.0, "")
