"""Content fingerprints, by which scores of equal weights, data and settings are recognised."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence

import numpy as np


def fingerprint(*parts: object) -> str:
    """Return 32 hexadecimal digits that equal content shares on every machine, and other content does not.

    Content is tensors (type, shape and values), plain values, and sequences and mappings by string of content.
    """
    state = hashlib.blake2b(digest_size=16)
    _feed(state, parts)
    return state.hexdigest()


def _feed(state: hashlib.blake2b, part: object) -> None:
    # Every piece is preceded by its kind and length, so that no two nestings give the same stream of bytes.
    # What nobody has imported is no part; text alone is digested without PyTorch.
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(part, torch.Tensor):
        state.update(f"tensor {part.dtype} {tuple(part.shape)};".encode())
        flat = part.detach().cpu().contiguous().reshape(-1)
        state.update(np.ascontiguousarray(flat.view(torch.uint8).numpy()).data)
    elif isinstance(part, Mapping):
        state.update(f"mapping {len(part)};".encode())
        for key in sorted(part):
            _feed(state, key)
            _feed(state, part[key])
    elif isinstance(part, str) or not isinstance(part, Sequence):
        text = repr(part).encode()
        state.update(f"value {len(text)};".encode() + text)
    else:
        state.update(f"sequence {len(part)};".encode())
        for inner in part:
            _feed(state, inner)
