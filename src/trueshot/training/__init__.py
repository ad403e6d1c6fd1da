"""Data, the one training loop, supernet and stand-alone training, SGLD, checkpoints."""
