"""Pages on small pictures: what an all-clear misses, and what both searches come to."""

from __future__ import annotations

from typing import Any

from auditor.probes.trigger_search.judge import OPEN_LEVEL
from examples.benchmarks.held_out import clearing
from examples.benchmarks.measured_files import search_clears
from examples.benchmarks.small_pictures import told
from examples.benchmarks.small_pictures.audits import SEVENTH, as_ruled, counts, rates, recovered
from examples.benchmarks.small_pictures.run import held_out
from examples.benchmarks.small_pictures.search import ended_of, null_without, right
from examples.benchmarks.stored import read

Row = dict[str, Any]


def searched(group: str, p: float, *, suspicious: bool = False, right: bool = True) -> Row:
    found = {"p": p, "right": right}
    return {"group": group, "trigger_suspicious": suspicious, "search": found}


def test_only_what_is_neither_suspicious_nor_unusual_is_cleared() -> None:
    assert search_clears(searched("clean", OPEN_LEVEL + 0.01))
    assert not search_clears(searched("clean", OPEN_LEVEL))
    assert not search_clears(searched("clean", 1.0, suspicious=True))


def test_rounds_are_counted_apart_and_together() -> None:
    first = [searched("clean", 1.0), searched("sig", 0.01, suspicious=True), searched("sig", 0.9)]
    second = [searched("clean", 0.1), searched("badnets", 0.1), searched("x-to-x", 1.0)]
    text = "\n".join(clearing.section((("old", first), ("new", second))))
    assert "| old: clean | 0 of 1 = 0.00 [0.00, 0.97] | – | 1 of 1 = " in text
    assert "| new: all-to-one backdoors | 0 of 1 = 0.00 [0.00, 0.97] | 0 of 0 | 0 of 1 = " in text
    assert "| all of them: all-to-one backdoors | 1 of 3 = " in text
    assert "| x-to-x | 0 of 1 = " in text


def stage(*found: tuple[str, int, float, bool]) -> Row:
    kept = [[key, label, value, carried, 40, 40] for key, label, value, carried in found]
    return {"kind": found[0][0], "queries": 100, "findings": kept}


def model(name: str, attack: str, targets: list[int], value: float) -> Row:
    """A search whose label 7 needs a patch of 2 ** ``value`` cells, and every other none."""
    found = [("small-patch4", 7, value, value < 2), ("small-patch4", 5, 2.6, False)]
    return {
        "name": name, "recipe": "fm", "attack": attack, "classes": 10, "queries": 30_000,
        "effort": "thorough",
        "label_map": "none" if attack == "clean" else "all-to-one", "targets": targets,
        "stages": [stage(*found)],
    }  # fmt: skip


SEARCHED = [
    *(model(f"clean-{number}", "clean", [], 2.6) for number in range(12)),
    model("right", "badnets", [7], 1.0),
    model("wrong", "badnets", [3], 1.0),
    model("missed", "sig", [2], 2.6),
]


def test_searches_are_judged_by_clean_models_other_than_their_own() -> None:
    ends = {end.row["name"]: end for end in ended_of(SEARCHED)}
    assert ends["right"].suspicious
    assert right(ends["right"])
    assert ends["wrong"].suspicious
    assert not right(ends["wrong"])
    assert ends["missed"].cleared
    assert null_without(SEARCHED, "thorough")["small-patch4"].models == 12
    assert null_without(SEARCHED, "thorough", "clean-3")["small-patch4"].models == 11


def end(
    group: str, *, suspicious: bool = False, cleared: bool = False, queries: int = 0,
    photo: bool = False, key: str = "patch", hits: int = 50,
) -> Row:  # fmt: skip
    ended = {
        "suspicious": suspicious, "right": True, "cleared": cleared, "queries": queries,
        "key": key, "success": [hits, 50],
    }  # fmt: skip
    return {
        "name": group, "group": group, "recipe": "fm", "photo": photo,
        "standard": ended, "thorough": ended, "exhaustive": ended,
    }  # fmt: skip


