"""One worker process: a module of its own, because a new process has to import it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from .errors import ZooError
from .index import write_index
from .workshop import Workshop


def work(shop: Workshop, pattern: str, minutes: float, index: Path) -> None:
    """Train models whose name matches until none is left or the time is up."""
    # torch is imported here alone, so that listing and indexing work without it
    import torch  # noqa: PLC0415

    from .worklist import run  # noqa: PLC0415

    torch.set_num_threads(1)

    def report(line: str) -> None:
        print(time.strftime("%H:%M:%S"), line, flush=True)
        write_index(shop.out, index)

    try:
        run(shop, pattern, time.time() + 60 * minutes, report)
    except ZooError as error:
        print(f"zoo: {error}", file=sys.stderr)
        sys.exit(4)
