"""An estimate as text for people: units of the lecture, GiB beside GB, what to give for what is unknown. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.estimate_figures import COMPUTATION, FIT, MEMORY, PHASE, QUANTIZATION, REQUEST, Kind
from pentameter.units import GIBI, GIGA, MILLI, MILLION, TERA, joules_to_kwh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pentameter.estimate import Case, Estimate
    from pentameter.estimate_figures import Figure

_LABEL = 46
_VALUE = 26
_PREFIXES = ((TERA / MILLI, "P"), (TERA, "T"), (GIGA, "G"), (MILLION, "M"), (1 / MILLI, "k"))


def table(case: Case, found: Estimate, head: Sequence[str], warnings: Sequence[str], *, explain: bool) -> str:
    """Return the whole text; ``explain`` adds each figure's formula."""
    phases = [f"{'':{_LABEL}}{'prefill of one prompt':>{_VALUE}}{'decode step of the batch':>{_VALUE}}"]
    given = case.mfu < 1 or case.mbu < 1
    for figure in PHASE:
        if figure.key != "seconds" or given:
            phases += _row(figure, (found.prefill, found.decode), explain=explain)
    gpus = case.parallel.gpus
    lines = [
        *head,
        *_section("Computation", COMPUTATION, found.computation, explain=explain),
        *_section("Memory, of the whole model", MEMORY, found.memory, explain=explain),
        *_section(f"Each GPU of {gpus}", FIT, found.fit, explain=explain),
        "",
        f"{'Time at the given shares of the peaks' if given else 'Time floors by the roofline'}, energy and cost",
        *phases,
        *_section(
            f"A request of {case.prompt:,} + {case.output:,} tokens, one of {case.batch} in decode",
            REQUEST,
            found.request,
            explain=explain,
        ),
        "",
        "Quantisation",
        *_quantization(found, explain=explain),
    ]
    if warnings:
        lines += ["", "Note", *(f"  {line}" for line in warnings)]
    return "\n".join(lines) + "\n"


def written(figure: Figure, value: object) -> str:
    """Return a figure in its unit for people; None is the figure's word for unknown."""
    if value is None:
        return figure.unknown
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return _WRITERS[figure.kind](value)
    return str(value)


def _section(title: str, figures: Sequence[Figure], record: object, *, explain: bool) -> Iterator[str]:
    yield ""
    yield title
    for figure in figures:
        yield from _row(figure, (record,), explain=explain)


def _row(figure: Figure, records: Sequence[object], *, explain: bool) -> Iterator[str]:
    texts = [written(figure, getattr(record, figure.key)) for record in records]
    if len(set(texts)) == 1 and texts[0] == figure.unknown:
        texts = texts[:1]
    yield f"  {figure.label:{_LABEL - 2}}" + "".join(f"{text:>{_VALUE}}" for text in texts)
    if explain:
        yield f"      = {figure.formula}"


def _quantization(found: Estimate, *, explain: bool) -> Iterator[str]:
    widths = (10, *[_VALUE] * (len(QUANTIZATION) - 1))
    yield "  " + "".join(
        f"{figure.label:{'<' if index == 0 else '>'}{width}}"
        for index, (figure, width) in enumerate(zip(QUANTIZATION, widths, strict=True))
    )
    for one in found.quantization:
        texts = [written(figure, getattr(one, figure.key)) for figure in QUANTIZATION]
        yield f"  {texts[0]:<{widths[0]}}" + "".join(f"{text:>{_VALUE}}" for text in texts[1:])
    if explain:
        yield from (f"      {figure.label} = {figure.formula}" for figure in QUANTIZATION)


def _scaled(value: float, unit: str) -> str:
    for size, prefix in _PREFIXES:
        if abs(value) >= size:
            return f"{_digits(value / size)} {prefix}{unit}".rstrip()
    return f"{_digits(value)} {unit}".rstrip()


def _digits(value: float) -> str:
    """Return four significant digits without an exponent, and whole numbers above that."""
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    text = f"{value:#.4g}"
    if "e" in text:
        return f"{value:.3g}"
    return text.rstrip(".")


def _bytes(value: float) -> str:
    if abs(value) < GIGA / 10:
        return _scaled(value, "B")
    return f"{_digits(value / GIGA)} GB ({_digits(value / GIBI)} GiB)"


_WRITERS: dict[Kind, Callable[[float], str]] = {
    Kind.NUMBER: lambda value: _scaled(value, ""),
    Kind.COUNT: lambda value: f"{value:,}",
    Kind.FLOP: lambda value: _scaled(value, "FLOP"),
    Kind.BYTES: _bytes,
    Kind.BITS: _digits,
    Kind.SECONDS: lambda value: f"{_digits(value)} s" if value >= 1 else f"{_digits(value / MILLI)} ms",
    Kind.RATE: lambda value: f"{_digits(value)} /s",
    Kind.INTENSITY: lambda value: f"{_digits(value)} FLOP/B",
    Kind.RATIO: lambda value: f"{value:.1%}",
    Kind.JOULES: lambda value: f"{_digits(value)} J",
    Kind.KWH: lambda value: f"{_digits(joules_to_kwh(value))} kWh",
    Kind.GRAMS: lambda value: f"{_digits(value)} g",
    Kind.DOLLARS: lambda value: f"${_digits(value)}",
}
