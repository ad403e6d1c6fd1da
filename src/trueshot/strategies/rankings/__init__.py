"""Rankings: supernets and other evaluators scored, and judged by a truth."""
