"""Whose the GPUs are: by the settings, by what vLLM says, or nobody's."""

from __future__ import annotations

from pentameter.gpu_claims import CLAIM_SECONDS, MOST_CLAIMS, GpuClaims
from pentameter.readings import GpuReading, GpusReading
from pentameter.records import ToldGpus

A, B, C = (GpuReading(uuid=f"GPU-{name}", index=index, name="H100") for index, name in enumerate("abc"))
SPLIT = GpuReading(uuid="GPU-mig", index=3, name="H100", mig_enabled=True)
INDICES = {gpu.uuid: gpu.index for gpu in (A, B, C, SPLIT)}


def told(*gpus, instance="one", now=100.0, expected=None, engines=()):
    return ToldGpus("tiny", instance, GpusReading(now, 0.0, gpus), engines=dict(engines), expected=expected)


def whose(claims, *gpus, now=100.0, indices=INDICES):
    return claims.ownership(gpus, indices, now)


def test_the_only_server_has_all_gpus_while_it_does_not_say_which():
    assert whose(GpuClaims({"west": ()}), A, B).owners == {"GPU-a": "west", "GPU-b": "west"}


def test_the_only_server_has_none_but_those_that_it_says_and_goes_on_so_when_it_falls_silent():
    claims = GpuClaims({"west": ()})
    claims.take("west", told(A))
    for now in (100.0, 100.0 + 10 * CLAIM_SECONDS):
        seen = whose(claims, A, B, now=now)
        assert (seen.owners, seen.unowned, seen.incomplete) == ({"GPU-a": "west"}, {"GPU-b": "unclaimed"}, set())


def test_two_servers_on_a_node_get_what_each_says():
    claims = GpuClaims({"west": (), "east": ()})
    assert whose(claims, A, B, C).unowned == dict.fromkeys(("GPU-a", "GPU-b", "GPU-c"), "unclaimed")
    claims.take("west", told(A, instance="w"))
    claims.take("east", told(B, instance="e"))
    seen = whose(claims, A, B, C)
    assert (seen.owners, seen.unowned) == ({"GPU-a": "west", "GPU-b": "east"}, {"GPU-c": "unclaimed"})


def test_a_gpu_that_two_servers_claim_belongs_to_neither_and_both_are_incomplete():
    claims = GpuClaims({"west": (), "east": ()})
    claims.take("west", told(A, B, instance="w"))
    claims.take("east", told(B, instance="e"))
    seen = whose(claims, A, B)
    assert (seen.owners, seen.unowned) == ({"GPU-a": "west"}, {"GPU-b": "several_servers"})
    assert seen.incomplete == {"west", "east"}


def test_a_claim_that_is_not_repeated_yields_to_one_that_is():
    claims = GpuClaims({"west": (), "east": ()})
    claims.take("west", told(A, instance="w", now=100.0))
    claims.take("east", told(A, instance="e", now=101.0))
    assert whose(claims, A, now=100.0 + CLAIM_SECONDS).unowned == {"GPU-a": "several_servers"}
    claims.take("east", told(A, instance="e", now=101.0 + CLAIM_SECONDS))
    assert whose(claims, A, now=101.0 + CLAIM_SECONDS).owners == {"GPU-a": "east"}


def test_a_server_that_is_started_anew_on_other_gpus_gives_the_old_ones_up():
    claims = GpuClaims({"west": ()})
    claims.take("west", told(A, instance="before", now=100.0))
    claims.take("west", told(B, instance="after", now=102.0 + CLAIM_SECONDS))
    seen = whose(claims, B, now=102.0 + CLAIM_SECONDS)
    assert (seen.owners, seen.incomplete) == ({"GPU-b": "west"}, set())


def test_replicas_of_one_server_add_up():
    claims = GpuClaims({"west": ()})
    claims.take("west", told(A, instance="one", expected=1))
    claims.take("west", told(B, instance="two", expected=1))
    seen = whose(claims, A, B)
    assert (seen.owners, seen.incomplete) == ({"GPU-a": "west", "GPU-b": "west"}, set())
    assert seen.expected == {"west": 2}


def test_several_api_servers_of_one_vllm_are_no_rivals():
    claims = GpuClaims({"west": ()})
    for instance in ("one", "two"):
        claims.take("west", told(A, B, instance=instance, expected=2))
    seen = whose(claims, A, B)
    assert (seen.owners, seen.incomplete) == ({"GPU-a": "west", "GPU-b": "west"}, set())


