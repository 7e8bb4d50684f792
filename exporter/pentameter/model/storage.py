"""How a matrix is stored: the bits of its numbers, and of the scales beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pentameter.model.spec import Precision

if TYPE_CHECKING:
    from pentameter.model.blueprint import Linear


@dataclass(frozen=True, slots=True)
class Storage:
    """One scale, and perhaps one zero point, stands for ``rows`` x ``columns`` weights; None: for all of that side.

    A scale for a whole matrix is not counted.
    """

    bits: float
    compute: Precision = Precision.BITS16
    scale_bits: float = 0
    """Of a scale and its zero point together."""
    rows: int | None = None
    columns: int | None = None

    def total_bits(self, linear: Linear) -> float:
        """Return the bits that a matrix takes: parameters x bits + scales x their bits."""
        whole = self.rows is None and self.columns is None
        scales = 0 if whole else _parts(linear.outputs, self.rows) * _parts(linear.inputs, self.columns)
        return linear.parameters * self.bits + scales * self.scale_bits


def _parts(size: int, block: int | None) -> int:
    return 1 if block is None else -(-size // block)


def per_group(bits: float, group: int | None, scale_bits: float, compute: Precision = Precision.BITS16) -> Storage:
    """Return a storage with a scale for each group along a row; no group: for each row."""
    return Storage(bits, compute, scale_bits, rows=1, columns=group)


def per_block(rows: int, columns: int) -> Storage:
    """Return FP8 with a 32-bit scale for each block (DeepSeek V3: 128 x 128)."""
    return Storage(8, Precision.FP8, 32, rows=rows, columns=columns)


FP8 = Storage(8, Precision.FP8)
FP8_CHANNEL = per_group(8, None, 32, Precision.FP8)
INT8_CHANNEL = per_group(8, None, 32, Precision.INT8)
INT8_WEIGHTS = per_group(8, None, 32)
MXFP4 = per_group(4, 32, 8)
MXFP8 = per_group(8, 32, 8, Precision.FP8)
NVFP4 = per_group(4, 16, 8, Precision.FP4)
NVFP4_WEIGHTS = per_group(4, 16, 8)
INT4_WEIGHTS = per_group(4, 128, 16)
"""Symmetric groups of 128 with 16-bit scales, the usual choice of W4A16."""
BNB_4BIT = per_group(4, 64, 32)
"""bitsandbytes: blocks of 64 with a 32-bit scale."""
BNB_4BIT_DOUBLE = per_group(4, 64, 8 + 32 / 256)
"""The scales again in 8 bits, 256 of them with a 32-bit scale."""
