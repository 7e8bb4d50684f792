"""A small continuous-batching model of vLLM V1, so that the whole real pipeline runs without a GPU.

Nothing here is drawn at random except who arrives when, with how many tokens, and when clients lose patience. All else
(queues, latencies, cache use, preemption, power) follows from a scheduler that makes vLLM's decisions and from a step
time that is linear in the work of the step. ``server`` and ``plugin`` are the only modules that do I/O.
"""
