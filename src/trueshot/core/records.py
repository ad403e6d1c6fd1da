"""What a run knows of each network it trained; written as JSON, read by the report, the export and the studies."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

Role = Literal["winner", "random", "at-bound", "off-the-shelf", "pretrained", "recommended"]
"""Found; random and as expensive as a found one; random and as expensive as the bound allows; off the shelf; trained
on other images before; the one that was chosen of these, trained anew on all images but those of the test."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Accuracy:
    """How a network did on one set of images; fractions in [0, 1], higher is better.

    Attributes:
        n: number of images.
        top1: fraction whose best class is right; ``top5``: whose right class is among the best five (or all classes).
        balanced: mean of ``per_class``, the recall of each class in order.
        loss: mean cross-entropy in nats, lower is better.
    """

    n: int
    top1: float
    top5: float
    balanced: float
    per_class: tuple[float, ...]
    loss: float

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Accuracy:
        """Read the plain JSON values of one."""
        return cls(**{**content, "per_class": tuple(content["per_class"])})


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkRecord:
    """One network trained from scratch.

    Attributes:
        name: unique in the run, for example ``best-1`` or ``random-2`` or ``mobilenetv2``.
        role: where it comes from.
        budget: the bound on the cost under which it was picked, ``None`` without one.
        seed: number of the training of this architecture, from 0.
        arch: architecture string, empty for an off-the-shelf network.
        costs: by name, such as ``params`` and ``madds`` (multiply-adds of one image).
        score: what the search's evaluator said of it, ``None`` where it was not asked.
        validation: on the validation images, ``None`` for a network that was trained on them.
        test: on the test images, read once at the end.
        seconds: training time.
        of: name of the network that was chosen and trained anew, ``None`` for all but the recommended one.
        steps: optimizer steps of its training, 0 where only a head was fitted; ``None`` in results of earlier
            releases.
        epochs: how often these saw each of its training images.
        converged: whether half as long a training of a network of its kind was less than a point worse on validation
            images, ``None`` where that was not tried.
    """

    name: str
    role: Role
    budget: float | None
    seed: int
    arch: str
    costs: Mapping[str, float]
    score: float | None
    validation: Accuracy | None
    test: Accuracy | None
    seconds: float
    of: str | None = None
    converged: bool | None = None
    steps: int | None = None
    epochs: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> NetworkRecord:
        """Read what :meth:`to_json` returned."""
        parts = {name: content[name] and Accuracy.from_json(content[name]) for name in ("validation", "test")}
        return cls(**{**content, **parts})
