"""The key of a target and the ways to compute one, a table of a description."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Auth:
    """The key: never itself in a description, only its place."""

    type: Literal["bearer", "header", "query", "basic", "sigv4", "none"] = "bearer"
    """``bearer`` and ``header`` send the key in a header, ``query`` in the URL's query,
    ``basic`` as the password of ``user``, ``sigv4`` signs for AWS with the credentials that the
    AWS command line would use; ``none`` sends no key."""
    header: str = "Authorization"
    """Header that carries the key."""
    prefix: str = ""
    """Text before the key, with its space ("Key "). ``bearer`` sets "Bearer "."""
    parameter: str = "key"
    """Name of the query parameter that carries the key."""
    user: str = ""
    """User name of ``basic``."""
    secret_env: str = "XRAY_AUDIT_API_KEY"  # noqa: S105 - a variable's name, not its content
    """Environment variable that holds the key."""
    secret_file: str = ""
    """File that holds the key, and nothing else."""
    keyring: str = ""
    """``SERVICE/NAME`` of the key in the system's keyring (extra ``keyring``)."""
    region: str = ""
    """AWS region of ``sigv4``."""
    service: str = ""
    """AWS service of ``sigv4``: ``sagemaker``, ``rekognition``, ``execute-api``."""
    profile: str = ""
    """AWS profile of ``sigv4``, or empty for the default credentials."""
