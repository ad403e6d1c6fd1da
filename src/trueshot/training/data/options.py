"""What a user may choose about the data of a run."""

from __future__ import annotations

import os

from pydantic import BaseModel, ConfigDict, Field


class DataOptions(BaseModel):
    """How a dataset is read and split; part of a run's configuration.

    Attributes:
        image_size: side in pixels of the square the network sees; ``None`` chooses it (see ``layout.choose_size``).
        validation_fraction: share of the training images set aside for validation, unless the data has a part for it.
        test_fraction: share of all images set aside for testing when the data is one unsplit source.
        max_bad_images: so many unreadable images, over all parts, are skipped and named; one more is an error.
        max_images: at most so many training and validation images together, drawn per class in proportion.
        max_test_images: the same for the test images.
        split_seed: decides which images go into which part. It is apart from the seed of a run, so that runs of several
            seeds, and those that search the supernet of another run again, never test on what another trained on.
        workers: processes or threads that decode images; ``None`` takes one per processor this process may use.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_size: int | None = Field(default=None, ge=4, le=1024)
    validation_fraction: float = Field(default=0.2, gt=0, lt=1)
    test_fraction: float = Field(default=0.2, gt=0, lt=1)
    max_bad_images: int = Field(default=0, ge=0)
    max_images: int | None = Field(default=None, ge=4)
    max_test_images: int | None = Field(default=None, ge=2)
    split_seed: int = Field(default=0, ge=0)
    workers: int | None = Field(default=None, ge=0)

    def worker_count(self) -> int:
        """Return the number of workers to start; 0 decodes in the process itself."""
        if self.workers is not None:
            return self.workers
        available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(available, 16)
