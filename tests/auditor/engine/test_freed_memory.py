"""Memory that a request needed for a moment serves the next one."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from auditor.engine.memory import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    held = [bytes([1]) * (8 << 20) for _ in range(2)]
    del held
before = faults()
for _ in range(20):
    held = [bytes([1]) * (8 << 20) for _ in range(2)]
    del held
print(faults() - before)
"""


def page_faults(how: str) -> int:
    """New pages that 20 times two blocks of 8 MiB cost."""
    command = [sys.executable, "-c", PROGRAM, how]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_large_blocks_are_used_again() -> None:
    assert 10 * page_faults("kept") < page_faults("given back")


GIVEN = """
from auditor.engine.memory import give_back_freed_memory, keep_freed_memory
keep_freed_memory()
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1])
blocks = [bytes([1]) * 5000 for _ in range(8000)]
last = blocks[::1000]
del blocks
before = resident()
give_back_freed_memory()
print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_kept_memory_is_given_back_once_everything_is_asked() -> None:
    done = subprocess.run([sys.executable, "-c", GIVEN], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 5000  # pages, of the 10,000 or so that the blocks took
