"""What a fleet's week looks like to Prometheus: the demo's page, many times over, with values that move.

Every replica has its own labels, load (a day's curve, its own share of it, slow noise) and time of scrape. Counters
grow by what they grew by on the demo times the load, gauges that moved on the demo move with the load and with noise;
what stood still there stands still. Each roll-out replaces every pod: new series, counters from 0.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families

from bench import remote_write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.remote_write import Row

SCRAPE = 30
"""Seconds between two scrapes."""
PIECE = 1800
"""Seconds that are sent at once: less than the hour that Prometheus takes samples late."""
MODELS = (
    ("meta-llama/Llama-3.1-8B-Instruct", "chat", "llama"),
    ("Qwen/Qwen3-32B", "search", "qwen"),
    ("mistralai/Mixtral-8x7B-Instruct-v0.1", "chat", "mixtral"),
)
CLUSTERS = ("eu-west", "us-east")
ROLLOUTS = (2.1, 5.3)
"""Days after the begin."""
TRACKS = 7
OF_PROMETHEUS = "up 1\nscrape_duration_seconds 0.05\nscrape_samples_scraped 1200\n"


@dataclass(frozen=True)
class Shape:
    """A series of the page: its labels, what it grows by each second (a counter) or its value, and whether it moves."""

    name: str
    labels: dict[str, str]
    kind: str
    value: float
    whole: bool


def shapes(before: str, after: str, seconds: float) -> list[Shape]:
    """Return the series of the later of two pages."""
    old = {key: value for key, _, _, value in _samples(before)}
    found = []
    for key, kind, labels, value in _samples(after + OF_PROMETHEUS):
        was = old.get(key, value if kind == "gauge" else 0.0)
        grown = kind in {"counter", "histogram"} and not key[0].endswith("_created")
        if grown:
            found.append(Shape(key[0], labels, "counter", max(0.0, (value - was) / seconds), value.is_integer()))
        else:
            found.append(Shape(key[0], labels, "constant" if was == value else "gauge", value, whole=False))
    return found


def _samples(page: str) -> Iterator[tuple[tuple[Any, ...], str, dict[str, str], float]]:
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            key = (sample.name, *sorted(sample.labels.items()))
            yield key, family.type, sample.labels, sample.value


@dataclass
class Replica:
    """One exporter beside one vLLM."""

    number: int
    shapes: list[Shape]

    def __post_init__(self) -> None:
        self.random = random.Random(self.number)
        self.share = self.random.uniform(0.6, 1.4)
        self.noise = [0.0] * TRACKS
        self.life = -1
        self.grown = 0.0
        self.encoded: list[bytes] = []

    def place(self, life: int) -> dict[str, str]:
        """Return what Prometheus in Kubernetes adds to the series of one pod."""
        model, namespace, name = MODELS[self.number % len(MODELS)]
        cluster = CLUSTERS[self.number // len(MODELS) % len(CLUSTERS)]
        suffix = random.Random(f"{self.number} {life}").randrange(16**5)
        return {
            "cluster": cluster,
            "namespace": namespace,
            "pod": f"{name}-{life}f7c9d-{suffix:05x}",
            "instance": f"10.{life}.{self.number}.7:9400",
            "job": f"{namespace}/pentameter",
            "container": "pentameter",
            "endpoint": "metrics",
            "model_name": model,
        }

    def move_in(self, life: int) -> None:
        """Begin as a new pod."""
        self.life, self.grown = life, 0.0
        place = self.place(life)
        model = place.pop("model_name")
        self.encoded = []
        for shape in self.shapes:
            own = {**shape.labels, "model_name": model} if "model_name" in shape.labels else shape.labels
            self.encoded.append(remote_write.labels({"__name__": shape.name, **own, **place}))

    def rows(self, moments: list[float], names: set[str]) -> Iterator[Row]:
        """Yield the values of the series with some names at the moments."""
        tracks, grown = self._loads(moments)
        for at, (shape, encoded) in enumerate(zip(self.shapes, self.encoded, strict=True)):
            value = shape.value
            if shape.name not in names:
                continue
            if shape.kind == "constant":
                yield encoded, [value] * len(moments)
            elif shape.kind == "gauge":
                yield encoded, [value * load for load in tracks[at % TRACKS]]
            elif shape.whole:
                yield encoded, [float(int(value * load)) for load in grown]
            else:
                yield encoded, [value * load for load in grown]

    def _loads(self, moments: list[float]) -> tuple[list[list[float]], list[float]]:
        """Return loads at the moments with several noises, and the seconds of full load until each."""
        tracks: list[list[float]] = [[] for _ in range(TRACKS)]
        grown = []
        gauss = self.random.gauss
        for moment in moments:
            curve = self.share * (0.6 + 0.4 * math.cos(math.tau * (moment / 86_400 - 14 / 24)))
            for at, track in enumerate(tracks):
                self.noise[at] = 0.97 * self.noise[at] + gauss(0.0, 0.05)
                track.append(curve * math.exp(self.noise[at]))
            self.grown += SCRAPE * tracks[0][-1]
            grown.append(self.grown)
        return tracks, grown


@dataclass
class Fleet:
    """Replicas over a time, with the names of the series that are written in all of it and only at its end."""

    replicas: list[Replica]
    begin: int
    end: int
    always: set[str]
    lately: set[str]
    lately_from: int

    def requests(self) -> Iterator[bytes]:
        """Yield the bodies that write it, in order of time."""
        for begin in range(self.begin, self.end, PIECE):
            names = self.always | (self.lately if begin >= self.lately_from else set())
            for replica in self.replicas:
                # Every target has its own offset, as Prometheus spreads its scrapes.
                offset = 1000 * SCRAPE * replica.number // len(self.replicas)
                moments = [1000 * moment + offset for moment in range(begin, begin + PIECE, SCRAPE)]
                life = self.life(replica, begin)
                if life != replica.life:
                    replica.move_in(life)
                piece = remote_write.Piece(moments)
                yield piece.request(replica.rows([moment / 1000 for moment in moments], names))

    def life(self, replica: Replica, moment: int) -> int:
        """Return how often a replica has been replaced: a roll-out takes two hours."""
        passed = moment - self.begin - 7200 * replica.number / len(self.replicas)
        return sum(passed >= 86_400 * day for day in ROLLOUTS)
