"""One-shot neural architecture search whose rankings can be trusted."""

__version__ = "0.1.0"
