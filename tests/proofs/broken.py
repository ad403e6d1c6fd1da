"""Mistakes that a user can make in a part."""

number = 3


class Wrong:
    """Its options are no configuration."""

    class Config:
        pass


class Bare:
    """Takes neither configuration nor context."""


class Failing:
    """Cannot be made."""

    def __init__(self, *given):
        raise KeyError("speed")


class Idle:
    """Can be made, and can do nothing."""

    def __init__(self, *given):
        pass


class Late:
    """Breaks down only when it is used, whatever it is used for."""

    name, title, unit, needs_images, digest, per_step, finished = "late", "late", "mJ", False, "late", 1, False

    def __init__(self, *given):
        pass

    def __call__(self, *given):
        return {}["speed"]

    sample = ask = tell = __call__
