"""Names of the accounts of LoRA adapters."""

from __future__ import annotations

ADAPTER_OUTPUTS = "adapter_outputs"
"""Outputs so far, a counter ``adapter_outputs/NAME`` for each; the base model's name is empty."""

MOST_ADAPTERS = 50
"""Adapters of an engine that have an account of their own, the base model included."""

OTHER_ADAPTERS = "other"
"""The account of all further ones."""
