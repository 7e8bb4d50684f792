"""The chart's values with what their comments say, in the order of the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

Path = tuple[str, ...]


@dataclass(frozen=True)
class Value:
    """One key of the values, a section or a leaf."""

    path: Path
    default: Any
    meaning: str

    @property
    def is_section(self) -> bool:
        """Whether it has keys of its own, each with a comment."""
        return isinstance(self.default, dict) and bool(self.default)


def values_of(text: str) -> list[Value]:
    """Return every key of a values file; a key's comment is the block right above it.

    >>> values_of("# Of fruit.\\nfruit:\\n  # How many.\\n  # At most 9.\\n  apples: 3\\n")[1]
    Value(path=('fruit', 'apples'), default=3, meaning='How many. At most 9.')
    """
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    return list(_walk(node, yaml.safe_load(text), text.splitlines(), ())) if node is not None else []


def _walk(node: yaml.Node, tree: Any, lines: list[str], above: Path) -> Iterator[Value]:  # noqa: ANN401 - YAML
    if not isinstance(node, yaml.MappingNode) or node.flow_style:
        return
    for key, below in node.value:
        path = (*above, key.value)
        yield Value(path, tree[key.value], _comment(lines, key.start_mark.line))
        yield from _walk(below, tree[key.value], lines, path)


def _comment(lines: list[str], line: int) -> str:
    found: list[str] = []
    while line > 0 and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        found.insert(0, lines[line].lstrip().removeprefix("#").strip())
    return " ".join(found)
