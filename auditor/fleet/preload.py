"""Loaded by each worker process of a local cluster as it starts; see Dask's ``preload``."""

from __future__ import annotations

import signal


def dask_setup(worker: object) -> None:  # noqa: ARG001 - as Dask calls it
    """Leave Ctrl-C to the user's own process: a terminal sends it to the workers too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
