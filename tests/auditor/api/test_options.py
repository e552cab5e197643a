"""The options that editors and type checkers know are those that an audit takes."""

from __future__ import annotations

from typing import get_type_hints

from auditor.api.audit import audit, audit_async
from auditor.api.options import AuditOptions, SettingOptions
from auditor.api.targets import FIELDS
from auditor.plan.settings import AuditSettings
from auditor.workflows.request import SETTINGS


def test_every_setting_is_known_with_its_type() -> None:
    assert get_type_hints(SettingOptions) == get_type_hints(AuditSettings)
    assert frozenset(get_type_hints(SettingOptions)) == SETTINGS


def test_every_field_of_a_target_is_known() -> None:
    # Its name is a parameter of its own.
    assert frozenset(get_type_hints(AuditOptions)) == (SETTINGS | FIELDS) - {"name"}


def test_both_ways_in_take_the_same_options_but_for_workers() -> None:
    workers = {"workers": None, "scheduler": None}
    assert audit.__kwdefaults__ == {**(audit_async.__kwdefaults__ or {}), **workers}
    assert set(audit.__annotations__) == {*audit_async.__annotations__, *workers}
    same = {name: audit.__annotations__[name] for name in audit_async.__annotations__}
    assert same == audit_async.__annotations__
