"""BatchNorm recalibration: whose statistics normalise when one architecture of a supernet is scored.

The running statistics of a supernet mix those of all architectures it was trained with. An architecture may be scored
with them as they are, after adapting them to it, or after estimating them anew from training images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from trueshot.core.errors import DataError
from trueshot.evaluation.config import Recalibration as Recalibration

Batch = tuple[Tensor, Tensor]
"""Images ``(n, channels, side, side)``, normalised, and their labels ``(n,)``, on the device of the supernet."""


def take(recalibration: Recalibration, source: Iterable[Batch]) -> tuple[Tensor, ...]:
    """Cut the training images of ``source`` into the batches asked for; a short source is gone through again.

    Raises:
        DataError: when images are needed and the source has none.
    """
    if not recalibration.needs_images:
        return ()
    pieces: list[Tensor] = []
    missing = recalibration.batches * recalibration.batch_size
    while missing > 0:
        before = missing
        for images, _ in source:
            pieces.append(images[:missing])
            missing -= len(pieces[-1])
            if missing == 0:
                break
        if missing == before:
            raise DataError(
                f"recalibration by {recalibration.batches} batches of {recalibration.batch_size} has too few training"
                " images: give batches that can be gone through again, or choose another mode"
            )
    return tuple(torch.cat(pieces).split(recalibration.batch_size))


def arrange(recalibration: Recalibration, validation: Sequence[Batch]) -> tuple[Batch, ...]:
    """Return the validation batches to run: as given, or cut anew where their size matters (``batch``)."""
    if recalibration.mode != "batch":
        return tuple(validation)
    images, labels = (torch.cat(parts) for parts in zip(*validation, strict=True))
    # Sizes differ by at most one: a small last batch would be normalised by poor statistics.
    count = max(-(-len(labels) // recalibration.batch_size), 1)
    return tuple(zip(images.tensor_split(count), labels.tensor_split(count), strict=True))


RUNNING = Recalibration(mode="running")
"""The statistics of the supernet, as trained."""

PRESETS: Mapping[str, Recalibration] = {
    # ST-NAS does not say; the statistics are estimated anew from 20 of its training batches.
    "stnas": Recalibration(mode="reset", batches=20, batch_size=512),
    # Inter-choice weights, section 5 of its code: 20 training batches at the usual momentum.
    "interchoice": Recalibration(mode="adapt", batches=20, batch_size=256),
    "spos": Recalibration(mode="reset", batches=200, batch_size=128),
    "surgery": RUNNING,
}
"""The protocols of the papers."""


class Statistics:
    """Lends the BatchNorm layers of a supernet other running statistics while architectures are scored.

    Those of the supernet are never written, whatever happens inside. Attributes are set through ``vars`` and
    ``_buffers``: ``nn.Module.__setattr__`` takes ten to seventy times as long, which shows on small networks.
    """

    def __init__(self, recalibration: Recalibration) -> None:
        self.recalibration = recalibration
        self._spare: dict[_BatchNorm, dict[str, Tensor | None]] = {}
        self._lent: dict[_BatchNorm, dict[str, Tensor | None]] = {}

    @contextmanager
    def recalibrated(
        self, norms: Sequence[_BatchNorm], images: Sequence[Tensor], run: Callable[[Tensor], object]
    ) -> Iterator[None]:
        """Recalibrate ``norms`` by running ``images``, normalise by the result inside the block, then restore."""
        with self.borrowed(norms):
            self.estimate(norms, images, run)
            yield

    @contextmanager
    def borrowed(self, norms: Iterable[_BatchNorm]) -> Iterator[None]:
        """Give ``norms`` statistics to spare inside the block, of any value until :meth:`estimate` sets them."""
        mode = self.recalibration.mode
        if mode == "running":
            yield
            return
        tracking = [norm for norm in norms if norm._buffers.get("running_mean") is not None]
        if mode == "batch":
            with _set(tracking, training=True, track_running_stats=False):
                yield
        else:
            self._lent = {norm: dict(norm._buffers) for norm in tracking}
            momenta = [norm.momentum for norm in tracking]
            try:
                for norm in tracking:
                    norm._buffers.update(self._spare_of(norm))
                yield
            finally:
                for (norm, own), momentum in zip(self._lent.items(), momenta, strict=True):
                    norm._buffers.update(own)
                    vars(norm)["momentum"] = momentum
                self._lent = {}

    def estimate(self, norms: Sequence[_BatchNorm], images: Sequence[Tensor], run: Callable[[Tensor], object]) -> None:
        """Set the statistics of those of ``norms`` that are borrowed by running ``images``, where the mode asks for it.

        Without such layers nothing is run.
        """
        tracking = [norm for norm in norms if norm in self._lent]
        if not tracking:
            return
        spare, own = [], []
        for norm in tracking:
            for name, tensor in self._spare[norm].items():
                if tensor is not None:
                    spare.append(tensor)
                    own.append(cast(Tensor, self._lent[norm][name]))
        if self.recalibration.mode == "adapt":
            torch._foreach_copy_(spare, own)
        else:
            torch._foreach_zero_(spare)
        with _set(tracking, training=True):
            for index, batch in enumerate(images):
                if self.recalibration.mode == "reset":
                    # The mean over batches, as momentum=None does but without reading a counter off the device.
                    _update(tracking, momentum=1.0 / (index + 1))
                run(batch)

    def _spare_of(self, norm: _BatchNorm) -> Mapping[str, Tensor | None]:
        if norm not in self._spare:
            buffers = norm._buffers
            counter = buffers["num_batches_tracked"] if norm.momentum is None else None
            self._spare[norm] = {
                "running_mean": torch.empty_like(cast(Tensor, buffers["running_mean"])),
                "running_var": torch.empty_like(cast(Tensor, buffers["running_var"])),
                # Counting batches costs as much as a small layer; only momentum=None needs the count.
                "num_batches_tracked": None if counter is None else torch.empty_like(counter),
            }
        return self._spare[norm]


@contextmanager
def _set(norms: Sequence[_BatchNorm], **attributes: bool) -> Iterator[None]:
    """Set plain attributes of the layers inside the block."""
    kept = [{name: vars(norm)[name] for name in attributes} for norm in norms]
    _update(norms, **attributes)
    try:
        yield
    finally:
        for norm, values in zip(norms, kept, strict=True):
            vars(norm).update(values)


def _update(norms: Iterable[_BatchNorm], **attributes: Any) -> None:
    for norm in norms:
        vars(norm).update(attributes)
