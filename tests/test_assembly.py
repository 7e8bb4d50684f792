"""What the settings become: the meter and its sources."""

import pytest

from given_settings import settings_for
from pentameter.assembly import settings_to_feeds, settings_to_meter


def test_the_meter_of_the_settings_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match="unknown region 'XYZ'"):
        settings_to_meter(settings_for(grid={"region": "XYZ"}))
    with pytest.raises(ValueError, match="unknown gpu_type 'H1000'"):
        settings_to_meter(settings_for({"url": "http://a", "gpu_type": "H1000"}))


def test_the_feeds_follow_the_settings():
    settings = settings_for("http://a:1", "http://b:2", host={"enabled": False}, nvml={"enabled": True})
    feeds = settings_to_feeds(settings)
    assert [(feed.source.name, feed.source.server) for feed in feeds] == [
        ("vllm", "a:1"),
        ("vllm", "b:2"),
        ("nvml", ""),
    ]
