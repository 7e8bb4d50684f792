"""Settings as a test gives them, and the words in which they are refused; the process's own variables do not count."""

import pytest

from pentameter.config import ConfigError, load

URL = "http://127.0.0.1:8000"


def settings(tree=None, environment=None, file=None):
    return load(file, environment or {}, tree or {})


def refusal(tree=None, environment=None, file=None):
    with pytest.raises(ConfigError) as caught:
        settings(tree, environment, file)
    return str(caught.value)


def server(**keys):
    return {"vllm": {"servers": [{"url": URL, **keys}]}}


def written(folder, text):
    """Write a configuration file and return its name."""
    path = folder / "pentameter.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def settings_for(*urls, **sections):
    """Return the settings for these servers, without NVML."""
    return settings({"vllm": {"servers": list(urls)}, "nvml": {"enabled": False}, **sections})
