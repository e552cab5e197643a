"""Results in a folder and in a bucket."""

from __future__ import annotations

import json
import sqlite3
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from auditor.evidence.files import read_files
from auditor.fleet.place import Place

Write = Callable[[str, str], Path]
BUCKET = "audits"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A bucket of an object store on loopback."""
    s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed")
    servers = pytest.importorskip("moto.server", reason="moto's server is not installed")
    import boto3  # noqa: PLC0415 - comes with moto

    monkeypatch.setenv("XRAY_AUDIT_SCRATCH", str(tmp_path / "scratch"))
    for name, value in (
        ("ACCESS_KEY_ID", "k"),
        ("SECRET_ACCESS_KEY", "s"),
        ("REGION", "eu-west-1"),
    ):
        monkeypatch.setenv(f"AWS_{name}", value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the object store's own
        server = servers.ThreadedMotoServer("127.0.0.1", 0)
        server.start()
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        s3fs.S3FileSystem.clear_instance_cache()  # they know the store of the test before
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=BUCKET)
        yield f"s3://{BUCKET}/fleet"
        server.stop()


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_rows_and_files_are_kept(kind: str, tmp_path: Path, request: Any) -> None:
    place = Place(str(tmp_path) if kind == "folder" else request.getfixturevalue("bucket"))
    assert place.rows() == {}
    place.write_row({"name": "a", "code": 3})
    place.write_row({"name": "a", "code": 0})
    place.write("index.html", b"page")
    assert Place(place.where).rows() == {"a": {"name": "a", "code": 0}}
    assert place.read("index.html") == b"page"


def test_a_copy_of_a_store_in_use_is_sound_and_goes_on_elsewhere(
    bucket: str, tmp_path: Path
) -> None:
    place, copied = Place(bucket), threading.Event()

    def wait_for_copy() -> None:
        for _ in range(300):
            place._fs.invalidate_cache()
            if place._fs.exists(f"{place._root}/a/log.jsonl"):
                break
            copied.wait(0.1)
        copied.set()

    with place.working("a", 0.2) as work:
        db = sqlite3.connect(work / "labels.sqlite3", isolation_level=None)
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL"):
            db.execute(f"PRAGMA {pragma}").fetchall()
        db.execute("CREATE TABLE labels (n)")
        db.executemany("INSERT INTO labels VALUES (?)", [(n,) for n in range(1000)])
        (work / "log.jsonl").write_text("{}\n")
        wait_for_copy()
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        assert not place._fs.exists(f"{place._root}/a/labels.sqlite3-wal")
        copy = elsewhere / "labels.sqlite3"
        place._fs.get_file(f"{place._root}/a/labels.sqlite3", str(copy))
        other = sqlite3.connect(copy)
        assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert other.execute("SELECT count(*) FROM labels").fetchone() == (1000,)
        other.close()
        db.close()
    assert not work.exists()
    # The machine that comes next begins with what was kept.
    with place.working("a") as work:
        assert (work / "log.jsonl").read_text() == "{}\n"
        db = sqlite3.connect(work / "labels.sqlite3")
        assert db.execute("SELECT count(*) FROM labels").fetchone() == (1000,)
        db.close()
    assert not work.exists()


def test_a_fleet_in_a_bucket_is_complete_and_goes_on(
    bucket: str, write_fleet: Write, run: Callable[..., Any], tmp_path: Path
) -> None:
    file = write_fleet('[[audit]]\nmodels = "zoo/m00[23].onnx"\n', "bucket.toml")
    rows, _ = run(file, bucket)
    assert {row["outcome"] for row in rows.values()} == {"done"}, rows
    place = Place(bucket)
    local = tmp_path / "fetched"
    place._fs.get(f"{place._root}/m002", str(local), recursive=True)
    files = read_files(local)
    assert {"report.json", "report.html", "head.json", "log.jsonl"} <= set(files.content)
    assert json.loads(files.get("report.json"))["verdict"] == rows["m002"]["verdict"]
    again, todo = run(file, bucket)
    assert dict(todo.why) == {}
    assert again == rows
