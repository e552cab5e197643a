"""What people read in a bundle follows from what is recomputed, or is named as not covered."""

from __future__ import annotations

import base64
import io
import json
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from adapters.strict_json import canonical
from auditor.errors import ExitCode
from auditor.evidence.packing import pack
from auditor.report.views import FILES, ViewName, view_settings
from auditor.workflows.verify.outcome import Verification
from auditor.workflows.verify.verify import verify_bundle
from tests.auditor.workflows.verify import _mutations as mutations

Bundles = Callable[[str], Path]
RunCommand = Callable[..., Any]
VIEWS = (ViewName.HTML, ViewName.MARKDOWN, ViewName.SARIF, ViewName.JUNIT, ViewName.CYCLONEDX)
FINDING = "da0b9ee9e58d9a867425c5c9e7b5da47"


@pytest.fixture(scope="session")
def held_views(make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of every view but the PDF, with a suspected trigger; not to be changed."""
    folder = tmp_path_factory.mktemp("views") / "bundle"
    return make_bundle(
        folder, trigger_search=True, backdoored=True, views=VIEWS, shown=view_settings()
    )


@pytest.fixture
def audited(held_views: Path, tmp_path: Path) -> Path:
    """A copy of that bundle."""
    return Path(shutil.copytree(held_views, tmp_path / "bundle"))


def resealed(folder: Path) -> Verification:
    mutations.reseal(folder)
    return verify_bundle(folder)


def checks(found: Verification, name: str = "views") -> list[tuple[str, str]]:
    return [(check.state, check.text) for check in found.checks if check.name == name]


def in_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_bytes(canonical(value) + b"\n")


def test_every_view_is_made_again(audited: Path) -> None:
    found = verify_bundle(audited)
    assert found.exit_code == ExitCode.NO_EVIDENCE, found.checks
    assert found.verdict == "backdoor-suspected"
    (check,) = checks(found)
    files = ["pictures.json", "trigger.png", *sorted(FILES[name] for name in VIEWS)]
    assert check == (
        "ok",
        f"Made again from what was recomputed, and the same: {', '.join(files)}.",
    )
    assert found.not_covered == []


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_that_says_something_else_fails_though_every_hash_fits(
    audited: Path, view: ViewName
) -> None:
    path = audited / FILES[view]
    data = path.read_bytes()
    for changed in (data.replace(b"backdoor", b"b4ckdoor", 1), data + b"\n"):
        path.write_bytes(changed)
        found = resealed(audited)
        assert found.exit_code == ExitCode.FAILED, changed[:20]
        assert [c.name for c in found.checks if c.state == "failed"] == ["views"]
        assert f"{path.name}: not what this version makes of the report" in checks(found)[0][1]
        assert "wrong: views." in found.headline


def other_png(png: bytes) -> bytes:
    with Image.open(io.BytesIO(png)) as opened:
        picture = opened.convert("L").point(lambda value: 255 - value)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def recompressed(png: bytes) -> bytes:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png)) as opened:
        opened.save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


def test_another_picture_fails(audited: Path) -> None:
    path = audited / "trigger.png"
    path.write_bytes(other_png(path.read_bytes()))
    assert "trigger.png: not what" in checks(resealed(audited))[0][1]


@pytest.mark.parametrize("what", ["another", "one more", "one less", "no picture"])
def test_other_thumbnails_fail(audited: Path, what: str) -> None:
    def change(pictures: dict[str, str]) -> None:
        key = next(iter(pictures))
        if what == "another":
            png = other_png(base64.b64decode(pictures[key]))
            pictures[key] = base64.b64encode(png).decode()
        elif what == "one more":
            pictures["more"] = pictures[key]
        elif what == "one less":
            del pictures[key]
        else:
            pictures[key] = "bm9uZQ=="

    in_json(audited / "pictures.json", change)
    assert "pictures.json: not what" in checks(resealed(audited))[0][1]


def by_other_code(folder: Path) -> None:
    in_json(folder / "run.json", lambda run: run["tool"].update(code="0" * 64))


def test_a_view_that_other_code_made_is_named_as_not_covered(audited: Path) -> None:
    by_other_code(audited)
    assert (
        resealed(audited).exit_code == ExitCode.NO_EVIDENCE
    )  # the views are the same all the same
    (audited / "report.html").write_text("no backdoor")
    found = resealed(audited)
    assert found.exit_code == ExitCode.INCONCLUSIVE
    assert found.headline.startswith("NOT FULLY VERIFIED (full edition, not signed)")
    assert found.headline.endswith("; not covered: report.html.")
    assert found.not_covered == ["report.html"]
    assert found.as_dict()["not_covered"] == ["report.html"]
    assert "Not covered: report.html. This version shows the report in another way." in str(
        checks(found)
    )


def test_a_page_made_later_passes_no_more_quietly_than_one_of_the_head(
    audited: Path, command: RunCommand
) -> None:
    by_other_code(audited)
    mutations.reseal(audited)
    views = audited / "views"
    views.mkdir()
    for name in ("report.html", "report.md", "result.pdf"):
        (views / name).write_text("no backdoor")
        found = verify_bundle(audited)
        assert found.exit_code == ExitCode.INCONCLUSIVE, name
        assert found.headline.startswith("NOT FULLY VERIFIED")
        assert found.headline.endswith(f"; not covered: views/{name}.")
        (views / name).unlink()
    assert command("report", audited).code == 0  # this version's page in its place
    assert verify_bundle(audited).exit_code == ExitCode.NO_EVIDENCE


def test_pictures_that_other_code_compressed_are_compared_by_their_pixels(audited: Path) -> None:
    by_other_code(audited)
    path = audited / "trigger.png"
    png = path.read_bytes()
    path.write_bytes(recompressed(png))
    assert path.read_bytes() != png
    assert resealed(audited).exit_code == ExitCode.NO_EVIDENCE
    ends = png[-12:]
    note = b"tEXtComment\x00all clear"
    chunk = (len(note) - 4).to_bytes(4, "big") + note + zlib.crc32(note).to_bytes(4, "big")
    for changed in (other_png(png), png + b"x", png[:-12] + chunk + ends, b"", png[:30]):
        path.write_bytes(changed)
        assert resealed(audited).exit_code == ExitCode.INCONCLUSIVE, changed[-40:]


def test_the_version_on_the_page_is_that_of_the_run(audited: Path) -> None:
    report = audited / "report.json"
    report.write_bytes(report.read_bytes().replace(b'"version": "', b'"version": "certified ', 1))
    found = resealed(audited)
    assert "differs at tool" in checks(found, "verdict")[0][1]


# ---- choices of a reader -----------------------------------------------------------------------

CHOICES = (
    ("--format", "html,markdown,sarif,junit,cyclonedx,json"),
    ("--format", "html,cyclonedx", "--framework", "owasp-ml"),
    ("--format", "markdown,html", "--framework", "iso-42001,eu-ai-act"),
    ("--format", "html,markdown", "--frameworks"),
    ("--format", "summary"),
    ("--format", "sarif", "--location", "models/my card.md"),
)


@pytest.mark.parametrize("words", CHOICES)
def test_views_made_later_are_compared_too(
    audited: Path, command: RunCommand, words: tuple[str, ...]
) -> None:
    assert command("report", audited, *words).code == 0
    made = sorted((audited / "views").iterdir())
    assert verify_bundle(audited).exit_code == ExitCode.NO_EVIDENCE, verify_bundle(audited).checks
    for path in made:
        held = path.read_bytes()
        path.write_bytes(held.replace(b"suspected", b"unlikely!", 1))
        found = verify_bundle(audited)
        assert found.exit_code == ExitCode.FAILED, path
        path.write_bytes(held)


def test_acceptances_may_stand_in_a_view(
    audited: Path, command: RunCommand, tmp_path: Path
) -> None:
    accepted = tmp_path / "accepted.toml"
    listed = json.loads(command("diff", audited, audited, "--json").out)["findings"]
    accepted.write_text(
        "".join(
            f'[[accepted]]\nfinding = "{one["id"]}"\nreason = "Only: *behind* a <gate> (soon)."\n'
            'owner = "J. Doe: product & security"\nuntil = 2999-01-31\n'
            for one in listed
        )
    )
    words = ("--format", "html,markdown,summary", "--accepted", accepted)
    assert command("report", audited, *words).code == 0
    page = audited / "views" / "report.html"
    assert "J. Doe: product &amp; security" in page.read_text()
    assert verify_bundle(audited).exit_code == ExitCode.NO_EVIDENCE, verify_bundle(audited).checks
    page.write_text(page.read_text().replace("This is no pass", "This is a pass"))
    assert verify_bundle(audited).exit_code == ExitCode.FAILED


def test_the_page_of_a_hand_over_edition_is_compared(audited: Path, tmp_path: Path) -> None:
    given = tmp_path / "given"
    pack(audited, given, hand_over=True)
    found = verify_bundle(given)
    assert found.exit_code == ExitCode.NO_EVIDENCE, found.checks
    assert "views/report.html" in checks(found)[0][1]
    page = given / "views" / "report.html"
    page.write_text(page.read_text().replace("suspected", "excluded"))
    assert verify_bundle(given).exit_code == ExitCode.FAILED


# ---- files that are none -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["README.txt", "certificate.pdf", "report-final.html", "plans/plan.json", "REPORT.JSON"]
)
def test_a_foreign_file_is_refused_though_the_head_lists_it(audited: Path, name: str) -> None:
    (audited / name).parent.mkdir(exist_ok=True)
    (audited / name).write_text("no backdoor")
    found = resealed(audited)
    assert found.exit_code == ExitCode.FAILED
    assert f"lists {name}, which no audit of this version writes" in checks(found, "files")[0][1]


def test_a_foreign_file_among_the_views_is_refused(audited: Path) -> None:
    (audited / "views").mkdir()
    (audited / "views" / "notes.html").write_text("no backdoor")
    assert "views/notes.html does not belong here" in checks(verify_bundle(audited), "files")[0][1]


def test_a_hidden_file_is_named(audited: Path) -> None:
    (audited / ".report.html").write_text("no backdoor")
    assert "not covered: '.report.html' (hidden, not read)." in verify_bundle(audited).headline


@pytest.mark.parametrize("name", ["samples.z", "pictures.json"])
def test_a_file_that_every_audit_writes_cannot_go_unlisted(audited: Path, name: str) -> None:
    (audited / name).unlink()
    assert f"{name} is not in the head" in checks(resealed(audited), "files")[0][1]


# ---- facts on the author's word ----------------------------------------------------------------


def of_endpoint(folder: Path, url: str) -> None:
    """Make the audit look like one of an endpoint, consistently."""

    def run_of(run: dict[str, Any]) -> None:
        run["target"]["description"]["url"] = url
        run["target"]["fingerprint"] = f"{url}; v2; float32"
        run["identity"]["url"] = url

    in_json(folder / "run.json", run_of)
    run = json.loads((folder / "run.json").read_text())
    entries = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    entries[-1]["identity"] = run["identity"]
    (folder / "log.jsonl").write_bytes(mutations.chained(entries))


def test_an_address_is_the_same_wherever_it_is_stated(audited: Path) -> None:
    of_endpoint(audited, "https://a.example/v2")
    text = checks(resealed(audited), "senders")
    assert text == [("ok", text[0][1])]
    in_json(
        audited / "run.json",
        lambda run: run["target"]["description"].update(url="https://b.example/v2"),
    )
    assert checks(resealed(audited), "senders") == [
        ("failed", "run.json and log disagree about its address.")
    ]


def test_what_stands_on_the_authors_word_is_said(audited: Path) -> None:
    found = verify_bundle(audited)
    assert found.on_word[0].startswith("which model was asked (")
    assert found.as_dict()["on_the_authors_word"] == found.on_word
    assert "not signed" in found.headline
    assert "not proven: that any model gave these labels" in found.headline


def test_the_first_line_says_whose_key_it_was(bundle: Bundles, keys: tuple[Path, Path]) -> None:
    from auditor.evidence.attest.signing import read_public_key  # noqa: PLC0415 - needs an extra

    folder, trusted = bundle("signed"), read_public_key(keys[1])
    assert "signed by a key that you did not name, " in verify_bundle(folder).headline
    assert "signed by the key given, " in verify_bundle(folder, trusted).headline


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_pdf_is_made_again(audited: Path, command: RunCommand) -> None:
    pytest.importorskip("weasyprint")
    assert command("report", audited, "--format", "pdf").code == 0
    page = audited / "views" / "result.pdf"
    assert "views/result.pdf" in checks(verify_bundle(audited))[0][1]
    page.write_bytes(page.read_bytes() + b"%")
    found = verify_bundle(audited)
    assert found.exit_code == ExitCode.INCONCLUSIVE
    assert "not covered: views/result.pdf." in found.headline
