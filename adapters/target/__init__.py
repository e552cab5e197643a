"""The model under audit as the user describes it: its description, read, checked and written."""

from adapters.target.description import (
    Auth,
    Color,
    HttpOptions,
    Limits,
    Poll,
    Preflight,
    Protocol,
    ReplyFormat,
    ReplyKind,
    RequestFormat,
    Resample,
    Retry,
    Target,
    Tls,
)
from adapters.target.parse import TARGET_FILE, model_kind, with_fields
from adapters.target.presets import preset_names, preset_table
from adapters.target.read import read_description, read_target
from adapters.target.write import target_text

__all__ = [
    "TARGET_FILE",
    "Auth",
    "Color",
    "HttpOptions",
    "Limits",
    "Poll",
    "Preflight",
    "Protocol",
    "ReplyFormat",
    "ReplyKind",
    "RequestFormat",
    "Resample",
    "Retry",
    "Target",
    "Tls",
    "model_kind",
    "preset_names",
    "preset_table",
    "read_description",
    "read_target",
    "target_text",
    "with_fields",
]
