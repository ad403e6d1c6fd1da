"""Data: sources, splits, batches and augmentation; images of a user on their way into a trained network."""
