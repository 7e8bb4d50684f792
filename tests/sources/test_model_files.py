"""Where a model's configuration is found, in which order, and what is said where it is not."""

import os
import shutil
from dataclasses import replace

import pytest

from fakes.model_trees import hub_snapshot, write_json, write_safetensors
from pentameter.readings import ModelReading
from pentameter.sources import SourceAbsent, SourceError
from pentameter.sources.json_file import read_object
from pentameter.sources.model_files import ModelFiles

LLAMA = {"model_type": "llama"}
QWEN = {"model_type": "qwen3"}
COMMIT = "a" * 40
ELSEWHERE = f"/elsewhere/hub/models--org--name/snapshots/{COMMIT}"


@pytest.fixture
def cache(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    write_json(folder / "config.json", LLAMA)
    write_safetensors(folder / "model.safetensors", {"w": ("BF16", [10, 10], 200)})
    return folder


def found(cache, **options):
    """Return what is read, without its time."""
    reading = ModelFiles("a", cache=str(cache), **options).read()
    assert reading.monotonic > 0
    assert reading.wall > 1e9
    return replace(reading, monotonic=0, wall=0)


def refusal(cache, kind, **options):
    with pytest.raises(SourceError) as caught:
        ModelFiles("a", cache=str(cache), **options).read()
    assert type(caught.value) is kind
    return caught.value.reason, str(caught.value)


def table(**models):
    return lambda name: models.get(name.replace("/", "_"))


def test_it_is_a_source_of_one_server(cache):
    source = ModelFiles("a", config=LLAMA)
    assert (source.name, source.server) == ("model", "a")
    source.close()


def test_what_is_pasted_goes_before_all(cache, folder):
    hidden = {"path": str(folder), "names": (str(folder),), "table": table(org_name=QWEN)}
    assert found(cache, config=QWEN, **hidden) == ModelReading("a", "", QWEN, "configured")


@pytest.mark.parametrize("end", ["", "config.json"])
def test_a_path_is_read_with_the_size_of_its_files(cache, folder, end):
    asked = str(folder / end)
    assert found(cache, path=asked, names=("org/name",)) == ModelReading("a", asked, LLAMA, "file", 200, 100)


def test_a_path_may_be_relative_or_begin_with_the_home(cache, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert found(cache, path="model").config == LLAMA
    monkeypatch.setenv("HOME", str(folder.parent))
    assert found(cache, path="~/model").config == LLAMA


def test_a_configured_name_is_looked_up_in_the_cache_then_in_the_table(cache):
    options = {"path": "org/name", "table": table(org_name=QWEN)}
    assert found(cache, **options) == ModelReading("a", "org/name", QWEN, "table")
    hub_snapshot(cache, "org/name", COMMIT, {"config.json": LLAMA})
    assert found(cache, **options) == ModelReading("a", "org/name", LLAMA, "cache")


def test_the_folder_around_the_cache_serves_as_well(tmp_path, cache):
    hub_snapshot(tmp_path / "hf" / "hub", "org/name", COMMIT, {"config.json": LLAMA})
    assert found(tmp_path / "hf", path="org/name").config == LLAMA


def test_by_default_the_environment_says_where_the_cache_is(cache, monkeypatch):
    hub_snapshot(cache, "org/name", COMMIT, {"config.json": LLAMA})
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    assert ModelFiles("a", path="org/name").read().config == LLAMA


def test_a_snapshot_without_a_configuration_is_passed_over(cache):
    hub_snapshot(cache, "org/name", COMMIT, {"config.json": LLAMA}, main=False)
    hub_snapshot(cache, "org/name", "b" * 40, {"tokenizer.json": {}})
    broken = hub_snapshot(cache, "org/name", "c" * 40, {}, main=False)
    (broken / "config.json").symlink_to("../../blobs/incomplete")
    assert found(cache, path="org/name").config == LLAMA


def test_the_models_folder_in_the_cache_stands_for_its_snapshot(cache):
    hub_snapshot(cache, "org/name", COMMIT, {"config.json": LLAMA})
    assert found(cache, path=str(cache / "models--org--name")).config == LLAMA


def test_the_weights_in_the_cache_are_measured_through_their_links(cache):
    snapshot = hub_snapshot(cache, "org/name", COMMIT, {"config.json": LLAMA})
    write_safetensors(cache / "models--org--name" / "blobs" / "w", {"w": ("F16", [7], 14)})
    (snapshot / "model.safetensors").symlink_to("../../blobs/w")
    assert found(cache, path="org/name") == ModelReading("a", "org/name", LLAMA, "cache", 14, 7)


@pytest.mark.parametrize("path", ["/no/such/folder", "no such name", "../up", "a/b/c"])
def test_a_configured_path_that_is_nowhere_is_an_error(cache, path):
    reason, message = refusal(cache, SourceError, path=path, table=table())
    assert reason == "not_found"
    assert message == f"model.path: there is no {path}, and it is no Hugging Face name"


def test_a_configured_name_that_is_nowhere_says_where_it_was_looked_for(cache):
    reason, message = refusal(cache, SourceError, path="org/name")
    assert reason == "not_found"
    assert message.endswith(f"the Hugging Face cache {cache} or {cache / 'hub'} nor in the shipped table")


def test_a_configured_folder_without_a_configuration_is_an_error(cache, tmp_path):
    assert refusal(cache, SourceError, path=str(tmp_path)) == ("not_found", f"there is no {tmp_path / 'config.json'}")
    write_json(tmp_path / "params.json", {"dim": 1})
    assert refusal(cache, SourceError, path=str(tmp_path))[0] == "unsupported"


def test_a_loop_of_links_is_an_error(cache, tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    assert refusal(cache, SourceError, path=str(tmp_path / "loop"))[0] == "unreadable"


# ---------------------------------------------------------------- what the server tells


def test_the_servers_root_is_read_where_it_exists_here(cache, folder):
    assert found(cache, names=lambda: str(folder)) == ModelReading("a", str(folder), LLAMA, "file", 200, 100)
    assert found(cache, names=(str(folder),)).origin == "file"


def test_the_servers_root_is_a_name_of_the_cache_or_of_the_table(cache):
    options = {"names": lambda: "org/name", "table": table(org_name=QWEN)}
    assert found(cache, **options) == ModelReading("a", "org/name", QWEN, "table")
    hub_snapshot(cache, "org/name", COMMIT, {"config.json": LLAMA})
    assert found(cache, **options) == ModelReading("a", "org/name", LLAMA, "cache")


def test_a_root_in_the_cache_of_another_machine_tells_its_name_and_commit(cache):
    options = {"names": lambda: ELSEWHERE, "table": table(org_name=QWEN)}
    assert found(cache, **options) == ModelReading("a", ELSEWHERE, QWEN, "table")
    hub_snapshot(cache, "org/name", "b" * 40, {"config.json": {"n": 1}})
    hub_snapshot(cache, "org/name", COMMIT, {"config.json": LLAMA}, main=False)
    assert found(cache, **options) == ModelReading("a", ELSEWHERE, LLAMA, "cache")


def test_a_relative_root_is_not_looked_for_in_our_own_directory(cache, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert refusal(cache, SourceAbsent, names=("model",))[0] == "not_found"
    assert refusal(cache, SourceAbsent, names=("./model",))[0] == "not_found"


def test_another_folder_of_the_same_name_here_is_passed_over(cache, tmp_path):
    reason, message = refusal(cache, SourceAbsent, names=(str(tmp_path),))
    assert reason == "not_found"
    assert message.startswith(f"{str(tmp_path)!r}: no such model folder here, and it is no Hugging Face name; mount")


def test_a_root_in_mistrals_format_is_named(cache, tmp_path):
    write_json(tmp_path / "params.json", {"dim": 1})
    assert refusal(cache, SourceError, names=(str(tmp_path),))[0] == "unsupported"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_told_where_it_was_configured_and_passed_over_where_not(cache, folder):
    asked = str(folder / "inner")
    folder.chmod(0)
    try:
        assert refusal(cache, SourceError, path=asked) == ("unreadable", f"cannot read {asked}: Permission denied")
        assert refusal(cache, SourceAbsent, names=(asked,))[0] == "not_found"
        assert refusal(cache, SourceError, names=(str(folder),))[0] == "unreadable"
    finally:
        folder.chmod(0o700)


def test_where_nothing_is_found_the_message_says_what_to_do(cache):
    reason, message = refusal(cache, SourceAbsent, names=lambda: "org/name")
    assert reason == "not_found"
    assert message == (
        f"'org/name': no such model folder here, and it is neither in the Hugging Face cache {cache} or "
        f"{cache / 'hub'} nor in the shipped table; "
        "mount the model's folder or the Hugging Face cache where the exporter can read it, "
        "or give the server's model.path, model.config or model.parameters"
    )


@pytest.mark.parametrize("names", [(), lambda: None])
def test_a_server_that_does_not_tell_is_an_absence(cache, names):
    reason, message = refusal(cache, SourceAbsent, names=names)
    assert reason == "not_found"
    assert message.startswith("the server does not say which one model it loaded; mount")


def test_what_asking_the_server_raises_is_passed_on(cache):
    def names():
        raise SourceError("unreachable", "no")

    assert refusal(cache, SourceError, names=names) == ("unreachable", "no")


def test_a_server_that_refuses_to_tell_is_an_absence(cache):
    def names():
        raise SourceError("http_status", "/v1/models: answered 401 Unauthorized")

    reason, message = refusal(cache, SourceAbsent, names=names)
    assert reason == "http_status"
    assert message.startswith("/v1/models: answered 401 Unauthorized; give the server's bearer_token, or mount")


@pytest.mark.parametrize("root", ["../../etc", "models--a--b", "s3://bucket/x", "a\\..\\b", "/nul\0", "org/../../x"])
def test_an_odd_root_leads_nowhere(cache, root):
    hub_snapshot(cache.parent, "x", COMMIT, {"config.json": LLAMA})
    assert refusal(cache, SourceAbsent, names=(root,), table=lambda name: pytest.fail(name))[0] == "not_found"


# ---------------------------------------------------------------- read once


@pytest.fixture
def opened(monkeypatch):
    """Count how often a JSON file is opened."""
    paths = []

    def counted(path, most_bytes):
        paths.append(path.name)
        return read_object(path, most_bytes)

    monkeypatch.setattr("pentameter.sources.model_folder.read_object", counted)
    return paths


def test_files_are_read_again_only_when_one_changes(cache, folder, opened):
    source = ModelFiles("a", path=str(folder), cache=str(cache))
    first = source.read()
    before = len(opened)
    second = source.read()
    assert len(opened) == before
    assert second.monotonic >= first.monotonic
    assert second.config is first.config
    write_json(folder / "config.json", QWEN)
    os.utime(folder / "config.json", (1, 1))
    assert source.read().config == QWEN


def test_another_root_is_another_model(cache, folder):
    roots = [str(folder), "org/name"]
    hub_snapshot(cache, "org/name", COMMIT, {"config.json": QWEN})
    source = ModelFiles("a", cache=str(cache), names=lambda: roots[0])
    assert source.read().config == LLAMA
    roots.pop(0)
    assert source.read().config == QWEN


def test_a_new_commit_of_main_is_another_model(cache):
    hub_snapshot(cache, "org/name", COMMIT, {"config.json": LLAMA})
    source = ModelFiles("a", cache=str(cache), path="org/name")
    assert source.read().config == LLAMA
    hub_snapshot(cache, "org/name", "b" * 40, {"config.json": QWEN})
    assert source.read().config == QWEN


def test_files_that_go_are_not_kept_and_those_that_come_back_are_read(cache, folder):
    source = ModelFiles("a", path=str(folder), cache=str(cache))
    source.read()
    aside = folder.with_name("aside")
    shutil.move(folder, aside)
    with pytest.raises(SourceError):
        source.read()
    shutil.move(aside, folder)
    assert source.read().config == LLAMA


def test_a_configuration_that_breaks_is_said_and_one_that_is_mended_is_read(cache, folder):
    source = ModelFiles("a", path=str(folder), cache=str(cache))
    source.read()
    (folder / "config.json").write_text("{")
    with pytest.raises(SourceError):
        source.read()
    write_json(folder / "config.json", QWEN)
    assert source.read().config == QWEN
