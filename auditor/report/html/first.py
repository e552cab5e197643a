"""The first screen: verdict, reason, picture, certainty, gaps and the next step. Nothing else."""

from __future__ import annotations

from typing import NamedTuple

from auditor.report.html.changes import SAMPLE_KEY, SHOWN, changed_key, clean_key, kind_key
from auditor.report.html.parts import EXACT, Html, explained, join, sample, tag
from auditor.report.result.result import Result
from auditor.report.source import ReportSource
from auditor.report.wording import text
from auditor.report.wording.coverage import coverage_rows
from auditor.report.wording.search import hits, kind_title, strongest
from auditor.report.wording.summary import Summary, summary
from auditor.report.wording.terms import called, found_trigger, model_name, moment


def _glyph(character: str, y: int) -> Html:
    return tag("text", character, x=36, y=y, text_anchor="middle")


SHORT = 120
"""Characters of a command that a telephone's first screen has room for."""
ICONS = {
    "suspected": join([tag("path", d="M36 5 68 65H4z"), _glyph("!", 57)]),
    "none": join([tag("circle", cx=36, cy=36, r=30), tag("path", d="M22 36h28")]),
    "open": join([tag("rect", x=8, y=8, width=56, height=56, rx=4), _glyph("?", 50)]),
}
"""Shapes of each tone's icon on a 72 by 72 canvas: each verdict has its own outline."""


def first_screen(source: ReportSource) -> Html:
    """The header of the page."""
    result, said = source.result, summary(source.result)
    icon = tag("svg", ICONS[said.tone], class_="icon", viewBox="0 0 72 72", aria_hidden="true")
    # Without an answer it is the reason itself.
    cut = result.partial and said.tone != "open"
    lead = tag("strong", "Partial: not every planned query was answered. ") if cut else None
    words = tag(
        "div",
        tag("div", icon, tag("h1", said.title), class_="verdict"),
        tag("p", lead, said.plain, class_="lede"),
        tag("p", explained(said.reason), class_="reason"),
        _box(source, said) if said.tone == "open" else None,
        class_="said",
    )
    screen = tag("div", words, _proof(source), _brief(said), class_="screen")
    return tag("header", _eyebrow(result), screen, class_=said.tone)


def _eyebrow(result: Result) -> Html:
    day = moment(result.timing.finished).partition(" ")[0]
    asked = text.plural(result.queries.sent_all_runs, "query", "queries")
    return tag(
        "p",
        tag("span", "Backdoor audit of ", tag("b", model_name(result))),
        " ",
        tag("span", day, " · ", asked, class_="id"),
        class_="eyebrow",
    )


def _box(source: ReportSource, said: Summary) -> Html:
    """The remedies of an audit without an answer, and the command that goes on with a cut one."""
    first, *rest = said.steps
    others = [tag("p", tag("b", "Or: "), step) for step in rest[:1]]
    return tag(
        "div",
        tag("h2", "What to do"),
        tag("p", first),
        command(source, long=False),
        others,
        class_="box",
    )


def command(source: ReportSource, *, long: bool) -> Html | None:
    """The command that goes on with an audit cut short; None if there is none of this length."""
    words = source.resuming
    if not words or (len(words) > SHORT) is not long:
        return None
    # A flag is not torn at its hyphens.
    spans = [part for word in words.split(" ") for part in (" ", tag("span", word))]
    return tag("pre", tag("code", spans[1:]), class_="line")


def _brief(said: Summary) -> Html:
    pairs = [("How sure is this?", said.sure), ("Not covered", said.uncovered)]
    if said.tone != "open":
        pairs.append(("Next", said.steps[0]))
    rows = [tag("div", tag("dt", name), tag("dd", explained(words))) for name, words in pairs]
    return tag("dl", rows, class_="brief")


# ---- the picture -------------------------------------------------------------------------------


class Shown(NamedTuple):
    """A picture of the first screen: its key, what it shows, and the two lines below it."""

    key: str
    alt: str
    state: str
    label: str


def _proof(source: ReportSource) -> Html:
    figures = [
        tag("figure", picture, tag("figcaption", one.state, tag("b", one.label)))
        for one in pictures_shown(source)
        if (picture := sample(source.pictures[one.key], one.alt, exact=EXACT)) is not None
    ]
    return tag("div", figures, class_="proof") if figures else _coverage(source.result)


def pictures_shown(source: ReportSource) -> list[Shown]:
    """A sample as it is and with the best change, or with the strongest one that was tried where
    none leads anywhere; empty without pictures.
    """
    result, found = source.result, source.result.trigger
    if found is None or found.best is None or clean_key(0) not in source.pictures:
        return _tried(source)
    pairs = found.shown.pairs[:SHOWN]
    misread = {source.pictures.get(str(wrong.ref)) for wrong in result.samples.wrong}

    def tells(number: int) -> tuple[bool, bool]:
        """True for a sample that the change moves, and for one named right without it."""
        before, after = pairs[number]
        return before != after, source.pictures.get(clean_key(number)) not in misread

    number = max(range(len(pairs)), key=tells)
    change = "trigger" if found_trigger(result) else "strongest change"
    states = ((clean_key, "as it is"), (changed_key, f"with the {change}"))
    names = [called(result, label) for label in pairs[number]]
    return [
        Shown(key(number), f"A clean sample {state}: called {name}", state, name)
        for (key, state), name in zip(states, names, strict=True)
        if key(number) in source.pictures
    ]


def _tried(source: ReportSource) -> list[Shown]:
    found, held = source.result.trigger, source.pictures
    best = None if found is None else strongest(found)
    if best is None or SAMPLE_KEY not in held or kind_key(best.key) not in held:
        return []
    kind = kind_title(best)
    changed = f"A clean sample with the strongest change, {kind}"
    # The captions are short, so that a telephone's first screen holds all that follows.
    return [
        Shown(SAMPLE_KEY, "A clean sample as it is", "as it is", "clean sample"),
        Shown(kind_key(best.key), changed, f"strongest: {kind}", f"moves {hits(best)}"),
    ]


def _coverage(result: Result) -> Html:
    """Parts of the audit and how far each came, where there is no picture."""
    rows = [
        tag("div", tag("dt", name), tag("dd", outcome))
        for name, _, outcome in coverage_rows(result)[:4]
    ]
    return tag("dl", rows, class_="brief asked")
