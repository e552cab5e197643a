"""Building blocks of the HTML report.

Markup is built by :func:`tag` alone. It escapes every child and attribute that is not already
:class:`Html`, so that text from a model can never become markup, wherever it is used.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from auditor.report.html.pictures import MARKS, embedded, ink_on, label_colour, label_tile
from auditor.report.wording.glossary import marked
from auditor.report.wording.terms import flatten
from auditor.report.wording.text import visible

MAX_ROWS = 80
"""Rows shown of a free-form object such as the model's description."""


class Html(str):
    """Markup that is safe to insert as it is."""

    __slots__ = ()


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """One element.

    Args:
        name: element name.
        children: :class:`Html` goes in as it is, an iterable of children is flattened, None
            vanishes and everything else is escaped.
        attributes: underscores become hyphens, a trailing one is dropped (``class_``); None
            leaves the attribute out.
    """
    pairs = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_escaped(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{pairs}>{join(children)}</{name}>")


def paragraphs(lines: Iterable[object]) -> list[Html]:
    """Each line as a paragraph."""
    return [tag("p", line) for line in lines]


def bullets(lines: Iterable[object], name: str = "ul") -> Html:
    """The lines as a list, bulleted or (``ol``) numbered."""
    return tag(name, [tag("li", line) for line in lines])


def void(name: str, /, **attributes: object) -> Html:
    """One element without content, such as ``img``."""
    return Html(tag(name, **attributes).removesuffix(f"</{name}>"))


def join(children: Iterable[object]) -> Html:
    """All children one after the other, by the rules of :func:`tag`."""
    return Html("".join(_child(child) for child in children))


def _child(child: object) -> str:
    if isinstance(child, Html):
        return child
    if child is None:
        return ""
    if isinstance(child, list | tuple):
        return join(child)
    return _escaped(child)


def _escaped(value: object) -> str:
    return html.escape(visible(str(value)), quote=True)


def section(anchor: str, title: str, *children: object) -> Html:
    """A section of a part, under a third-level heading."""
    heading = f"{anchor}-title"
    return tag(
        "section", tag("h3", title, id=heading), children, id=anchor, aria_labelledby=heading
    )


def folded(anchor: str, title: str, *children: object) -> Html:
    """A section that a reader opens; printed, it is open."""
    heading = f"{anchor}-title"
    summary = tag("summary", tag("h3", title, id=heading))
    return tag("section", tag("details", summary, children), id=anchor, aria_labelledby=heading)


def explained(words: str) -> list[object]:
    """``words`` with the meaning of a word of the glossary shown where a pointer rests on it."""
    return [tag("abbr", piece, title=about) if about else piece for piece, about in marked(words)]


def part(anchor: str, title: str, reader: str, sections: Iterable[Html | None]) -> Html:
    """A part of the page, for one kind of reader, under a second-level heading."""
    heading = f"{anchor}-title"
    return tag(
        "section",
        tag("h2", title, tag("small", reader), id=heading),
        list(sections),
        id=anchor,
        aria_labelledby=heading,
        class_="part",
    )


def table(
    caption: str, head: Sequence[object], rows: Iterable[Sequence[object]], class_: str = ""
) -> Html:
    """A captioned table; the first cell of each row is its header. Wide ones scroll by
    themselves, so that the page never does.
    """
    body = [
        tag("tr", tag("th", row[0], scope="row"), [tag("td", cell) for cell in row[1:]])
        for row in rows
    ]
    whole = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", [tag("th", cell, scope="col") for cell in head])),
        tag("tbody", body),
        class_=class_ or None,
    )
    return tag("div", whole, class_="wide", role="region", aria_label=caption, tabindex="0")


def facts(pairs: Iterable[tuple[object, object]], class_: str = "facts") -> Html:
    """A list of terms and their values."""
    return tag(
        "dl",
        [tag("div", tag("dt", term), tag("dd", value)) for term, value in pairs],
        class_=class_,
    )


def free_form(value: Mapping[str, Any], most: int = MAX_ROWS) -> Html:
    """A free-form JSON object as a list of facts, ``most`` of them."""
    pairs = flatten(value)
    # Keys in words also wrap between lines.
    shown = [(key.replace(".", ": ").replace("_", " "), said) for key, said in pairs[:most]]
    rest = len(pairs) - most
    more = tag("p", f"{rest} more entries stand in report.json.") if rest > 0 else None
    return join([facts(shown, "facts plain"), more])


