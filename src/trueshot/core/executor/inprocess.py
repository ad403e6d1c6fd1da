"""Jobs one after another in this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from trueshot.core.executor.protocol import (
    Failure,
    Handed,
    Job,
    JobFunction,
    OnPart,
    OnProgress,
    OnResult,
    Tell,
    ignore,
)
from trueshot.core.modules import failed_in_own_file


@final
class InProcess:
    """Does one job after another here; none survives a kill of this process."""

    workers = 1
    device_share = 1.0

    def run(
        self,
        do: JobFunction,
        jobs: Sequence[Job],
        *,
        on_progress: OnProgress,
        on_result: OnResult,
        on_part: OnPart = ignore,
    ) -> list[Failure]:
        """Do all jobs, see :class:`~trueshot.core.executor.Executor`; PyTorch's threads are as before afterwards."""
        import torch

        failures, before = [], torch.get_num_threads()
        for index, job in enumerate(jobs):
            torch.set_num_threads(job.threads)
            try:
                value = do(job.value, _telling(index, on_progress, on_part))
            except SystemExit as error:
                mistake = failed_in_own_file(error)
                if mistake is None:
                    raise
                failures.append(Failure(index, job, mistake))
            except Exception as error:
                failures.append(Failure(index, job, error))
            else:
                on_result(index, value)
            finally:
                torch.set_num_threads(before)
        return failures


def _telling(index: int, on_progress: OnProgress, on_part: OnPart) -> Tell:
    def tell(done: int | Handed) -> None:
        if isinstance(done, Handed):
            on_part(index, done.value)
        else:
            on_progress(index, done)

    return tell
