"""Fixtures of all tests."""

from collections.abc import Callable

import pytest

from tests.support import real_parts


@pytest.fixture(scope="session")
def require() -> Callable[[str], str]:
    """`require("promtool")` gives its path; without one the test skips, or fails in CI."""
    return real_parts.require
