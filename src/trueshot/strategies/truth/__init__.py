"""Tables of truth, made by training."""
