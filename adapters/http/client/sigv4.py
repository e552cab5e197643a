"""AWS Signature Version 4, by botocore's own signer and with the AWS tools' own credentials."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from adapters.errors import AccessDenied, MissingExtra, TargetError
from adapters.secrets import remember_key
from adapters.target import Auth

_SIGNED = ("authorization", "x-amz-date", "x-amz-security-token")
_HARMLESS = {"ConfigNotFound", "ConfigParseError", "PartialCredentialsError", "ProfileNotFound"}
"""Failures of botocore whose texts name files and profiles, and nothing that a program wrote."""


class SigV4Signer:
    """Signs requests for one service in one region; botocore renews its ``credentials``."""

    def __init__(self, credentials: Any, service: str, region: str) -> None:
        self._credentials = credentials
        self._service = service
        self._region = region
        self._hidden: tuple[str | None, str | None] = (None, None)
        self._auth = importlib.import_module("botocore.auth")
        self._request = importlib.import_module("botocore.awsrequest").AWSRequest

    def sign(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> dict[str, str]:
        """Headers that sign this request, names in lower case. Only its Content-Type and ``x-amz-``
        headers are signed, since a proxy may change any other. Raises AccessDenied if the
        credentials could not be renewed.
        """
        kept = {k: v for k, v in headers.items() if k == "content-type" or k.startswith("x-amz-")}
        try:
            frozen = self._credentials.get_frozen_credentials()
        except Exception as error:  # noqa: BLE001 - every source of credentials raises its own
            kind = type(error).__name__
            raise AccessDenied(f"the AWS credentials could not be renewed ({kind})") from None
        self._hide(frozen.secret_key, frozen.token)
        request = self._request(method=method, url=url, data=body, headers=kept)
        self._auth.SigV4Auth(frozen, self._service, self._region).add_auth(request)
        signed = {name.lower(): value for name, value in request.headers.items()}
        return {name: signed[name] for name in _SIGNED if name in signed}

    def _hide(self, key: str, token: str | None) -> None:
        """Let no text show what the next requests are signed with; it changes when renewed."""
        if (key, token) != self._hidden:
            self._hidden = (key, token)
            for secret in filter(None, self._hidden):
                for form in (secret, quote(secret, safe="")):
                    remember_key(form)


def open_signer(auth: Auth) -> SigV4Signer:
    """The signer for ``auth``, with the credentials the AWS command line would use. Raises
    MissingExtra without botocore, TargetError without region, service or credentials.
    """
    try:
        session_module = importlib.import_module("botocore.session")
    except ImportError:
        raise MissingExtra("botocore is not installed; install xray-audit[aws]") from None
    if not auth.service:
        raise TargetError('auth.service must name the AWS service to sign for, like "sagemaker"')
    try:
        session = session_module.Session(profile=auth.profile or None)
        region = auth.region or session.get_config_variable("region")
        credentials = session.get_credentials()
    except Exception as error:  # noqa: BLE001 - a broken AWS configuration raises many kinds
        kind = type(error).__name__
        # Others quote what a credential process wrote, which may be the credentials.
        why = str(error) if kind in _HARMLESS else kind
        raise TargetError(f"the AWS configuration cannot be used: {why}") from None
    if not region:
        raise TargetError('auth.region must name the AWS region, like "eu-central-1"')
    if credentials is None:
        raise TargetError(
            "there are no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            "name a profile in auth.profile"
        )
    return SigV4Signer(credentials, auth.service, region)
