"""Training the picked networks from scratch, and their one look at the test images."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from trueshot.core.files import read_json, write_json
from trueshot.core.records import NetworkRecord
from trueshot.core.run import read_log
from trueshot.evaluation.accuracy import measure
from trueshot.spaces.storage import ARCHITECTURE, WEIGHTS, load_network, save_network
from trueshot.strategies.picking import Candidate
from trueshot.strategies.setup import Setup
from trueshot.strategies.weights import load_teacher
from trueshot.training.data.batches import Batches, eval_batches, train_batches
from trueshot.training.loop import Plan
from trueshot.training.standalone import build, train_network
from trueshot.training.supernet import Loss


def builder(setup: Setup, candidate: Candidate) -> Callable[[], nn.Module]:
    """Return what builds the candidate's network."""
    row, plan = candidate.row, candidate.plan
    if row is not None:
        return lambda: setup.space.final().network(row)
    assert plan is not None
    return plan.network


def retraining_batches(setup: Setup, repeat: int) -> Batches:
    """Return the training batches: the same images in the same order for every candidate of one repeat."""
    config = setup.config.retraining
    return train_batches(
        setup.all_training_images,
        setup.dataset,
        batch_size=config.recipe.batch_size,
        augmentation=config.augmentation,
        streams=setup.streams.child("retraining-batches", repeat),
        device=setup.device,
    )


def retrain(setup: Setup, candidate: Candidate) -> None:
    """Train one candidate and save its network; nothing is done where that was done before."""
    folder = setup.run.network(candidate.name, candidate.role)
    checkpoint = setup.run.checkpoint(f"network-{candidate.name}")
    arch = None if candidate.row is None else setup.space.format(candidate.row)
    # A search that was run again may have picked another architecture under the same name.
    if (folder / WEIGHTS).exists() and (folder / ARCHITECTURE).exists() and _holds(folder, arch):
        checkpoint.unlink(missing_ok=True)
        return
    config = setup.config.retraining
    streams = setup.streams.child(f"network/{_key(setup, candidate)}", candidate.repeat)
    network = build(builder(setup, candidate), streams, setup.device)
    batches = retraining_batches(setup, candidate.repeat)
    plan = Plan(
        phase=candidate.name,
        steps=config.recipe.epochs * batches.steps_per_epoch,
        checkpoint=checkpoint,
        log=setup.run.log(f"network-{candidate.name}"),
        identity=setup.identity("network", config, _key(setup, candidate), setup.config.seed),
        save_every=setup.config.save_every,
    )
    loss = Loss(label_smoothing=config.recipe.label_smoothing, distillation=load_teacher(setup, config.distillation))
    trained, _ = train_network(network, batches, config.recipe, streams, plan=plan, loss=loss, observer=setup.observer)
    save_network(
        folder,
        trained,
        space=setup.space.final() if candidate.plan is None else candidate.plan,
        arch=arch,
        name=candidate.name,
        classes=setup.dataset.classes,
        preprocessing=setup.dataset.preprocessing.to_dict(),
        extra={"budget": candidate.budget, "score": candidate.score, "repeat": candidate.repeat},
    )
    # The saved network replaces it; without it the directory stays small.
    checkpoint.unlink(missing_ok=True)


def _holds(folder: Path, arch: str | None) -> bool:
    return bool(read_json(folder / ARCHITECTURE).get("arch") == arch)


def measure_on_test(setup: Setup, candidates: Sequence[Candidate]) -> list[NetworkRecord]:
    """Measure all trained networks on the test images, which are read here for the first and only time."""
    path = setup.run.path / "log" / "test.json"
    if path.exists():
        return [NetworkRecord.from_json(content) for content in read_json(path)["networks"]]
    batches = eval_batches(setup.dataset.test, setup.dataset, batch_size=512, device=setup.device)
    setup.observer.begin("test", len(candidates), 0, "network")
    records = []
    for done, candidate in enumerate(candidates, start=1):
        loaded = load_network(setup.run.network(candidate.name, candidate.role))
        network = loaded.network.to(setup.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        history = read_log(setup.run.log(f"network-{candidate.name}"))
        records.append(
            NetworkRecord(
                name=candidate.name,
                role=candidate.role,
                budget=candidate.budget,
                seed=candidate.repeat,
                arch=loaded.meta["arch"],
                params=loaded.meta["params"],
                madds=loaded.meta["madds"],
                score=candidate.score,
                validation=None,
                test=measure(network, batches, len(setup.dataset.classes)),
                seconds=history[-1]["seconds"] if history else 0.0,
            )
        )
        setup.observer.advance("test", done)
    setup.observer.end("test")
    write_json(path, {"networks": [record.to_json() for record in records], "written": time.time()})
    return records


def _key(setup: Setup, candidate: Candidate) -> str:
    return repr(candidate.plan) if candidate.row is None else setup.space.format(candidate.row)
