"""ApproxNDCG."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

from tradewright.loss_functions import group_device
from tradewright.loss_functions.grouped import GroupLoss
from tradewright.loss_functions.parameters import choice, number

__all__ = ["ApproxNDCGLoss"]


@final
@dataclass(frozen=True, kw_only=True)
class ApproxNDCGLoss(GroupLoss):
    """ApproxNDCG: minus NDCG with soft ranks.

    In a group::

        rank_i = 1 + Σ_{j≠i} sigmoid((s_j − s_i)/T)        l = −Σ gain_i / log2(1 + rank_i) / IDCG
        g_i = Σ_j q_ij (a_j − a_i),  q_ij = sigmoid'((s_j − s_i)/T)/T,  a_i = dl/drank_i          h = 1

    Parameters
    ----------
    temperature : float, default 0.1
        T, above 0, in units of the score: small is near to NDCG, and flat between changes of order.
    gain : {"exp2", "linear"}, default "exp2"
        2^y − 1, for whole relevances from 0 to 30; or y itself, for returns (where a group has negative targets, y minus
        the least of them).
    reduction, nan_policy, hessian
        See :class:`BaseLoss`. Not convex: boosting gets 1 a row.

    Notes
    -----
    Groups whose targets are all equal are skipped. A weight is per group. O(m²) time, O(m) memory.

    Use it to optimise NDCG itself with a network whose scores are of a known scale (T must fit it). For boosting
    :class:`LambdaRankLoss` is the better behaved.

    References
    ----------
    Qin, Liu, Li, *A general approximation framework for direct optimization of information retrieval measures* (2010).

    Examples
    --------
    >>> loss = ApproxNDCGLoss()
    >>> round(loss([1, 0], [9.0, 0.0], groups=[1, 1]), 6), round(loss([1, 0], [0.0, 9.0], groups=[1, 1]), 6)
    (-1.0, -0.63093)
    """

    name: ClassVar[str] = "approx_ndcg"
    default_hessian: ClassVar[str | None] = "constant"
    hessians: ClassVar[tuple[str, ...]] = ("constant",)

    temperature: float = 0.1
    gain: Literal["exp2", "linear"] = "exp2"

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "temperature", low=0.0, open_low=True)
        choice(self, "gain", ("exp2", "linear"))

    @property
    def targets(self) -> str:
        """Whole numbers from 0 to 30 for ``gain="exp2"``, else any finite number."""
        return "relevance" if self.gain == "exp2" else "real"

    def _params(self) -> Mapping[str, float]:
        return {"temperature": float(self.temperature), "exp2": float(self.gain == "exp2")}

    def _usable(self, torch: Any, lists: group_device.Lists) -> Any:
        return group_device.pairs(lists).any(2).any(1)

    def _terms(self, torch: Any, lists: group_device.Lists) -> tuple[Any, Any, Any]:
        gain = group_device.gains(torch, lists, self.gain)
        ideal = (gain.sort(1, descending=True).values * group_device.discounts(torch, lists)).sum(1)
        both = lists.mask[:, :, None] & lists.mask[:, None, :]
        gap = torch.where(both, lists.s[:, None, :] - lists.s[:, :, None], 0) / self.temperature
        # A row is its own neighbour with ½.
        rank = 0.5 + torch.where(both, torch.sigmoid(gap), 0).sum(2)
        value = -(gain / torch.log2(1 + torch.where(lists.mask, rank, 1))).sum(1) / ideal
        return value, torch.ones_like(value), torch.ones_like(value)
