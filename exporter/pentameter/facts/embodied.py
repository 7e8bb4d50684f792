"""The shipped table of what making GPUs and machines emitted, with three sources for each."""

from __future__ import annotations

from pentameter.carbon.embodied import Bounds, Embodied, MadeGpu, MadeServer
from pentameter.facts.tables import rows


def embodied_table() -> Embodied:
    """Return the table; kg CO2-equivalent from cradle to gate, transport and end of life in Boavizta's figures too.

    The low and the high figure are published ones. The central one is published for the H100 (EcoLogits); for others it
    is the geometric mean of the two, which for the H100 would be 307 kg instead of 273. Machines are those of clouds,
    less their GPUs; the low and the high one take the GPUs' central figure from the machine's bounds, so that they are
    rather too far apart.
    """
    table = tuple(rows("embodied.csv"))
    return Embodied(
        gpus={
            row["name"]: MadeGpu(
                _bounds(row),
                row["server"],
                (row["low_source"], row["central_source"], row["high_source"]),
                row["server_basis"] == "assumed",
            )
            for row in table
            if row["kind"] == "gpu"
        },
        servers={row["name"]: MadeServer(_bounds(row), int(row["gpus"])) for row in table if row["kind"] == "server"},
    )


def _bounds(row: dict[str, str]) -> Bounds:
    return Bounds(float(row["low_kg"]), float(row["central_kg"]), float(row["high_kg"]))
