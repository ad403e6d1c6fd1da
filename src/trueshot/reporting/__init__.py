"""What a person reads and takes away: drawings, figures, the report, and trained networks in common formats."""

from trueshot.reporting.drawing import draw_architecture
from trueshot.reporting.export import (
    classify,
    export_module,
    export_onnx,
)
from trueshot.reporting.report import write_report

__all__ = [
    "classify",
    "draw_architecture",
    "export_module",
    "export_onnx",
    "write_report",
]
