"""Reads what commands of ``same_numbers.py`` print and leave; found by what a file holds, not by where it is."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

Numbers = dict[str, Any]
Pairs = Iterator[tuple[str, Any]]
_WAYS = r"(.*/(?:result/evaluators|result/twins/\w+|table/scores/[^/]+)/)"
RENAMED = {
    r"(.*/result/(?:details/)?networks/[^/]+)/(madds|params)": r"\1/costs/\2",
    r"(.*/result)/rivals/(.*)": r"\1/baselines/\2",
    r"(.*/result)/rows/(.*)/ours": r"\1/findings/\2/ours/value",
    r"(.*/result)/rows/(.*)/(low|high|std|n)": r"\1/findings/\2/ours/\3",
    r"(.*/result)/rows/(.*)": r"\1/findings/\2",
    r"(stnas-table2/study/\w+)/search/(.*)": r"\1/searches/\2",
    r"(stnas-table5/study/\w+)/matched-0/sgld-3-temperature-default/(.*)": r"\1/samples/\2",
    r"((?:stnas-table5|surgery-table4)/study/\w+)/(?:plain|matched|FairNAS|\d-samples)-0/(.*)": r"\1/\2",
    r"(rank[\w-]*/\w+/score)/\d{1,3}/(.*)": r"\1/\2",
    r"(.*/weights/.*/epoch-)(\d{3})": r"\g<1>0\2",
    _WAYS + r"(?:one-shot|supernet(?!:))(.*)": r"\1supernet:single\2",
    _WAYS + r"((?:parameter|score|median|fine-tuned)\b.*)": r"\1supernet:\2",
}
"""Patterns of keys, and what they are called now; ``supernet`` alone means ``supernet:single`` in these cases."""
LEFT_OUT = re.compile(r"schema|version|.*seconds.*|timings|minutes|environment|estimate|.*memory.*|path")
TEXTS = ("arch", "archs", "best", "canonical")
"""Texts that are what was found; others only tell of it."""
KINDS = ("log", "checkpoints", "winners", "baselines", "supernets", "model", "work", "bank")
"""Folders and files that tell what lies in them, and not which."""


def printed(content: Any, key: str, field: str = "") -> Pairs:
    """Walk through JSON; entries of lists are called by their names where they have some."""
    if isinstance(content, dict):
        for name, value in content.items():
            if not LEFT_OUT.fullmatch(name):
                yield from printed(value, f"{key}/{name}", name)
    elif isinstance(content, list):
        for index, value in enumerate(content):
            named = isinstance(value, dict) and (value.get("name") or value.get("what"))
            metric = f"/{value['metric']}" if named and "metric" in value else ""
            yield from printed(value, f"{key}/{named or index}{metric}", field)
    elif not isinstance(content, str) or field in TEXTS:
        yield key, content


def log(path: Path, key: str) -> Pairs:
    """Read loss and accuracy of each epoch."""
    for row in map(json.loads, path.read_text().splitlines()):
        for name in ("loss", "accuracy"):
            if "epoch" in row and name in row:
                yield f"epochs/{key}/{row['epoch']:03d}/{name}", row[name]


def table(path: Path, key: str) -> Pairs:
    """Read the numbers of a table of architectures, and the choices in it."""
    import pandas as pd

    rows = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    named = next((name for name in ("arch", "architecture", "row") if name in rows), None)
    kind = re.sub("^evaluations$", "score", key.rpartition("/")[2])
    place = "/".join(["score" if kind == "score" else f"table/{kind}", *key.split("/")[:-1]])
    marks = [name for name in ("metric", "fidelity", "epochs", "seed") if name in rows]
    for row in rows.to_dict("records") if named else []:
        arch = row[named].hex() if isinstance(row[named], bytes) else row[named]
        where = "/".join([place, arch, *(f"{name}-{row[name]}" for name in marks)])
        for name, value in row.items():
            chosen = name in TEXTS or not isinstance(value, str | bytes)
            if chosen and name not in (named, "row", *marks) and not LEFT_OUT.fullmatch(str(name)):
                yield f"{where}/{name}", value


def weights(path: Path, key: str) -> Pairs:
    """Hash the values of all weights, whatever their names."""
    import torch
    from safetensors.torch import load_file

    if path.suffix == ".safetensors":
        tensors = load_file(path)
    else:
        raw = path.read_bytes()
        # A checkpoint may have a header of its own before what PyTorch wrote.
        content = torch.load(io.BytesIO(raw[raw.index(b"PK\x03\x04") :]), map_location="cpu", weights_only=True)
        if (tensors := _model(content)) is None:
            raise RuntimeError(f"{path}: no weights called 'model' in it")
    hashes = sorted(
        hashlib.sha256(f"{tensor.dtype} {list(tensor.shape)} ".encode() + _bytes(tensor)).hexdigest()
        for tensor in tensors.values()
    )
    yield f"weights/{key}", hashlib.sha256("".join(hashes).encode()).hexdigest()


def _model(content: dict[str, Any]) -> dict[str, Any] | None:
    """Find the weights among what else a checkpoint holds, such as the state of an optimizer."""
    inner = [_model(value) for value in content.values() if isinstance(value, dict)]
    return content.get("model") or next(filter(None, inner), None)


def _bytes(tensor: Any) -> bytes:
    import torch

    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


READERS: dict[str, Callable[[Path, str], Pairs]] = {".jsonl": log, ".parquet": table, ".csv": table}
READERS |= dict.fromkeys((".ckpt", ".pt", ".safetensors"), weights)


def read_step(folder: Path, out: Path) -> Numbers:
    """Return every number that a command printed and left in its folder."""
    pairs = list(printed(json.loads(out.read_text()), "result"))
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in READERS and not path.name.startswith("."):
            parts = path.relative_to(folder).with_suffix("").parts
            names = [re.sub(r"-[0-9a-f]{12,}$|\.work$", "", name) for name in parts]
            names = [name for name in names if not re.fullmatch(r"[0-9a-f]{16}|\d{16,}", name)]
            key = "/".join([name for name in names if name not in KINDS] or names[-1:])
            pairs += READERS[path.suffix](path, key)
    return numbered((key, value.hex() if isinstance(value, float) else value) for key, value in pairs)


def numbered(pairs: Iterable[tuple[str, Any]]) -> Numbers:
    """Return values by key; several of one key are told apart by numbers in the order of the values."""
    found: dict[str, list[Any]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    numbers = {}
    for key, values in found.items():
        for number, value in enumerate(sorted(values, key=str), start=1):
            numbers[key if len(values) == 1 else f"{key}#{number}"] = value
    return numbers


def renamed(numbers: Numbers) -> Numbers:
    """Return the numbers by the present names of their keys."""
    return numbered((_present(re.sub(r"#\d+$", "", key)), value) for key, value in numbers.items())


def _present(key: str) -> str:
    for pattern, name in RENAMED.items():
        if match := re.fullmatch(pattern, key):
            key = match.expand(name)
    return key
