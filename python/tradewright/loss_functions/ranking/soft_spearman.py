"""Soft Spearman correlation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from tradewright.loss_functions import group_device
from tradewright.loss_functions.grouped import GroupLoss
from tradewright.loss_functions.parameters import number
from tradewright.loss_functions.ranking.ic import correlation

__all__ = ["SoftSpearmanLoss"]


@final
@dataclass(frozen=True, kw_only=True)
class SoftSpearmanLoss(GroupLoss):
    """Soft Spearman: minus the correlation of soft ranks of the scores and ranks of the targets.

    In a group, with average ranks for equal targets::

        softrank_i = ½ + Σ_j sigmoid((s_i − s_j)/T)  (j = i included)       l = −corr(softrank(s), rank(y))
        g_i = Σ_j q_ij (a_i − a_j),  q_ij = sigmoid'((s_i − s_j)/T)/T,  a_i = dl/dsoftrank_i              h = 1

    Parameters
    ----------
    temperature : float, default 0.1
        T, above 0, in units of the score: small is near to the rank correlation, and flat between changes of order.
    reduction, nan_policy, hessian
        See :class:`BaseLoss`. Not convex: boosting gets 1 a row.

    Notes
    -----
    Groups without variance of scores or targets are skipped; as with :class:`ICLoss`, boosting cannot start from a
    constant. A weight is per group. O(m²) time, O(m) memory.

    Use it when ranks are traded or outliers would rule the correlation. The hard rank correlation has no gradient: it is
    a metric.

    References
    ----------
    Spearman (1904); soft ranks as in Qin, Liu, Li (2010).

    Examples
    --------
    >>> loss = SoftSpearmanLoss()
    >>> round(loss([0.1, 0.9, 0.3], [1.0, 90.0, 5.0], groups=[1, 1, 1]), 6)
    -1.0
    """

    name: ClassVar[str] = "soft_spearman"
    default_hessian: ClassVar[str | None] = "constant"
    hessians: ClassVar[tuple[str, ...]] = ("constant",)

    temperature: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "temperature", low=0.0, open_low=True)

    def _params(self) -> Mapping[str, float]:
        return {"temperature": float(self.temperature)}

    def _usable(self, torch: Any, lists: group_device.Lists) -> Any:
        def varies(values: Any) -> Any:
            return ((values != values[:, :1]) & lists.mask).any(1)

        return varies(lists.s.detach()) & varies(lists.y)

    def _terms(self, torch: Any, lists: group_device.Lists) -> tuple[Any, Any, Any]:
        both = lists.mask[:, :, None] & lists.mask[:, None, :]
        gap = torch.where(both, lists.s[:, :, None] - lists.s[:, None, :], 0) / self.temperature
        soft = 0.5 + torch.where(both, torch.sigmoid(gap), 0).sum(2)
        over, same = (
            (both & compare(lists.y[:, :, None], lists.y[:, None, :])).sum(2) for compare in (torch.gt, torch.eq)
        )
        rank = (over + (same + 1) / 2).to(soft.dtype)
        value = -correlation(soft, rank, lists.mask.to(soft.dtype))
        return value, torch.ones_like(value), torch.ones_like(value)
