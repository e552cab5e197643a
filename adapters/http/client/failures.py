"""Everything that can go wrong with one attempt, put into the error tree, in one place."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace

from adapters import errors
from adapters.errors import AccessDenied, BadReply, NotFound, RetryAdvice, ServerFailed, Unreachable
from adapters.http.client.quota_headers import pace_hint
from adapters.http.client.waits import reply_time, wait_in_body, wait_in_headers
from adapters.http.transport.addresses import ForbiddenAddressError
from adapters.http.transport.reading import MAX_HEAD_BYTES, MAX_HEADERS, HeadTooLongError, Reply
from adapters.http.transport.tls import certificate_problem
from adapters.quoting import error_text, printable
from adapters.target import Retry

_NEVER_LEFT = RetryAdvice("outage", unsent=True)
_NOWHERE = RetryAdvice("never", unsent=True)
_NO_SUCH_NAME = RetryAdvice("gone", unsent=True)
_MAYBE_DONE = RetryAdvice("outage", outcome_unknown=True)
_REMEDIES: dict[int, tuple[type[errors.EndpointError], errors.RetryKind, str]] = {
    401: (AccessDenied, "never", "check the key named by auth.secret_env, secret_file or keyring"),
    402: (AccessDenied, "never", "the account behind the key cannot pay"),
    403: (AccessDenied, "never", "the key may not use this model"),
    404: (NotFound, "gone", "check the path and the model's name"),
    405: (NotFound, "never", "check the path and the request method"),
    407: (AccessDenied, "never", "a proxy asks for its own credentials"),
    408: (ServerFailed, "transient", "the server gave up waiting for the request"),
    409: (ServerFailed, "transient", "add 409 to retry.throttle if it means 'busy'"),
    410: (NotFound, "gone", "the model was taken away"),
    413: (errors.InputRejected, "too-large", "send fewer inputs per request"),
    415: (errors.InputRejected, "never", "check request.body, access and the content type"),
    420: (ServerFailed, "transient", "add 420 to retry.throttle to slow down on it"),
    421: (NotFound, "never", "the server does not serve this host name: check the URL"),
    424: (ServerFailed, "transient", "the model behind the server failed"),
    425: (ServerFailed, "transient", "the server is not ready for the request"),
    426: (NotFound, "never", "the server wants another protocol: check the scheme"),
    429: (ServerFailed, "transient", "add 429 to retry.throttle to slow down on it"),
    431: (AccessDenied, "never", "the headers are too long: check the key and the headers"),
    451: (AccessDenied, "never", "the server withholds it for legal reasons"),
    499: (ServerFailed, "transient", "a gateway gave up on the request"),
}
_SENT_WRONG = "check shape, datatype and request format"
_WHOLE = "; whole numbers 0 to 255 travel with access image and request.value pixels"
_ABOUT = {
    "metadata": "check the URL: the server, and the model's name and version",
    "answer": "check poll.url or poll.url_path, by which the answer is looked for",
}
"""Remedies where no input was sent that could be wrong."""
_LOST = {502, 504, 522, 524}
"""Statuses of a gateway that may have passed the request on and lost its answer."""
_DOWN = {*_LOST, 520, 521, 523, 525, 526, 527, 530}
"""Statuses by which gateways say that the server behind them is down."""
_NO_WAIT = {401, 402, 405, 407, 413}
"""Refusals that no wait changes, whatever is stated beside them."""
_STARTING = re.compile(
    r"\b(?:re)?loading\b|warming[ -]up|starting[ -]up|is starting|initiali[sz]ing|scaling|"
    r"cold[ -]start|not (?:yet )?ready\b"
)
_AWAY = re.compile(
    r"no available versions|not (?:yet )?(?:found|loaded|available)\b|unavailable|unknown model|"
    r"does not exist"
)
_TOO_MANY = re.compile(
    r"batch[ _-]?size|max(?:imum)?[ _-]batch|index: 0 got: \d+ expected|"
    r"\btoo many (?:inputs|images|pictures|instances|items|files|rows|samples|records)|"
    r"\b(?:at most|up to|no more than|max(?:imum)?(?: of)?|limit of|only) \d+ "
    r"(?:inputs?|images?|pictures?|instances?|items?|files?|rows?|samples?|records?)\b"
)
"""A request with fewer inputs may be taken, in the words of servers."""
_KEY_REFUSED = {
    "InvalidKeyException",  # TorchServe: a wrong key, or one older than an hour
    "AccessDeniedException",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
}
_TOO_FAST = re.compile(
    r"(?:Request|EC2)?Thrott\w+|TooManyRequests\w*|SlowDown|PriorRequestNotComplete|"
    r"(?:Request|Bandwidth)?LimitExceeded(?:Exception)?|ProvisionedThroughputExceeded\w*"
)
"""AWS's names of "too fast", by its own clients' list."""


def from_exception(
    error: Exception,
    where: str,
    *,
    unsent: bool,
    stranger: bool = False,
    proxy: str = "",
    unused: str = "",
) -> Unreachable:
    """Classify what a transport raised, or the TimeoutError of the whole attempt.

    Args:
        error: the exception.
        where: the endpoint, without secrets.
        unsent: True if the request surely did not reach the server.
        stranger: True if no TLS server there ever answered: one that wants a certificate of ours
            may break the connection before its own word on that arrives.
        proxy: the proxy in between, or empty.
        unused: variable of the environment that names a proxy, of which no use is made; or empty.
    """
    chain = list(_causes(error))
    if proxy and unsent:
        return _proxy_failed(chain, where, proxy)
    hint = f"; {unused} is set and not used: if only that proxy leads there, pass --proxy env"
    found = _from_chain(error, chain, where, unsent=unsent, stranger=stranger)
    if found.advice.unsent and unused:
        found.args = (f"{found}{hint}",)
    return found


def _proxy_failed(chain: list[BaseException], where: str, proxy: str) -> Unreachable:
    """The failure of a request that ``proxy`` did not bring to the server."""
    through = f"{where}, through the proxy {proxy}"
    for cause in chain:
        if type(cause).__name__ in {"ClientHttpProxyError", "ProxyError"}:
            # One of the two transports has the status as a number, the other in its text.
            status = str(getattr(cause, "status", "") or str(cause)[:3])
            retry = _NEVER_LEFT if status[:1] == "5" else _NOWHERE
            remedy = "; give it a name and password in HTTPS_PROXY" if status == "407" else ""
            return Unreachable(f"{through}: the proxy refuses (HTTP {status}){remedy}", retry)
    if any(isinstance(cause, socket.gaierror) for cause in chain):
        return Unreachable(f"{through}: the proxy's name does not resolve", _NOWHERE)
    wrong = _wrong_place(chain)
    if wrong or any(_is_tls_fault(cause) for cause in chain):
        return Unreachable(f"{through}: {wrong or 'no TLS there'}", _NOWHERE)
    why = _refusal(chain).replace("the server", "the proxy")
    return Unreachable(f"{through}: {why}", _NEVER_LEFT)


def _from_chain(
    error: Exception, chain: list[BaseException], where: str, *, unsent: bool, stranger: bool
) -> Unreachable:
    # What our own look at the name and its addresses raises comes before any connection.
    unsent = unsent or isinstance(error, (ForbiddenAddressError, socket.gaierror))
    wrong = _wrong_place(chain)
    if wrong:
        nameless = any(isinstance(cause, socket.gaierror) for cause in chain)
        nowhere = _NO_SUCH_NAME if nameless else _NOWHERE
        return Unreachable(f"{where}: {wrong}", nowhere if unsent else errors.NEVER)
    if unsent and any(_is_tls_fault(cause) for cause in chain):
        return Unreachable(f"{where}: no TLS there; check the scheme and the port", _NOWHERE)
    if unsent:
        return Unreachable(f"{where}: {_refusal(chain)}", _NEVER_LEFT)
    if isinstance(error, TimeoutError):
        return Unreachable(
            f"{where}: no complete reply in time; raise limits.timeout or send fewer inputs",
            replace(_MAYBE_DONE, silent=True),
        )
    if any(map(_is_long_head, chain)):
        return Unreachable(
            f"{where}: the connection broke before a complete HTTP reply: its headers are more "
            f"than {MAX_HEAD_BYTES >> 10} KiB, or more than {MAX_HEADERS}",
            _MAYBE_DONE,
        )
    hint = "; does the server want a certificate of ours (tls.cert)?" if stranger else ""
    what = "the connection broke before a complete HTTP reply"
    if any(map(_is_no_http, chain)):
        stranger, what = True, "what came back breaks the rules of HTTP"
        hint = "; check scheme and port, and the log of the server or its gateway"
    return Unreachable(
        f"{where}: {what} ({type(error).__name__}){hint}",
        RetryAdvice("transient", outcome_unknown=True) if stranger else _MAYBE_DONE,
    )


def _is_long_head(cause: BaseException) -> bool:
    """True if a head is too long, in the words of this program or of either transport."""
    text = str(cause)
    return (
        isinstance(cause, HeadTooLongError)
        or type(cause).__name__ == "LineTooLong"
        or "Too many headers" in text
        or "Receive buffer too long" in text
    )


def _is_no_http(cause: BaseException) -> bool:
    """True if whole bytes came that are no HTTP, in the words of either transport: no outage."""
    name = type(cause).__name__
    if name == "RemoteProtocolError":
        return not str(cause).startswith(("Server disconnected", "peer closed"))
    return name in {"HttpProcessingError", "BadHttpMessage", "BadStatusLine", "InvalidHeader"}


def odd(
    reply: Reply, where: str, why: BadReply, secrets: tuple[str, ...], *, final: bool
) -> BadReply:
    """The error of a 2xx without a usable answer, with the server's own reason if it states one;
    ``final`` if its status means that a repeat is in vain.
    """
    # A message of gRPC is no text: what it says against itself stands in ``why``.
    said = "" if reply.code else error_text(reply.body, secrets, reply.charset, failed=False)
    later = "; for answers that always come later, describe poll" if reply.status == 202 else ""
    advice = errors.NEVER if final else RetryAdvice("odd")
    if not final and _STARTING.search(said.lower()):
        wait = wait_in_headers(reply.headers)
        wait = wait or wait_in_body(reply.body, reply_time(reply.headers), words=True)
        advice = RetryAdvice("outage", wait)
    return BadReply(
        f"{where} answered HTTP {reply.status} without a label for each input"
        f"{f', and says: {said}' if said else ''} ({why}){later}",
        advice,
    )


def from_reply(
    reply: Reply,
    where: str,
    retry: Retry,
    limit: int,
    secrets: tuple[str, ...],
    asking: str = "labels",
) -> errors.EndpointError | None:
    """The error that a reply stands for; None for a whole, plain 2xx. The user's meanings of
    statuses in ``retry`` come before any other; a reply may have ``limit`` bytes, and ``secrets``
    are hidden if the server repeats them. The remedy fits what is being asked.
    """
    status = reply.status
    if 200 <= status < 300 and status not in {*retry.throttle, *retry.statuses}:
        return _unusable(reply, where, limit, asking)
    text = "" if reply.encoded else error_text(reply.body, secrets, reply.charset)
    quote = f": {text}" if text else ""
    error = _from_status(reply, where, retry, quote, asking)
    if status in retry.final:
        error.advice = RetryAdvice("never", outcome_unknown=error.advice.outcome_unknown)
    elif not retry.respect_retry_after:
        error.advice = replace(error.advice, retry_after_s=None)
    return error


def _from_status(
    reply: Reply, where: str, retry: Retry, quote: str, asking: str
) -> errors.EndpointError:
    status, names, wait = reply.status, _names(reply), _wait(reply)
    said = "" if reply.encoded else reply.body[:4_096].decode("utf-8", errors="replace").lower()
    if status == 503 and (_STARTING.search(said) or said.lstrip().startswith("<")):
        # A gateway's page, or a server in words: the model is not there yet.
        return ServerFailed(f"{where} is not ready (HTTP 503){quote}", RetryAdvice("outage", wait))
    asked = wait is not None and 400 <= status < 500 and status not in {429, *_NO_WAIT}
    if (
        status in retry.throttle
        or any(map(_TOO_FAST.fullmatch, names))
        or (asked and status not in retry.statuses)
    ):
        return errors.Throttled(
            f"{where} asked us to slow down (HTTP {status}){quote}", RetryAdvice("throttled", wait)
        )
    if names & _KEY_REFUSED:
        return AccessDenied(f"{where} refused the key (HTTP {status}){quote}")
    if 300 <= status < 400 and status not in retry.statuses:
        return NotFound(
            f"{where} redirects elsewhere (HTTP {status}); redirects are never followed, "
            f"so give the final URL{_goal(reply)}",
            # For now, and to a page on maintenance, if it answered before.
            RetryAdvice("gone" if status in {302, 303, 307} else "never"),
        )
    if status >= 500 or status in retry.statuses:
        down = status in _DOWN or reply.code == "UNAVAILABLE" or _STARTING.search(said)
        return ServerFailed(
            f"{where} failed (HTTP {status}){quote}",
            RetryAdvice("outage" if down else "transient", wait, outcome_unknown=status in _LOST),
        )
    return _client_error(status, where, quote, asking, said)


def _names(reply: Reply) -> set[str]:
    """Names of the error if its status has no meaning: AWS and TorchServe put all into 400."""
    if reply.status != 400 or reply.encoded:
        return set()
    try:
        body = reply.json()
    except BadReply:
        return set()
    found = [body.get(key) for key in ("__type", "type", "code")] if isinstance(body, dict) else []
    every = (reply.headers.get("x-amzn-errortype", ""), *found)
    return {name.split(":")[0].rpartition("#")[2] for name in every if isinstance(name, str)}


def _unusable(reply: Reply, where: str, limit: int, asking: str) -> BadReply | None:
    if reply.encoded:
        kind = printable(reply.headers["content-encoding"], 40)
        return BadReply(
            f"{where} compressed its reply as {kind!r} although it was asked for plain bytes; only "
            "gzip and deflate are undone: switch that compression off at the server or its gateway"
        )
    if reply.fault:
        return BadReply(f"{where} {reply.fault}", RetryAdvice("odd"))
    if not reply.truncated:
        return None
    fewer = " or send fewer inputs" if asking == "labels" else ""
    return BadReply(f"{where} sent more than {limit} bytes; raise limits.max_reply_bytes{fewer}")


def _client_error(
    status: int, where: str, quote: str, asking: str, said: str
) -> errors.EndpointError:
    kind, retry, remedy = _REMEDIES.get(status, (errors.InputRejected, "never", _SENT_WRONG))
    if status == 413 and asking == "one input":
        remedy = "this one input is too large: give smaller ones, or raise the server's limit"
    remedy += _WHOLE if remedy == _SENT_WRONG and "int8" in quote.lower() else ""
    if asking in _ABOUT and kind in {errors.InputRejected, NotFound}:
        kind, retry, remedy = NotFound, "never" if retry != "gone" else retry, _ABOUT[asking]
    if not 400 <= status < 500:
        return BadReply(f"{where} answered with the unknown HTTP status {status}")
    if status == 400 and _AWAY.search(said):
        retry, remedy = "gone", "check the model's name and version"
    elif status not in _NO_WAIT and _STARTING.search(said):
        retry = "outage"
    elif remedy.startswith(_SENT_WRONG) and _TOO_MANY.search(said):
        retry, remedy = "too-large", "send fewer inputs per request"
    return kind(f"{where} refused the request (HTTP {status}; {remedy}){quote}", RetryAdvice(retry))


def _wait(reply: Reply) -> float | None:
    """Seconds to wait, as any part of the reply states them.

    Words alone count only where a server speaks of its state: another refusal may quote a number
    of seconds that belongs to the input.
    """
    seconds = wait_in_headers(reply.headers)
    if seconds is not None or reply.status < 400:
        return seconds
    hint = pace_hint(reply.headers)
    if hint and (
        hint.remaining == 0 or (hint.remaining is None and reply.status in {420, 429, 503})
    ):
        return hint.reset_s
    speaks = reply.status >= 500 or reply.status in {403, 409, 420, 425, 429}
    body = b"" if reply.encoded else reply.body
    return wait_in_body(body, reply_time(reply.headers), words=speaks)


def _goal(reply: Reply) -> str:
    goal = reply.headers.get("location", "").split("?", 1)[0].split("#", 1)[0]
    # A URL may carry user:password@ before its host.
    scheme, slashes, rest = goal.partition("//")
    host, slash, path = rest.partition("/")
    goal = f"{scheme}{slashes}{host.rpartition('@')[2]}{slash}{path}"
    return f" ({printable(goal, 120)})" if goal else ""


def _wrong_place(chain: list[BaseException]) -> str:
    """Reason why no retry reaches the server that the URL names, or empty."""
    for cause in chain:
        if isinstance(cause, ForbiddenAddressError):
            return (
                f"{cause}, which a public name should not; where it is meant to, set "
                "private_network = true in the target description, or name the address in the URL"
            )
    if any(isinstance(cause, socket.gaierror) for cause in chain):
        return "the host name does not resolve; check the URL"
    return certificate_problem(chain)


def _refusal(chain: list[BaseException]) -> str:
    if any(isinstance(cause, ConnectionRefusedError) for cause in chain):
        return "connection refused; is the server running there?"
    if any(isinstance(cause, ConnectionAbortedError) for cause in chain):
        return (
            "the server hung up at once; check the scheme (a server may want TLS), and whether it "
            "wants a certificate of ours (tls.cert)"
        )
    if any(isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__ for cause in chain):
        return "nobody answered the connection in time; check host, port and firewall"
    return "no connection; check host, port and network"


def _is_tls_fault(cause: BaseException) -> bool:
    """True if the handshake failed; merely waiting for more bytes of it is an SSLError too."""
    waiting = (ssl.SSLWantReadError, ssl.SSLWantWriteError)
    return isinstance(cause, ssl.SSLError) and not isinstance(cause, waiting)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and all that caused it; transports wrap the reason several times."""
    todo: list[BaseException | None] = [error]
    seen: set[int] = set()
    while todo:
        cause = todo.pop()
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        todo += [cause.__cause__, cause.__context__]
        if isinstance(cause, BaseExceptionGroup):
            todo += cause.exceptions
