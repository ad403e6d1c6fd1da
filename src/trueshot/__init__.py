"""One-shot neural architecture search whose rankings can be trusted."""

from typing import TYPE_CHECKING

from trueshot.core.lazy import lazily

if TYPE_CHECKING:
    from trueshot.cli.supernet import load_supernet as load_supernet
    from trueshot.training.loading import Trained as Trained
    from trueshot.training.loading import load as load

__version__ = "0.1.0"
__getattr__ = lazily(__name__, {"cli.supernet": ("load_supernet",), "training.loading": ("Trained", "load")})
