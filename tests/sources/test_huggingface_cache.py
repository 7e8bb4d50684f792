"""Hugging Face's cache: where it lies, which snapshot is meant, and that no name leads out of it."""

import os
from pathlib import Path

import pytest

from fakes.model_trees import hub_snapshot
from pentameter.sources.huggingface_cache import cache_folders, is_name, name_of_place, snapshots, snapshots_in

OLD, NEW, OTHER = "a" * 40, "b" * 40, "c" * 40
FILES = {"config.json": {"n": 1}}


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/user")


def names(cache, *arguments):
    return [path.name for path in snapshots(cache, *arguments)]


def aged(path, seconds):
    os.utime(path, (seconds, seconds))


def test_the_environment_decides_in_the_order_of_huggingface_hub(monkeypatch):
    assert cache_folders() == (Path("/home/user/.cache/huggingface/hub"),)
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_folders() == (Path("/xdg/huggingface/hub"),)
    monkeypatch.setenv("HF_HOME", "~/hf")
    assert cache_folders() == (Path("/home/user/hf/hub"),)
    monkeypatch.setenv("HUGGINGFACE_HUB_CACHE", "/old")
    assert cache_folders() == (Path("/old"),)
    monkeypatch.setenv("HF_HUB_CACHE", "$HOME/new")
    assert cache_folders() == (Path("/home/user/new"),)


def test_an_empty_variable_counts_as_none(monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", "")
    monkeypatch.setenv("HF_HOME", "")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_folders() == (Path("/home/user/.cache/huggingface/hub"),)


def test_a_configured_folder_is_the_cache_or_what_is_around_it(monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", "/env")
    assert cache_folders("~/hf") == (Path("/home/user/hf"), Path("/home/user/hf/hub"))
    assert cache_folders("~nobody-of-this-name/hf")[0] == Path("~nobody-of-this-name/hf")


def test_main_goes_before_newer_snapshots(tmp_path):
    hub_snapshot(tmp_path, "org/name", NEW, FILES, main=False)
    aged(hub_snapshot(tmp_path, "org/name", OLD, FILES), 1000)
    assert names(tmp_path, "org/name") == [OLD, NEW]


def test_a_commit_goes_before_main(tmp_path):
    hub_snapshot(tmp_path, "org/name", NEW, FILES)
    hub_snapshot(tmp_path, "org/name", OLD, FILES, main=False)
    assert names(tmp_path, "org/name", OLD) == [OLD, NEW]
    assert names(tmp_path, "org/name", OTHER) == [NEW, OLD]


@pytest.mark.parametrize("main", [OTHER, "", "../../models--x--y/snapshots/z", "ż"])
def test_without_a_usable_main_the_newest_is_the_best(tmp_path, main):
    for commit, seconds in ((OLD, 1000), (NEW, 3000), (OTHER[:-1], 2000)):
        aged(hub_snapshot(tmp_path, "name", commit, FILES, main=False), seconds)
    reference = tmp_path / "models--name" / "refs" / "main"
    assert names(tmp_path, "name") == [NEW, OTHER[:-1], OLD]
    reference.write_text(main, encoding="utf-8")
    assert names(tmp_path, "name") == [NEW, OTHER[:-1], OLD]


def test_main_may_end_with_a_line_break(tmp_path):
    hub_snapshot(tmp_path, "name", NEW, FILES, main=False)
    aged(hub_snapshot(tmp_path, "name", OLD, FILES), 1000)
    (tmp_path / "models--name" / "refs" / "main").write_text(OLD + "\n", encoding="ascii")
    assert names(tmp_path, "name") == [OLD, NEW]


def test_a_pipe_in_the_place_of_main_holds_nothing_up(tmp_path):
    hub_snapshot(tmp_path, "name", NEW, FILES, main=False)
    os.mkfifo(tmp_path / "models--name" / "refs" / "main")
    assert names(tmp_path, "name") == [NEW]


def test_a_model_that_is_not_in_the_cache_has_no_snapshots(tmp_path):
    assert names(tmp_path, "org/name") == []
    assert names(tmp_path / "missing", "org/name") == []
    (tmp_path / "models--org--name").write_text("a file")
    assert names(tmp_path, "org/name") == []
    assert list(snapshots_in(tmp_path)) == []


@pytest.mark.parametrize("name", ["gpt2", "meta-llama/Llama-3.1-8B", "org/a_b.C-1", "01-ai/Yi-6B", "_a/b"])
def test_names_of_models_are_names(name):
    assert is_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "org/..",
        "org/a..b",
        "/etc",
        "/",
        "a/b/c",
        "a//b",
        "a/",
        "~",
        "~root/x",
        "a\\..\\b",
        "a\0b",
        "a b",
        "a\n",
        "org/name\n",
        "-a/b",
        ".a/b",
        "org/żółw",
        "a--b/c",
        "s3://bucket/x",
        "org/name:Q4_K_M",
        "a" * 97,
    ],
)
def test_anything_else_is_no_name_and_leads_nowhere(tmp_path, name):
    cache = tmp_path / "cache"
    cache.mkdir()
    for folder in ("snapshots", "x/snapshots", "models--..--x/snapshots"):
        (tmp_path / folder / NEW).mkdir(parents=True)
    assert not is_name(name)
    assert names(cache, name) == []


def test_a_path_into_a_cache_of_elsewhere_tells_name_and_commit():
    place = f"/elsewhere/hub/models--org--name/snapshots/{NEW}"
    assert name_of_place(place) == ("org/name", NEW)
    assert name_of_place(place + "/") == ("org/name", NEW)
    assert name_of_place(place + "/model.gguf") == ("org/name", NEW)
    assert name_of_place(f"models--gpt2/snapshots/{NEW}") == ("gpt2", NEW)


@pytest.mark.parametrize(
    "path",
    [
        "org/name",
        "/models/llama",
        "/x/models--org--name",
        "/x/models--org--name/snapshots/",
        "/x/models--org--name/snapshots/..",
        "/x/models--..--name/snapshots/abc",
        "/x/models--a--b--c/snapshots/abc",
        "/x/datasets--org--name/snapshots/abc",
    ],
)
def test_any_other_path_tells_no_name(path):
    assert name_of_place(path) is None
