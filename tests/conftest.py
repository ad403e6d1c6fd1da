"""Shared set-up: the type and shape annotations of the package are checked while the tests run."""

import torch
from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

# As for a static checker, an int is welcome where a float is asked for.
typechecker = beartype(conf=BeartypeConf(is_pep484_tower=True))
install_import_hook("trueshot", f"{__name__}.typechecker")
torch.set_num_threads(1)
