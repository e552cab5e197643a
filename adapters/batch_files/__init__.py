"""A model that only another party's batch job can reach: inputs go out as files, labels come back
as a file, and nothing here touches a network.

    __init__  →  oracle  →  exchange (state of the folder), writers (inputs), labels (answers)

An audit asks in rounds. Each run hands out the inputs that it needs next and ends; the same
command, given their labels, takes them over and hands out the next round, until the audit is
done. The place of the inputs holds the state, so two models need two places.
"""

from __future__ import annotations

from pathlib import Path

from adapters.batch_files.exchange import open_exchange
from adapters.batch_files.oracle import FileOracle
from adapters.batch_files.writers import choose_encoding
from adapters.contract import LabelSpace, distinct_names
from adapters.errors import TargetError
from adapters.target import Target

__all__ = ["open_oracle"]


async def open_oracle(target: Target) -> FileOracle:
    """Open the exchange at ``target.location``; nothing is written yet.

    Raises:
        TargetError: no shape, an encoding that the place cannot hold, or inputs that were handed
            out with another one.
    """
    if target.shape is None:
        raise TargetError("files do not tell the model's input shape: give --shape C,H,W")
    place = Path(target.location)
    encoding = choose_encoding(place, target)
    spec = target.input_spec(target.shape, encoding)
    exchange = open_exchange(place, spec, target.layout or "NCHW")
    # Without a list of classes labels are names, numbers included.
    space = LabelSpace(distinct_names(target.classes or ()), open=not target.classes)
    labels = None if target.labels_file is None else Path(target.labels_file)
    return FileOracle(exchange, spec, space, labels)
