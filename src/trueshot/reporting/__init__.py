"""What a person reads and takes away: drawings, figures, the report, and trained networks in common formats."""

from trueshot.reporting.drawing import draw_architecture
from trueshot.reporting.export import (
    LoadedNetwork,
    classify,
    export_module,
    export_onnx,
    load_network,
    save_network,
)
from trueshot.reporting.report import write_report

__all__ = [
    "LoadedNetwork",
    "classify",
    "draw_architecture",
    "export_module",
    "export_onnx",
    "load_network",
    "save_network",
    "write_report",
]
