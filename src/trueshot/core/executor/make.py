"""From the options of a command to an executor."""

from __future__ import annotations

import importlib.util

from trueshot.core.errors import ConfigError, did_you_mean
from trueshot.core.executor.cluster import Ray, import_ray
from trueshot.core.executor.inprocess import InProcess
from trueshot.core.executor.local import Local
from trueshot.core.executor.protocol import Executor
from trueshot.core.executor.start import cores

KINDS = ("local", "ray")
"""What ``--executor`` takes."""


def check_executor(kind: str, address: str | None) -> None:
    """Refuse what can be seen to be wrong before anything is read; this imports nothing heavy.

    Raises:
        ConfigError: for an unknown kind, an empty address, one without Ray, or Ray where it is not installed.
    """
    if kind not in KINDS:
        raise ConfigError(f"unknown executor '{kind}'{did_you_mean(kind, KINDS)}")
    if address is not None and not address.strip():
        raise ConfigError("--ray names no cluster: give HOST:PORT or auto, or leave it out")
    if address is not None and kind != "ray":
        raise ConfigError(f"--ray {address} joins a Ray cluster: add --executor ray, or leave it out")
    if kind == "ray" and importlib.util.find_spec("ray") is None:
        import_ray()


def make_executor(kind: str = "local", workers: int | None = None, address: str | None = None) -> Executor:
    """Return what does the jobs of a command.

    Args:
        kind: ``local``, or ``ray``, which is an extra.
        workers: jobs at the same time; without it as many as processors or, on a cluster that is joined, as there is
            room for. One worker of ``local`` is this process.
        address: of the Ray cluster to join; without it one is started for the jobs.

    Raises:
        ConfigError: as :func:`check_executor`.
    """
    check_executor(kind, address)
    if kind == "ray":
        return Ray(workers, address=address)
    count = cores() if workers is None else workers
    return InProcess() if count == 1 else Local(count)
