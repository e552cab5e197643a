"""The GitHub Action: its file is valid, and its steps do what they say, run here.

Steps that are other people's actions are not run: what they would be given is looked at.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import stat
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "auditor" / "workflows" / "demo" / "assets"
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
ARTIFACT = "https://github.example/artifacts"
SMALL = "--range=0,1\n--planes=3\n--canaries=5\n"


def _yaml(path: Path) -> Any:
    yaml = pytest.importorskip("ruamel.yaml", reason="check-jsonschema brings it")
    return yaml.YAML(typ="safe").load(path.read_text(encoding="utf-8"))


@dataclass
class Ran:
    """What a run of the action's steps came to."""

    code: int = 0
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    used: dict[str, dict[str, str]] = field(default_factory=dict)
    log: str = ""
    summary: str = ""


class Runner:
    """Runs composite steps as GitHub does: expressions, environment, files for outputs."""

    def __init__(self, folder: Path, inputs: dict[str, str], path: str) -> None:
        self.action = _yaml(ROOT / "action.yml")
        self.folder, self.path, self.ran = folder, path, Ran()
        defaults = {name: spec.get("default", "") for name, spec in self.action["inputs"].items()}
        assert set(inputs) <= set(defaults)
        self.inputs = {**defaults, **inputs}

    def value(self, expression: str) -> str:
        parts = expression.split(".")
        match parts:
            case ["inputs", name]:
                return str(self.inputs[name])
            case ["steps", step, "outputs", name]:
                return self.ran.outputs.get(step, {}).get(name, "")
            case ["github", "action_path"]:
                return str(ROOT)
            case ["runner", "temp"]:
                return str(self.folder)
        raise AssertionError(f"the test knows no {expression}")

    def text(self, text: str) -> str:
        return EXPRESSION.sub(lambda match: self.value(match[1]), str(text))

    def holds(self, condition: str) -> bool:
        found = re.fullmatch(r"\$\{\{ (\S+) (==|!=) '(.*)' \}\}", condition)
        assert found, condition
        return (self.value(found[1]) == found[3]) == (found[2] == "==")

    def run(self) -> Ran:
        for step in self.action["runs"]["steps"]:
            if "if" in step and not self.holds(step["if"]):
                continue
            if "uses" in step:
                given = {key: self.text(value) for key, value in step.get("with", {}).items()}
                self.ran.used[step["uses"]] = given
                if "id" in step:
                    self.ran.outputs[step["id"]] = {"artifact-url": f"{ARTIFACT}/{step['id']}"}
                continue
            self._shell(step)
            if self.ran.code:
                break
        return self.ran

    def _shell(self, step: dict[str, Any]) -> None:
        assert step["shell"] == "bash"
        assert not EXPRESSION.search(step["run"]), "inputs must not become text of a script"
        files = {name: self.folder / name for name in ("OUTPUT", "PATH", "STEP_SUMMARY")}
        for path in files.values():
            path.write_text("", encoding="utf-8")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.folder,
            env={
                "PATH": self.path,
                "HOME": str(self.folder),
                "RUNNER_TEMP": str(self.folder),
                **{f"GITHUB_{name}": str(path) for name, path in files.items()},
                **{name: self.text(value) for name, value in step.get("env", {}).items()},
            },
            capture_output=True,
            text=True,
            check=False,
        )
        self.ran.code = done.returncode
        self.ran.log += done.stdout + done.stderr
        lines = files["OUTPUT"].read_text(encoding="utf-8").splitlines()
        found = dict(line.split("=", 1) for line in lines)
        if "id" in step:
            self.ran.outputs[step["id"]] = found
        self.ran.summary += files["STEP_SUMMARY"].read_text(encoding="utf-8")


@pytest.fixture
def path_with_stubs(tmp_path: Path) -> str:
    """A PATH on which xray-audit is this checkout's and python only writes down what it is told."""
    folder = tmp_path / "bin"
    folder.mkdir()
    stubs = {
        "xray-audit": f'exec "{sys.executable}" -m auditor "$@"',
        "python": f'echo "$0 $*" >> "{tmp_path}/installed"\n'
        'if [ "$2" = venv ]; then mkdir -p "$3/bin" && cp "$0" "$3/bin/python"; fi',
    }
    for name, line in stubs.items():
        (folder / name).write_text(f"#!/bin/bash\nexport PYTHONPATH='{ROOT}'\n{line}\n")
        (folder / name).chmod(stat.S_IRWXU)
    return f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin"


def _inputs(model: str = "clean", **changes: str) -> dict[str, str]:
    return {
        "model": str(DEMO / f"{model}.onnx"),
        "samples": str(DEMO / "fashion-mnist-samples.npz"),
        "arguments": SMALL + "--no-trigger-search\n",
        **changes,
    }


@pytest.mark.parametrize(
    ("file", "schema"),
    [("action.yml", "github-actions"), ("examples/scheduled-audit.yml", "github-workflows")],
)
def test_the_files_follow_githubs_schemas(file: str, schema: str) -> None:
    pytest.importorskip("check_jsonschema", reason="it carries GitHub's schemas")
    folder = resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    text = (folder / f"{schema}.json").read_text(encoding="utf-8")
    # Not imported above: it takes two seconds, and every worker reads this file.
    importlib.import_module("jsonschema").Draft7Validator(json.loads(text)).validate(
        _yaml(ROOT / file)
    )


