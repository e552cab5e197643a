"""``xray-audit pack``: a bundle as one file, or without what is private."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from auditor.cli.options import Bundle


def pack(
    bundle: Bundle,
    to: Annotated[Path, typer.Argument(metavar="TO", help="A new .zip file, or a new folder.")],
    hand_over: Annotated[  # noqa: FBT002 - a flag
        bool,
        typer.Option(
            "--hand-over",
            help="Leave out the sample images and the views that show them; their hashes, names "
            "and classes stay.",
        ),
    ] = False,
) -> None:
    """Copy the evidence of an audit into one file, or a hand-over edition of it."""
    from auditor.evidence.packing import pack as pack_bundle

    left_out = pack_bundle(bundle, to, hand_over=hand_over)
    said = f"; left out: {', '.join(left_out)}" if hand_over else ""
    typer.echo(f"{to} written{said}")
