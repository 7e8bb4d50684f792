"""What the plugin inside vLLM and the exporter must agree on; the standard library only.

A message is one datagram on a Unix socket: a JSON object with ``v`` (1), ``pid``, ``instance`` (a random word per
start), ``sender``, ``model_name``, ``totals`` (the plugin's own running totals) and ``entries``, each with a ``kind``:

- ``config``: ``engines`` and ``facts``, when the plugin starts, when a listener appears, and with every heartbeat;
- ``request``: one finished request; a field that vLLM does not know is left out;
- ``iteration``: what the steps of one engine did since the last one: ``sums``, ``gauges``, ``gaps``, ``gap_sum``, and
  ``steps``, a row of whole numbers for each step, where one API server sees them all, with ``adapters``, the outputs by
  LoRA adapter, where vLLM serves any (``pentameter.vllm_plugin_steps``);
- ``gpus``: what NVML says of the GPUs of this vLLM, once a second where there are any: ``monotonic`` (seconds of the
  kernel's clock, which both ends read), ``driver``, ``expected`` (GPUs of the whole server) and ``gpus``, each with the
  fields of ``pentameter.readings.GpuReading`` that are known and the ``engine`` that it serves. A listener that does
  not know the kind counts it as malformed, and takes the rest.
"""

from __future__ import annotations

VERSION = 1
DEFAULT_ADDRESS = "@pentameter"
LARGEST_DATAGRAM = 60_000
"""Bytes. Four of them fit into what Linux lets one sender have under way (net.core.wmem_default, 208 KiB)."""

LONGEST_NAME = 1024
"""Characters of anything that becomes a label, and of a request id, which a client may choose (``X-Request-Id``)."""

HEARTBEAT_SECONDS = 5.0
"""The longest silence of a plugin that is there and has room to speak."""

NO = frozenset({"0", "false", "no", "off"})
"""What switches something off in the plugin's environment, in lower case."""


def unix_address(address: str) -> str:
    """Return what the socket calls take: ``@name`` stands for a name in Linux's abstract namespace, else it is a path.

    >>> unix_address("@pentameter")
    '\\x00pentameter'
    """
    return "\0" + address[1:] if address.startswith("@") else address
