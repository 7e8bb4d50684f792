"""Where a process runs."""

import pytest

from pentameter.sources.surroundings import Surroundings, look_around


@pytest.mark.parametrize(
    ("files", "environ", "expected"),
    [
        ([], {}, Surroundings()),
        ([".dockerenv"], {}, Surroundings(container=True)),
        (["run/.containerenv"], {}, Surroundings(container=True)),
        ([], {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, Surroundings(kubernetes=True, container=True)),
        (["dev/nvidia0"], {}, Surroundings(gpu_devices=True)),
        (["dev/nvidiactl"], {}, Surroundings()),
    ],
)
def test_files_and_the_environment_tell_where_we_are(tmp_path, files, environ, expected):
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert look_around(tmp_path, environ) == expected
