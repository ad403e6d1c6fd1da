"""Which network to take: what the result and the report open with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from trueshot.core.errors import RunError
from trueshot.core.results import Estimate

Kind = Literal["recommended", "found", "random", "off-the-shelf", "pretrained"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the decision: a network, or the mean of several random ones.

    Attributes:
        kind: where it comes from.
        names: of its networks; size and time are those of the first.
        test: top-1 on the test images, with its interval over images, or over architectures for several.
        balanced: balanced accuracy on them, mean over the networks.
        costs: by name, mean over the networks.
        size: bytes of the exported ONNX file, ``None`` where it was not exported.
        milliseconds: of one image by onnxruntime on this machine, one thread; ``None`` where it was not measured.
        steps: optimizer steps of each training, 0 where only a head was fitted; ``None`` where it is not known.
        epochs: how often these saw each training image; both are means where lengths differ.
        remarks: what else a reader must know, such as "above the bound".
    """

    kind: Kind
    names: tuple[str, ...]
    test: Estimate
    balanced: float
    costs: Mapping[str, float]
    size: int | None = None
    milliseconds: float | None = None
    steps: float | None = None
    epochs: float | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What to take, of what, and why.

    Attributes:
        network: name of the network to take.
        of: name of the compared network whose architecture it has.
        because: why it was chosen.
        sentence: all of it for people.
        rows: the network to take first.
        notes: what else a reader should know, a sentence each.
    """

    network: str
    of: str
    because: str
    sentence: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Decision:
        """Read what :meth:`to_json` returned.

        Raises:
            RunError: when it is anything else.
        """
        try:
            rows = tuple(
                Row(
                    **{
                        **row,
                        "names": tuple(row["names"]),
                        "remarks": tuple(row["remarks"]),
                        "test": Estimate(**row["test"]),
                    }
                )
                for row in content["rows"]
            )
            return cls(**{**content, "rows": rows, "notes": tuple(content["notes"])})
        except (KeyError, TypeError) as error:
            raise RunError(f"the decision of this result is not readable ({error}): repeat its search") from error
