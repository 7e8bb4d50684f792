"""The models that the real vLLM serves: tiny ones, made once and cached."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

from e2e.rig.install import cache_folder, vllm_python

MODEL_NAME = "tiny-llama"
VOCABULARY = 2048
FIRST_ORDINARY_TOKEN = 3
"""Tokens 0 to 2 begin, end and pad a text."""


def tiny_llama() -> Path:
    """Return the folder of the model that most tests use, making it first if need be (about 20 s).

    Raises:
        subprocess.CalledProcessError: the environment cannot make it; its output says why.
    """
    # The standard library is text that every machine has.
    return made(MODEL_NAME, "tiny_llama.py", sysconfig.get_path("stdlib"))


def tiny_model(name: str) -> Path:
    """Return the folder of ``tiny-llama`` or of one of ``tiny_models.py``, making it first if need be (about 5 s).

    Raises:
        subprocess.CalledProcessError: the environment cannot make it; its output says why.
    """
    return tiny_llama() if name == MODEL_NAME else made(name, "tiny_models.py", str(tiny_llama()), name)


def tiny_lora() -> Path:
    """Return the folder of a LoRA adapter for ``tiny-llama``, making it first if need be (about 5 s).

    Raises:
        subprocess.CalledProcessError: the environment cannot make it; its output says why.
    """
    return made("tiny-lora", "tiny_lora.py")


def made(name: str, script: str, *arguments: str) -> Path:
    """Return the folder of a model that a script beside this file makes, unless it is there."""
    folder = cache_folder() / name
    if folder.is_dir():
        return folder
    unfinished = folder.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    subprocess.run(
        [str(vllm_python()), "-P", str(Path(__file__).with_name(script)), str(unfinished), *arguments],
        check=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    unfinished.rename(folder)
    return folder
