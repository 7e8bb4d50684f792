"""What a PromQL expression asks for, read from its text: enough for rules about dashboards, no evaluation.

Whether the expression is valid is for ``promtool`` to say; here a valid one is assumed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""
    (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)
  | (?P<comment>\#[^\n]*)
  | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+|(?:ms|[smhdwy])(?:\d+(?:ms|[smhdwy]))*)?)
  | (?P<name>[A-Za-z_:][A-Za-z0-9_:]*|\$__?\w+|\$\w+|\$\{[^}]*\})
  | (?P<operator>=~|!~|!=|==|<=|>=|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_LABEL_LISTS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS = frozenset({"and", "or", "unless", "bool", "offset", "atan2", "inf", "nan", "start", "end"})


@dataclass(frozen=True)
class Selector:
    """One vector selector.

    Attributes:
        metric: its name, "" where only labels select.
        matchers: (label, operator, value) of each matcher.
        range: what stands in the brackets behind it, "" if nothing.
        calls: the functions and aggregations around it, innermost first.
        then: the token behind it.
        only_asked_after: it stands behind ``and`` or ``unless``, where its value plays no part.
    """

    metric: str
    matchers: tuple[tuple[str, str, str], ...]
    range: str
    calls: tuple[str, ...]
    then: str = field(default="", compare=False)
    only_asked_after: bool = field(default=False, compare=False)

    def matched(self) -> set[str]:
        """Return the labels that are matched."""
        return {label for label, _, _ in self.matchers}


@dataclass(frozen=True)
class Expression:
    """What an expression asks for: its selectors, the labels that it names, and those that it makes."""

    selectors: tuple[Selector, ...]
    grouped: frozenset[str]
    made: frozenset[str]
    calls: frozenset[str]


@dataclass
class _Reader:
    tokens: list[tuple[str, str]]
    at: int = 0
    pending: str = ""
    behind: bool = False
    stack: list[tuple[str, bool]] = field(default_factory=list)
    selectors: list[Selector] = field(default_factory=list)
    grouped: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)

    def peek(self, ahead: int = 0) -> str:
        index = self.at + ahead
        return self.tokens[index][1] if index < len(self.tokens) else ""

    def read(self) -> Expression:
        while self.at < len(self.tokens):
            kind, text = self.tokens[self.at]
            if text == "{" or (kind == "name" and self.is_metric(text)):
                self.selector()
            elif text == "[":
                self.brackets()
            elif text.lower() in _LABEL_LISTS:
                self.at += 1
                self.grouped.update(self.label_list())
            else:
                self.step(kind, text)
        return Expression(tuple(self.selectors), frozenset(self.grouped), frozenset(self.made), frozenset(self.calls))

    def is_metric(self, text: str) -> bool:
        return text.lower() not in _LABEL_LISTS | _WORDS and not text.startswith("$") and not self.is_call()

    def step(self, kind: str, text: str) -> None:
        """Pass one token that is no part of a selector, and remember of which call one is inside."""
        call = kind == "name" and text.lower() not in _WORDS and self.is_call()
        if text == "(":
            self.stack.append((self.pending, self.behind))
            self.pending = ""
        elif text == ")":
            self.stack.pop()
        elif call:
            self.pending = text.lower()
            self.note_made_label(self.pending)
            self.calls.add(self.pending)
        self.behind = text.lower() in {"and", "unless"} or (self.behind and call)
        self.at += 1

    def is_call(self) -> bool:
        return self.peek(1) == "(" or self.peek(1).lower() in {"by", "without"}

    def note_made_label(self, function: str) -> None:
        """Remember the label that ``label_replace``, ``label_join`` or ``count_values`` writes."""
        if function not in {"label_replace", "label_join", "count_values"}:
            return
        depth = 0
        # The first string that is an argument itself: those deeper are values of matchers.
        for kind, text in self.tokens[self.at + 1 :]:
            depth += (text in {"(", "{", "["}) - (text in {")", "}", "]"})
            if kind == "string" and depth == 1:
                self.made.add(text[1:-1])
                return

    def label_list(self) -> list[str]:
        labels: list[str] = []
        if self.peek() != "(":
            return labels
        while self.peek() != ")":
            if self.tokens[self.at][0] == "name":
                labels.append(self.peek())
            self.at += 1
        self.at += 1
        return labels

    def brackets(self) -> str:
        """Return what stands in brackets: a range, or the range and step of a subquery."""
        inside = ""
        self.at += 1
        while self.peek() != "]":
            inside += self.peek()
            self.at += 1
        self.at += 1
        return inside

    def selector(self) -> None:
        metric = ""
        if self.peek() != "{":
            metric = self.peek()
            self.at += 1
        matchers = []
        if self.peek() == "{":
            self.at += 1
            while self.peek() != "}":
                if self.tokens[self.at][0] == "name":
                    matchers.append((self.peek(), self.peek(1), self.peek(2)[1:-1]))
                    self.at += 3
                else:
                    self.at += 1
            self.at += 1
        span = self.brackets() if self.peek() == "[" else ""
        calls = tuple(call for call, _ in reversed(self.stack) if call)
        behind = self.behind or any(inside for _, inside in self.stack)
        self.selectors.append(Selector(metric, tuple(matchers), span, calls, self.peek(), behind))
        self.behind = False


def tokens(text: str) -> list[tuple[str, str]]:
    """Return the (kind, text) of each token, without blanks and comments."""
    found = [(str(match.lastgroup), match[0]) for match in _TOKEN.finditer(text)]
    return [(kind, token) for kind, token in found if kind != "comment" and token.strip()]


def read(text: str) -> Expression:
    """Return what an expression asks for.

    >>> found = read('sum by (le) (rate(a_bucket{x=~"$y"}[$__rate_interval]))')
    >>> [(selector.metric, selector.range, selector.calls) for selector in found.selectors], found.grouped
    ([('a_bucket', '$__rate_interval', ('rate', 'sum'))], frozenset({'le'}))
    """
    return _Reader(tokens(text)).read()