def hex_colour(label: int) -> str:
    """The label's colour as CSS writes it."""
    return "#{:02x}{:02x}{:02x}".format(*label_colour(label))


@lru_cache(maxsize=1024)
def swatch(label: int) -> Html:
    """The label's colour and texture with its number on it, as in the pictures."""
    number = str(label)
    width = 14 + 8 * len(number)
    colour = label_colour(label)
    red, green, blue = ink_on(colour)
    tile = base64.b64encode(label_tile(label, width, 22)).decode("ascii")
    return tag(
        "svg",
        tag("image", width=width, height=22, href=f"data:image/png;base64,{tile}"),
        # The plain colour behind the number keeps it legible on the texture.
        tag("rect", x=4, y=3, width=width - 8, height=16, rx=2, fill=hex_colour(label)),
        tag("text", number, x=width / 2, y=15.5, fill=f"rgb({red},{green},{blue})"),
        class_="swatch",
        width=width,
        height=22,
        aria_hidden="true",
    )


def mark(index: int) -> Html:
    """The mark of sample ``index`` (0 to 2) of a triplet, as in the pictures."""
    shapes = {
        "circle": tag("circle", cx=8, cy=8, r=5),
        "square": tag("rect", x=3, y=3, width=10, height=10),
        "triangle": tag("path", d="M8 2.5 14 13H2z"),
    }
    return tag(
        "svg",
        shapes[MARKS[index]],
        class_="mark",
        width=16,
        height=16,
        role="img",
        aria_label=MARKS[index],
    )


EXACT, EXACT_OF_MANY = 160_000, 32_000
"""Bytes up to which a picture goes into a page pixel by pixel, alone and as one of many."""


def sample(
    png: bytes | None, alt: str, *, true_size: bool = False, exact: int = EXACT_OF_MANY
) -> Html | None:
    """A sample, as large as its place or in its own pixels; None without one.

    It is as it was uploaded where that takes ``exact`` bytes at most, else very near to it.
    """
    made = None if png is None else embedded(png, 256, exact)
    if made is None:
        return None
    media, data, size = made
    return image(media, data, alt, size if true_size else None)


def image(media: str, data: bytes, alt: str, side: tuple[int, int] | None = None) -> Html:
    """A picture inside the page."""
    width, height = side or (None, None)
    source = f"data:{media};base64,{base64.b64encode(data).decode('ascii')}"
    return void("img", src=source, alt=alt, width=width, height=height)


def bar(share: float) -> Html:
    """A horizontal bar, ``share`` of its cell wide. The number stands beside it in words."""
    return tag(
        "svg",
        tag("rect", class_="track", width="100%", height=10, rx=2),
        tag("rect", class_="fill", width=f"{100.0 * share:.2f}%", height=10, rx=2),
        class_="bar",
        width="100%",
        height=10,
        aria_hidden="true",
    )


def along(value: float, end: float) -> str:
    """Place of ``value`` on a chart's axis from 0 to ``end``, in percent of its width."""
    # Percentages, not a viewBox: the chart narrows with the window and its text does not shrink.
    return f"{100.0 * min(max(value / end, 0.0), 1.0):.2f}%"


def axis(end: float, y: int, ticks: int) -> list[Html]:
    """A chart's axis from 0 to ``end`` at height ``y``, and its ticks at equal distances."""
    anchors = ["start", *["middle"] * (ticks - 2), "end"]
    parts = [number / (ticks - 1) for number in range(ticks)]
    return [
        tag("line", class_="axis", x1="0%", x2="100%", y1=y, y2=y),
        *(
            tag(
                "text",
                f"{end * part:.2f}",
                class_="tick",
                x=f"{100.0 * part:.0f}%",
                y=y + 18,
                text_anchor=anchor,
            )
            for part, anchor in zip(parts, anchors, strict=True)
        ),
    ]


def chart(height: int, in_words: str, *children: object) -> Html:
    """A drawing as wide as its column, with its text alternative."""
    return tag(
        "svg",
        children,
        class_="chart",
        width="100%",
        height=height,
        role="img",
        aria_label=in_words,
    )
