"""How much is tried: FUZZ_EXAMPLES inputs for each reader, from FUZZ_SEED. The same seed gives the same inputs."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES") or 100)
SEED: Final = int(os.environ.get("FUZZ_SEED") or 1)


def try_all(inputs: SearchStrategy[bytes], check: Callable[[bytes], None]) -> None:
    """Run the check on many inputs. The first one that fails is made as small as possible and printed."""
    limits = settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        print_blob=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )

    def run(data: bytes) -> None:
        check(data)

    tried: Any = seed(SEED)(limits(given(inputs)(run)))
    tried()
