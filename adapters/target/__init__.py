"""The model under audit as the user describes it: its description, read, checked and written."""

from adapters.target.auth import Auth, Hmac, OAuth2
from adapters.target.description import (
    Color,
    HttpOptions,
    Limits,
    Poll,
    Preflight,
    Protocol,
    Resample,
    Retry,
    Target,
    Tariff,
    Tls,
)
from adapters.target.formats import ReplyFormat, ReplyKind, RequestFormat
from adapters.target.parse import (
    TARGET_FILE,
    model_kind,
    read_description,
    read_target,
    refuse_secrets,
    with_fields,
)
from adapters.target.presets import over, preset_names, preset_table
from adapters.target.write import target_text

__all__ = [
    "TARGET_FILE",
    "Auth",
    "Color",
    "Hmac",
    "HttpOptions",
    "Limits",
    "OAuth2",
    "Poll",
    "Preflight",
    "Protocol",
    "ReplyFormat",
    "ReplyKind",
    "RequestFormat",
    "Resample",
    "Retry",
    "Target",
    "Tariff",
    "Tls",
    "model_kind",
    "over",
    "preset_names",
    "preset_table",
    "read_description",
    "read_target",
    "refuse_secrets",
    "target_text",
    "with_fields",
]
