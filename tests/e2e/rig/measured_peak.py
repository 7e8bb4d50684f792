"""What one processor thread can do at most, measured: python measured_peak.py prints FLOP/s and bytes/s as JSON.

Run with the vLLM's own interpreter, whose torch multiplies the matrices that vLLM multiplies too.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

EDGE = 2048
"""Of square matrices: a product takes 2 * EDGE ** 3 FLOP."""
BYTES = 512 * 1024 * 1024
"""Far more than any cache."""
ATTEMPTS = 5


def best_seconds(work: Callable[[], object]) -> float:
    """Return the shortest of some runs: the others were disturbed."""
    work()
    found = []
    for _ in range(ATTEMPTS):
        begun = time.perf_counter()
        work()
        found.append(time.perf_counter() - begun)
    return min(found)


def main() -> None:
    """Print the two peaks."""
    import torch  # here: other interpreters, which only collect this file, lack it

    torch.set_num_threads(1)
    matrix = torch.rand(EDGE, EDGE, dtype=torch.bfloat16)
    memory = torch.ones(BYTES // 8, dtype=torch.float64)
    flops = 2 * EDGE**3 / best_seconds(lambda: matrix @ matrix)
    print(json.dumps({"flops": flops, "bytes": BYTES / best_seconds(memory.sum)}))


if __name__ == "__main__":
    main()
