"""A Dockerfile as data: its stages with their steps, and the variables of ``ARG`` and ``ENV`` put in.

As much of the language as ours needs, and an error for anything else.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

WORDS = frozenset(["ARG", "FROM", "ENV", "LABEL", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "ENTRYPOINT", "CMD"])
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


@dataclass(frozen=True)
class Step:
    """One instruction: its word, and what follows, with continued lines joined."""

    word: str
    text: str

    def items(self) -> list[str]:
        """Return the arguments of a step in JSON's form, such as ``ENTRYPOINT ["a"]``."""
        items: list[str] = json.loads(self.text)
        return items

    def pairs(self) -> dict[str, str]:
        """Return the keys and values of ``ENV``, ``LABEL`` or ``ARG``; "" for a key alone."""
        return {key: value for key, _, value in (part.partition("=") for part in shlex.split(self.text))}


@dataclass
class Stage:
    """What one ``FROM`` begins."""

    image: str
    name: str
    steps: list[Step] = field(default_factory=list)

    def all(self, word: str) -> list[Step]:
        """Return the steps that begin with a word."""
        return [step for step in self.steps if step.word == word]

    def last(self, word: str) -> Step:
        """Return the last step that begins with a word: the one that counts."""
        return self.all(word)[-1]

    def environment(self) -> dict[str, str]:
        """Return the variables that a container has beside those of its base image."""
        return {key: value for step in self.all("ENV") for key, value in step.pairs().items()}


def parse(text: str) -> list[Stage]:
    """Return the stages with the defaults of every ``ARG`` put in, but in ``RUN``, where the shell does it.

    Raises:
        ValueError: an instruction that this parser does not know.
    """
    outside: dict[str, str] = {}
    inside: dict[str, str] = {}
    stages: list[Stage] = []
    for step in _steps(text):
        if step.word == "FROM":
            image, *rest = _filled(step.text, outside).split()
            stages.append(Stage(image, rest[1] if rest else str(len(stages))))
            inside = {}
        elif step.word == "ARG":
            here = inside if stages else outside
            here |= {key: value or outside.get(key, "") for key, value in step.pairs().items()}
        elif step.word == "RUN":
            stages[-1].steps.append(step)
        else:
            stages[-1].steps.append(Step(step.word, _filled(step.text, inside)))
    return stages


def _steps(text: str) -> list[Step]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    steps = [
        Step(word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines())
    ]
    if unknown := {step.word for step in steps} - WORDS:
        message = f"unknown instructions: {sorted(unknown)}"
        raise ValueError(message)
    return steps


def _filled(text: str, variables: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: variables.get(found[1], found[0]), text)
