"""Tables of labels as spreadsheets and scripts write them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auditor.errors import SamplesError
from auditor.samples.load import load_samples


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    for number in range(3):
        array = np.random.default_rng(number).integers(0, 256, (6, 4, 3), dtype=np.uint8)
        Image.fromarray(array).save(tmp_path / f"{number}.png")
    return tmp_path


ROWS = "0.png{0}cat\n1.png{0}dog\n2.png{0}frog\n"


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("head", ["", "file{0}label\n", "Image Name{0}Class\n", "Datei{0}Klasse\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_marks_heads_and_encodings(
    flat: Path, mark: str, head: str, encoding: str, end: str
) -> None:
    text = (head + ROWS).format(mark).replace("\n", end)
    (flat / "labels.csv").write_bytes(text.encode(encoding))
    samples = load_samples(flat)
    assert samples.refs == ("0.png", "1.png", "2.png")
    assert samples.classes == ("cat", "dog", "frog")


@pytest.mark.parametrize(
    "text",
    [
        "label,filename\ncat,0.png\ndog,1.png\nfrog,2.png\n",
        ",path,label\n0,0.png,cat\n1,1.png,dog\n2,2.png,frog\n",
        "id;split;species\n0;test;cat\n1;test;dog\n2;test;frog\n",
        "cat,0.png\ndog,1.png\nfrog,2.png\n",
        "0,cat\n1,dog\n2,frog\n",
        "sep=;\r\nfile;label\r\n0.png;cat\r\n1.png;dog\r\n2.png;frog\r\n",
        '"0.png";"cat"\n"1.png";"dog"\n"2.png";"frog"\n',
        "file;label;note\n0.png;cat;a, b\n1.png;dog;c, d\n2.png;frog;e, f\n",
    ],
)
def test_columns_by_their_names_or_by_the_files_that_are_there(flat: Path, text: str) -> None:
    (flat / "labels.csv").write_text(text)
    samples = load_samples(flat)
    assert samples.refs == ("0.png", "1.png", "2.png")
    assert samples.classes == ("cat", "dog", "frog")


def test_whole_paths_into_the_folder_are_names_in_it(flat: Path) -> None:
    rows = "".join(f"{flat}/{n}.png,{name}\n" for n, name in enumerate(("cat", "dog", "frog")))
    (flat / "labels.csv").write_text(rows)
    assert load_samples(flat).refs == ("0.png", "1.png", "2.png")


def test_columns_of_which_none_is_the_label(flat: Path) -> None:
    (flat / "labels.csv").write_text("image,MEL,NV,BCC\n0,1,0,0\n1,0,1,0\n2,0,0,1\n")
    with pytest.raises(SamplesError, match=r"names no column label or class: .*image, MEL, NV, BC"):
        load_samples(flat)


def test_paths_of_windows(flat: Path) -> None:
    (flat / "in").mkdir()
    for number in range(3):
        (flat / f"{number}.png").rename(flat / "in" / f"{number}.png")
    (flat / "labels.csv").write_text("in\\0.png,cat\nin\\1.png,dog\nin\\2.png,frog\n")
    assert load_samples(flat).refs == ("in/0.png", "in/1.png", "in/2.png")


def test_numbers_with_a_point_are_numbers(flat: Path) -> None:
    (flat / "labels.csv").write_text("0.png,6.0\n1.png,06\n2.png,7.0\n")
    assert load_samples(flat).class_order == ("6", "7")


def test_pictures_that_are_not_listed_are_said(flat: Path) -> None:
    (flat / "3.png").write_bytes(b"x")
    (flat / "._0.png").write_bytes(b"x")
    (flat / "labels.csv").write_text(ROWS.format(","))
    assert load_samples(flat).notes == (
        "Left out: 2 files (1 hidden or made by a system: ._0.png; 1 not in labels.csv: 3.png).",
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("0.png,café\n".encode("cp1252"), "it is not UTF-8 text: save it as UTF-8"),
        (b"PK\x03\x04" + bytes(40) + b"PK\x05\x06" + bytes(18), "it is a zip archive"),
        (b"version https://git-lfs.github.com/spec/v1\xff", "it is a Git LFS pointer"),
    ],
)
def test_a_table_that_is_none(flat: Path, data: bytes, words: str) -> None:
    (flat / "labels.csv").write_bytes(data)
    with pytest.raises(SamplesError, match=f"labels.csv cannot be read as CSV: {words}"):
        load_samples(flat)


@pytest.mark.parametrize("name", ["labels.txt", "train_labels.json", "annotations.xml"])
def test_a_list_of_another_kind_is_told_what_is_read(flat: Path, name: str) -> None:
    (flat / name).write_text("0.png cat")
    with pytest.raises(SamplesError, match=r"write a list of labels as labels\.csv"):
        load_samples(flat)


@pytest.mark.parametrize("name", ["labels.csv", "mine.tsv", "test.CSV"])
def test_a_table_may_be_named_itself(flat: Path, name: str) -> None:
    (flat / name).write_text(ROWS.format("\t"))
    assert load_samples(flat / name).classes == ("cat", "dog", "frog")


def test_a_table_of_another_name_is_pointed_at(flat: Path) -> None:
    (flat / "annotations.csv").write_text(ROWS.format(","))
    with pytest.raises(SamplesError, match=r"1 .csv, .*\(name a list of labels labels.csv\)"):
        load_samples(flat)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        # Each of these gave wrong or doubtful labels.
        ("0,0.png,cat\n1,1.png,dog\n2,2.png,frog\n", "more than two columns"),
        ("file,label\n0.png,cat\n1.png,dog\n2.png,frog, green\n", "line 4 has more columns"),
        ("file,label\n0.png,cat\n1.png,dog\n3.png,frog\n", r"no such file .labels.csv line 4"),
    ],
)
def test_a_table_of_doubtful_meaning_is_refused(flat: Path, text: str, words: str) -> None:
    (flat / "labels.csv").write_text(text)
    with pytest.raises(SamplesError, match=words):
        load_samples(flat)


def test_files_in_the_spelling_of_another_system(flat: Path) -> None:
    (flat / "1.png").rename(flat / unicodedata.normalize("NFD", "\u00e9t\u00e9.png"))
    (flat / "labels.csv").write_text("0.PNG,cat\n\u00e9t\u00e9.png,dog\n2.png,frog\n")
    assert load_samples(flat).classes == ("cat", "dog", "frog")


def test_a_file_listed_again_counts_once(flat: Path) -> None:
    (flat / "labels.csv").write_text(ROWS.format(",") + "0.png,cat\n")
    samples = load_samples(flat)
    assert samples.refs == ("0.png", "1.png", "2.png")
    assert samples.notes == ("Left out: 1 file (1 listed again in labels.csv: 0.png).",)
