"""A small continuous-batching model of vLLM V1, so that the whole real pipeline runs without a GPU.

Nothing here is drawn at random except who arrives when and with how many tokens. Everything else (queues,
latencies, cache use, preemption, power) follows from a scheduler that makes vLLM's decisions and from a
step time that is linear in the work of the step. ``server`` is the only module that does I/O.
"""
