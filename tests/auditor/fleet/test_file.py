"""A fleet file: its audits, and mistakes named with their line."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor.cli.fleet import check_entries, fleet_options
from auditor.errors import UsageError
from auditor.fleet.entries import Fleet
from auditor.fleet.file import read_fleet

DEFAULTS = '[defaults]\nsamples = "pictures/"\nrange = [0.0, 1.0]\n'


def read(folder: Path, text: str, name: str = "fleet.toml") -> Fleet:
    (folder / name).write_text(text, encoding="utf-8")
    made = read_fleet(folder / name, fleet_options())
    check_entries(made, trust=False)
    return made


def mistake(folder: Path, text: str, name: str = "fleet.toml") -> str:
    with pytest.raises(UsageError) as caught:
        read(folder, text, name)
    return str(caught.value).replace(f"{folder}/", "")


def test_an_audit_has_the_defaults_and_its_own_keys(tmp_path: Path) -> None:
    made = read(tmp_path, DEFAULTS + '[[audit]]\nname = "a"\nmodel = "zoo/a.onnx"\nplanes = 7\n')
    (entry,) = made.entries
    assert entry.name == "a"
    assert entry.options == {
        "samples": tmp_path / "pictures",
        "range": "0.0,1.0",
        "model": tmp_path / "zoo/a.onnx",
        "planes": 7,
    }


def test_an_audit_is_named_after_its_model(tmp_path: Path) -> None:
    (entry,) = read(tmp_path, DEFAULTS + '[[audit]]\nmodel = "zoo/vendor-a.onnx"\n').entries
    assert entry.name == "vendor-a"


def test_a_pattern_stands_for_every_model_that_it_matches(tmp_path: Path) -> None:
    (tmp_path / "zoo").mkdir()
    for name in ("b.onnx", "a 1.onnx", "c.txt"):
        (tmp_path / "zoo" / name).touch()
    made = read(tmp_path, DEFAULTS + '[[audit]]\nname = "zoo"\nmodels = "zoo/*.onnx"\n')
    assert [entry.name for entry in made.entries] == ["zoo-a-1", "zoo-b"]
    assert made.entries[1].options["model"] == tmp_path / "zoo/b.onnx"
    said = mistake(tmp_path, DEFAULTS + '[[audit]]\nmodels = "zoo/*.pt"\n')
    assert said.startswith("fleet.toml (line 5): no file matches 'zoo/*.pt'")


def test_a_csv_is_a_fleet_and_may_stand_in_one(tmp_path: Path) -> None:
    rows = "name,model,planes,samples\na,a.onnx,5,x.npz\nb,b.onnx,,x.npz\n"
    listed = read(tmp_path, rows, "fleet.csv")
    assert [entry.options.get("planes") for entry in listed.entries] == [5, None]
    parted = read(tmp_path, "\ufeff" + rows.replace(",", ";"), "parted.csv")
    assert [entry.options for entry in parted.entries] == [e.options for e in listed.entries]
    within = read(tmp_path, DEFAULTS + '[[audit]]\ncsv = "fleet.csv"\nseed = 3\n')
    assert [(e.name, e.options["seed"]) for e in within.entries] == [("a", 3), ("b", 3)]
    assert within.entries[0].options["samples"] == tmp_path / "x.npz"
    said = mistake(tmp_path, "name,model,plains\na,a.onnx,5\n", "wrong.csv")
    assert said == "wrong.csv (line 1) names 'plains', which is no option; did you mean 'planes'?"
    said = mistake(tmp_path, "name,model,samples\na,a.onnx\n", "short.csv")
    assert said == "short.csv (line 2) has not 3 cells, as the first row does"


def test_a_description_may_stand_in_the_fleet_file(tmp_path: Path) -> None:
    table = '[[audit]]\nname = "a"\n[audit.target]\nurl = "http://127.0.0.1:1/v2/models/m"\n'
    (entry,) = read(tmp_path, DEFAULTS + table).entries
    assert entry.target == {"url": "http://127.0.0.1:1/v2/models/m"}
    said = mistake(tmp_path, DEFAULTS + table + "acess = 1\n")
    assert said.startswith("fleet.toml (line 5): a: ")
    assert "'acess'" in said
    assert "access" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            DEFAULTS + '[[audit]]\nmodel = "a.onnx"\n\n[[audit]]\nmodel = "b.onnx"\nplaness = 3\n',
            "fleet.toml (line 9) names 'planess', which is no option; did you mean 'planes'?",
        ),
        (
            DEFAULTS + '[[audit]]\nmodel = "a.onnx"\nplanes = "many"\n',
            "fleet.toml (line 6): planes is 'many', it must be a valid integer",
        ),
        (
            DEFAULTS + '[[audit]]\nmodel = "a.onnx"\n[[audit]]\nmodel = "zoo/a.onnx"\n',
            "fleet.toml (line 6): the name 'a' is taken already: fleet.toml (line 4)",
        ),
        (
            DEFAULTS + '[[audit]]\nmodel = "a.onnx"\n[[audit]]\nmodel = "zoo/A.onnx"\n',
            "fleet.toml (line 6): the name 'A' is taken already: fleet.toml (line 4)",
        ),
        (
            DEFAULTS + '[[audit]]\nname = "../a"\nmodel = "a.onnx"\n',
            "fleet.toml (line 5): an audit needs a name of letters, digits, dots, dashes and "
            "underscores, since it names a folder too, not '../a'",
        ),
        (
            DEFAULTS
            + '[[audit]]\nname = "a"\nmodel = "a.onnx"\nendpoint = "http://h/v2/models/m"\n',
            "fleet.toml (line 7): an audit has one of model and endpoint: drop one",
        ),
        (
            DEFAULTS + '[[audit]]\nname = "a"\n',
            "fleet.toml (line 4): an audit needs model, endpoint, target or preset",
        ),
        (
            DEFAULTS + '[[audit]]\nmodel = "a.onnx"\noutput = "x"\n',
            "fleet.toml (line 6) names 'output', which belongs to the whole fleet",
        ),
        (
            DEFAULTS + '[[audit]]\nmodel = "a.onnx"\ntrust_model_file = true\n',
            "fleet.toml (line 6) holds 'trust_model_file': only the flag --trust-model-file may "
            "say so",
        ),
        (
            DEFAULTS + '[[audit]]\nmodel = "a.onnx"\nmax_queries = 0\n',
            "fleet.toml (line 4): a: --max-queries is 0, it must be above 0",
        ),
        (
            '[[audit]]\nmodel = "a.onnx"\n',
            "fleet.toml (line 1): a: name the clean samples with --samples (a folder or an .npz "
            "file)",
        ),
        ("[defaults]\nplanes = 3\n", "fleet.toml lists no audit: write each as a table [[audit]]"),
        (
            '[[audits]]\nmodel = "a.onnx"\n',
            "fleet.toml (line 1) names 'audits', which is no table; did you mean 'audit'?",
        ),
        (
            'samples = "pictures"\n[[audit]]\nmodel = "a.onnx"\n',
            "fleet.toml (line 1) names 'samples', which is no table; options go under [defaults]",
        ),
        (
            '[limits]\nmax_querys = 3\n[[audit]]\nmodel = "a.onnx"\n',
            "fleet.toml (line 2): it has no field 'max_querys'; did you mean 'max_queries'?",
        ),
        (
            '[[audit]]\nmodel = "a.onnx"\n\n[limits.hosts."a.example"]\nrate = 0\n',
            "fleet.toml (line 5): rate input should be greater than 0",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    assert mistake(tmp_path, text) == said


def test_limits_of_a_host_hold_with_and_without_its_port(tmp_path: Path) -> None:
    text = '[limits]\nmax_money = 5\n[limits.hosts."a.example"]\nrate = 2\n[limits.hosts."*"]\n'
    made = read(tmp_path, text + "concurrency = 3\n" + DEFAULTS + '[[audit]]\nmodel = "a.onnx"\n')
    limits = made.limits
    assert limits.capped
    assert (limits.of("a.example:8000"), limits.of("a.example")) == (limits.hosts["a.example"],) * 2
    other = limits.of("b.example")
    assert other is not None
    assert (other.rate, other.concurrency) == (None, 3)
    assert limits.of("") is None
