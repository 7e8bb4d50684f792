"""What a quantisation does to a model's matrices, by whatever configuration it was described."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pentameter.model.module_rules import ModuleRules

if TYPE_CHECKING:
    from pentameter.model.blueprint import Linear
    from pentameter.model.fields import Fields
    from pentameter.model.storage import Storage

NOTHING = ModuleRules(())
UNQUANTISED_PARTS = {"router", "embedding"}
EXPERTS = {"experts"}


@dataclass(frozen=True, slots=True)
class Pick:
    """A storage for the modules that rules name; no rules: for all."""

    stored: Storage | None
    """None: not quantised."""
    rules: ModuleRules | None = None


@dataclass(frozen=True, slots=True)
class Scheme:
    """What a quantisation does to a model."""

    name: str = "none"
    picks: tuple[Pick, ...] = ()
    """The first that matches decides; none: not quantised."""
    ignored: ModuleRules = field(default=NOTHING)
    experts_only: bool = False
    unembedding: bool = False
    """Whether the unembedding is quantised too."""
    kv_bits: float | None = None

    def of(self, linear: Linear, module: str) -> Storage | None:
        """Return how a matrix is stored; None: as the model's own type."""
        if linear.part in UNQUANTISED_PARTS or (self.experts_only and linear.part not in EXPERTS):
            return None
        if (linear.part == "unembedding" and not self.unembedding) or (self.ignored and self.ignored.match(module)):
            return None
        for pick in self.picks:
            if pick.rules is None or pick.rules.match(module):
                return pick.stored
        return None


def left_out(found: Fields) -> tuple[str, ...]:
    """Return the modules that a configuration leaves out, by any of the keys that methods use for it."""
    keys = ("modules_to_not_convert", "ignored_layers", "ignore", "exclude_modules", "llm_int8_skip_modules")
    return tuple(name for key in keys for name in found.texts(key))


def kv_scheme_bits(found: Fields) -> float | None:
    """Return the bits of the cache by ``kv_cache_scheme``."""
    if "kv_cache_scheme" not in found:
        return None
    return found.child("kv_cache_scheme").integer("num_bits", least=1, most=16)
