"""Studies of networks that are each trained by themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float64
from pydantic import Field
from torch import nn

from trueshot.core.random import Streams
from trueshot.studies.networks import Network, network_needs, repeated, train_networks
from trueshot.studies.plan import Need
from trueshot.studies.rates import network_rate
from trueshot.studies.record import Scale
from trueshot.studies.session import Session, told
from trueshot.studies.setting import Images, layered
from trueshot.training.config import Recipe
from trueshot.training.data.options import Augmentation


class TrainingsConfig(Images):
    """Which networks are trained, and how.

    Attributes:
        arguments: of the networks, beside the shape of the images.
        count: networks drawn; ``repeats``: trainings of each network.
        recipe: how to train; ``augmentation``: of the images.
        everything: whether on training and validation images together.
    """

    arguments: dict[str, Any] = Field(default_factory=dict)
    count: int = Field(ge=1)
    repeats: int = Field(default=1, ge=1)
    recipe: Recipe
    augmentation: Augmentation = Augmentation()
    everything: bool = True


class Design(NamedTuple):
    """A network: text that tells it from any other, and what builds it (picklable)."""

    key: str
    make: Callable[[], nn.Module]


Designs = Callable[[Mapping[str, Any], int, Streams], Mapping[str, Design]]
"""Draws so many networks of some arguments, and perhaps others beside them; by name."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedNetworks:
    """What was measured: the material of an analysis.

    Attributes:
        records: of the trainings of each network, by its name.
        data: of the images.
    """

    records: Mapping[str, list[dict[str, Any]]]
    data: Mapping[str, Any]

    @property
    def seconds(self) -> float:
        """Of all trainings."""
        return float(sum(record["seconds"] for records in self.records.values() for record in records))

    def values(self, what: str = "top1") -> Float64[np.ndarray, "repeats networks"]:
        """Return a figure of each training; ``top1`` and ``train_top1`` in percent."""
        columns = [[record[what] for record in records] for records in self.records.values()]
        return np.array(columns, dtype=np.float64).T * (100.0 if what.endswith("top1") else 1.0)

    def table(self) -> pd.DataFrame:
        """Return a row for each training."""
        names = ("top1", "train_top1", "loss", "params", "madds", "seconds")
        rows = [
            {"network": name, "repeat": repeat, **{key: record[key] for key in names}}
            for name, records in self.records.items()
            for repeat, record in enumerate(records)
        ]
        return pd.DataFrame(rows)


@dataclass(frozen=True, kw_only=True)
class Trainings:
    """Networks that are each trained by themselves.

    Attributes:
        what: networks they are, for the plan.
        scales: settings of each scale.
        designs: what is trained.
    """

    what: str
    scales: Mapping[Scale, Mapping[str, Any]]
    designs: Designs

    def settings(self, session: Session, scale: Scale) -> TrainingsConfig:
        """Return the settings of a scale."""
        config = TrainingsConfig.make(layered(self.scales[scale]), session.names)
        return config if session.source is None else config.replace(source=session.source)

    def repetitions(self, session: Session, scale: Scale) -> int:
        """Return the number of networks that were drawn."""
        return self.settings(session, scale).count

    def known(self, session: Session, scale: Scale) -> None:
        """What the bank holds of some networks tells nothing of others."""

    def needs(self, session: Session, scale: Scale) -> list[Need]:
        """Return the trainings, each as long as that of the first network."""
        config = self.settings(session, scale)
        networks = self._networks(session, config, config.size.shape)
        first = networks[0]
        step = network_rate(session, first.key, first.make, config, config.recipe)
        images = config.size.train - (0 if config.everything else config.validation)
        return network_needs(networks, kind=self.what, what="training", images=images, step=step)

    def gather(self, session: Session, scale: Scale) -> TrainedNetworks:
        """Train what is missing."""
        config = self.settings(session, scale)
        networks = self._networks(session, config, session.shape(config))
        records: dict[str, list[dict[str, Any]]] = {}
        for network, record in zip(networks, train_networks(session, config, networks), strict=True):
            records.setdefault(network.name, []).append(record)
        return TrainedNetworks(records=records, data=told(session.dataset(config)))

    def _networks(self, session: Session, config: TrainingsConfig, shape: Mapping[str, int]) -> list[Network]:
        drawn = self.designs({**config.arguments, **shape}, config.count, session.streams())
        return [
            network
            for name, design in drawn.items()
            for network in repeated(
                Network(
                    name=name,
                    key=design.key,
                    make=design.make,
                    recipe=config.recipe,
                    augmentation=config.augmentation,
                    everything=config.everything,
                ),
                config.repeats,
            )
        ]
