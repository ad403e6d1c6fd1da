"""Configurations of the predictors, free of heavy imports; each builds its predictor for ``context.space``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from trueshot.core.config import PartConfig

if TYPE_CHECKING:
    from trueshot.prediction.protocol import Predictor


class RidgeConfig(PartConfig):
    """Ridge regression on the options of the decisions: a score is a sum of one number for each option.

    Attributes:
        penalty: on the squares of these numbers, in squared units of the score for each architecture; the mean is not
            penalised. It must be above 0, for the options of a decision are linearly dependent.
    """

    penalty: float = Field(default=1.0, gt=0, allow_inf_nan=False)

    def build(self, context: Any, *inside: Any) -> Predictor:
        """Return the predictor, not yet fitted."""
        from trueshot.prediction.ridge import Ridge

        return Ridge(context.space, self)