def test_rates_count_every_effort_by_group() -> None:
    found = rates(
        [
            end("clean", cleared=True, queries=30_000),
            end("clean", queries=20_000, photo=True),
            end("badnets", suspicious=True, queries=900),
            end("sig", cleared=True, queries=30_000),
            end("sig", suspicious=True, photo=True),
        ],
        "thorough",
    )
    assert (found.clean, found.accused, found.cleared) == (2, 0, 1)
    assert (found.fragile, found.fragile_accused, found.fragile_cleared) == (1, 0, 0)
    assert (found.usual, found.usual_found, found.usual_cleared) == (2, 1, 1)
    assert (found.right, found.called) == (1, 1)
    assert (found.not_found, found.found) == (25_000, 900)
    assert {(one.kind, one.hits, one.models) for one in found.kinds} == {
        ("badnets", 1, 1), ("sig", 0, 1)
    }  # fmt: skip


def test_a_patch_is_recovered_if_nine_tenths_of_fresh_samples_follow_it() -> None:
    assert recovered(end("badnets", suspicious=True, hits=45)["standard"])
    assert not recovered(end("badnets", suspicious=True, hits=44)["standard"])
    assert not recovered(end("badnets", suspicious=True, key="field@weak")["standard"])
    assert not recovered(end("badnets")["standard"])


def test_other_label_maps_have_rows_of_their_own_and_no_part_in_the_rates() -> None:
    rows = [end("clean"), end("badnets"), end("x-to-x", suspicious=True)]
    assert rates(rows, "standard").usual == 1
    page = "\n".join(held_out("ninth", rows))
    assert page.count("| x-to-x | 1 of 1 = ") == 3
    assert held_out("ninth", []) == []


def test_at_exhaustive_nothing_that_only_the_search_label_by_label_finds_accuses() -> None:
    rows = [row for row in read(SEVENTH, []) if counts(row)]
    found, ruled = rates(rows, "exhaustive"), rates(as_ruled(rows), "exhaustive")
    assert found.fragile_accused > ruled.fragile_accused == 0
    assert ruled.usual_found == rates(rows, "standard").usual_found
    assert (found.cleared, found.usual_cleared) == (ruled.cleared, ruled.usual_cleared)
    assert rates(as_ruled(rows), "thorough") == rates(rows, "thorough")
    page = "\n".join(held_out("seventh", read(SEVENTH, [])))
    assert "It would accuse 3 of 45" in page
    assert page.count("It would accuse") == 1


def told_model(name: str, attack: str, *more: Row, random_wave: int = 0) -> Row:
    """A search whose label 7 needs a wave of 2 ** 3.5 levels, and every other none; random waves
    lead to it in so many of 40 samples.
    """
    gathered = stage(("random-wave", 7, 0.0, True))
    gathered["findings"][0][4] = random_wave
    wave = stage(("weak-wave", 7, 3.5, True), ("weak-wave", 5, 4.78, False))
    return {
        "name": name, "recipe": "fm", "attack": attack, "photo": False, "side": 28, "classes": 10,
        "label_map": "none" if attack == "clean" else "all-to-one", "queries": 30_000,
        "targets": [] if attack == "clean" else [7], "effort": "thorough", "orders": 20,
        "stages": [gathered, wave, *more], "further": [],
    }  # fmt: skip


def quiet(name: str) -> Row:
    row = told_model(name, "clean")
    row["stages"][1] = stage(("weak-wave", 5, 4.78, False))
    return row


def test_waves_that_random_ones_lead_to_count_as_none_in_the_null() -> None:
    rows = [quiet(f"clean-{number}") for number in range(20)]
    turned = told_model("turned", "clean", random_wave=10)
    cell = told.null_without([*rows, turned])["weak-wave"]
    assert (cell.models, cell.lowest > 4.7) == (21, True)
    found = told_model("sig", "sig")
    ends = {end.row["name"]: end for end in told.ended_at([*rows, turned, found], "thorough")}
    assert ends["sig"].suspicious
    assert right(ends["sig"])
    assert not ends["turned"].suspicious


def test_further_searches_are_judged_at_exhaustive_alone_and_accuse_of_nothing() -> None:
    patch = stage(("small-patch4", 7, 1.0, True), ("small-patch4", 5, 2.64, False))
    rows = [quiet(f"clean-{number}") for number in range(20)]
    for row in rows:
        row["further"] = [stage(("small-patch4", 5, 2.64, False))] * 5
    rows.append({**quiet("badnets"), "attack": "badnets", "targets": [7], "further": [patch] * 5})
    first, dearer = (told.ended_at(rows, effort)[-1] for effort in ("thorough", "exhaustive"))
    assert first.cleared
    assert not dearer.cleared
    assert not dearer.suspicious
    assert told.null_without(rows)["small-patch4"].models == 20
