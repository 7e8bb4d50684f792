"""Which GPUs a server has, by their names in the table."""

from dataclasses import replace

import pytest

from builders import A100, H100, gpu
from pentameter.deployments import names_of
from pentameter.server_plan import ServerPlan

SEEN = gpu()
OTHER = replace(SEEN, spec=A100)
STRANGE = replace(SEEN, spec=None)
H, A = H100.gpu, A100.gpu


@pytest.mark.parametrize(
    ("plan", "gpus", "before", "expected"),
    [
        pytest.param({}, (SEEN, SEEN), (), (H, H), id="those that are visible"),
        pytest.param({}, (), (H, H), (H, H), id="those that were visible before an outage"),
        pytest.param({}, (SEEN, OTHER), (), (H, A), id="unequal ones"),
        pytest.param({}, (SEEN, STRANGE), (), (), id="one that no table knows"),
        pytest.param({}, (), (), (), id="never any"),
        pytest.param({"gpu_spec": A100}, (STRANGE,), (), (A,), id="a configured type"),
        pytest.param({"gpu_spec": H100, "gpu_count": 8}, (), (), (H,) * 8, id="configured, none visible"),
        pytest.param({"gpus": ("0", "1")}, (SEEN,), (), (H, H), id="two named, one visible"),
        pytest.param({"gpu_count": 4}, (SEEN, SEEN), (), (H,) * 4, id="equal ones stand for the others"),
        pytest.param({"gpu_count": 4}, (SEEN, OTHER), (), (), id="unequal ones do not"),
        pytest.param({"gpu_spec": H100}, (), (), (), id="a type without a number"),
    ],
)
def test_the_names_of_a_servers_gpus(plan, gpus, before, expected):
    assert names_of(ServerPlan("a", **plan), gpus, before) == expected


def test_equal_gpus_stand_for_those_that_a_server_has_elsewhere():
    assert names_of(ServerPlan("a"), (SEEN,), (), 2) == (H, H)
    assert names_of(ServerPlan("a"), (SEEN, OTHER), (), 4) == ()
    assert names_of(ServerPlan("a", gpu_count=3), (SEEN,), (), 2) == (H, H, H), "what is configured is believed"
