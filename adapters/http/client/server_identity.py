"""Who answers: the headers by which servers name a model's version or themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from adapters.quoting import hidden, printable

VERSION_HEADERS = (
    "server",
    "model-version",
    "x-model-version",
    "x-model-id",
    "x-model-name",
    "x-model",
    "x-served-model",
    "x-api-version",
    "x-deployment",
    "x-deployment-id",
    "x-revision",
    "openai-version",
    "openai-model",
    "azureml-model-deployment",
    "x-ms-deployment-name",
    "x-amzn-invoked-production-variant",
    "x-amzn-sagemaker-model-version",
)
"""Headers whose change in the middle of an audit means that something else answers: a new
release, another variant of an A/B test, another server. Host and instance names are none: many
instances of one model are normal."""

_MAX_CHARS = 80


def version_headers(headers: Mapping[str, str], secrets: Iterable[str] = ()) -> dict[str, str]:
    """What ``headers`` say about the sender, ``{"header NAME": VALUE}``, safe to print.

    Args:
        headers: of a reply; their names match in lower case.
        secrets: texts that must not appear although the server repeats them.
    """
    return {
        f"header {name}": printable(hidden(headers[name].strip(), secrets), _MAX_CHARS)
        for name in VERSION_HEADERS
        if name in headers
    }
