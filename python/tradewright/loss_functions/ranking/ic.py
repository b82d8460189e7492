"""Information coefficient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from tradewright.loss_functions import group_device
from tradewright.loss_functions.grouped import GroupLoss

__all__ = ["ICLoss"]


@final
@dataclass(frozen=True, kw_only=True)
class ICLoss(GroupLoss):
    """Information coefficient: minus the mean over dates of the correlation of scores and targets.

    In a group, with sc and yc the centred scores and targets::

        l = −ic,  ic = sc·yc/(|sc||yc|)        g = −[yc/(|sc||yc|) − ic·sc/|sc|²]          h = 1/|sc|²

    Parameters
    ----------
    reduction, nan_policy, hessian
        See :class:`BaseLoss`. The loss is not convex; 1/|sc|² makes a boosting step scale with the scores.

    Notes
    -----
    Weights are per row: the correlation is the weighted one. A group of one row, or without variance on either side, is
    skipped. The loss does not change when the scores of a group are shifted, or scaled by a positive factor: predictions
    have no unit.

    Boosting from a constant goes nowhere, since constant scores have no correlation and every group is skipped: start
    from the predictions of a model fitted with :class:`MSELoss` (``init_score`` or ``base_margin``), and keep the learning
    rate low. For networks add a term that fixes the scale, such as a little :class:`MSELoss`.

    Use it when the cross-section is traded in proportion to the score. Outliers of returns dominate it as they do a
    regression: :class:`SoftSpearmanLoss` looks at ranks.

    References
    ----------
    Grinold and Kahn, *Active Portfolio Management* (2000), ch. 6.

    Examples
    --------
    >>> import numpy as np
    >>> loss = ICLoss()
    >>> round(loss([0.1, 0.2, 0.3], [1.0, 2.0, 3.0], groups=[7, 7, 7]), 6)
    -1.0
    >>> value, gradient = loss.value_and_grad([0.0, 1.0, 0.0], np.array([0.0, 1.0, 2.0]), groups=[7, 7, 7])
    >>> value, gradient.round(4)
    (0.0, array([ 0.2887, -0.5774,  0.2887]))
    """

    name: ClassVar[str] = "ic"
    hessians: ClassVar[tuple[str, ...]] = ("constant",)
    row_weights: ClassVar[bool] = True
    scale_free: ClassVar[bool] = True

    def _params(self) -> Mapping[str, float]:
        return {}

    def _usable(self, torch: Any, lists: group_device.Lists) -> Any:
        weighs = lists.mask & (lists.w > 0)
        # A group that weighs nothing counts if it would with weights.
        weighs = torch.where(weighs.any(1, keepdim=True), weighs, lists.mask)
        first = weighs.to(torch.uint8).argmax(1, keepdim=True)

        def varies(values: Any) -> Any:
            return ((values != values.gather(1, first)) & weighs).any(1)

        return varies(lists.s.detach()) & varies(lists.y)

    def _terms(self, torch: Any, lists: group_device.Lists) -> tuple[Any, Any, Any]:
        weighs = (lists.w * lists.mask).sum(1) > 0
        w = torch.where(weighs[:, None], lists.w, 1) * lists.mask
        ic = correlation(lists.s, lists.y, w)
        return torch.where(weighs, -ic, 0), weighs.to(ic.dtype), torch.ones_like(ic)


def correlation(s: Any, y: Any, w: Any) -> Any:
    """Return the weighted correlation of each row of two matrices."""
    total = w.sum(1, keepdim=True)
    sc, yc = ((v - (w * v).sum(1, keepdim=True) / total) * (w > 0) for v in (s, y))
    return (w * sc * yc).sum(1) / ((w * sc * sc).sum(1).sqrt() * (w * yc * yc).sum(1).sqrt())
