"""Models as they lie on disk: safetensors files without the weights' worth, and Hugging Face's cache with its links."""

import hashlib
import json


def header(tensors):
    """Return the header of a safetensors file: name -> (dtype, shape, bytes), one tensor after the other."""
    entries, end = {"__metadata__": {"format": "pt"}}, 0
    for name, (dtype, shape, size) in tensors.items():
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    return entries, end


def write_safetensors(path, tensors):
    """Write a file with these tensors; the data is a hole, which takes no room on disk."""
    entries, data = header(tensors)
    write_header(path, json.dumps(entries).encode(), data)


def write_header(path, text, data):
    """Write a file with this text as its header and so many bytes of data."""
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    with path.open("r+b") as file:
        file.truncate(8 + len(text) + data)


def write_index(folder, total_size, *names):
    """Write the index of a model that lies in several files."""
    content = {"metadata": {"total_size": total_size}, "weight_map": {f"w{i}": name for i, name in enumerate(names)}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(content), encoding="utf-8")


def write_json(path, content):
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def hub_snapshot(cache, name, commit, files, *, main=True):
    """Put a model into a cache as huggingface_hub does: blobs by hash, snapshots of links, a reference; return it."""
    repository = cache / f"models--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / commit
    for folder in (repository / "blobs", repository / "refs", snapshot):
        folder.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        body = json.dumps(content).encode()
        blob = repository / "blobs" / hashlib.sha1(body).hexdigest()
        blob.write_bytes(body)
        (snapshot / file).symlink_to(f"../../blobs/{blob.name}")
    if main:
        (repository / "refs" / "main").write_text(commit, encoding="ascii")
    return snapshot
