"""Losses of pairs of rows: logistic and hinge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

from tradewright.loss_functions import group_device
from tradewright.loss_functions.grouped import GroupLoss
from tradewright.loss_functions.parameters import choice, number

__all__ = ["PairwiseHingeLoss", "PairwiseLogisticLoss"]

Average = Literal["group", "pairs"]


@dataclass(frozen=True, kw_only=True)
class _PairwiseLoss(GroupLoss):
    """What the pairwise losses share: which pairs there are, and how they are averaged. Abstract."""

    row_weights: ClassVar[bool] = True

    average: Average = "group"
    pair_weight: Literal["target_gap"] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        choice(self, "average", ("group", "pairs"))
        choice(self, "pair_weight", (None, "target_gap"))

    def _params(self) -> Mapping[str, float]:
        return {
            "average_pairs": float(self.average == "pairs"),
            "target_gap": float(self.pair_weight == "target_gap"),
        }

    def _usable(self, torch: Any, lists: group_device.Lists) -> Any:
        return group_device.pairs(lists).any(2).any(1)


@final
@dataclass(frozen=True, kw_only=True)
class PairwiseLogisticLoss(_PairwiseLoss):
    """Pairwise logistic loss: RankNet, and BPR where targets are 0 and 1.

    Over the pairs of a group with y_i > y_j, with sp(z) = log(1 + e^z), r = sigmoid(−k(s_i − s_j))::

        l = sp(−k(s_i − s_j))        g: −k·r to i, +k·r to j        h = k²·r(1 − r) to both

    Parameters
    ----------
    sharpness : float, default 1.0
        k, above 0.
    average : {"group", "pairs"}, default "group"
        The mean over groups of the mean over their pairs, or the mean over all pairs.
    pair_weight : {"target_gap"}, optional
        Multiply a pair by |y_i − y_j|. Means still divide by the weights of the rows alone.
    reduction, nan_policy, hessian
        See :class:`BaseLoss`; the hessian is the exact diagonal.

    Notes
    -----
    Equal targets make no pair; a group without pairs is skipped. A pair has weight w_i·w_j, and means are weighted
    means. Time is O(m²) a group of m rows, memory O(m): the pair loop takes products of ratios of exponentials taken
    once a row, and falls back to an exponential per pair where scores of a group spread too far.

    Use it to rank assets of a date when the order matters and the size of the return does not. Where only the top
    counts prefer :class:`LambdaRankLoss`; for thousands of rows a date :class:`PairwiseHingeLoss` or
    :class:`ListNetLoss`.

    References
    ----------
    Burges et al., *Learning to rank using gradient descent* (2005); Rendle et al., *BPR* (2009).

    Examples
    --------
    >>> import numpy as np
    >>> loss = PairwiseLogisticLoss()
    >>> round(loss([1.0, 0.0], [0.0, 0.0], groups=[1, 1]), 6)
    0.693147
    >>> loss.value_and_grad([0.3, 0.1, 0.2], np.zeros(3), groups=[1, 1, 1])[1].round(3)
    array([-0.333,  0.333,  0.   ])
    """

    name: ClassVar[str] = "pairwise"
    default_hessian: ClassVar[str | None] = "exact"
    hessians: ClassVar[tuple[str, ...]] = ("exact", "gauss_newton", "abs", "constant")

    sharpness: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "sharpness", low=0.0, open_low=True)

    def _params(self) -> Mapping[str, float]:
        return {**super()._params(), "sharpness": float(self.sharpness)}

    def _terms(self, torch: Any, lists: group_device.Lists) -> tuple[Any, Any, Any]:
        def each(gap: Any) -> Any:
            return torch.logaddexp(-self.sharpness * gap, torch.zeros_like(gap))

        return group_device.average_pairs(torch, lists, each, self.average, self.pair_weight)


@final
@dataclass(frozen=True, kw_only=True)
class PairwiseHingeLoss(_PairwiseLoss):
    """Pairwise hinge loss: every pair should be a margin apart.

    Over the pairs of a group with y_i > y_j::

        l = max(0, margin − (s_i − s_j))      g: −1 to i, +1 to j of active pairs      h = a row's active pairs

    Parameters
    ----------
    margin : float, default 1.0
        Above 0.
    average : {"group", "pairs"}, default "group"
        The mean over groups of the mean over their pairs, or the mean over all pairs.
    pair_weight : {"target_gap"}, optional
        Multiply a pair by |y_i − y_j|. Means still divide by the weights of the rows alone.
    reduction, nan_policy, hessian
        See :class:`BaseLoss`. The true second derivative is 0; boosting gets the weight of a row's active pairs.

    Notes
    -----
    Exact in O(m log m) a group of m rows, by sorting and sums over a tree. At the kink the subgradient is 0. Equal
    targets make no pair; a group without pairs is skipped. A pair has weight w_i·w_j.

    Use it for large groups, or to stop caring about pairs that are far enough apart; it has no gradient where all are.

    References
    ----------
    Herbrich, Graepel, Obermayer, *Large margin rank boundaries for ordinal regression* (2000).

    Examples
    --------
    >>> import numpy as np
    >>> loss = PairwiseHingeLoss()
    >>> loss.value_and_grad([1.0, 0.0], np.array([0.25, 0.0]), groups=[1, 1])
    (0.75, array([-1.,  1.]))
    >>> loss([1.0, 0.0], [2.0, 0.0], groups=[1, 1])
    0.0
    """

    name: ClassVar[str] = "pairwise_hinge"
    hessians: ClassVar[tuple[str, ...]] = ("constant",)

    margin: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "margin", low=0.0, open_low=True)

    def _params(self) -> Mapping[str, float]:
        return {**super()._params(), "margin": float(self.margin)}

    def _terms(self, torch: Any, lists: group_device.Lists) -> tuple[Any, Any, Any]:
        def each(gap: Any) -> Any:
            return torch.relu(self.margin - gap)

        return group_device.average_pairs(torch, lists, each, self.average, self.pair_weight)
