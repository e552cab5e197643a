"""Files that are no samples: counted and named, with the reason, in one line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from adapters.file_kind import HEIC_REMEDY
from auditor.samples.pictures import HEIC

HIDDEN = "hidden or made by a system"
OUTSIDE = "in no class folder"
UNLISTED = "not in labels.csv"
FOLDER = "a folder"
AGAIN = "listed again in labels.csv"

_JUNK = frozenset(
    ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "Thumbs.db", "ehthumbs.db", "desktop.ini", "__pycache__")
)
_NOT_READ = {
    **dict.fromkeys(HEIC, HEIC_REMEDY),
    **dict.fromkeys(
        (".jp2", ".jxl", ".ico", ".tga", ".pcx", ".exr", ".hdr", ".dds", ".pdf", ".eps"),
        "convert it to PNG or JPEG",
    ),
    ".svg": "draw it as PNG",
    ".psd": "export it as PNG",
    ".dng": "develop it to PNG or JPEG",
    ".cr2": "develop it to PNG or JPEG",
    ".nef": "develop it to PNG or JPEG",
    ".arw": "develop it to PNG or JPEG",
    ".dcm": "bring it to 8 bits as PNG",
    ".mp4": "take its frames out as PNG",
    ".mov": "take its frames out as PNG",
    ".csv": "name a list of labels labels.csv",
    ".tsv": "name a list of labels labels.csv",
    ".npy": "put arrays into an .npz with x and y",
}
"""Ending of pictures that are not read -> the remedy."""
_LISTS = ("label", "annotation")


def is_hidden(name: str) -> bool:
    """True for other programs' files and folders: thumbnails, checkpoints, lists."""
    return name.startswith(".") or name in _JUNK


def reason(name: str) -> str:
    """Reason why the file called ``name`` is no sample."""
    if is_hidden(name):
        return HIDDEN
    suffix = Path(name).suffix.lower()
    remedy = _NOT_READ.get(suffix)
    if suffix in {".txt", ".json", ".xml"} and any(word in name.lower() for word in _LISTS):
        remedy = "write a list of labels as labels.csv, with lines like name.png,class"
    if remedy is not None:
        return f"{suffix}, which is not read ({remedy})"
    return f"{suffix}, no picture" if suffix else "without an ending, which pictures need"


def said(left: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """The one line on files left out, given with their reasons; none if there are none."""
    grouped: dict[str, list[str]] = {}
    for name, why in left:
        grouped.setdefault(why, []).append(name)
    parts = [
        f"{len(names)} {why}: {', '.join(names[:2])}{', ...' if names[2:] else ''}"
        for why, names in grouped.items()
    ]
    if not parts:
        return ()
    count = len(left)
    return (f"Left out: {count} file{'' if count == 1 else 's'} ({'; '.join(parts)}).",)
