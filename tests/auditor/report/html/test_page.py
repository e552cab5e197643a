import copy
import html
import re
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest

from auditor.report.html.page import CONTENTS, render_html
from auditor.report.html.parts import Html, tag
from auditor.report.json_report import result_of
from auditor.report.source import ReportSource
from auditor.report.wording.frameworks import load_all
from auditor.report.wording.text import visible

MakeReport = Callable[..., dict[str, Any]]
Pictures = Callable[[dict[str, Any]], dict[str, bytes]]

VOID = {"meta", "link", "img", "br"}

HOSTILE = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js>",
    "</script><script>alert(1)//",
    "<img src=x onerror=alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    '" onmouseover="alert(1)',
    "' onfocus='alert(1)' autofocus='",
    "<svg><script>alert(1)</script></svg>",
    "<iframe src=javascript:alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "<style>body{display:none}</style>",
    "</style><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</head><body>",
    "</table></main></body></html>",
    "<!-- comment",
    "--><b>",
    "<![CDATA[x]]>",
    "]]>",
    "<?php echo 1 ?>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<base href=//evil.example/>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<form action=//evil.example><button>Go</button></form>",
    "<object data=x></object><embed src=x>",
    "<math><mi//xlink:href='data:x,<script>'>",
    "<x contenteditable onblur=alert(1)>",
    "&lt;script&gt;",
    "&#60;script&#62;",
    "&quot;&amp;&",
    "<",
    ">",
    '"',
    "'",
    "`onload=alert(1)`",
    "\\u003cscript\\u003e",
    "\x1b[31mred\x1b[0m",
    "\x1b]8;;http://evil.example\x07click\x1b]8;;\x07",
    "\x9b31m",
    "\x00null\x00byte",
    "\r\nSet-Cookie: a=b",
    "\t\x0b\x0c\x08",
    "\x7f\x80\x85",
    "\u202eevil\u202c",
    "\u2066hidden\u2069",
    "\u200fרtl",
    "\u061cx",
    "zero\u200bwidth\u200d\ufeff",
    "line\u2028sep\u2029",
    "\ud800lone\udfff",
    "\U000e0041\U000e007f",
    "Z" + "\u0336\u0352" * 200,
    "\u3164\u2800",
    "**bold** [x](javascript:alert(1)) <b>",
    "| a | b |\n|---|---|",
    "[/bold][red]rich[/red]",
    "{{7*7}} ${7*7} <%= 7*7 %>",
    "%s%n%x {0.__class__}",
    "=cmd|'/c calc'!A1",
    "../../etc/passwd",
    "x" * 10_000,
    "<b>" * 4_000,
]


def _rendered(report: dict[str, Any], pictures: dict[str, bytes] | None = None) -> str:
    return render_html(ReportSource(result_of(report), pictures or {}), load_all())


