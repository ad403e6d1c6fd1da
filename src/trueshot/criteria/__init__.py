"""How right was the ranking? Pure functions on arrays of scores and ground truth.

Rules that hold for every criterion of this package:

- ``predicted`` and ``true`` are keyword-only, one value an architecture in the same order, higher is better for both.
- Values must be finite: NaN or infinity raises :class:`~trueshot.core.errors.CriteriaError`, which says how many
  there are and where the first ones stand. Nothing is dropped in silence.
- A criterion that has no value for the numbers given (a correlation with a constant) raises ``CriteriaError`` too;
  no criterion returns NaN. Curves, which have many points, document where they hold NaN instead.
- Ties: Kendall's tau is tau-b; Spearman uses average ranks; pairwise accuracy counts ties as NAO does (by position);
  criteria of the top K rank stably (of equal values the earlier position is better) or, given a generator, at random.
"""
