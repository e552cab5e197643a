"""URLs as people give them: a host alone gets the URL that it may stand for."""

from __future__ import annotations

import pytest

from adapters.errors import TargetError
from adapters.http.client.endpoint import read_endpoint


@pytest.mark.parametrize("bare", ["127.0.0.1:8000", "localhost/predict", "api.example.com"])
def test_a_host_alone_is_answered_with_its_url(bare: str) -> None:
    with pytest.raises(TargetError, match=f"did you mean http://{bare}[?]"):
        read_endpoint(bare)


@pytest.mark.parametrize("location", ["ftp://host/x", "host/x?key=s3cret", "", "http://"])
def test_what_may_hold_a_secret_or_is_no_host_is_not_repeated(location: str) -> None:
    with pytest.raises(TargetError) as caught:
        read_endpoint(location)
    assert "did you mean" not in str(caught.value)
    assert "s3cret" not in str(caught.value)
