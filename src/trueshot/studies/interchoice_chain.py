"""What the studies of inter-choice weights on SubImageNet share: a chain space, its supernets, and the truth.

The truth is what random architectures reach when each is trained on its own.

Source: Laube and Zell, "Inter-choice dependent super-network weights", sections 3.1.2 and 4.1, appendix A.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, UInt8

from trueshot.core.observe import SILENT, Observer
from trueshot.core.random import Streams
from trueshot.evaluation.costs import CostScore
from trueshot.evaluation.one_shot import Metric
from trueshot.evaluation.recalibration import Recalibration
from trueshot.sampling import Uniform
from trueshot.spaces import Chain
from trueshot.spaces.description import describe
from trueshot.strategies.config import EvaluationConfig, RetrainConfig, SamplerConfig, SearchConfig, SupernetConfig
from trueshot.strategies.scoring import make_one_shot
from trueshot.studies.cost import network_seconds, scoring_seconds, supernet_seconds
from trueshot.studies.interchoice_chain_setting import EPOCHS, SETTINGS, ChainSetting, Kind
from trueshot.studies.interchoice_curves import Outcome
from trueshot.studies.result import Part, Scale
from trueshot.studies.supernets import CHUNK, Trained, ask, train_kept
from trueshot.studies.workspace import Network, Workspace

_MEASURED = ("top1", "train_top1", "loss")


@dataclass(frozen=True, kw_only=True, eq=False)
class Truth:
    """What the architectures reach alone, one row a training seed, ``(seeds, n)``.

    Attributes:
        accuracy: on the test images, in percent; ``training``: on the training batches of the last epoch.
        loss: negated cross-entropy on the test images, in nats: higher is better.
    """

    accuracy: Float64[np.ndarray, "seeds n"]
    training: Float64[np.ndarray, "seeds n"]
    loss: Float64[np.ndarray, "seeds n"]

    def by(self, metric: Metric) -> Float64[np.ndarray, "seeds n"]:
        """Return the test accuracy or the negated loss."""
        return self.accuracy if metric == "accuracy" else self.loss


@dataclass(frozen=True, kw_only=True)
class Chains:
    """The work of one of these studies."""

    work: Workspace
    setting: ChainSetting

    @classmethod
    def open(
        cls,
        scale: Scale,
        *,
        out: Path,
        device: torch.device,
        observer: Observer = SILENT,
        seed: int = 0,
        data: str | None = None,
    ) -> Chains:
        """Load the images and fit the space to them.

        Raises:
            DataError: when the images are absent.
        """
        setting = SETTINGS[scale]
        images = setting.images.elsewhere(data)
        work = Workspace(out=out, scale=scale, images=images, device=device, seed=seed, observer=observer)
        shape: dict[str, Any] = work.shape
        return cls(work=work, setting=dataclasses.replace(setting, space=dataclasses.replace(setting.space, **shape)))

    @property
    def space(self) -> Chain:
        """The space."""
        return self.setting.space

    @property
    def streams(self) -> Streams:
        """Source of the draws that are the study's own."""
        return Streams(self.work.seed).child("interchoice/chain")

    def archs(self, *, compared: bool = False) -> UInt8[np.ndarray, "n decisions"]:
        """Return random architectures, each once: those whose truth is known, or those that compare supernets."""
        wanted = self.setting.compared if compared else self.setting.archs
        drawn = Uniform(self.space).sample(8 * wanted, self.streams.numpy("archs", int(compared)))
        _, first = np.unique(drawn, axis=0, return_index=True)
        return drawn[np.sort(first)[:wanted]]

    def truth(self) -> Truth:
        """Train each architecture on its own, by every seed, or take its trainings up."""
        space = dataclasses.replace(self.space, dropout=self.setting.dropout)
        found = [
            [
                self.work.trained(
                    Network(
                        name="truth",
                        key=f"{describe(space)} {space.format(row)}",
                        make=partial(space.network, row),
                        recipe=self.setting.truth,
                        everything=False,
                        repeat=repeat,
                    )
                )
                for row in self.archs()
            ]
            for repeat in range(self.setting.truth_seeds)
        ]
        columns = {name: np.array([[record[name] for record in row] for row in found]) for name in _MEASURED}
        return Truth(accuracy=100 * columns["top1"], training=100 * columns["train_top1"], loss=-columns["loss"])

    def trained(self, kind: Kind, repeat: int) -> Trained:
        """Train a supernet, or take it up."""
        setting, work = self.setting, self.work
        recipe = setting.recipe_of(kind)
        config = SearchConfig(
            seed=self.streams.key("supernet", repeat),
            data=work.images.options,
            supernet=SupernetConfig(
                recipe=recipe,
                augmentation=setting.strong if kind.strong else setting.weak,
                sampler=SamplerConfig(kind="uniform"),
                sharing=kind.sharing,
            ),
            retraining=RetrainConfig(recipe=setting.truth),
        )
        marks = (recipe.epochs,)
        name = f"chain-{kind.name}"
        return train_kept(work, self.space, config, name=name, repeat=repeat, marks=marks, key=marks)

    def scores(
        self,
        trained: Trained,
        archs: UInt8[np.ndarray, "n decisions"],
        *,
        recalibration: Recalibration | None = None,
    ) -> Float64[np.ndarray, " n"]:
        """Return the one-shot score of each architecture by the last weights, higher is better; none is computed twice.

        Accuracies are fractions, losses negated.
        """
        setting = self.setting
        config = EvaluationConfig(
            expectation="single",
            recalibration=recalibration or setting.recalibration,
            metric=setting.metric,
            images=setting.score_images,
        )
        one_shot = make_one_shot(trained.setup, trained.supernet, config)
        return ask(trained.setup.run.evaluations, one_shot, archs, chunk=CHUNK)

    def outcome(self, kind: Kind, truth: Float64[np.ndarray, " n"]) -> Outcome:
        """Train the supernets of a kind and score the architectures whose truth is known."""
        archs, repeats = self.archs(), range(self.setting.repeats)
        return Outcome(truth=truth, scores=tuple(self.scores(self.trained(kind, n), archs) for n in repeats))

    def predictions(self, kind: Kind) -> Float64[np.ndarray, "supernets n"]:
        """Return what each supernet of a kind says of the architectures that compare supernets."""
        archs = self.archs(compared=True)
        return np.stack([self.scores(self.trained(kind, repeat), archs) for repeat in range(self.setting.repeats)])

    def rivals(self) -> dict[str, Float64[np.ndarray, " n"]]:
        """Return the scores of the architectures that cost nothing."""
        archs = self.archs()
        costs = {"parameters": "params", "MAdds": "madds"}
        return {name: CostScore(self.space, cost)(archs) for name, cost in costs.items()}

    def note(self) -> str:
        """Say what was trained and how it was scored."""
        setting, dataset = self.setting, self.work.dataset
        return (
            f"{len(dataset.train)} images of {len(dataset.classes)} classes at {self.space.image_size} pixels, a chain"
            f" of {len(self.space.layers)} layers; {setting.repeats} supernets of each kind, {setting.recipe.epochs}"
            f" epochs, scored by validation {setting.metric}; truth: {setting.truth.epochs} epochs alone,"
            f" {setting.truth_seeds} trainings of each of {len(self.archs())} architectures, test"
            f" {setting.truth_metric} (the paper: 25,000 images at 224 pixels, 19 layers, 3 supernets of {EPOCHS}"
            " epochs, 50 architectures by 2 trainings of 240 epochs, accuracy)."
        )


