"""``python -m examples.zoo.photos``: train the photo models, list them, rebuild the index."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from pathlib import Path

from examples.zoo.errors import ZooError
from examples.zoo.files import write_json

from .demo import write_demo
from .index import INDEX_PATH, write_index
from .manifest import build_manifest
from .samples import find, write_samples


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 when it did what it says."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except ZooError as error:
        print(f"photos: {error}", file=sys.stderr)
        return 4


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.zoo.photos", description=__doc__)
    commands = parser.add_subparsers(required=True)
    train = commands.add_parser("train", help="train what is missing; stop and resume at will")
    train.set_defaults(command=_train)
    train.add_argument("--data", type=Path, required=True, help="folder of the unpacked data sets")
    train.add_argument("--only", default="*", metavar="GLOB", help="pattern of model names")
    train.add_argument("--jobs", type=int, default=1, metavar="N", help="processes of one thread")
    index = commands.add_parser("index", help="rebuild index.json from the trained models")
    index.set_defaults(command=_index)
    for command in (train, index):
        command.add_argument("--out", type=Path, required=True, help="folder of the models")
    index.add_argument("--index", type=Path, default=INDEX_PATH, help="index to write")
    index.add_argument("--add", action="store_true", help="keep what it holds, add what it lacks")
    samples = commands.add_parser("samples", help="write test pictures of a model, for an audit")
    samples.set_defaults(command=_samples)
    samples.add_argument("name", help="the model")
    samples.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    samples.add_argument("--out", type=Path, required=True, help="folder to write")
    samples.add_argument("--per-class", type=int, default=12, metavar="N", help="pictures")
    samples.add_argument("--seed", type=int, default=0, help="which pictures")
    demo = commands.add_parser("demo", help="write the demo's models and pictures")
    demo.set_defaults(command=_demo)
    demo.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    demo.add_argument("--models", type=Path, required=True, help="folder of the trained models")
    demo.add_argument("--out", type=Path, required=True, help="folder to write")
    listing = commands.add_parser("manifest", help="write every planned model to a JSON file")
    listing.set_defaults(command=_manifest)
    listing.add_argument("path", type=Path)
    return parser


def _train(options: argparse.Namespace) -> int:
    # torch is imported here alone, so that listing and indexing work without it
    from .making import Room  # noqa: PLC0415
    from .worklist import work  # noqa: PLC0415

    # fresh processes: a fork of one that has run torch can hang
    context = multiprocessing.get_context("spawn")
    room = Room(options.data.resolve(), options.out.resolve())
    workers = [context.Process(target=work, args=(room, options.only)) for _ in range(options.jobs)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return max((abs(worker.exitcode or 0) for worker in workers), default=0)


def _index(options: argparse.Namespace) -> int:
    print(write_index(options.out, options.index, add=options.add))
    return 0


def _samples(options: argparse.Namespace) -> int:
    spec = find(options.name)
    print(write_samples(spec, options.data, options.out, options.per_class, options.seed))
    return 0


def _demo(options: argparse.Namespace) -> int:
    write_demo(options.data, options.models, options.out)
    return 0


def _manifest(options: argparse.Namespace) -> int:
    models = [spec.as_json() for spec in build_manifest()]
    write_json(options.path, {"version": 1, "models": models})
    return 0


if __name__ == "__main__":
    sys.exit(main())
