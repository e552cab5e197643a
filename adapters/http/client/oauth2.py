"""Tokens for client credentials of OAuth 2 (RFC 6749, 4.4)."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote_plus, urlencode

from adapters.errors import AccessDenied, InputRejected, NotFound, TargetError
from adapters.http.client.endpoint import Endpoint, read_endpoint
from adapters.http.client.tokens import Token, read_token
from adapters.secrets import remember_key
from adapters.target import Auth, Target

if TYPE_CHECKING:
    from adapters.http.client.client import Client

OpenClient = Callable[[Target, Endpoint], "Client"]


async def granted_token(target: Target, secret: str, open_client: OpenClient) -> Token:
    """A token for ``target``'s client and its ``secret``, asked of its authorisation server by a
    client of ``open_client``. Raises EndpointError if that gives none.
    """
    auth = target.http.auth
    client = auth.oauth2
    endpoint = read_endpoint(client.token_url)
    form = {"grant_type": "client_credentials", **client.parameters}
    if client.scope:
        form["scope"] = client.scope
    sent: dict[str, str] = {"content-type": "application/x-www-form-urlencoded"}
    if client.send_as == "body":
        form |= {"client_id": client.client_id, "client_secret": secret}
    else:
        pair = f"{quote_plus(client.client_id)}:{quote_plus(secret)}".encode()
        sent["authorization"] = f"Basic {base64.b64encode(pair).decode('ascii')}"
        remember_key(sent["authorization"].removeprefix("Basic "))
    options = dataclasses.replace(
        target.http, headers={}, auth=Auth(type="none"), idempotency_header=""
    )
    asked = open_client(dataclasses.replace(target, http=options), endpoint)
    try:
        reply = await asked.send("POST", endpoint, urlencode(form).encode(), sent, "metadata")
    except (InputRejected, NotFound) as error:
        raise AccessDenied(f"no token was given: {error}") from None
    finally:
        await asked.aclose()
    return read_token(reply.body, auth.lifetime, f"{endpoint.shown} answered with")


def check_client(auth: Auth) -> None:
    """Refuse a client that cannot ask for a token. Raises TargetError."""
    for name in ("token_url", "client_id"):
        if not getattr(auth.oauth2, name):
            raise TargetError(f'auth.oauth2.{name} is missing, and auth.type "oauth2" needs it')
    read_endpoint(auth.oauth2.token_url)
