"""What every tier shares: the slow ones only when asked for, and how many examples Hypothesis tries.

Few and always the same by default; many and random with HYPOTHESIS_PROFILE=thorough.
"""

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "default",
    max_examples=12,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),  # they judge a machine that other work shares
)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=2000, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_configure(config: pytest.Config) -> None:
    """Leave the slow tier out unless a marker expression (`-m slow`) says what to run."""
    config.option.markexpr = config.option.markexpr or "not (slow or exhaustive or storm)"
