"""``trueshot report``, ``export`` and ``classify``: what a finished run is good for."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from trueshot.cli.options import Trust
from trueshot.cli.output import Json, emit
from trueshot.core.errors import RunError

if TYPE_CHECKING:
    from rich.console import Console
    from torch import Tensor

    from trueshot.core.run import RunDirectory
    from trueshot.training.data.dataset import Part
    from trueshot.training.data.preprocessing import Preprocessing

Run = Annotated[Path, typer.Argument(metavar="DIR", help="Run directory of a search.")]
Finished = Annotated[Path, typer.Argument(metavar="DIR", help="Run directory of a search or of a ranking.")]


def register(app: typer.Typer, name: str, arguments: Sequence[str]) -> None:
    """Add ``report``, ``export`` or ``classify``."""
    commands: dict[str, Callable[..., None]] = {"report": report, "export": export, "classify": classify}
    app.command(name)(commands[name])


def report(
    directory: Finished,
    pictures: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Also write every figure there as a PNG file.")
    ] = None,
    trust_code: Trust = False,
    json: Json = False,
) -> None:
    """Write DIR/report.html anew."""
    from trueshot.core.run import RunDirectory

    run = RunDirectory.existing(directory)

    from trueshot.reporting.pictures import write_pictures
    from trueshot.reporting.ranking import write_ranking_pictures, write_ranking_report
    from trueshot.reporting.report import write_report

    ranking = run.config.get("command") == "rank"
    path = write_ranking_report(run) if ranking else write_report(run, trust_code=trust_code)
    draw = write_ranking_pictures if ranking else partial(write_pictures, trust_code=trust_code)
    written = [] if pictures is None else [str(picture) for picture in draw(run, pictures)]

    def human(console: Console) -> None:
        for file in [str(path), *written]:
            console.print(file)

    emit({"report": str(path), "pictures": written}, as_json=json, human=human)


def export(
    directory: Run,
    format: Annotated[Literal["module", "onnx"], typer.Option(help="An ordinary PyTorch module, or ONNX.")] = "onnx",
    trust_code: Trust = False,
    json: Json = False,
) -> None:
    """Export every winner, checked against the trained network: on test images, where they are still there."""
    from trueshot.core.errors import DataError
    from trueshot.core.run import RunDirectory

    run = RunDirectory.existing(directory)
    if run.config.get("source") is None:
        raise RunError(f"{run.path} was made without images, so that it has no networks: search with --data")
    try:
        test = _test_images(run)
    except DataError as error:
        print(f"note: exports are compared on made-up images, as the run's are not there: {error}", file=sys.stderr)
        test = None
    exported = export_winners(run, format, test, trust_code=trust_code)

    def human(console: Console) -> None:
        for name, difference in exported.items():
            console.print(f"{run.path / 'winners' / name}: greatest difference {difference:.1e}")

    emit({"format": format, "exported": exported}, as_json=json, human=human)


def classify(
    directory: Annotated[Path, typer.Argument(metavar="RUN", help="Run directory, or the folder of one network.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.")],
    network: Annotated[str | None, typer.Option(help="Which network; the recommended one without it.")] = None,
    top: Annotated[int, typer.Option(min=1, help="Classes to name.")] = 3,
    trust_code: Trust = False,
    json: Json = False,
) -> None:
    """Classify images with a network that a search found."""
    from trueshot.core.run import network_folder

    folder = network_folder(directory, network)

    import torch

    from trueshot.reporting.export import classify as run_classify
    from trueshot.spaces.storage import load_network, model_of
    from trueshot.training.data.preprocessing import Preprocessing, decode_image

    loaded = load_network(folder, trust_code=trust_code)
    preprocessing = Preprocessing.from_dict(loaded.preprocessing)
    tensors = torch.cat([decode_image(image, preprocessing) for image in images])
    answers = run_classify(loaded, tensors, top=top)

    def human(console: Console) -> None:
        for image, answer in zip(images, answers, strict=True):
            console.print(f"{image}: " + ", ".join(f"{name} {100 * share:.1f} %" for name, share in answer))

    results = [
        {"image": str(image), "classes": [{"name": name, "probability": share} for name, share in answer]}
        for image, answer in zip(images, answers, strict=True)
    ]
    emit({"network": loaded.meta["name"], "model": model_of(loaded.meta), "images": results}, as_json=json, human=human)


def export_winners(run: RunDirectory, format: str, test: Part | None, *, trust_code: bool = False) -> dict[str, float]:
    """Export all winners and return the greatest difference of their logits on test images, by name.

    Without test images they are compared on images of random pixels.
    """
    from trueshot.core.files import read_json
    from trueshot.reporting.export import export_module, export_onnx
    from trueshot.spaces.storage import load_network
    from trueshot.training.data.preprocessing import Preprocessing

    # Repeats of a winner differ in nothing but the seed of their training: the first stands for them.
    found = sorted((run.path / "winners").glob("*/architecture.json"))
    folders = [path.parent for path in found if not read_json(path)["extra"].get("repeat")]
    if not folders:
        raise RunError(f"{run.path} has no winners yet: finish the search with --resume")
    exporter = export_onnx if format == "onnx" else export_module

    def images(folder: Path) -> Tensor:
        loaded = load_network(folder, trust_code=trust_code)
        preprocessing = Preprocessing.from_dict(loaded.preprocessing)
        return _made_up(preprocessing) if test is None else _first_images(test, preprocessing)

    return {folder.name: exporter(folder, example_images=images(folder), trust_code=trust_code) for folder in folders}


def absent_exporters() -> tuple[str, ...]:
    """Return the packages that an export to ONNX needs and that are not installed."""
    return tuple(name for name in ("onnxruntime", "onnxscript") if importlib.util.find_spec(name) is None)


def export_decision(
    run: RunDirectory, test: Part, left: Callable[[], float] | None = None, warn: Callable[[str], None] | None = None
) -> dict[str, float]:
    """Export the networks of the decision to ONNX, and write size and time of each into the result.

    Args:
        run: finished.
        test: images on which exported networks are compared with the trained ones.
        left: returns the seconds until the deadline, where there is one: after the network to take, others are
            exported only while there is time for it.
        warn: told of each network that cannot be exported, which harms no other.

    Returns:
        The greatest difference of their logits on test images, by name; empty where nothing was decided, or a package
        that an export needs is not installed.
    """
    from trueshot.core.decision import Decision
    from trueshot.core.errors import short
    from trueshot.core.results import Networks, Result
    from trueshot.evaluation.onnx_time import onnx_milliseconds
    from trueshot.reporting.export import ONNX, export_onnx
    from trueshot.spaces.storage import load_network
    from trueshot.training.data.preprocessing import Preprocessing

    result = Result.read(run.result)
    if result.head.get("decision") is None or absent_exporters():
        return {}
    decision = Decision.from_json(result.head["decision"])
    roles = {record.name: record.role for networks in result.of_kind(Networks) for record in networks.records}
    folders = {row.names[0]: run.network(row.names[0], roles[row.names[0]]) for row in decision.rows}
    differences, taken = dict[str, float](), 0.0
    for name, folder in tuple(folders.items()):
        if left is not None and differences and left() < 1.1 * taken:
            del folders[name]
            continue
        start = time.monotonic()
        preprocessing = Preprocessing.from_dict(load_network(folder).preprocessing)
        try:
            differences[name] = export_onnx(folder, example_images=_first_images(test, preprocessing))
        except Exception as error:
            # Whatever an exporter makes of one network, the others are worth their files.
            del folders[name]
            if warn is not None:
                warn(f"{name} is not exported ({short(error)}); trueshot export {run.path} tries again")
        taken = time.monotonic() - start
    times = onnx_milliseconds({name: folder / ONNX for name, folder in folders.items()}) if folders else {}
    rows = [
        replace(row, size=(folders[row.names[0]] / ONNX).stat().st_size, milliseconds=times[row.names[0]])
        if row.names[0] in folders
        else row
        for row in decision.rows
    ]
    decided = replace(decision, rows=tuple(rows)).to_json()
    replace(result, head={**result.head, "decision": decided}).write(run.result)
    return differences


def _first_images(test: Part, preprocessing: Preprocessing, count: int = 32) -> Tensor:
    """Return the first test images, ready for a network."""
    import numpy as np

    from trueshot.training.data.loaders import pixels_of

    return preprocessing.normalise(pixels_of(test, np.arange(min(count, len(test)))))


def _made_up(preprocessing: Preprocessing, count: int = 8) -> Tensor:
    """Return images of random pixels, the same each time, ready for a network."""
    import torch

    shape = (count, preprocessing.channels, preprocessing.image_size, preprocessing.image_size)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return preprocessing.normalise(pixels)


def _test_images(run: RunDirectory) -> Part:
    """Load the test images of a run's data again.

    Raises:
        DataError: when they are not there, or the data has changed since.
    """
    from trueshot.core.errors import DataError
    from trueshot.strategies.setup import load_dataset
    from trueshot.training.data.options import DataOptions

    config = run.config
    source = config.get("place") or config["source"]
    dataset = load_dataset(source, DataOptions.make(config["search"]["data"]))
    if dataset.preprocessing.to_dict() != config["preprocessing"]:
        raise DataError(f"the data in {source} has changed since {run.path} was made")
    return dataset.test
