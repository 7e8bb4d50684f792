"""The memory bandwidth of a GPU that no table knows, from what its driver says of its memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pentameter.readings import GpuReading

_TRANSFERS_PER_CLOCK = 2
_BITS_PER_BYTE = 8


def bandwidth_of(reading: GpuReading) -> float | None:
    """Return the peak memory bandwidth in bytes per second: 2 x greatest memory clock x bus width / 8.

    NVML's memory clock is scaled so that memory of every kind (HBM, GDDR5 to GDDR7) makes two transfers per clock and
    line; for GDDR that is not the clock of the chips. The product is that of the datasheet to less than 1 %, but for
    the Hopper GPUs with six stacks of memory, whose datasheets say less (H200: 4.92 TB/s here, 4.8 there). On a board
    split by MIG it is the board's, of which an instance has a part. None where the driver does not say both, as on
    GPUs that share the memory of the CPU.
    """
    clock, width = reading.memory_clock_max_hz, reading.memory_bus_width_bits
    if not clock or not width:
        return None
    return _TRANSFERS_PER_CLOCK * clock * width / _BITS_PER_BYTE
