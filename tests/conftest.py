"""The order of the test files: the longest first, so that no worker ends alone with one of them."""

from __future__ import annotations

import gc

import pytest

LONGEST = (
    "test_interruption", "test_diff_of_audits", "test_action", "test_busy_servers",
    "test_mutations", "test_examples", "test_replicas", "test_raised", "test_bounds", "test_main",
    "test_demo", "test_threshold", "test_consistency", "test_run", "test_hostile", "test_secrets",
    "test_two_classes", "test_endpoints", "test_words", "test_command", "test_notebook",
)  # fmt: skip
"""Names of the files that take more than some eight seconds each."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the tests of the longest files to the front; nothing else changes its place."""
    rank = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


def pytest_collection_finish() -> None:
    """Keep what was collected out of the garbage collector: it stays to the end, and looking
    through it again and again takes some tenth of the suite's time.
    """
    gc.collect()
    gc.freeze()
