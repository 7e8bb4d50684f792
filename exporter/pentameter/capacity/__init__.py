"""Goodput capacity: the highest request rate at which enough requests meet an SLO, learnt from production traffic.

``windows`` turns judged requests and gauges into load windows; ``memory`` keeps some days of them; ``estimate`` says
from them what the server could carry, or that it cannot tell. Time is handed in; nothing here reads a clock.
"""
