"""Run one benchmark: ``python -m examples.benchmarks NAME [ARGUMENTS]``, or ``make bench``.

Every folder here with a ``run.py`` is a benchmark; its ``README.md`` is the page it writes.
"""

from __future__ import annotations

import ast
import sys
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent


def names() -> list[str]:
    """The benchmarks that there are."""
    return sorted(path.parent.name for path in HERE.glob("*/run.py"))


def question(name: str) -> str:
    """The first line of a benchmark's docstring."""
    tree = ast.parse((HERE / name / "run.py").read_text(encoding="utf-8"))
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def main() -> int:
    """Run the benchmark named first, with the other arguments."""
    name, *rest = sys.argv[1:] or ["--help"]
    if name in {"-h", "--help"}:
        print("usage: python -m examples.benchmarks NAME [--help] [ARGUMENTS]\n")
        print("\n".join(f"  {name:<16}{question(name)}" for name in names()))
        return 0
    if name not in names():
        print(f"There is no benchmark {name!r}; there are {', '.join(names())}.", file=sys.stderr)
        return 2
    sys.argv = [f"python -m examples.benchmarks {name}", *rest]
    import_module(f"examples.benchmarks.{name}.run").main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
