"""Which server a GPU belongs to: what is configured, what vLLM itself says through the plugin, or nothing.

A wrong joule is worse than none: a GPU that two servers lay claim to belongs to neither, and a board that MIG splits
belongs to nobody, because its one counter covers all of its tenants, unless the settings name it for one server alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pentameter.readings import GpuReading
    from pentameter.records import ToldGpus

CLAIM_SECONDS = 60.0
"""A claim that is not repeated for so long yields to one that is; until then it stands, though vLLM may be gone."""

MOST_CLAIMS = 256

SEVERAL_SERVERS = "several_servers"
MIG = "mig"
UNCLAIMED = "unclaimed"


@dataclass(frozen=True, slots=True)
class Ownership:
    """Whose the GPUs are at one moment."""

    owners: Mapping[str, str] = field(default_factory=dict)
    """UUID -> server; a GPU that belongs to nobody is missing."""
    unowned: Mapping[str, str] = field(default_factory=dict)
    """UUID -> why nobody has it: ``several_servers``, ``mig``, ``unclaimed``."""
    engines: Mapping[str, str] = field(default_factory=dict)
    """UUID -> the engine of its owner that it serves, where vLLM says it."""
    expected: Mapping[str, int] = field(default_factory=dict)
    """Server -> how many GPUs it says it has, wherever they are."""
    incomplete: frozenset[str] = frozenset()
    """Servers of which not every GPU is here and theirs alone: a sum over the others would be too small."""


@dataclass(frozen=True, slots=True)
class _Claim:
    server: str
    uuids: Mapping[str, int]
    """With the indices inside vLLM's container."""
    engines: Mapping[str, str]
    expected: int
    heard: float


class GpuClaims:
    """Keeps what every vLLM says it uses.

    Args:
        named: server -> the GPUs that the settings name for it, by UUID or by the index that this machine's NVML or
            DCGM gives them (where neither shows the GPU, by the one in the server's own container); empty where they
            name none. What they say of a server goes before what the server says.
    """

    def __init__(self, named: Mapping[str, tuple[str, ...]]) -> None:
        self._named = named
        self._claims: dict[str, _Claim] = {}
        """By instance: one that was not known to be a server's may turn out to be, when its page has been read."""

    def take(self, server: str, told: ToldGpus) -> None:
        """Note what a vLLM says; ``server`` is empty where nobody knows which server it is."""
        reading = told.reading
        uuids = {gpu.uuid: gpu.index for gpu in reading.gpus}
        self._claims.pop(told.instance, None)
        self._claims[told.instance] = _Claim(server, uuids, told.engines, told.expected or 0, reading.monotonic)
        if len(self._claims) > MOST_CLAIMS:
            del self._claims[next(iter(self._claims))]

    def ownership(
        self, gpus: Iterable[GpuReading], indices: Mapping[str, int], now: float, *, by_default: bool = True
    ) -> Ownership:
        """Return whose the GPUs are that are here.

        Args:
            gpus: those that are here.
            indices: UUID -> the index that the settings mean.
            now: the moment.
            by_default: whether the only server, which has said nothing, has all GPUs. Not for the first seconds that
                it answers, where a plugin may be about to speak: it may use one of eight.
        """
        owners: dict[str, str] = {}
        unowned: dict[str, str] = {}
        for gpu in gpus:
            configured = self._configured(gpu.uuid, indices.get(gpu.uuid))
            claimants = self._claimants(gpu.uuid, now)
            if configured:
                claimants = configured | claimants - {""}
            claimants = claimants or (self._by_default() if by_default else set())
            if len(claimants) > 1:
                unowned[gpu.uuid] = SEVERAL_SERVERS
            elif gpu.mig_enabled and not configured:
                unowned[gpu.uuid] = MIG
            elif claimants and (owner := next(iter(claimants))):
                owners[gpu.uuid] = owner
            else:
                unowned[gpu.uuid] = UNCLAIMED
        incomplete = frozenset(server for server in self._named if self._lacks(server, owners, now))
        expected = {server: number for server in self._named if (number := self._expected(server, now))}
        return Ownership(owners, unowned, self._engines(owners, now), expected, incomplete)

    def _configured(self, uuid: str, index: int | None) -> set[str]:
        return {
            server
            for server, named in self._named.items()
            if named and (uuid in named or any(str(number) in named for number in self._numbers(server, uuid, index)))
        }

    def _numbers(self, server: str, uuid: str, index: int | None) -> set[int]:
        if index is not None:
            return {index}
        return {claim.uuids[uuid] for claim in self._claims.values() if claim.server == server and uuid in claim.uuids}

    def _claimants(self, uuid: str, now: float) -> set[str]:
        claims = [claim for claim in self._claims.values() if uuid in claim.uuids and not self._named.get(claim.server)]
        return {claim.server for claim in _standing(claims, now)}

    def _by_default(self) -> set[str]:
        """Return the only server, while it does not say which GPUs are its."""
        only = set(self._named) if len(self._named) == 1 else set()
        spoken = {claim.server for claim in self._claims.values()}
        return {server for server in only if not self._named[server] and server not in spoken}

    def _expected(self, server: str, now: float) -> int:
        claims = self._of(server, now)
        told = {uuid for claim in claims for uuid in claim.uuids}
        return max((len(told), *(claim.expected for claim in claims)))

    def _lacks(self, server: str, owners: Mapping[str, str], now: float) -> bool:
        if self._named[server]:
            return False  # how many there are to be is known without the plugin
        claims = self._of(server, now)
        return any(
            claim.expected > len(claim.uuids) or any(owners.get(uuid) != server for uuid in claim.uuids)
            for claim in claims
        )

    def _engines(self, owners: Mapping[str, str], now: float) -> dict[str, str]:
        told: dict[str, set[str]] = {}
        for server in set(owners.values()):
            for claim in self._of(server, now):
                for uuid in claim.uuids:
                    told.setdefault(uuid, set()).add(claim.engines.get(uuid, ""))
        return {uuid: engine for uuid, said in told.items() if len(said) == 1 and (engine := next(iter(said)))}

    def _of(self, server: str, now: float) -> list[_Claim]:
        return _standing([claim for claim in self._claims.values() if claim.server == server], now)


def _standing(claims: list[_Claim], now: float) -> list[_Claim]:
    """Return the claims that were repeated lately, or the last ones where none was."""
    return [claim for claim in claims if now - claim.heard <= CLAIM_SECONDS] or claims
