"""Which layers have a window, by each of the keys that say so."""

import pytest

from pentameter.model.attention_windows import FULL, Window, windows
from pentameter.model.fields import Fields
from pentameter.model.spec import UnknownModelError

W = Window(8)


@pytest.mark.parametrize(
    ("config", "habits", "expected"),
    [
        ({}, {}, [FULL] * 4),
        ({"sliding_window": 8}, {}, [W] * 4),
        ({"sliding_window": None}, {"default": 8}, [FULL] * 4),
        ({"sliding_window": 0}, {}, [FULL] * 4),
        ({}, {"default": 8}, [W] * 4),
        ({"sliding_window": 8}, {"pattern": 2}, [W, FULL, W, FULL]),
        ({"sliding_window": 8, "sliding_window_pattern": 3}, {"pattern": 2}, [W, W, FULL, W]),
        ({"sliding_window": 8, "_sliding_window_pattern": 4}, {"pattern": 2}, [W, W, W, FULL]),
        ({"sliding_window": 8, "use_sliding_window": False}, {}, [FULL] * 4),
        ({"sliding_window": 8, "use_sliding_window": True, "max_window_layers": 3}, {}, [FULL, FULL, FULL, W]),
        ({"sliding_window": 8, "layer_types": ["full_attention", "sliding_attention"] * 2}, {}, [FULL, W, FULL, W]),
        ({"layer_types": ["full_attention"] * 4}, {"default": 8, "pattern": 2}, [FULL] * 4),
        ({"attention_chunk_size": 8, "layer_types": ["chunked_attention"] * 4}, {}, [Window(8, chunked=True)] * 4),
    ],
)
def test_each_layer_sees_what_its_configuration_says(config, habits, expected):
    assert windows(Fields(config), 4, **habits) == expected


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"layer_types": ["sliding_attention"] * 4}, "sliding_window is missing"),
        ({"layer_types": ["linear_attention"] * 4}, "linear_attention is not known"),
        ({"layer_types": ["full_attention"] * 3}, "fewer than 4 layers"),
        ({"layer_types": [1] * 4}, "not a list of strings"),
        ({"sliding_window": -8}, "sliding_window is -8"),
    ],
)
def test_what_is_odd_is_refused(config, message):
    with pytest.raises(UnknownModelError, match=message):
        windows(Fields(config), 4)
