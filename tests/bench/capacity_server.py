"""A server with continuous batching, compiled: a simulated day in about a second.

The scheduler decides as ``pentameter.simulator.engine`` does (whose results it is checked against), with a KV cache in
tokens instead of blocks, without a prefix cache, and with one more term in the step time for mixtures of experts: the
first requests of a batch touch new experts, later ones share them.
"""

from dataclasses import dataclass, replace

import numpy as np
from numba import njit

RING = 8192  # more than the longest answer


@dataclass(frozen=True)
class Workload:
    """Step costs in seconds, limits, lengths (median, sigma of the log-normal) and the SLO in seconds."""

    prompt: tuple
    output: tuple
    ttft: float
    tpot: float
    per_step: float = 0.0075
    per_decode: float = 3e-5
    per_prompt_token: float = 3.2e-5
    per_context_token: float = 5.6e-8
    experts: float = 0.0
    experts_batch: float = 24.0
    max_num_seqs: int = 256
    budget: int = 8192
    kv_tokens: int = 450_000
    long_prompts: tuple = ()
    """Share, median and sigma of a second kind of prompt."""


WORKLOADS = {
    "chat": Workload((500, 0.9), (200, 0.8), 0.30, 0.025),
    "rag": Workload((4000, 0.6), (150, 0.7), 1.0, 0.040),
    "kvcliff": Workload((1500, 0.7), (800, 0.7), 1.0, 0.060, kv_tokens=100_000),
    "seqcap": Workload((200, 0.7), (600, 0.6), 0.5, 0.060, max_num_seqs=64),
    "moe": Workload((700, 0.9), (300, 0.8), 0.5, 0.030, 0.0055, 4e-5, 2e-5, experts=0.010),
    "bimodal": Workload((300, 0.6), (250, 0.7), 0.5, 0.030, budget=4096, long_prompts=(0.15, 9000, 0.4)),
}


def longer(workload, factor):
    """Return the workload with answers longer by a factor."""
    return replace(workload, output=(workload.output[0] * factor, workload.output[1]))


def lengths(workload, count, random):
    """Draw prompt and output tokens."""
    prompt = random.lognormal(np.log(workload.prompt[0]), workload.prompt[1], count)
    output = random.lognormal(np.log(workload.output[0]), workload.output[1], count)
    if workload.long_prompts:
        share, median, sigma = workload.long_prompts
        chosen = random.random(count) < share
        prompt[chosen] = random.lognormal(np.log(median), sigma, chosen.sum())
    return np.clip(prompt, 8, 16_000).astype(np.int64), np.clip(output, 2, 4_000).astype(np.int64)


def serve(workload, arrivals, prompts, outputs, until, every=2.0):
    """Return times of first and last token (NaN: not by ``until``), and running, waiting, KV use ``every`` seconds."""
    w = workload
    first, last, running, waiting, kv = _serve(
        arrivals, prompts, outputs, w.per_step, w.per_decode, w.per_prompt_token, w.per_context_token, w.experts,
        w.experts_batch, w.max_num_seqs, w.budget, w.kv_tokens, every, until,
    )  # fmt: skip
    return first, last, running, waiting, kv / w.kv_tokens


