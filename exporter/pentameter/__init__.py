"""Pentameter measures a live vLLM server in the five dimensions of LLM inference efficiency.

Nothing is imported here: the plugin that runs inside vLLM pays for this file at every start.
"""

__version__ = "0.1.0"