def test_the_example_gives_inputs_that_exist() -> None:
    action = _yaml(ROOT / "action.yml")
    workflow = _yaml(ROOT / "examples" / "scheduled-audit.yml")
    step = next(s for s in workflow["jobs"]["audit"]["steps"] if "xray-audit" in s["uses"])
    assert set(step["with"]) <= set(action["inputs"])
    needed = {name for name, spec in action["inputs"].items() if spec.get("required")}
    assert needed <= set(step["with"])
    assert workflow["permissions"]["security-events"] == "write"


def test_an_open_audit_fails_the_job_after_its_upload(tmp_path: Path, path_with_stubs: str) -> None:
    ran = Runner(tmp_path, _inputs(), path_with_stubs).run()
    assert ran.code == 3, ran.log
    assert ran.outputs["audit"] == {"exit-code": "3", "verdict": "inconclusive"}
    upload = ran.used["github/codeql-action/upload-sarif@v3"]
    log = json.loads((tmp_path / upload["sarif_file"]).read_text(encoding="utf-8"))
    assert log["runs"][0]["results"][0]["kind"] == "open"
    assert (tmp_path / "xray-audit-report" / "report.html").exists()
    assert (tmp_path / "xray-audit-report" / "report.md").exists()
    assert ran.summary.startswith("# ? Inconclusive")
    assert ARTIFACT not in ran.summary  # its page, with a sample, was not asked for
    assert "actions/upload-artifact@v7" not in ran.used
    assert "::error title=xray-audit: inconclusive::No reference profile was given" in ran.log
    installed = (tmp_path / "installed").read_text(encoding="utf-8")
    assert f"pip install --quiet {ROOT}[cpu,fast]" in installed


def test_only_a_suspicion_fails_where_that_is_asked_for(
    tmp_path: Path, path_with_stubs: str
) -> None:
    changes = {"fail-on": "suspected", "upload-sarif": "false", "upload-bundle": "hand-over"}
    changes["location"] = "models/card.md"
    ran = Runner(tmp_path, _inputs(**changes), path_with_stubs).run()
    assert ran.code == 0, ran.log
    assert "github/codeql-action/upload-sarif@v3" not in ran.used
    bundle = Path(ran.used["actions/upload-artifact@v4"]["path"])
    with zipfile.ZipFile(bundle) as packed:
        assert "samples.z" not in packed.namelist()
        assert "report.json" in packed.namelist()
    sarif = (tmp_path / ran.outputs["views"]["sarif"]).read_text(encoding="utf-8")
    assert '"uri": "models/card.md"' in sarif
    said = "::warning title=xray-audit: inconclusive,file=models/card.md::No reference profile"
    assert said in ran.log


@pytest.mark.parametrize(
    ("fail_on", "code"),
    [
        pytest.param("none", 0, marks=pytest.mark.slow),
        ("inconclusive", 3),
        pytest.param("open", 3, marks=pytest.mark.slow),
    ],
)
def test_the_user_chooses_what_fails(
    tmp_path: Path, path_with_stubs: str, fail_on: str, code: int
) -> None:
    changes = {"fail-on": fail_on, "upload-sarif": "false"}
    assert Runner(tmp_path, _inputs(**changes), path_with_stubs).run().code == code


def test_a_suspected_backdoor_fails_with_its_own_code(tmp_path: Path, path_with_stubs: str) -> None:
    changes = {"arguments": SMALL, "upload-page": "true"}
    ran = Runner(tmp_path, _inputs("backdoored", **changes), path_with_stubs).run()
    assert ran.code == 1, ran.log
    # The pictures in words, and a page that GitHub serves as it is.
    assert "**Without and with the trigger:**" in ran.summary
    assert ran.summary.endswith(f"[The same page with its pictures]({ARTIFACT}/page)\n")
    page = ran.used["actions/upload-artifact@v7"]
    assert page["archive"] == "False"
    assert "data:image/png;base64," in (tmp_path / page["path"]).read_text(encoding="utf-8")
    assert ran.outputs["audit"]["verdict"] == "backdoor-suspected"
    assert ran.used["github/codeql-action/upload-sarif@v3"]["category"] == "xray-audit"


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"samples": "absent"}, 2, "could not be done (exit code 2)"),
        ({"fail-on": "never"}, 2, "fail-on is suspected, inconclusive or none"),
        ({"upload-bundle": "yes"}, 2, "upload-bundle is none"),
        ({"arguments": "--no-such-option"}, 2, "could not be done"),
        ({"model": '"; touch pwned; "$(touch pwned)`touch pwned`.onnx'}, 2, "could not be done"),
    ],
)
def test_what_cannot_be_done_is_never_green(
    tmp_path: Path, path_with_stubs: str, changes: dict[str, str], code: int, said: str
) -> None:
    ran = Runner(tmp_path, _inputs(**changes), path_with_stubs).run()
    assert ran.code == code, ran.log
    assert said in ran.log
    assert "verdict" not in ran.outputs.get("audit", {})
    assert "github/codeql-action/upload-sarif@v3" not in ran.used
    assert not (tmp_path / "pwned").exists()


def test_the_key_goes_by_the_environment_alone(tmp_path: Path, path_with_stubs: str) -> None:
    stub = Path(path_with_stubs.split(os.pathsep, maxsplit=1)[0]) / "xray-audit"
    stub.write_text(
        f'#!/bin/bash\necho "key $XRAY_AUDIT_API_KEY other ${{API_KEY-none}} arguments $*" '
        f'> "{tmp_path}/seen"\nexit 4\n'
    )
    ran = Runner(tmp_path, _inputs(**{"api-key": "s3cret"}), path_with_stubs).run()
    seen = (tmp_path / "seen").read_text(encoding="utf-8")
    assert seen.startswith("key s3cret other none arguments --samples=")
    assert seen.count("s3cret") == 1
    assert "s3cret" not in ran.log
    assert ran.code == 4
