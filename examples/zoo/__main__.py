"""``python -m examples.zoo``: train the zoo, list it, or rebuild its index."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from pathlib import Path

from .errors import ZooError
from .files import write_json
from .index import INDEX_PATH, write_index
from .manifest import build_manifest
from .use import default_folder
from .worker import work
from .workshop import Workshop


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 when it did what it says."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except ZooError as error:
        print(f"zoo: {error}", file=sys.stderr)
        return 4


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.zoo", description=__doc__)
    commands = parser.add_subparsers(required=True)
    train = commands.add_parser("train", help="train what is missing; stop and resume at will")
    train.set_defaults(command=_train)
    train.add_argument(
        "--data-dir",
        type=Path,
        default=os.environ.get("XRAY_AUDIT_ZOO_DATA"),
        help="folder of the datasets (default: $XRAY_AUDIT_ZOO_DATA)",
    )
    train.add_argument("--only", default="*", help="shell pattern of model names")
    train.add_argument("--workers", type=int, default=1, help="processes, one thread each")
    train.add_argument("--minutes", type=float, default=float("inf"), help="start none after this")
    train.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    train.add_argument(
        "--full-size",
        action="store_true",
        help="the paper's PreActResNet-18 and 100 epochs; for a GPU, files above 1 MB",
    )
    index = commands.add_parser("index", help="rebuild index.json from the finished models")
    index.set_defaults(command=_index)
    index.add_argument("--add", action="store_true", help="keep what it holds, add what it lacks")
    for command in (train, index):
        command.add_argument(
            "--out", type=Path, default=default_folder(), help="folder of the models"
        )
        command.add_argument("--index", type=Path, default=INDEX_PATH, help="index to write")
    listing = commands.add_parser("manifest", help="write every planned model to a JSON file")
    listing.set_defaults(command=_manifest)
    listing.add_argument("path", type=Path)
    return parser


def _train(options: argparse.Namespace) -> int:
    if options.data_dir is None:
        raise ZooError("no data: name their folder with --data-dir or XRAY_AUDIT_ZOO_DATA")
    # fresh processes: a fork of one that has run torch can hang
    context = multiprocessing.get_context("spawn")
    shop = Workshop(options.data_dir, options.out, options.device, options.full_size)
    order = (shop, options.only, options.minutes, options.index)
    workers = [context.Process(target=work, args=order) for _ in range(options.workers)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    _index(options)
    return max((abs(worker.exitcode or 0) for worker in workers), default=0)


def _index(options: argparse.Namespace) -> int:
    print(write_index(options.out, options.index, add=getattr(options, "add", False)))
    return 0


def _manifest(options: argparse.Namespace) -> int:
    models = [spec.as_json() for spec in build_manifest()]
    write_json(options.path, {"version": 1, "models": models})
    return 0


if __name__ == "__main__":
    sys.exit(main())
