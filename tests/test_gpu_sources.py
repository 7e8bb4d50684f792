"""Which source is believed of each GPU, and that no joule is counted twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pentameter.gpu_sources import CATCH_UP_SECONDS, MOST_GPUS, SILENCE_SECONDS, GpuSources
from pentameter.readings import GpuReading, GpusReading
from pentameter.records import ToldGpus


def gpu(name, energy=None, index=0, **fields):
    return GpuReading(uuid=f"GPU-{name}", index=index, name="H100", energy_joules=energy, **fields)


def reading(now, *gpus, driver=None, errors=()):
    return GpusReading(now, 1000.0 + now, gpus, driver, dict(errors))


def told(now, *gpus, instance="one", expected=None):
    return ToldGpus("tiny", instance, reading(now, *gpus, driver="580"), expected=expected)


@pytest.fixture
def sources():
    return GpuSources({"west": (), "east": ()})


def energies(admitted):
    return {one.uuid: one.energy_joules for one in admitted.reading.gpus}


def test_each_source_alone_is_believed(sources):
    for source in ("nvml", "dcgm"):
        alone = GpuSources({"west": ()})
        assert energies(alone.take(source, reading(1.0, gpu("a", 5.0)))) == {"GPU-a": 5.0}
        picture = alone.picture(1.0)
        assert (picture.sources, picture.ownership.owners) == ({"GPU-a": source}, {"GPU-a": "west"})
    assert energies(sources.take_told("west", told(1.0, gpu("a", 5.0)))) == {"GPU-a": 5.0}
    assert sources.picture(1.0).sources == {"GPU-a": "plugin"}


def test_without_any_there_is_no_picture(sources):
    assert sources.picture(1.0) is None
    sources.take("nvml", reading(1.0))
    assert sources.picture(1.0) is None


def test_the_plugin_goes_before_nvml_and_nvml_before_dcgm(sources):
    everywhere = [gpu("a", 5.0), gpu("b", 6.0)]
    sources.take_told("west", told(1.0, gpu("a", 5.0)))
    assert energies(sources.take("nvml", reading(2.0, *everywhere))) == {"GPU-b": 6.0}
    assert energies(sources.take("dcgm", reading(3.0, *everywhere, gpu("c", 7.0)))) == {"GPU-c": 7.0}
    assert sources.picture(3.0).sources == {"GPU-a": "plugin", "GPU-b": "nvml", "GPU-c": "dcgm"}


def test_each_joule_is_admitted_once_while_the_best_source_comes_and_goes(sources):
    """10 W by three sources, of which the best falls silent and the next is lost: what is admitted ends with the
    counter and never falls, so that its growth is the counter's."""
    admitted = []
    for second in range(200):
        true = 10.0 * second
        if second < 50 or second >= 150:
            admitted.append(sources.take_told("west", told(second + 0.1, gpu("a", true))))
        if second < 100:
            admitted.append(sources.take("nvml", reading(second + 0.2, gpu("a", true))))
        elif second == 100:
            sources.lose("nvml")
        stepped = 10.0 * (second // 30 * 30)  # dcgm-exporter's own pace
        admitted.append(sources.take("dcgm", reading(second + 0.3, gpu("a", stepped))))
    counted = [(one.reading.monotonic, *energies(one).values()) for one in admitted if one.reading.gpus]
    assert counted == sorted(counted)
    values = [energy for _, energy in counted]
    assert values == sorted(values)
    assert (values[0], values[-1]) == (0.0, 1990.0)


def test_a_plugin_that_falls_silent_hides_the_others_for_some_seconds_only(sources):
    sources.take_told("west", told(0.0, gpu("a", 5.0)))
    assert energies(sources.take("nvml", reading(SILENCE_SECONDS, gpu("a", 6.0)))) == {}
    assert energies(sources.take("nvml", reading(SILENCE_SECONDS + 0.1, gpu("a", 6.0)))) == {"GPU-a": 6.0}
    picture = sources.picture(SILENCE_SECONDS + 0.1)
    assert (picture.sources, picture.ownership.owners) == ({"GPU-a": "nvml"}, {"GPU-a": "west"})


def test_a_plugin_that_falls_silent_alone_takes_its_gpus_away(sources):
    sources.take_told("west", told(0.0, gpu("a", 5.0)))
    assert sources.picture(SILENCE_SECONDS) is not None
    assert sources.picture(SILENCE_SECONDS + 0.1) is None


def test_an_older_view_of_the_counter_waits_until_it_has_caught_up(sources):
    sources.take("nvml", reading(0.0, gpu("a", 1000.0)))
    sources.lose("nvml")
    assert energies(sources.take("dcgm", reading(1.0, gpu("a", 900.0)))) == {}
    assert energies(sources.take("dcgm", reading(2.0, gpu("a", 1000.0)))) == {"GPU-a": 1000.0}


def test_a_counter_that_stays_behind_was_reset(sources):
    sources.take("nvml", reading(0.0, gpu("a", 1000.0)))
    sources.lose("nvml")
    assert energies(sources.take("dcgm", reading(CATCH_UP_SECONDS, gpu("a", 50.0)))) == {}
    assert energies(sources.take("dcgm", reading(CATCH_UP_SECONDS + 1, gpu("a", 60.0)))) == {"GPU-a": 60.0}


def test_a_counter_that_falls_at_one_source_is_handed_on_as_it_is(sources):
    """Whoever adds up judges resets."""
    sources.take("nvml", reading(0.0, gpu("a", 1000.0)))
    assert energies(sources.take("nvml", reading(1.0, gpu("a", 5.0)))) == {"GPU-a": 5.0}


def test_time_does_not_go_back(sources):
    sources.take_told("west", told(5.0, gpu("a", 10.0)))
    assert energies(sources.take_told("west", told(5.0, gpu("a", 10.0), instance="two"))) == {}
    assert energies(sources.take_told("west", told(4.0, gpu("a", 9.0), instance="two"))) == {}


def test_the_moment_is_the_gpus_own_where_it_is_known(sources):
    """A slow driver reads the last GPU of a reading long after the first."""
    sources.take("nvml", reading(1.0, gpu("a", 10.0, read_at=3.0)))
    assert energies(sources.take_told("west", told(2.0, gpu("a", 9.0)))) == {}
    assert energies(sources.take_told("west", told(2.5, gpu("a", 11.0, read_at=3.5)))) == {"GPU-a": 11.0}


def test_two_servers_on_a_node_each_get_their_own(sources):
    sources.take_told("west", told(1.0, gpu("a", 5.0), gpu("b", 6.0, 1), instance="w", expected=2))
    sources.take_told("east", told(1.0, gpu("c", 7.0), instance="e", expected=1))
    sources.take("nvml", reading(1.5, *(gpu(name, 9.0, index) for index, name in enumerate("abcd"))))
    picture = sources.picture(2.0)
    assert [one.uuid for one in picture.of("west").gpus] == ["GPU-a", "GPU-b"]
    assert [(one.uuid, one.energy_joules, one.index) for one in picture.of("east").gpus] == [("GPU-c", 7.0, 2)]
    assert picture.ownership.unowned == {"GPU-d": "unclaimed"}
    assert picture.ownership.incomplete == set()
    assert [one.index for one in picture.reading.gpus] == [0, 1, 2, 3]


def test_a_board_that_two_servers_share_in_instances_is_counted_to_nobody(sources):
    board = gpu("a", 5.0, mig_enabled=True)
    sources.take_told("west", told(1.0, board, instance="w"))
    sources.take_told("east", told(1.5, board, instance="e"))
    picture = sources.picture(2.0)
    assert (picture.of("west").gpus, picture.of("east").gpus) == ((), ())
    assert len(picture.reading.gpus) == 1


def test_a_gpu_that_a_source_shows_no_longer_is_gone(sources):
    sources.take("nvml", reading(1.0, gpu("a"), gpu("b", index=1)))
    sources.take("nvml", reading(2.0, gpu("b", index=1)))
    assert [one.uuid for one in sources.picture(2.0).reading.gpus] == ["GPU-b"]


def test_what_one_plugin_no_longer_shows_another_may(sources):
    sources.take_told("west", told(1.0, gpu("a"), instance="w"))
    sources.take_told("east", told(1.0, gpu("b"), instance="e"))
    sources.take_told("east", told(2.0, gpu("c"), instance="e"))
    assert set(sources.picture(2.0).sources) == {"GPU-a", "GPU-c"}


def test_a_profile_comes_from_who_measures_one_whoever_counts_the_joules(sources):
    profile = {"dram_active_ratio": 0.5, "profiled_seconds": 1.0, "profiling_source": "gpm"}
    sources.take_told("west", told(1.0, gpu("a", 5.0)))
    admitted = sources.take("nvml", reading(1.5, gpu("a", 6.0, **profile)))
    assert (admitted.reading.gpus, [one.dram_active_ratio for one in admitted.profiles.gpus]) == ((), [0.5])
    dcgm = replace(gpu("a", 5.0, **profile), profiling_source="dcgm")
    assert sources.take("dcgm", reading(1.7, dcgm)).profiles.gpus == ()
    (seen,) = sources.picture(2.0).reading.gpus
    assert (seen.energy_joules, seen.dram_active_ratio, seen.profiling_source) == (5.0, 0.5, "gpm")
    sources.lose("nvml")
    assert [one.uuid for one in sources.take("dcgm", reading(2.7, dcgm)).profiles.gpus] == ["GPU-a"]


def test_who_waits_for_a_plugin_gives_no_gpu_to_the_only_server_meanwhile():
    alone = GpuSources({"west": ()})
    alone.take("nvml", reading(1.0, gpu("a", 5.0), gpu("b", 6.0, 1)))
    assert alone.picture(1.0, by_default=False).ownership.unowned == {"GPU-a": "unclaimed", "GPU-b": "unclaimed"}
    alone.take_told("west", told(2.0, gpu("b", 6.0)))
    assert alone.picture(2.0, by_default=False).ownership.owners == {"GPU-b": "west"}


def test_the_picture_tells_driver_and_troubles_and_forgets_those_of_a_lost_source(sources):
    sources.take("dcgm", reading(1.0, gpu("a"), driver="570", errors={"GPU-a/energy_joules": "not_supported"}))
    assert sources.picture(1.0).reading.field_errors == {"GPU-a/energy_joules": "not_supported"}
    sources.take_told("west", told(2.0, gpu("a")))
    sources.lose("dcgm")
    seen = sources.picture(2.0).reading
    assert (seen.driver_version, seen.field_errors, seen.monotonic, seen.wall) == ("580", {}, 2.0, 1002.0)


def test_a_flood_of_gpus_ends_and_passes(sources):
    def flood(now, word):
        for number in range(8):
            gpus = [gpu(f"{word}{number}-{index}") for index in range(64)]
            sources.take_told("", told(now, *gpus, instance=f"{word}{number}"))

    flood(1.0, "x")
    assert len(sources.picture(1.0).reading.gpus) == MOST_GPUS
    assert sources.take("nvml", reading(2.0, gpu("a", 5.0))).reading.gpus == ()
    later = 2.0 + CATCH_UP_SECONDS
    assert energies(sources.take("nvml", reading(later, gpu("a", 5.0)))) == {"GPU-a": 5.0}
    flood(later, "y")
    flood(2 * later, "z")
    assert max(len(sources._seen), len(sources._counted)) <= MOST_GPUS
