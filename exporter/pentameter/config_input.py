"""What stands in files and variables, as one tree of keys; and what is wrong with it, in words for people.

No message repeats a value in which a token or a password may stand.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic import ValidationError

    Schema = type[BaseModel]

_PREFIX = "PENTAMETER_"

# Kubernetes gives every pod NAME_PORT and NAME_SERVICE_* of each Service; one may be called pentameter.
_SERVICE_LINK = re.compile(
    r"PENTAMETER(_[A-Z0-9]+)*_(SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)"
)
_SERVICE_LINK_URL = re.compile(r"(tcp|udp|sctp)://")  # of NAME_PORT, which would else hide a mistyped variable


class ConfigError(Exception):
    """The settings cannot be used; the message says which key and why."""


def from_file(file: str) -> dict[str, Any]:
    """Return the tree of a YAML file; raises ``ConfigError`` where there is none."""
    try:
        tree = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        message = f"cannot read the configuration {file}: {_yaml_problem(error)}"
        raise ConfigError(message) from None
    except RecursionError:
        message = f"cannot read the configuration {file}: nested too deeply"
        raise ConfigError(message) from None
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot read the configuration {file}: {error}"
        raise ConfigError(message) from error
    if tree is not None and not isinstance(tree, dict):
        message = f"the configuration {file} must be a mapping of keys"
        raise ConfigError(message)
    return tree or {}


def _yaml_problem(error: yaml.YAMLError) -> str:
    """Say what is wrong and where; the parser's own message quotes the line, in which a token may stand."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return "not valid YAML"
    problem, mark = error.problem or "not valid YAML", error.problem_mark
    if not isinstance(error, (yaml.scanner.ScannerError, yaml.parser.ParserError)):
        problem = problem.partition(" '")[0]  # what follows is a name from the file
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}"


def from_environment(environment: Mapping[str, str], schema: Schema) -> dict[str, Any]:
    """Return the tree that variables spell: PENTAMETER_VLLM__INTERVAL_SECONDS is vllm.interval_seconds.

    Raises ``ConfigError`` for a variable with the prefix that names no key.
    """
    known = {f"{_PREFIX}{'__'.join(path).upper()}": path for path in _paths(schema)}
    known |= {f"{_PREFIX}VLLM_URL": ("vllm", "servers"), f"{_PREFIX}CONFIG": (), f"{_PREFIX}PLUGIN__SERVER": ()}
    tree: dict[str, Any] = {}
    unknown = []
    for variable, value in environment.items():
        if not variable.startswith(_PREFIX) or _is_service_link(variable, value):
            continue
        if variable not in known:
            unknown.append(f"{variable}: unknown environment variable; {_nearest_variable(variable, known)}")
        elif path := known[variable]:
            branch = tree
            for key in path[:-1]:
                branch = branch.setdefault(key, {})
            branch[path[-1]] = value
    if unknown:
        raise ConfigError("\n".join(unknown))
    return tree


def _nearest_variable(variable: str, known: Iterable[str]) -> str:
    # Compared without the prefix, which would make any two variables look alike.
    bare = {name.removeprefix(_PREFIX): name for name in known}
    near = difflib.get_close_matches(variable.removeprefix(_PREFIX).upper(), bare, n=1)
    return f"did you mean {bare[near[0]]}?" if near else f"known are {', '.join(bare.values())}"


def _is_service_link(variable: str, value: str) -> bool:
    if variable.endswith("_PORT") and _SERVICE_LINK_URL.match(value):
        return True
    return _SERVICE_LINK.fullmatch(variable) is not None


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return both trees as one; where they meet, ``over`` wins."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


_PLAIN = {
    "missing": "is required",
    "tuple_type": "must be a list",
    "model_type": "must be a mapping of keys",
    "too_short": "must not be empty",
}


def explain(error: ValidationError, schema: Schema) -> Iterator[str]:
    """Yield a line for each thing that is wrong."""
    for problem in error.errors(include_input=False, include_context=False):
        place = ".".join(str(part) for part in problem["loc"])
        if problem["type"] in {"extra_forbidden", "invalid_key"}:
            yield f"{place}: unknown key; {_suggestion(problem['loc'], schema)}"
        else:
            message = _PLAIN.get(problem["type"], problem["msg"].removeprefix("Value error, "))
            yield f"{place}: {message}".removeprefix(": ")


def _suggestion(place: tuple[int | str, ...], schema: Schema) -> str:
    """Name the nearest valid key: of the same name elsewhere, or of a similar name beside the unknown one."""
    key, valid = str(place[-1]), _valid_keys(place, schema)
    near = [".".join(path) for path in _paths(schema) if path[-1] == key]
    near = near or difflib.get_close_matches(key, valid, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known here are {', '.join(valid)}"


def _valid_keys(place: tuple[int | str, ...], schema: Schema) -> list[str]:
    """Return the keys allowed beside the last part of a place in the tree."""
    section = schema
    for part in place[:-1]:
        if isinstance(part, str):
            section = _section(section.model_fields[part].annotation) or section
    return list(section.model_fields)


def _section(annotation: Any) -> Schema | None:  # noqa: ANN401 - any annotation
    """Return the section that a field holds, alone or in a list."""
    candidates = (annotation, *getattr(annotation, "__args__", ()))
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)


def _paths(section: Schema) -> Iterator[tuple[str, ...]]:
    """Yield the path of every key in the tree; a list of servers is one key."""
    for name, field in section.model_fields.items():
        default = field.get_default()
        if isinstance(default, BaseModel):
            yield from ((name, *path) for path in _paths(type(default)))
        else:
            yield (name,)