def test_a_server_that_spans_nodes_is_incomplete():
    claims = GpuClaims({"west": ()})
    claims.take("west", told(A, B, expected=4))
    seen = whose(claims, A, B)
    assert (seen.incomplete, seen.expected) == ({"west"}, {"west": 4})


def test_a_server_one_of_whose_gpus_is_not_here_is_incomplete():
    claims = GpuClaims({"west": ()})
    claims.take("west", told(A, B, expected=2))
    assert whose(claims, A).incomplete == {"west"}


def test_the_settings_go_before_what_the_server_says_of_itself():
    claims = GpuClaims({"west": ("GPU-a", "2")})
    claims.take("west", told(A, B))
    seen = whose(claims, A, B, C)
    assert (seen.owners, seen.unowned) == ({"GPU-a": "west", "GPU-c": "west"}, {"GPU-b": "unclaimed"})
    assert seen.incomplete == set()


def test_the_settings_and_another_server_that_says_the_same_are_rivals():
    claims = GpuClaims({"west": ("GPU-a",), "east": ()})
    claims.take("east", told(A))
    assert whose(claims, A).unowned == {"GPU-a": "several_servers"}


def test_two_servers_of_the_settings_that_name_one_gpu_are_rivals():
    assert whose(GpuClaims({"west": ("GPU-a",), "east": ("0",)}), A).unowned == {"GPU-a": "several_servers"}


def test_an_index_of_the_settings_is_not_that_of_another_servers_container():
    """Every container numbers its GPUs from zero."""
    claims = GpuClaims({"west": ("0",), "east": ("1",)})
    first, second = (GpuReading(uuid=f"GPU-{name}", index=0, name="H100") for name in "xy")
    claims.take("east", told(second))
    assert whose(claims, first, second, indices={"GPU-x": 0, "GPU-y": 1}).owners == {"GPU-x": "west", "GPU-y": "east"}
    assert whose(claims, second, indices={}).owners == {}


def test_where_nothing_else_shows_the_gpu_an_index_is_that_of_the_servers_own_container():
    claims = GpuClaims({"west": ("0",), "east": ()})
    claims.take("west", told(A, B))
    assert whose(claims, A, B, indices={}).owners == {"GPU-a": "west"}


def test_a_speaker_whom_nobody_knows_has_nothing_but_spoils_the_claim_of_another():
    claims = GpuClaims({"west": (), "east": ("GPU-b",)})
    claims.take("", told(A, B, C, instance="stranger"))
    claims.take("west", told(A))
    seen = whose(claims, A, B, C)
    assert seen.unowned == {"GPU-a": "several_servers", "GPU-c": "unclaimed"}
    assert seen.owners == {"GPU-b": "east"}  # the settings are explicit


def test_a_speaker_who_turns_out_to_be_a_server_is_no_rival_of_itself():
    """Whose it is may be known only when the server's page has been read."""
    claims = GpuClaims({"west": (), "east": ()})
    claims.take("", told(A))
    assert whose(claims, A).unowned == {"GPU-a": "unclaimed"}
    claims.take("west", told(A))
    assert whose(claims, A).owners == {"GPU-a": "west"}


def test_a_split_board_is_nobodys_unless_the_settings_name_it_for_one_server_alone():
    claims = GpuClaims({"west": ()})
    assert whose(claims, SPLIT).unowned == {"GPU-mig": "mig"}
    claims.take("west", told(SPLIT))
    assert whose(claims, SPLIT).unowned == {"GPU-mig": "mig"}
    assert whose(claims, SPLIT).incomplete == {"west"}
    assert whose(GpuClaims({"west": ("GPU-mig",), "east": ()}), SPLIT).owners == {"GPU-mig": "west"}
    contested = GpuClaims({"west": ("GPU-mig",), "east": ()})
    contested.take("east", told(SPLIT))
    assert whose(contested, SPLIT).unowned == {"GPU-mig": "several_servers"}


def test_the_engine_of_a_gpu_is_known_where_all_of_its_owners_speakers_agree():
    claims = GpuClaims({"west": ()})
    claims.take("west", told(A, B, engines={"GPU-a": "0", "GPU-b": "1"}))
    assert whose(claims, A, B).engines == {"GPU-a": "0", "GPU-b": "1"}
    claims.take("west", told(A, B, instance="two", engines={"GPU-a": "0", "GPU-b": "7"}))
    assert whose(claims, A, B).engines == {"GPU-a": "0"}


def test_a_flood_of_speakers_is_forgotten():
    claims = GpuClaims({"west": (), "east": ()})
    for number in range(2 * MOST_CLAIMS):
        claims.take("west", told(A, instance=str(number)))
    assert len(claims._claims) == MOST_CLAIMS
