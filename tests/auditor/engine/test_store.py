"""The label store: what was committed survives, what cannot be trusted is refused."""

from __future__ import annotations

import asyncio
import hashlib
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auditor.engine import store_writer
from auditor.engine.store import CHUNK, NOT_ASKED, LabelStore, StoredProbe
from auditor.engine.store_writer import StoreWriter
from auditor.errors import StoreError

MODEL, DIGEST = "model", "digest"
Use = Callable[[LabelStore], Awaitable[Any]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "labels.sqlite3"


def use(path: Path, work: Use) -> Any:
    """Open the store, do ``work`` and close it."""

    async def main() -> Any:
        store = LabelStore(path)
        try:
            return await work(store)
        finally:
            store.close()

    return asyncio.run(main())


async def load(store: LabelStore, size: int = 1000) -> StoredProbe:
    return await store.load(MODEL, DIGEST, "list", size)


async def ask(store: LabelStore, probe: StoredProbe, items: list[int], labels: list[int]) -> None:
    numbers = np.array(items)
    intents = await store.intend("audit", [(probe, numbers)], 1)
    store.record(intents, [(probe, numbers, np.array(labels))])


async def ask_ten(store: LabelStore) -> None:
    await ask(store, await load(store), list(range(10)), list(range(10)))
    await store.commit()


def known(path: Path, size: int = 1000) -> list[int]:
    async def read(store: LabelStore) -> list[int]:
        labels = (await load(store, size)).labels
        return [int(label) for label in labels if label != NOT_ASKED]

    found: list[int] = use(path, read)
    return found


def ledger(path: Path) -> dict[str, int]:
    async def read(store: LabelStore) -> dict[str, int]:
        return (await store.account("audit"))[0]

    found: dict[str, int] = use(path, read)
    return found


# ---- keeping -------------------------------------------------------------------------------------


def test_labels_come_back_where_they_were_put(path: Path) -> None:
    rng = np.random.default_rng(0)
    size = 5 * CHUNK + 17
    expected = np.full(size, NOT_ASKED, dtype=np.uint16)

    async def write(store: LabelStore) -> None:
        probe = await load(store, size)
        assert probe.labels.tolist() == expected.tolist()
        for _ in range(10):
            items = np.sort(rng.choice(np.flatnonzero(expected == NOT_ASKED), 12, replace=False))
            labels = rng.integers(0, 65535, 12)
            expected[items] = labels
            await ask(store, probe, items.tolist(), labels.tolist())
            await store.commit()

    for _ in range(5):
        use(path, write)

    async def compare(store: LabelStore) -> None:
        assert (await load(store, size)).labels.tolist() == expected.tolist()

    use(path, compare)


def test_probes_and_models_are_kept_apart(path: Path) -> None:
    async def write(store: LabelStore) -> None:
        for model in ("a", "b"):
            for digest in ("x", "y"):
                probe = await store.load(model, digest, "list", 3)
                label = np.array([ord(model) * 256 + ord(digest)])
                store.fill(probe, np.array([1]), label)

    use(path, write)

    async def read(store: LabelStore) -> list[int]:
        return [
            int((await store.load(model, digest, "list", 3)).labels[1])
            for model in ("a", "b")
            for digest in ("x", "y")
        ]

    assert use(path, read) == [97 * 256 + 120, 97 * 256 + 121, 98 * 256 + 120, 98 * 256 + 121]


@pytest.mark.parametrize(("label", "width"), [(0, 1), (254, 1), (255, 2), (65534, 2)])
def test_a_row_of_labels_is_a_chunk(path: Path, label: int, width: int) -> None:
    async def write(store: LabelStore) -> None:
        probe = await load(store)
        for start in range(0, 950, 50):
            await ask(store, probe, list(range(start, start + 50)), [label] * 50)

    async def read(store: LabelStore) -> list[int]:
        return [int(label) for label in (await load(store)).labels]

    use(path, write)
    with sqlite3.connect(path) as db:
        rows = db.execute("SELECT chunk, length(labels) FROM chunks ORDER BY chunk").fetchall()
    db.close()
    sizes = [256, 256, 256, 1000 - 768]
    assert rows == [(number, width * size) for number, size in enumerate(sizes)]
    assert use(path, read) == [label] * 950 + [NOT_ASKED] * 50


def test_rows_as_an_earlier_version_wrote_them_are_read(path: Path) -> None:
    async def write(store: LabelStore) -> None:
        await ask(store, await load(store), [0, 999], [7, 8])

    async def read(store: LabelStore) -> list[int]:
        labels = (await load(store)).labels
        return [int(labels[item]) for item in (0, 1, 999)]

    use(path, write)
    with sqlite3.connect(path) as db:
        for chunk, blob in db.execute("SELECT chunk, labels FROM chunks").fetchall():
            narrow = np.frombuffer(blob, "u1").astype("<u2")
            wide = np.where(narrow == 255, NOT_ASKED, narrow).astype("<u2").tobytes()
            fields = (wide, zlib.crc32(wide), chunk)
            db.execute("UPDATE chunks SET labels = ?, crc = ? WHERE chunk = ?", fields)
        db.execute("UPDATE meta SET value = '2' WHERE key = 'schema'")
    db.close()
    assert use(path, read) == [7, NOT_ASKED, 8]


def test_the_charge_is_on_disk_before_the_request_leaves(path: Path) -> None:
    async def main() -> None:
        store = LabelStore(path)
        probe = await load(store)
        await store.intend("audit", [(probe, np.arange(7))], 1)
        await store.intend("audit", [(probe, np.arange(5))], 2)
        # What another process would find if this one were killed now.
        copy = path.with_name("copy.sqlite3")
        for suffix in ("", "-wal"):
            data = path.with_name(path.name + suffix).read_bytes()
            copy.with_name(copy.name + suffix).write_bytes(data)
        store.close()
        survivor = LabelStore(copy)
        try:
            assert (await survivor.account("audit"))[0] == {
                "sent": 12,
                "requests": 2,
                "retried": 5,
                "unknown": 12,
            }
        finally:
            survivor.close()

    asyncio.run(main())


def test_what_was_in_flight_is_listed_as_unknown_once(path: Path) -> None:
    async def leave(store: LabelStore) -> None:
        await store.intend("audit", [(await load(store), np.arange(7))], 1)

    use(path, leave)
    assert [ledger(path)["unknown"] for _ in range(3)] == [7, 7, 7]
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM intents").fetchone() == (0,)
        assert db.execute("SELECT why FROM unknown").fetchall() == [
            ("in flight when the process ended",)
        ]
    db.close()


def test_answered_and_refused_requests_are_not_unknown(path: Path) -> None:
    async def write(store: LabelStore) -> None:
        probe = await load(store)
        await ask(store, probe, [0, 1], [5, 6])
        intent = await store.intend("audit", [(probe, np.array([2, 3]))], 1)
        store.fail(intent, "refused", unknown=False)
        intent = await store.intend("audit", [(probe, np.array([2, 3, 4]))], 2)
        store.fail(intent, "timed out", unknown=True)

    use(path, write)
    assert ledger(path) == {"sent": 7, "requests": 3, "retried": 3, "unknown": 3}


def test_a_request_cancelled_before_it_left_is_not_charged(path: Path) -> None:
    async def write(store: LabelStore) -> None:
        probe = await load(store)
        for _ in range(3):
            task = asyncio.create_task(store.intend("audit", [(probe, np.arange(9))], 2))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await store.commit()

    use(path, write)
    assert ledger(path) == {"sent": 0, "requests": 0, "retried": 0, "unknown": 0}


def test_class_names_keep_their_order(path: Path) -> None:
    async def write(store: LabelStore) -> None:
        store.keep_label_names(MODEL, ["dog", "ant"])
        store.keep_label_names(MODEL, ["dog", "ant", "bee"])
        store.keep_label_names("other", ["bee"])

    async def read(store: LabelStore) -> list[str]:
        return (await store.opening(MODEL, "audit"))[0][0]

    use(path, write)
    assert use(path, read) == ["dog", "ant", "bee"]


def test_one_commit_serves_many_callers(path: Path) -> None:
    async def write(store: LabelStore) -> None:
        probe = await load(store)
        commits = []
        store._db.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
        intents = [store.intend("audit", [(probe, np.array([item]))], 1) for item in range(200)]
        await asyncio.gather(*intents)
        assert len(commits) <= 3

    use(path, write)


KILLED = """
import asyncio, sys
from pathlib import Path
import numpy as np
from auditor.engine.store import LabelStore

async def main():
    store = LabelStore(Path(sys.argv[1]))
    probe = await store.load("model", "digest", "list", 1_000_000)
    for start in range(0, 1_000_000, 10):
        items = np.arange(start, start + 10)
        intents = await store.intend("audit", [(probe, items)], 1)
        store.record(intents, [(probe, items, items % 60000)])
        await store.commit()
        print(start, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("lines", [1, 40, 333])
def test_a_kill_loses_no_committed_label(path: Path, lines: int) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    for _ in range(lines):
        last = int(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    child.wait()
    printed = [last, *map(int, child.stdout.read().split())]
    child.stdout.close()
    found = known(path, 1_000_000)
    assert len(found) >= printed[-1] + 10
    assert found == [item % 60000 for item in range(len(found))]
    totals = ledger(path)
    assert totals["sent"] == len(found) + totals["unknown"]
    assert totals["unknown"] in {0, 10}


# ---- refusing ------------------------------------------------------------------------------------


def refusal(path: Path) -> str:
    with pytest.raises(StoreError) as caught:
        LabelStore(path)
    assert not [t for t in threading.enumerate() if t.name == "label-store"]
    message = str(caught.value)
    assert "\n" not in message
    return message


def change(path: Path, sql: str, *values: Any) -> None:
    db = sqlite3.connect(path)
    with db:
        db.execute(sql, values)
    db.close()


def test_another_version_is_refused(path: Path) -> None:
    use(path, ask_ten)
    change(path, "UPDATE meta SET value = '99'")
    before = path.read_bytes()
    assert "another version (store schema 99" in refusal(path)
    assert path.read_bytes() == before


def test_the_tables_are_those_of_stores_that_users_have(path: Path) -> None:
    # SQLite keeps the text, and a store with another one is taken for damaged.
    use(path, ask_ten)
    with sqlite3.connect(path) as db:
        found = [sql for (sql,) in db.execute("SELECT sql FROM sqlite_master WHERE sql != ''")]
    db.close()
    digest = hashlib.sha256("\n".join(found).encode()).hexdigest()
    assert digest == "7c6f9537aa89cc92ffe9bd60e2f0b9c8ea2d32c4fbec482082fe805592002341"


def test_a_file_that_is_no_store_is_refused_and_left_alone(path: Path) -> None:
    change(path, "CREATE TABLE notes (text)")
    before = path.read_bytes()
    assert "not a label store" in refusal(path)
    assert path.read_bytes() == before
    path.write_bytes(b"PK\x03\x04 something else entirely" * 200)
    assert "is not a label store" in refusal(path)
    assert path.read_bytes() == b"PK\x03\x04 something else entirely" * 200


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TRIGGER t AFTER INSERT ON intents BEGIN DELETE FROM chunks; END",
        "CREATE VIEW v AS SELECT 1",
        "DROP TABLE unknown",
        "ALTER TABLE chunks ADD COLUMN more",
    ],
)
def test_tables_that_were_changed_are_refused(path: Path, sql: str) -> None:
    use(path, ask_ten)
    change(path, sql)
    assert "damaged" in refusal(path)


def test_a_file_cut_short_is_refused_or_complete(path: Path) -> None:
    use(path, ask_ten)
    sound = path.read_bytes()
    refused = 0
    for length in range(4096, len(sound), 1500):
        path.write_bytes(sound[:length])
        try:
            # What is lost at the very end may be the unused rest of an empty page.
            assert known(path) == list(range(10))
        except StoreError as error:
            assert "damaged" in str(error)  # noqa: PT017 - either outcome is right
            refused += 1
    assert refused >= 18


def test_any_overwritten_page_is_refused_or_harmless(path: Path) -> None:
    use(path, ask_ten)
    sound = path.read_bytes()
    rng = np.random.default_rng(1)
    refused = 0
    for start in range(0, len(sound), 4096):
        path.write_bytes(sound[:start] + rng.bytes(4096) + sound[start + 4096 :])
        try:
            assert known(path) == list(range(10))
        except StoreError:
            refused += 1
    assert refused >= 6


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("UPDATE chunks SET labels = ?", b"\x01\x00" * 256),
        ("UPDATE chunks SET labels = ?", b"\x01"),
        ("UPDATE chunks SET labels = ?", "text"),
        ("UPDATE chunks SET crc = ?", 1),
        ("UPDATE chunks SET chunk = ?", 3),
        ("UPDATE chunks SET chunk = ?", 4),
        ("UPDATE chunks SET chunk = ?", -1),
        ("UPDATE probes SET size = ?", 999),
    ],
)
def test_a_row_that_was_changed_is_noticed(path: Path, sql: str, value: Any) -> None:
    use(path, ask_ten)
    change(path, sql, value)
    with pytest.raises(StoreError, match="damaged"):
        known(path)


def test_every_flipped_bit_of_a_row_is_noticed(path: Path) -> None:
    use(path, ask_ten)
    sound = path.read_bytes()
    where = sound.find(bytes(range(10)))
    assert where > 0
    for bit in range(0, 20 * 8, 7):
        data = bytearray(sound)
        data[where + bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        with pytest.raises(StoreError, match="damaged"):
            known(path)


def test_a_second_audit_of_this_process_is_kept_out(path: Path) -> None:
    store = LabelStore(path)
    try:
        with pytest.raises(StoreError, match="another audit is using"):
            LabelStore(path)
    finally:
        store.close()
    assert known(path) == []


def test_a_second_process_is_kept_out_until_the_first_ends(path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    child.stdout.readline()
    try:
        assert "another audit is using" in refusal(path)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    assert len(known(path, 1_000_000)) >= 10


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    message = refusal(tmp_path / "missing" / "labels.sqlite3")
    assert "cannot be written" in message
    assert "missing" in message


UNPRIVILEGED = """
import os, sys
from pathlib import Path
from auditor.engine.store import LabelStore
from auditor.errors import StoreError
if os.geteuid() == 0:
    os.setuid(65534)  # root may write everywhere
try:
    LabelStore(Path(sys.argv[1]))
except StoreError as error:
    print(error)
"""


@pytest.mark.parametrize("exists", [True, False], ids=["file", "folder"])
def test_what_may_not_be_written_is_refused(exists: bool) -> None:  # noqa: FBT001 - a parameter
    with tempfile.TemporaryDirectory() as name:  # pytest's own is closed to other users
        folder, path = Path(name), Path(name) / "labels.sqlite3"
        if exists:
            use(path, ask_ten)
            path.chmod(0o444)
        folder.chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", UNPRIVILEGED, str(path)],
            check=True,
            capture_output=True,
            text=True,
        )
        folder.chmod(0o755)
        assert f"{path} cannot be written" in done.stdout


# ---- a disk that fills up ----------------------------------------------------------------------


async def write_on(store: LabelStore, probe: StoredProbe, committed: list[int]) -> None:
    for start in range(0, 200_000, 500):
        items = list(range(start, start + 500))
        await ask(store, probe, items, items)
        await store.commit()
        committed += items


async def until_full(store: LabelStore) -> tuple[list[int], str]:
    """Fill the store until its disk is full: labels that were committed, and its error."""
    probe = await load(store, 200_000)
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages + 3}")
    committed: list[int] = []
    with pytest.raises(StoreError) as caught:
        await write_on(store, probe, committed)
    with pytest.raises(StoreError, match="disk is full"):
        store.fill(probe, np.array([0]), np.array([0]))
    with pytest.raises(StoreError, match="disk is full"):
        await store.commit()
    return committed, str(caught.value)


def test_a_full_disk_is_reported_and_what_was_committed_is_kept(path: Path) -> None:
    committed, message = use(path, until_full)
    assert message.startswith("the disk is full")
    assert "run the same command again" in message
    assert committed
    assert known(path, 200_000) == committed
    totals = ledger(path)
    assert totals["sent"] - totals["unknown"] == len(committed)


async def until_limited(store: LabelStore) -> tuple[list[int], str]:
    """Fill the store until the system lets no file grow: labels committed, and its error."""
    committed: list[int] = []
    probe = await load(store, 200_000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    try:
        with pytest.raises(StoreError) as caught:
            await write_on(store, probe, committed)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    return committed, str(caught.value)


def test_a_limit_on_file_sizes_is_named_and_what_was_committed_is_kept(path: Path) -> None:
    committed, message = use(path, until_limited)
    assert "a limit on file sizes (ulimit -f)" in message
    assert "run the same command again" in message
    assert known(path, 200_000) == committed


def test_a_full_disk_ends_a_run_that_can_be_continued(lab: Any) -> None:
    probe = lab.Probe(tuple(float(i) for i in range(30_000)))

    async def fill_disk(_: Any, store: LabelStore) -> None:
        while not store.__dict__.get("_seen"):
            await asyncio.sleep(0)
            store.__dict__["_seen"] = store._db.in_transaction or True
        store._db.execute("PRAGMA max_page_count = 12")

    oracle = lab.Oracle(max_batch=100)
    with pytest.raises(StoreError, match="disk is full"):
        lab.run([probe], oracle, watch=fill_disk)
    resumed = lab.Oracle(max_batch=100)
    result = lab.run([probe], resumed)
    assert result.complete
    assert result.labels[0].tolist() == lab.truth(probe.values)
    assert oracle.queries + resumed.queries <= 30_000 + result.ledger.unknown


def test_what_waits_for_the_disk_holds_up_no_one_but_the_next_commit(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncing, disk = threading.Event(), threading.Event()
    sync = StoreWriter._sync

    def slow(writer: StoreWriter) -> None:
        syncing.set()
        assert disk.wait(30)
        sync(writer)

    monkeypatch.setattr(store_writer, "SYNC_S", 0.0)
    monkeypatch.setattr(StoreWriter, "_sync", slow)

    async def main() -> None:
        store = LabelStore(path)
        probe = await load(store)
        assert await asyncio.to_thread(syncing.wait, 30)
        asking = asyncio.create_task(ask(store, probe, [1, 2], [3, 4]))
        for _ in range(20):
            await asyncio.sleep(0)  # the loop goes on
        assert not asking.done()
        disk.set()
        await asking
        await store.commit()
        await asyncio.to_thread(store.close)

    asyncio.run(main())
    assert known(path) == [3, 4]


def test_a_store_closes_at_the_very_moment_at_which_it_would_sync(path: Path) -> None:
    async def main() -> None:
        store = LabelStore(path)
        writer = store._writer

        class JustAfter(threading.Event):
            """Set, as by a call of ``close``, once a wait for it was in vain."""

            def wait(self, timeout: float | None = None) -> bool:
                assert timeout == store_writer.SYNC_S
                super().set()
                writer._unsynced.set()
                return False

        writer._ending = JustAfter()
        await ask_ten(store)
        await asyncio.to_thread(writer._thread.join, 30)
        assert not writer._thread.is_alive()
        store.close()

    asyncio.run(main())
    assert known(path) == list(range(10))


# ---- the end -------------------------------------------------------------------------------------


def test_commit_and_close_may_be_called_again(path: Path) -> None:
    async def main() -> None:
        store = LabelStore(path)
        await ask_ten(store)
        for _ in range(3):
            await store.commit()
        for _ in range(3):
            await asyncio.to_thread(store.close)
        await store.commit()
        with pytest.raises(StoreError, match="is closed"):
            await load(store)
        with pytest.raises(StoreError, match="is closed"):
            store.fill(StoredProbe(1, np.zeros(4, dtype="<u2")), np.array([0]), np.array([0]))

    before = threading.active_count()
    asyncio.run(main())
    assert not [t for t in threading.enumerate() if t.name == "label-store"]
    assert threading.active_count() <= before
    assert known(path) == list(range(10))


def test_closing_commits_what_waits(path: Path) -> None:
    async def write(store: LabelStore) -> None:
        await ask(store, await load(store), [3], [4])
        # No commit: close() must not lose what was handed in.

    use(path, write)
    assert known(path) == [4]


def test_closing_leaves_one_file(path: Path) -> None:
    use(path, ask_ten)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_loop_that_ended_does_not_hang_the_writer(path: Path) -> None:
    store = LabelStore(path)

    async def forget() -> None:
        task = asyncio.create_task(load(store))
        await asyncio.sleep(0)
        task.cancel()

    for _ in range(20):
        asyncio.run(forget())
    use_after = asyncio.run(load(store))
    assert int((use_after.labels == NOT_ASKED).sum()) == 1000
    store.close()
    store.close()