@njit(cache=True)
def _serve(arr, pin, pout, t0, cd, cp, ckv, ex, exb, seats, budget, cap, every, until):  # noqa: C901 - one loop, compiled whole
    n = len(arr)
    first = np.full(n, np.nan)
    last = np.full(n, np.nan)
    computed = np.zeros(n, np.int64)
    target = pin.copy()
    made = np.zeros(n, np.int64)
    joined = np.full(n, -1, np.int64)  # tick; -1: not decoding
    up = np.full(n, -1, np.int64)  # the running ones as a list, in order of admission
    down = np.full(n, -1, np.int64)
    head = np.full(RING, -1, np.int64)  # tick -> who ends then, as a list
    before = np.full(n, -1, np.int64)
    after = np.full(n, -1, np.int64)
    put_back = np.empty(seats + 1, np.int64)
    done = np.empty(seats + 1, np.int64)
    backs = 0
    tail = -1
    nrun = ndec = context = kv = tick = nxt = here = 0
    partial = -1
    t = 0.0
    samples = int(until / every) + 1
    s_run = np.zeros(samples)
    s_wait = np.zeros(samples)
    s_kv = np.zeros(samples)
    sample = 0
    while True:
        if nrun == 0 and backs == 0:
            if nxt >= n:
                break
            if arr[nxt] > t:
                while sample < samples and sample * every <= arr[nxt]:
                    sample += 1  # idle: zeros
                t = arr[nxt]
        if t > until:
            break
        # -- room for one more token of each
        preempted = False
        while ndec > 0 and kv + ndec > cap:
            v = tail
            tail = up[v]
            if tail >= 0:
                down[tail] = -1
            up[v] = -1
            nrun -= 1
            if v == partial:
                partial = -1
                kv -= target[v]
            else:
                slot = (joined[v] + pout[v] - made[v]) % RING
                if before[v] >= 0:
                    after[before[v]] = after[v]
                else:
                    head[slot] = after[v]
                if after[v] >= 0:
                    before[after[v]] = before[v]
                before[v] = after[v] = -1
                ticks = tick - joined[v]
                made[v] += ticks
                computed[v] += ticks
                context -= computed[v]
                kv -= computed[v]
                ndec -= 1
            joined[v] = -1
            target[v] = pin[v] + made[v]
            computed[v] = 0
            put_back[backs] = v
            backs += 1
            preempted = True
        decoding = ndec
        if decoding > 0:
            tick += 1
            context += decoding
            kv += decoding
        left = budget - decoding
        prefilled = 0
        ndone = 0
        if partial >= 0:
            chunk = min(left, target[partial] - computed[partial])
            computed[partial] += chunk
            prefilled += chunk
            if computed[partial] == target[partial]:
                done[ndone] = partial
                ndone += 1
                partial = -1
        if not preempted:
            while prefilled < left and nrun < seats:
                if backs > 0:
                    r = put_back[backs - 1]
                elif nxt < n and arr[nxt] <= t:
                    r = nxt
                else:
                    break
                if kv + target[r] > cap:
                    break
                if backs > 0:
                    backs -= 1
                else:
                    nxt += 1
                kv += target[r]
                up[r] = tail
                if tail >= 0:
                    down[tail] = r
                tail = r
                nrun += 1
                chunk = min(left - prefilled, target[r])
                computed[r] = chunk
                prefilled += chunk
                if chunk == target[r]:
                    done[ndone] = r
                    ndone += 1
                else:
                    partial = r
        dt = t0 + cd * decoding + cp * prefilled + ckv * context
        if ex > 0.0:
            dt += ex * (1.0 - np.exp(-decoding / exb))
        t += dt
        # -- the step's end
        if decoding > 0:
            r = head[tick % RING]
            head[tick % RING] = -1
            while r >= 0:
                following = after[r]
                before[r] = after[r] = -1
                length = computed[r] + tick - joined[r]
                last[r] = t
                ndec -= 1
                context -= length
                kv -= length
                nrun -= 1
                if up[r] >= 0:
                    down[up[r]] = down[r]
                if down[r] >= 0:
                    up[down[r]] = up[r]
                else:
                    tail = up[r]
                r = following
        for i in range(ndone):
            r = done[i]
            if made[r] == 0:
                first[r] = t
            made[r] += 1
            if made[r] >= pout[r]:
                last[r] = t
                kv -= computed[r]
                nrun -= 1
                if up[r] >= 0:
                    down[up[r]] = down[r]
                if down[r] >= 0:
                    up[down[r]] = up[r]
                else:
                    tail = up[r]
            else:
                joined[r] = tick
                slot = (tick + pout[r] - made[r]) % RING
                after[r] = head[slot]
                if head[slot] >= 0:
                    before[head[slot]] = r
                head[slot] = r
                ndec += 1
                context += computed[r]
        while here < n and arr[here] <= t:
            here += 1
        while sample < samples and sample * every <= t:
            s_run[sample] = nrun
            s_wait[sample] = here - nxt + backs
            s_kv[sample] = kv
            sample += 1
    return first, last, s_run, s_wait, s_kv
