"""Addresses in a plan: a scheme is the same in any case, and a password is refused in each."""

import pytest
from pydantic import ValidationError

from tests.support.worlds import plan

SCHEMES = ["http", "HTTP", "Https", "HTTPS"]


def addressed(url):
    return {
        "prometheus": {"prometheus": {"url": url, "scrape": "1s"}},
        "hook": {"hooks": [{"name": "tell", "when": "before", "url": url}]},
        "admin": {"route": {"envoy": {"file": "rds.json", "admin": url}}},
    }


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("where", ["prometheus", "hook", "admin"])
def test_the_case_of_a_scheme_does_not_matter(where, scheme):
    assert plan(**addressed(f"{scheme}://server.example:9/x")[where])


@pytest.mark.parametrize("url", ["ftp://server.example", "httpx://server.example", "HTTP:///x"])
def test_another_scheme_is_refused(url):
    with pytest.raises(ValidationError, match="url"):
        plan(**addressed(url)["prometheus"])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("where", ["prometheus", "hook"])
def test_a_password_is_refused_whatever_the_case(where, scheme):
    with pytest.raises(ValidationError, match="password"):
        plan(**addressed(f"{scheme}://eve:s3cr3t@server.example:9")[where])
