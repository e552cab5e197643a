"""Profiles that ship, and profiles from files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from auditor.errors import ProfileError
from auditor.workflows.profiles import load_profile, save_profile, shipped_profiles

PAPER = {
    "paper-cifar-10": (0.873, 0.184),
    "paper-gtsrb": (2.040, 0.134),
    "paper-cifar-100": (1.194, 0.040),
}
"""Section 5.3 of the paper: RE in bits, ATS."""


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_numbers(name: str) -> None:
    profile = load_profile(name)
    assert profile.status == "published"
    assert profile.access == "float"
    assert profile.decides_by == "re"
    assert {k: t.value for k, t in profile.thresholds.items()} == dict(
        zip(("re", "ats"), PAPER[name], strict=True)
    )
    assert profile.settings == {
        "sampler": "paper",
        "density": 100,
        "expansion": 5.0,
        "alpha": 10.0,
        "ats_threshold": 0.5,
    }
    assert set(profile.error_rates.values()) == {None}
    assert "Su et al." in profile.provenance


def test_every_shipped_profile_loads() -> None:
    assert set(PAPER) <= set(shipped_profiles())
    for name in shipped_profiles():
        assert load_profile(name).digest


def test_a_profile_file(tmp_path: Path) -> None:
    profile = load_profile("paper-gtsrb")
    save_profile(profile, tmp_path / "mine.json")
    assert load_profile(str(tmp_path / "mine.json")) == profile


def test_an_unknown_profile_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"no profile 'nope'.*not one of .*paper-cifar-10"):
        load_profile("nope")
    with pytest.raises(ProfileError, match="no profile"):
        load_profile(str(tmp_path / "gone.json"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"[1]", "is not a JSON object"),
        (b"{}", "version None"),
        (b"\xff\xfe", "cannot be read"),
        (b"version https://git-lfs.github.com/spec/v1\n", "it is a Git LFS pointer.*git lfs pull"),
        (b"<html>404", "it is an HTML page"),
        (b"PK\x05\x06PK\x03\x04", "is not JSON"),
        (b"\x1f\x8b\x08\x00\xff", "it is a gzip archive: unpack it"),
    ],
)
def test_a_bad_profile_file(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "bad.json").write_bytes(content)
    with pytest.raises(ProfileError, match=words):
        load_profile(str(tmp_path / "bad.json"))


def test_a_folder_is_no_profile(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="cannot be read"):
        load_profile(str(tmp_path))


def test_a_saved_profile_is_plain_json(tmp_path: Path) -> None:
    save_profile(load_profile("paper-gtsrb"), tmp_path / "mine.json")
    text = (tmp_path / "mine.json").read_text(encoding="utf-8")
    assert json.loads(text)["thresholds"]["re"]["value"] == 2.04
    assert text.endswith("}\n")
