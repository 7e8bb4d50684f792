"""One hour of one server as the cost journal keeps it, and how it is saved: dollars, joules, grams, seconds, tokens."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NoReturn

from pentameter.cost.plan import Quote
from pentameter.units import SECONDS_PER_HOUR

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_AMOUNTS = 100
LONGEST_TEXT = 1000
LAST_HOUR = 253_370_761_200
"""The last one of the year 9998: calendars of four digits end with 9999."""
PARTS = {"dollars": 3, "warmup": 2, "joules": 3, "grams": 3, "seconds": 2, "gpu_seconds": 2, "tokens": 2, "requests": 1}
"""What amounts there are, and how many parts their keys have."""
HIGHEST = 1e15
"""No amount of an hour is larger; NaN and infinity are not below it."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whose an amount is and what it was paid by; a price that changes within an hour begins another account."""

    server: str
    model_name: str
    engine: str
    quote: Quote | None = None
    """The price of a GPU in force; None where nobody knows it, and then there is no cost."""
    dollars_per_kwh: float | None = None
    """The price of energy, where it is paid by the meter."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One account in one hour.

    Keys of the amounts: ``dollars/COMPONENT/STATE``, ``warmup/COMPONENT`` (dollars, part of the unobserved ones),
    ``joules/COMPONENT/STATE``, ``grams/KIND/STATE``, ``seconds/STATE``, ``gpu_seconds/STATE``, ``tokens/prompt``,
    ``tokens/computed``, ``tokens/generated``, ``requests``. What is 0 or unknown is missing.
    """

    start: int
    """Unix time at which the hour begins."""
    account: Account
    amounts: Mapping[str, float]

    @property
    def end(self) -> int:
        """Return the Unix time at which the hour ends."""
        return self.start + SECONDS_PER_HOUR

    def total(self, *parts: str) -> float | None:
        """Return the sum of the amounts whose keys begin with these parts; None where there is none."""
        found = [value for key, value in self.amounts.items() if tuple(key.split("/")[: len(parts)]) == parts]
        return sum(found) if found else None

    def by(self, place: int, first: str) -> dict[str, float]:
        """Return the amounts of one kind, summed by one part of their keys: ``by(1, "dollars")`` is by component."""
        sums: dict[str, float] = {}
        for key, value in self.amounts.items():
            parts = key.split("/")
            if parts[0] == first:
                sums[parts[place]] = sums.get(parts[place], 0.0) + value
        return sums

    def tokens(self) -> dict[str, float]:
        """Return tokens by kind: prompt, of these computed and cached where it is known, and generated.

        Prompt = computed + cached. vLLM may count a prompt's hits and the prompt on different pages; at the edge of an
        hour the computed ones are held between 0 and the whole.
        """
        found = {
            kind: self.amounts[key] for kind in ("prompt", "generated") if (key := f"tokens/{kind}") in self.amounts
        }
        computed = self.amounts.get("tokens/computed")
        if computed is not None and "prompt" in found:
            found["computed"] = min(max(computed, 0.0), found["prompt"])
            found["cached"] = found["prompt"] - found["computed"]
        return found


def order(entry: Entry) -> tuple[int, str, str, str, str]:
    """Return what entries are sorted by: the hour, then whose they are."""
    account = entry.account
    return (entry.start, account.server, account.model_name, account.engine, repr(account))


# ---------------------------------------------------------------------- over a restart


def entry_to_state(entry: Entry) -> dict[str, Any]:
    """Return an entry as JSON can hold it."""
    account = entry.account
    quote = account.quote and {field.name: getattr(account.quote, field.name) for field in fields(Quote)}
    whose = {"server": account.server, "model_name": account.model_name, "engine": account.engine}
    paid = {"quote": quote, "dollars_per_kwh": account.dollars_per_kwh}
    return {"start": entry.start, **whose, **paid, "amounts": dict(entry.amounts)}


def entry_from_state(state: object) -> Entry:
    """Return the entry that ``entry_to_state`` described; raises ``ValueError`` for what cannot have been one."""
    if not isinstance(state, dict):
        _refuse("not an object")
    start, quote, amounts = state.get("start"), state.get("quote"), state.get("amounts")
    if isinstance(start, bool) or not isinstance(start, int) or start % SECONDS_PER_HOUR:
        _refuse(f"start is {start!r:.40}")
    if not 0 <= start <= LAST_HOUR:
        _refuse(f"start is {start}")
    names = [_text(state, name) for name in ("server", "model_name", "engine")]
    price = state.get("dollars_per_kwh")
    if price is not None:
        _amount("dollars_per_kwh", price)
    if not isinstance(amounts, dict) or len(amounts) > MOST_AMOUNTS:
        _refuse("amounts")
    for key, value in amounts.items():
        if PARTS.get(key.split("/")[0]) != key.count("/") + 1:
            _refuse(f"an amount named {key:.40}")
        _amount(key, value, signed=key == "tokens/computed")
    held = {key: float(value) for key, value in amounts.items()}
    return Entry(start, Account(names[0], names[1], names[2], _quote(quote), price), held)


def _quote(state: object) -> Quote | None:
    if state is None:
        return None
    if not isinstance(state, dict):
        _refuse("quote")
    _amount("dollars_per_hour", state.get("dollars_per_hour"))
    texts = {field.name: _text(state, field.name) for field in fields(Quote) if field.name != "dollars_per_hour"}
    return Quote(dollars_per_hour=float(state["dollars_per_hour"]), **texts)


def _text(state: Mapping[str, object], name: str) -> str:
    value = state.get(name)
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        _refuse(f"{name} is {value!r:.40}")
    return value


def _amount(name: str, value: object, *, signed: bool = False) -> None:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if len(name) > LONGEST_TEXT or not good or not (-HIGHEST if signed else 0) <= value <= HIGHEST:  # type: ignore[operator]
        _refuse(f"{name:.40} is {value!r:.40}")


def _refuse(why: str) -> NoReturn:
    raise ValueError(f"no state of a cost journal: {why}")
