"""Tables of Pentameter's account of the tests' requests beside vLLM's, for each of the tiny models, in Markdown.

Run ``PYTHONPATH=tests:exporter python -m e2e.work_table``. No server is started: ``test_real_work.py`` shows that the
second column is what a real one counts for these requests, and that the reasons are all there is to the difference.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

from e2e.rig.known_steps import SETUPS
from e2e.rig.model import tiny_model
from e2e.rig.vllm_perf import Term, Terms, step_terms, total
from e2e.rig.work_terms import PHASES, Reason, model_at, ours, reasons, theirs
from pentameter.model.reader import read_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

QUANTITIES = {
    "flops": "FLOPs",
    "weights": "weights read",
    "kv_read": "KV read",
    "kv_written": "KV written",
    "activations_read": "activations read",
    "activations_written": "activations written",
}
IDLE = "vLLM bills all weights but the experts for a step with nothing to do, one after each request"
LEFT_OUT = "we leave activations out"


def table(name: str) -> Iterator[str]:
    """Yield the lines of a model's table; all that is not FLOPs is bytes."""
    folder, asked = tiny_model(name), SETUPS[name].requests
    model, spec = model_at(folder), read_model(json.loads((folder / "config.json").read_text()))
    cases = [(request, phase) for request in asked for phase in PHASES]
    mine = summed(ours(spec, *case) for case in cases)
    its = summed(theirs(model.sizes, *case) for case in cases)
    its["idle steps"] = Term(weights=len(asked) * total(step_terms(model.sizes, ())).weights)
    found = [reason for case in cases for reason in reasons(model, *case)]
    found.append(Reason("idle steps", "weights", IDLE, -its["idle steps"].weights))
    traffic = ", ".join(
        f"{one.prompt}+{one.output}" + (f" ({one.cached} cached)" if one.cached else "") for one in asked
    )
    yield f"\n**{name}**, prompt+output tokens {traffic}; chunks of at most {asked[0].chunk}:\n"
    yield from ("| Term | Pentameter | vLLM | difference | because |", "|---|--:|--:|--:|---|")
    for quantity, title in QUANTITIES.items():
        if quantity.startswith("activations"):
            mine_all, its_all = (getattr(total(terms), quantity) for terms in (mine, its))
            yield row(title, mine_all, its_all, [Reason("", quantity, LEFT_OUT, mine_all - its_all)])
            continue
        for part in {**mine, **its}:
            amount, other = (getattr(terms.get(part, Term()), quantity) for terms in (mine, its))
            if amount or other:
                whys = [reason for reason in found if (reason.part, reason.quantity) == (part, quantity)]
                yield row(f"{title}: {part.replace('_', ' ')}", amount, other, whys)
    for title, quantity in (("all FLOPs", "flops"), ("all bytes read", "read"), ("all bytes written", "written")):
        mine_all, its_all = (getattr(total(terms), quantity) for terms in (mine, its))
        yield row(f"**{title}**", mine_all, its_all, [])


def summed(accounts: Iterable[Terms]) -> Terms:
    """Return the sum of several accounts, part by part."""
    sums: defaultdict[str, Term] = defaultdict(Term)
    for terms in accounts:
        for part, term in terms.items():
            sums[part] += term
    return dict(sums)


def row(term: str, mine: float, its: float, found: Iterable[Reason]) -> str:
    """Return a line; a reason has its own amount where it is not the only one."""
    amounts: defaultdict[str, float] = defaultdict(float)
    for reason in found:
        amounts[reason.why] += reason.amount
    whys = [f"{why} ({amount:+,.0f})" if len(amounts) > 1 else why for why, amount in amounts.items()]
    return f"| {term} | {mine:,.0f} | {its:,.0f} | {mine - its:+,.0f} | {'; '.join(whys)} |"


if __name__ == "__main__":
    for model_name in SETUPS:
        print("\n".join(table(model_name)))
