"""Fixtures of all tests."""

from collections.abc import Callable

import hypothesis
import pytest

from tests.support import real_parts

# A machine that is busy is slow: how long an example takes is no property of the code.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture(scope="session")
def require() -> Callable[[str], str]:
    """`require("promtool")` gives its path; without one the test skips, or fails in CI."""
    return real_parts.require
