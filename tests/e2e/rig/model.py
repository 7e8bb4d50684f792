"""The model that the real vLLM serves: a tiny Llama, made once and cached."""

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
    """Return the folder of the model, making it first if need be (about 20 s).

    Raises:
        subprocess.CalledProcessError: the environment cannot make it; its output says why.
    """
    folder = cache_folder() / MODEL_NAME
    if folder.is_dir():
        return folder
    unfinished = folder.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    script = Path(__file__).with_name("tiny_llama.py")
    # The standard library is text that every machine has.
    text = sysconfig.get_path("stdlib")
    subprocess.run(
        [str(vllm_python()), "-P", str(script), str(unfinished), text],
        check=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    unfinished.rename(folder)
    return folder
