"""How many inputs a test gets: a seeded few in `make test`, its share of FUZZ_INPUTS in `make fuzz`."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, settings

Test = TypeVar("Test", bound=Callable[..., Any])
INPUTS = int(os.environ.get("FUZZ_INPUTS", "0"))
"""Of all tests together; 0: the few."""
LONG = INPUTS > 0
_COMMON: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "suppress_health_check": list(HealthCheck),
    "phases": (Phase.explicit, Phase.generate, Phase.shrink),
}
settings.register_profile("fuzz", derandomize=True, **_COMMON)
# Other inputs each time; what fails is printed as a line that repeats it.
settings.register_profile("fuzz-long", derandomize=False, print_blob=True, **_COMMON)


def inputs(few: int, share: float) -> Callable[[Test], Test]:
    """few: of `make test`. share: of the long run."""
    profile = settings.get_profile("fuzz-long" if LONG else "fuzz")
    return settings(profile, max_examples=max(few, round(INPUTS * share)))