class Shape(HTMLParser):
    """Tags and attribute names in order, the text, and what is wrong with the nesting."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == [], self.open

    def handle_starttag(self, name: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((name, tuple(key for key, _ in attrs)))
        self.attributes += [(name, key, value or "") for key, value in attrs]
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, name: str) -> list[dict[str, str]]:
        """Attributes of every element ``name`` with a given tag, in order."""
        rows: list[dict[str, str]] = []
        left = list(self.attributes)
        for tag_name, keys in self.tags:
            row = {left[i][1]: left[i][2] for i in range(len(keys))}
            del left[: len(keys)]
            if tag_name == name:
                rows.append(row)
        return rows


def _poison(report: dict[str, Any], text: str) -> dict[str, Any]:
    """Put ``text`` everywhere a string from outside can stand."""
    report["labels"] = {key: f"{key}{text}" for key in report["labels"]}
    report["model"] = {"file": text, "a": {"b": text}, "list": [text, text]}
    report["verdict_reason"] = text
    report["settings"]["note"] = text
    report["samples"]["classes_matched_by"] = text
    report["samples"]["wrong"][0]["ref"] = text
    report["profile"] |= {"name": text, "task": text, "provenance": {"made by": text}}
    report["comparisons"][0]["note"] = text
    report["queries"]["by_probe"] = {text: 3}
    report["limits"] = [text]
    report["timing"]["started"] = text
    report["tool"] = {"name": text, "version": text}
    report["input"] |= {"encoding": text, "origin": text, "space": text}
    for plane in report["planes"]:
        plane["triplet"] = [text, text, text]
    return report


@pytest.fixture(scope="module")
def benign(make_report: MakeReport) -> str:
    return _rendered(_poison(make_report(planes=2, density=8), "plain"))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_strings_never_change_the_page(
    make_report: MakeReport, benign: str, text: str
) -> None:
    page = _rendered(_poison(make_report(planes=2, density=8), text))
    shape = Shape(page)
    assert shape.tags == Shape(benign).tags
    assert not any(key.startswith("on") for _, key, _ in shape.attributes)
    if html.escape(visible(text)) != text:
        # Our own markup has quotes and brackets too; not one may come from the string.
        assert page.count(text) == benign.count(text)
    page.encode("utf-8")
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]", page
    )


def test_the_corpus_is_large_enough() -> None:
    assert len(set(HOSTILE)) >= 60


def test_the_builder_escapes_all_but_markup() -> None:
    inner = tag("b", "1 < 2")
    assert tag("p", inner, ["<", None, Html("<br>")], title='"&') == (
        '<p title="&quot;&amp;"><b>1 &lt; 2</b>&lt;<br></p>'
    )


def test_long_names_keep_the_page_small(make_report: MakeReport) -> None:
    page = _rendered(_poison(make_report(planes=4), "<" * 100_000))
    assert len(page) < 200_000


def test_only_inline_content_and_a_strict_policy(
    report: dict[str, Any], sample_pictures: Pictures
) -> None:
    shape = Shape(_rendered(report, sample_pictures(report)))
    names = {name for name, _ in shape.tags}
    assert not names & {"script", "iframe", "object", "embed", "form", "base", "foreignobject"}
    for _, key, value in shape.attributes:
        if key in {"src", "href"}:
            assert value.startswith(("#", "data:")), value
        assert key not in {"style", "srcset", "action", "xlink:href", "background", "poster"}
        assert not key.startswith("on")
    policy = next(m["content"] for m in shape.all("meta") if "http-equiv" in m)
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    style = "".join(shape.text)
    assert "@import" not in style
    assert not re.search(r"url\((?!#)", style)
    # Text may name an endpoint; nothing may point there.
    assert "http://" not in _rendered(report)


def test_equal_reports_give_equal_bytes(report: dict[str, Any], sample_pictures: Pictures) -> None:
    pictures = sample_pictures(report)
    again = dict(reversed(pictures.items()))
    assert _rendered(report, pictures) == _rendered(copy.deepcopy(report), again)


def test_rendering_leaves_the_report_as_it_was(report: dict[str, Any]) -> None:
    before = copy.deepcopy(report)
    _rendered(report)
    assert report == before


def test_every_plane_has_a_picture_with_its_text(report: dict[str, Any]) -> None:
    images = Shape(_rendered(report)).all("img")
    assert len(images) == len(report["planes"])
    for plane, image in zip(report["planes"], images, strict=True):
        assert f"plane {plane['index'] + 1} " in image["alt"]
        assert f"RE {plane['re']:.3f} bits" in image["alt"]
        top = max(range(10), key=lambda label: plane["shares"][label])
        assert report["labels"][str(top)] in image["alt"]


def test_sample_pictures_stand_beside_their_classes(
    report: dict[str, Any], sample_pictures: Pictures
) -> None:
    pictures = sample_pictures(report)
    shown = Shape(_rendered(report, {**pictures, "unused": b"x"})).all("img")
    assert len(shown) == 4 * len(report["planes"])
    broken = dict.fromkeys(pictures, b"<svg>")
    assert len(Shape(_rendered(report, broken)).all("img")) == len(report["planes"])


def test_headings_tables_and_anchors_are_in_order(report: dict[str, Any]) -> None:
    page = _rendered(report)
    shape = Shape(page)
    levels = [int(name[1]) for name, _ in shape.tags if re.fullmatch("h[1-6]", name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert shape.all("html") == [{"lang": "en"}]
    assert all("scope" in th for th in shape.all("th"))
    assert len(shape.all("caption")) == len(shape.all("table"))
    ids = [value for _, key, value in shape.attributes if key == "id"]
    assert len(ids) == len(set(ids))
    targets = {
        value[1:] for _, key, value in shape.attributes if value.startswith("#") and key == "href"
    }
    only_sometimes = {"accepted", "shown", "trigger", "maps"}
    assert set(CONTENTS) - only_sometimes <= targets <= set(CONTENTS) & set(ids)


@pytest.mark.parametrize(
    ("verdict", "title", "tone"),
    [
        ("backdoor-suspected", "Backdoor suspected", "suspected"),
        ("no-evidence", "No evidence of a backdoor", "none"),
        ("inconclusive", "Inconclusive", "open"),
        ("something-new", "Inconclusive", "open"),
    ],
)
def test_the_verdict_comes_first_in_words(
    report: dict[str, Any], verdict: str, title: str, tone: str
) -> None:
    page = _rendered({**report, "verdict": verdict})
    assert f"<h1>{title}</h1>" in page
    assert f'<header class="{tone}">' in page
    assert page.index("<h1>") < page.index("What this does not mean") < page.index("<figure>")


def test_numbers_of_the_report_stand_in_the_page(report: dict[str, Any]) -> None:
    text = " ".join("".join(Shape(_rendered(report)).text).split())
    for plane in report["planes"]:
        assert f"{plane['re']:.3f}" in text
        assert f"{plane['ats_by_label']:.3f}" in text
    for part in (
        f"{report['scores']['re']['mean']:.3f} bits",
        "threshold 1.104",
        "0% to 25%",
        "96%",
        "3/0012.png",
        "reaches up to 4%",
        report["fingerprint"],
        report["plan_digest"],
        "provider: version",
        "If a backdoor sends every triggered input to one label",
        *report["limits"],
    ):
        assert part in text, part


def test_an_audit_without_a_profile_says_what_is_missing(make_report: MakeReport) -> None:
    page = _rendered(make_report("inconclusive", profile=False))
    assert "No reference profile was applied" in page
    assert "There is no threshold to compare them with" in page
    assert "the deciding score" not in page.partition("<main>")[0]
    assert "Train 8 or more clean models" in page.partition("<main>")[0]


@pytest.mark.parametrize("sparse", [False, True])
def test_a_partial_audit_without_planes_renders(make_report: MakeReport, *, sparse: bool) -> None:
    report = make_report("inconclusive", planes=0)
    report["partial"] = True
    report["canaries"] = None
    if sparse:
        report["scores"] = {"shares": None}
    report["samples"] |= {"accuracy": None, "wrong": []}
    report["timing"]["queries_per_second"] = None
    shape = Shape(_rendered(report))
    text = " ".join("".join(shape.text).split())
    assert "The audit was interrupted before its end: 0 of" in text
    assert "No plane was completely answered" in text
    assert "No input was asked twice" in text
    assert shape.all("img") == []
    assert "#planes" not in {value for _, _, value in shape.attributes}


def test_one_plane_has_no_interval(make_report: MakeReport) -> None:
    assert "no interval, 1 plane" in _rendered(make_report(planes=1))


def test_published_thresholds_decide_nothing(report: dict[str, Any]) -> None:
    report["verdict"] = "inconclusive"
    report["profile"] |= {"status": "published", "error_rates": {}, "references": None}
    page = _rendered(report)
    assert "known not to transfer" in page
    assert "(decides)" not in page


def test_unknown_and_missing_optional_keys_are_tolerated(report: dict[str, Any]) -> None:
    report["novelty"] = {"x": 1}
    report["planes"][0]["novelty"] = [1]
    report["scores"]["novelty"] = {"mean": 1.0}
    report["profile"] = {
        "name": "other",
        "status": "new",
        "thresholds": {"other": {"value": 1.0}},
        "deep": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {}}}}}}}}},
    }
    report["comparisons"].append(
        {"score": "other", "value": 1.0, "threshold": None, "at_or_below": None, "decides": False}
    )
    report["labels"] = {}
    report["model"] = {f"key{i}": i for i in range(200)}
    page = _rendered(report)
    assert "195 more entries" in page


def test_only_the_papers_maps_are_said_to_be_asked_at_every_point(report: dict[str, Any]) -> None:
    assert "label at every point" in _rendered(report)
    report["settings"] |= {"sampler": "frugal", "points": 16}
    said = _rendered(report)
    assert "at every point" not in said
    assert "the rest is filled" in said


def test_the_legend_names_what_the_pictures_show(report: dict[str, Any]) -> None:
    for plane in report["planes"]:
        plane["shares"] = [1.0] + [0.0] * 9
        plane["label_map"][0][0] = 9
    legend = _rendered(report).partition('class="legend"')[2].partition("</ul>")[0]
    assert "Ankle boot" in legend


def test_many_labels_stay_readable(make_report: MakeReport) -> None:
    report = make_report("no-evidence", classes=300, planes=6, density=30)
    page = _rendered(report)
    assert "296 other" in page
    assert len(Shape(page).all("img")) == 6


@pytest.mark.parametrize(("planes", "shown"), [(40, 40), (41, 24)])
def test_large_audits_show_some_pictures_and_list_all(
    report: dict[str, Any], planes: int, shown: int
) -> None:
    first = report["planes"][0]
    report["planes"] = [{**first, "index": index} for index in range(planes)]
    page = _rendered(report)
    shape = Shape(page)
    assert len(shape.all("img")) == shown
    assert (f"first {shown} of {planes} planes" in page) is (shown < planes)


def test_a_paper_sized_page_is_below_one_megabyte(
    make_report: MakeReport, sample_pictures: Pictures
) -> None:
    report = make_report(planes=20, density=100)
    assert len(_rendered(report, sample_pictures(report)).encode()) < 1_000_000


def _colours(css: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", css))


def _contrast(a: str, b: str) -> float:
    def luminance(colour: str) -> float:
        total = 0.0
        for weight, start in ((0.2126, 1), (0.7152, 3), (0.0722, 5)):
            value = int(colour[start : start + 2], 16) / 255.0
            total += weight * (
                value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
            )
        return total

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_text_stands_out_in_light_and_dark(report: dict[str, Any]) -> None:
    page = _rendered(report)
    style = page.partition("<style>")[2].partition("</style>")[0]
    light, dark = style.split("prefers-color-scheme: dark", 1)
    for part in (light, dark.partition("* {")[0]):
        colours = _colours(part)
        tones = re.findall(r"--tone: (#[0-9a-f]{6})", part)
        for ink in (colours["ink"], colours["soft"], colours["accent"], *tones):
            assert _contrast(ink, colours["paper"]) >= 4.5, ink
            assert _contrast(ink, colours["panel"]) >= 4.5, ink
        assert _contrast(colours["fill"], colours["track"]) >= 3.0


def test_a_found_trigger_counts_more_than_the_largest_share(report: dict[str, Any]) -> None:
    report["trigger"]["suspicious"] = True
    shares = report["scores"]["shares"]
    largest = shares.index(max(shares))
    for target, said in (
        (largest, "also the label that the trigger"),
        (largest - 1, "that is what counts"),
    ):
        report["trigger"]["best"]["target"] = target % len(shares)
        page = _rendered(report)
        assert said in page
        assert "this is the likely one" not in page


def test_ats_without_maps_says_what_it_needs(report: dict[str, Any]) -> None:
    report["scores"]["ats"] = None
    for plane in report["planes"]:
        plane["ats"] = None
    page = _rendered(report)
    assert "it needs label maps (--pictures" in page
    assert "no plane was completely answered" not in page
