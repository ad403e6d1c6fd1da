"""Shared set-up: the type and shape annotations of the package are checked while the tests run."""

import torch
from jaxtyping import install_import_hook

install_import_hook("trueshot", "beartype.beartype")
torch.set_num_threads(1)
