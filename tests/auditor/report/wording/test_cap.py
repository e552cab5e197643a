"""A cap on queries is said before the audit, with what it leaves within reach."""

from __future__ import annotations

from dataclasses import replace

import pytest

from auditor.report.wording.cap import Cap, cap_words, capped
from auditor.report.wording.prospects import decides
from auditor.verdict.prospects import Prospects

CAP = Cap(5000, 0, 9014, 31_471, 226_763, accuses=True, clears=True, fits="quick")
REACH = Prospects(True, "", None, None, 120, 40, "", "thorough")


def test_a_cap_below_an_audit_that_finds_nothing_takes_its_all_clear() -> None:
    said = cap_words(CAP)
    assert "takes about 31,471 queries, and at the cap it ends inconclusive" in said
    assert "An all-clear is possible from about 31,471 on." in said
    assert "A trigger is found before it only if that goes fast" in said
    assert "With --effort quick the audit would come to its end." in said
    assert "an all-clear needs a larger cap on queries" in decides(capped(REACH, CAP))
    enough = replace(CAP, most=31_471)
    assert "an all-clear is possible" in decides(capped(REACH, enough))


def test_a_trigger_may_come_before_a_cap_that_pays_for_one() -> None:
    said = cap_words(replace(CAP, most=10_000))
    assert "A trigger may still be found before it (usually after about 9,014 queries)." in said
    unknown = cap_words(replace(CAP, most=10_000, found=None))
    assert unknown.count("A trigger may still be found before it.") == 1
    assert "trigger" not in cap_words(replace(CAP, accuses=False))
    assert "all-clear" not in cap_words(replace(CAP, clears=False))


@pytest.mark.parametrize(
    ("most", "words"),
    [
        (31_471, "pays for what is expected; an audit that needs more ends inconclusive"),
        (226_763, "pays for everything that may be asked"),
    ],
)
def test_a_cap_that_suffices_is_said_too(most: int, words: str) -> None:
    assert words in cap_words(replace(CAP, most=most))


def test_queries_that_were_sent_before_count() -> None:
    said = cap_words(replace(CAP, sent=4000, not_found=27_471))
    assert "The cap of 5,000 queries, 4,000 of them sent, does not pay" in said
    assert "takes about 27,471 queries more" in said
    assert "An all-clear is possible from about 31,471 on." in said
    assert replace(CAP, sent=6000).left == 0
