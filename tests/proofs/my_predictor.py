"""A user's own predictor, in a file that the package does not know."""


class Nearest:
    """A predictor: the mean score of the known architectures that differ in the fewest decisions."""

    known = ((), ())

    def __init__(self, config, context):
        pass

    digest = property(lambda self: f"nearest {len(self.known[0])}")

    def fit(self, archs, scores):
        self.known = archs, scores

    def __call__(self, archs):
        apart = (archs[:, None] != self.known[0]).sum(axis=2)
        near = apart == apart.min(axis=1, keepdims=True)
        return (near * self.known[1]).sum(axis=1) / near.sum(axis=1)
