"""What a study of ST-NAS' section 4.3 needs: one space, its supernets and the truth about some of it.

Supernets and stand-alone trainings lie in one directory and serve whoever asks for the same.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, UInt8

from trueshot.core.config import Part as Chosen
from trueshot.core.observe import SILENT, Observer
from trueshot.core.random import Streams
from trueshot.evaluation.config import EvaluationConfig
from trueshot.evaluation.expectation import single_checkpoint
from trueshot.evaluation.protocol import Evaluator
from trueshot.evaluation.recalibration import Recalibration
from trueshot.evaluation.weights import Weights
from trueshot.sampling import Matched, expected_parts
from trueshot.sampling.config import MatchedConfig
from trueshot.spaces import Topology
from trueshot.spaces.description import describe
from trueshot.strategies.config import SupernetConfig, WeightSamplingConfig
from trueshot.studies.cost import network_seconds, scoring_seconds, supernet_seconds
from trueshot.studies.images import IMAGES
from trueshot.studies.result import Part, Scale
from trueshot.studies.supernets import Kept, ask, train_kept
from trueshot.studies.workspace import Network, Workspace
from trueshot.training.config import Recipe

FOLDER = "stnas-ablation"

P_DROP = 0.6
"""Published share of dropped branches."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How an ablation is run at one scale.

    Attributes:
        space: without the shape of the images, which replaces its own.
        supernet: training of the shared weights; ``truth``: of the stand-alone networks.
        archs: architectures whose truth is known; ``truth_seeds``: of each.
        last: snapshots of so many last epochs are kept.
        samples: SGLD samples, the trained weights included.
        recalibration: of BatchNorm before scoring.
        fine_tune_steps: optimizer steps of the fine-tuning baseline.
    """

    space: Topology
    supernet: Recipe
    truth: Recipe
    archs: int
    truth_seeds: int
    last: int
    samples: int
    recalibration: Recalibration
    fine_tune_steps: int


SETTINGS = {
    Scale.SMOKE: Setting(
        space=Topology(nodes=(2, 2), widths=(8, 16), kernels=(3,), expansions=(1, 3), stem_stride=1, head_width=32),
        supernet=Recipe(epochs=3, batch_size=32, lr=0.5, final_lr=0.005, momentum=0.0, clip=5.0),
        truth=Recipe(epochs=2, batch_size=32, lr=0.1),
        archs=6,
        truth_seeds=1,
        last=2,
        samples=3,
        recalibration=Recalibration(mode="reset", batches=1, batch_size=64),
        fine_tune_steps=2,
    ),
    Scale.CPU: Setting(
        space=Topology(nodes=(2, 3, 2), widths=(12, 24, 40), kernels=(3,), stem_stride=1, head_width=96),
        supernet=Recipe(epochs=12, batch_size=64, lr=0.5, final_lr=0.005, momentum=0.0, clip=5.0),
        truth=Recipe(epochs=5, batch_size=128, lr=0.2, nesterov=True, weight_decay=5e-4, warmup_epochs=1.0),
        archs=12,
        truth_seeds=1,
        last=5,
        samples=6,
        recalibration=Recalibration(mode="reset", batches=1, batch_size=512),
        fine_tune_steps=20,
    ),
    Scale.PAPER: Setting(
        space=Topology(),
        supernet=Recipe(epochs=600, batch_size=512, lr=0.1, final_lr=2.5e-4, momentum=0.0),
        truth=Recipe(epochs=300, batch_size=2048, lr=0.8, nesterov=True),
        archs=12,
        truth_seeds=1,
        last=20,
        samples=20,
        recalibration=Recalibration(mode="reset", batches=20, batch_size=512),
        fine_tune_steps=1000,
    ),
}
"""The paper's own values at its scale but for the length of the fine-tuning, which is not published."""


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """The work of one of these studies."""

    work: Workspace
    setting: Setting

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
    ) -> Ablation:
        """Load the images and fit the space to them."""
        images = IMAGES[scale].elsewhere(data)
        work = Workspace(out=out, scale=scale, images=images, device=device, seed=seed, observer=observer)
        setting = SETTINGS[scale]
        return cls(work=work, setting=dataclasses.replace(setting, space=_fitted(setting.space, work.shape)))

    @property
    def space(self) -> Topology:
        """The space."""
        return self.setting.space

    def random(self) -> UInt8[np.ndarray, "n decisions"]:
        """Return the random architectures of section 4.3, drawn as for training."""
        return Matched(self.space, P_DROP).sample(self.setting.archs, Streams(self.work.seed).numpy("ablation/random"))

    def truth(self, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
        """Return the test accuracy, in percent, of each architecture trained alone on the training images."""
        means = []
        for row in archs:
            text = self.space.format(row)
            records = [
                self.work.trained(
                    Network(
                        name="truth",
                        key=f"{describe(self.space)} {text}",
                        make=lambda row=row: self.space.network(row),  # type: ignore[misc]
                        recipe=self.setting.truth,
                        everything=False,
                        repeat=repeat,
                    )
                )
                for repeat in range(self.setting.truth_seeds)
            ]
            means.append(100.0 * float(np.mean([record["top1"] for record in records])))
        return np.array(means, dtype=np.float64)

    def supernet(self, repeat: int) -> Kept:
        """Train a supernet by the published sampler, or take it up."""
        setting, work = self.setting, self.work
        low, branches = expected_parts(self.space)
        target = round(low + (1.0 - P_DROP) * branches)
        sampler = Chosen("matched", MatchedConfig(target_madds=target))
        return train_kept(
            work,
            self.space,
            SupernetConfig(recipe=setting.supernet, augmentation=work.images.augmentation, sampler=sampler),
            seed=Streams(work.seed).key("ablation/supernet", repeat),
            name="matched",
            repeat=repeat,
            last=setting.last,
            sampling=WeightSamplingConfig(samples=setting.samples),
            evaluation=EvaluationConfig(recalibration=setting.recalibration, fine_tune_steps=setting.fine_tune_steps),
        )

    def scores(
        self, kept: Kept, weights: Weights, archs: UInt8[np.ndarray, "n decisions"]
    ) -> Float64[np.ndarray, " n"]:
        """Return the validation accuracy, in percent, of each architecture at some weights of the supernet."""
        return 100.0 * self.ask(single_checkpoint(kept.trained.one_shot(), weights), archs)

    def ask(self, evaluator: Evaluator, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
        """Return what an evaluator says, each answer asked for once in the life of the directory."""
        return ask(self.work.out / "evaluations.parquet", evaluator, archs)


def supernet_part(scale: Scale, device: torch.device, count: int, *, epochs: int | None = None) -> Part:
    """Return the cost of training ``count`` supernets (or of ``epochs`` further epochs of each)."""
    setting, images = SETTINGS[scale], IMAGES[scale]
    space = _fitted(setting.space, _shape(scale))
    each = supernet_seconds(space, Matched(space, P_DROP), images, setting.supernet, device)
    seen = count * (setting.supernet.epochs if epochs is None else epochs) * (images.train - images.validation)
    what = f"{count} supernets" if epochs is None else f"{epochs} more epochs of {count} supernets"
    return Part(what=what, units=seen, unit="image", seconds=each)


def truth_part(scale: Scale, device: torch.device, count: int) -> Part:
    """Return the cost of the truth of ``count`` architectures."""
    setting, images = SETTINGS[scale], IMAGES[scale]
    space = _fitted(setting.space, _shape(scale))
    matched = Matched(space, P_DROP)
    pool = matched.sample(200, Streams(0).numpy("cost"))
    typical = pool[np.abs(space.cost(pool).madds - matched.expected_madds).argmin()]
    each = network_seconds(lambda: space.network(typical), images, setting.truth, device)
    seen = count * setting.truth_seeds * setting.truth.epochs * (images.train - images.validation)
    return Part(what=f"truth of {count} architectures", units=seen, unit="image", seconds=each)


def scoring_part(scale: Scale, device: torch.device, scores: int) -> Part:
    """Return the cost of ``scores`` one-shot scores."""
    setting, images = SETTINGS[scale], IMAGES[scale]
    space = _fitted(setting.space, _shape(scale))
    each = scoring_seconds(space, Matched(space, P_DROP), images, 512, device)
    per_score = images.validation + setting.recalibration.batches * setting.recalibration.batch_size
    return Part(what=f"{scores} one-shot scores", units=scores * per_score, unit="image", seconds=each)


def _shape(scale: Scale) -> dict[str, int]:
    images = IMAGES[scale]
    return {"image_size": images.side, "classes": images.classes, "in_channels": images.channels}


def _fitted(space: Topology, shape: dict[str, int]) -> Topology:
    fields: dict[str, Any] = {**space.arguments(), **shape}
    return Topology(**fields)
