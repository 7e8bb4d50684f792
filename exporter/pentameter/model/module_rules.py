"""Which modules a quantisation leaves out or picks, by the names and patterns of its configuration."""

from __future__ import annotations

import re
from fnmatch import translate
from functools import lru_cache
from typing import TYPE_CHECKING

from pentameter.model.spec import UnknownModelError

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST = 200
MOST_RULES = 20_000
MOST_PATTERNS = 200
MOST_STARS = 3
MOST_REPEATS = 4
REPEATS = re.compile(r"[*+?}]")
RISKY = re.compile(r"\)\s*[*+?{]|\\[1-9]|\(\?")
"""A repeated group, a reference back, or any extension: with these a pattern can run for ever."""
FUSED = {
    "q_proj": "qkv_proj",
    "k_proj": "qkv_proj",
    "v_proj": "qkv_proj",
    "gate_proj": "gate_up_proj",
    "up_proj": "gate_up_proj",
}
"""What vLLM calls the matrices that it multiplies at once: a rule may name either."""
PREFIXES = ("", "model.", "language_model.model.", "model.language_model.")
"""What stands before ``layers`` in plain models and in wrappers, which do not agree on it."""


class ModuleRules:
    """A set of rules, of which any may match a module's name.

    ``re:`` begins a regular expression, matched from the beginning of the name; a rule with ``*`` is a shell pattern;
    any other is a name, or whole components of one: ``self_attn`` matches ``model.layers.0.self_attn.q_proj``, and
    ``model.layers.1`` does not match ``model.layers.11.mlp``. The name of a fused module matches its parts. Raises
    ``UnknownModelError`` for a pattern that is wrong or that could take long.
    """

    def __init__(self, rules: Iterable[str]) -> None:
        names: set[str] = set()
        beginnings: set[str] = set()
        patterns: list[re.Pattern[str]] = []
        text = ""
        for count, rule in enumerate(rules):
            if count >= MOST_RULES or len(rule) > LONGEST or len(patterns) >= MOST_PATTERNS:
                raise UnknownModelError(f"the quantisation's list of modules is too long: {rule[:40]}")
            if "_up_proj" in rule or "qkv_proj" in rule:
                text = rule
            if rule.startswith("re:"):
                patterns.append(expression(rule.removeprefix("re:")))
            elif rule.endswith("*") and not re.search(r"[*?\[]", rule[:-1]):
                beginnings.add(plain_name(rule[:-1]))
            elif re.search(r"[*?\[]", rule):
                patterns.append(shell_pattern(rule))
            elif rule.strip("."):
                names.add(plain_name(rule.strip(".")))
        self._names = frozenset(names)
        self._sizes = sorted({name.count(".") + 1 for name in names})
        self._beginnings = tuple(beginnings)
        self._patterns = tuple(patterns)
        self._fused = bool(text)

    def __bool__(self) -> bool:
        return bool(self._names or self._beginnings or self._patterns)

    def match(self, module: str) -> bool:
        """Say whether any rule matches a module."""
        if self._match(module):
            return True
        head, _, last = module.rpartition(".")
        return self._fused and last in FUSED and self._match(f"{head}.{FUSED[last]}")

    def _match(self, module: str) -> bool:
        plain = plain_name(module)
        if plain.startswith(self._beginnings) or self._named(plain):
            return True
        return any(pattern.match(prefix + plain) for pattern in self._patterns for prefix in PREFIXES)

    def _named(self, plain: str) -> bool:
        """Say whether a run of the name's components is one of the names."""
        parts = plain.split(".")
        return any(
            ".".join(parts[start : start + size]) in self._names
            for size in self._sizes
            for start in range(len(parts) - size + 1)
        )


def plain_name(name: str) -> str:
    """Return a name without what wrappers put before it."""
    for prefix in reversed(PREFIXES):
        if prefix and name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


@lru_cache(maxsize=1000)
def shell_pattern(rule: str) -> re.Pattern[str]:
    """Return a shell pattern of a module or of one that it is inside, with few enough stars not to take long."""
    if rule.count("*") > MOST_REPEATS:
        raise UnknownModelError(f"the quantisation's pattern {rule[:60]} is too complex")
    return re.compile(f"{translate(rule)}|{translate(rule + '.*')}")


@lru_cache(maxsize=1000)
def expression(pattern: str) -> re.Pattern[str]:
    """Return a regular expression, if it cannot run for long."""
    stars = len(re.findall(r"(?<!\\)[*+]", pattern))
    if RISKY.search(pattern) or stars > MOST_STARS or len(REPEATS.findall(pattern)) > MOST_REPEATS:
        raise UnknownModelError(f"the quantisation's pattern {pattern[:60]} is too complex")
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise UnknownModelError(f"the quantisation's pattern {pattern[:60]} is wrong: {error}") from error
