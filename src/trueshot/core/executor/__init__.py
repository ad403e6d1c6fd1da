"""One way to do independent jobs: in this process, in processes of this machine, on a Ray cluster."""

from trueshot.core.executor.cluster import Ray
from trueshot.core.executor.inprocess import InProcess
from trueshot.core.executor.local import Local
from trueshot.core.executor.make import check_executor, make_executor
from trueshot.core.executor.protocol import (
    RESTARTS,
    Executor,
    Failure,
    Handed,
    Job,
    JobFunction,
    OnPart,
    OnProgress,
    OnResult,
    Tell,
    raise_failures,
)
from trueshot.core.executor.start import cores, start_method

__all__ = [
    "RESTARTS",
    "Executor",
    "Failure",
    "Handed",
    "InProcess",
    "Job",
    "JobFunction",
    "Local",
    "OnPart",
    "OnProgress",
    "OnResult",
    "Ray",
    "Tell",
    "check_executor",
    "cores",
    "make_executor",
    "raise_failures",
    "start_method",
]
