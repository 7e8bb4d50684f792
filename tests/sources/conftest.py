"""Fixtures of the tests on NVML."""

import pytest

from fakes.nvml_fake import FakeNvml
from pentameter.sources.nvml import NvmlSource


@pytest.fixture
def nvml(tmp_path_factory):
    with FakeNvml.for_tests(tmp_path_factory).in_process() as fake:
        yield fake


@pytest.fixture
def source(nvml):
    source = NvmlSource()
    yield source
    source.close()
