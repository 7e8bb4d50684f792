"""The cost of a server by LoRA adapter."""

import pytest

from builders import deployment, engine, served, value, world
from pentameter.dimensions import cost_by_adapter, economics

ADAPTER = "adapter_cost_dollars_total"
MILLICENT = {"active": 1.0}
"""A second, at 3.60 dollars an hour: 0.001 dollars."""


def told(name="0", **outputs):
    """Return what the plugin told of an engine's adapters since the last snapshot; ``base`` is the model itself."""
    return served(tick={f"adapter_outputs/{'' if key == 'base' else key}": n for key, n in outputs.items()}, name=name)


ONE = (engine(),)


def counted(*records, engines=ONE, price=3.6, spent=MILLICENT, gpus=1):
    here = deployment(*engines, gpu_count=gpus, price=price, spent_tick=spent, name="" if len(engines) > 1 else "0")
    return list(cost_by_adapter.increments(world(here, served=records)))


def test_adapters_share_the_cost_by_their_outputs_and_the_base_model_goes_by_its_name():
    samples = counted(told(base=30.0, poet=50.0, lawyer=20.0))
    costs = {name: value(samples, ADAPTER, adapter=name, method="decode_tokens") for name in ("m", "poet", "lawyer")}
    assert costs == pytest.approx({"m": 0.0003, "poet": 0.0005, "lawyer": 0.0002})
    assert value(samples, ADAPTER, adapter="unattributed") == 0


def test_what_is_paid_while_nothing_is_decoded_is_nobodys():
    samples = counted(told(base=0.0, poet=0.0))
    assert value(samples, ADAPTER, adapter="poet") == 0
    assert value(samples, ADAPTER, adapter="unattributed") == pytest.approx(0.001)


@pytest.mark.parametrize("outputs", [{"base": 3.0, "poet": 4.0, "lawyer": 7.0}, {"base": 0.0}])
def test_together_they_are_what_the_server_cost(outputs):
    here = deployment(engine(), gpu_count=2, price=3.6, spent_tick={"active": 0.4, "idle": 0.6})
    whole = sum(one.value for one in economics.increments(world(here)) if one.metric is economics.COST)
    parts = sum(one.value for one in cost_by_adapter.increments(world(here, served=(told(**outputs),))))
    assert parts == pytest.approx(whole) == 0.002


def test_engines_of_a_server_are_added_up():
    engines = engine(), engine(name="1")
    samples = counted(told(base=1.0, poet=2.0), told(base=0.0, poet=5.0, name="1"), engines=engines)
    assert value(samples, ADAPTER, adapter="poet") == pytest.approx(0.001 * 7 / 8)


def test_an_engine_that_does_not_tell_leaves_the_server_out():
    assert counted(told(base=1.0, poet=2.0), engines=(engine(), engine(name="1"))) == []
    assert counted(served(tick={"finished": 3.0})) == []
    assert counted() == []


def test_what_is_paid_while_the_server_does_not_answer_is_nobodys():
    samples = counted(told(base=0.0, poet=0.0), engines=())
    assert value(samples, ADAPTER, adapter="unattributed") == pytest.approx(0.001)
    assert counted(served(tick={"finished": 0.0}), engines=()) == []
    assert counted(served(tick={"adapter_outputs/": 0.0}, server="b"), engines=()) == []


def test_without_a_price_there_is_nothing_to_share():
    assert counted(told(base=1.0), price=None) == []


def test_an_adapter_may_be_called_what_it_likes():
    samples = counted(told(base=1.0, m=1.0, unattributed=2.0))
    assert value(samples, ADAPTER, adapter="m") == pytest.approx(0.0005)
    assert value(samples, ADAPTER, adapter="unattributed") == pytest.approx(0.0005)


def test_nothing_of_adapters_is_a_gauge():
    assert list(cost_by_adapter.samples(world(deployment(engine(), gpu_count=1, price=1.0)))) == []