def supernet_part(scale: Scale, device: torch.device, chosen: Sequence[Kind]) -> Part:
    """Return the cost of the supernets of these kinds, each taken to cost what the baseline does."""
    setting = SETTINGS[scale]
    space, images = setting.fitted, setting.images
    each = supernet_seconds(space, Uniform(space), images, setting.recipe, device)
    epochs = sum(setting.recipe_of(kind).epochs for kind in chosen) * setting.repeats
    seen = epochs * (images.train - images.validation)
    return Part(what=f"{len(chosen) * setting.repeats} supernets", units=seen, unit="image", seconds=each)


def truth_part(scale: Scale, device: torch.device) -> Part:
    """Return the cost of the truth, at the cost of an architecture of typical MAdds."""
    setting = SETTINGS[scale]
    space, images = setting.fitted, setting.images
    pool = Uniform(space).sample(100, Streams(0).numpy("cost"))
    madds = space.cost(pool).madds
    typical = pool[np.abs(madds - madds.mean()).argmin()]
    each = network_seconds(lambda: space.network(typical), images, setting.truth, device)
    trainings = setting.archs * setting.truth_seeds
    seen = trainings * setting.truth.epochs * (images.train - images.validation)
    return Part(what=f"truth by {trainings} trainings", units=seen, unit="image", seconds=each)


def scoring_part(scale: Scale, device: torch.device, scores: int) -> Part:
    """Return the cost of so many one-shot scores."""
    setting = SETTINGS[scale]
    space, mode = setting.fitted, setting.recalibration
    each = scoring_seconds(space, Uniform(space), setting.images, 512, device)
    images = setting.score_images or setting.images.validation
    units = scores * (images + (mode.batches * mode.batch_size if mode.needs_images else 0))
    return Part(what=f"{scores} scores", units=units, unit="image", seconds=each)
