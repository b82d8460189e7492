"""LambdaRank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

from tradewright.loss_functions import group_device
from tradewright.loss_functions.grouped import GroupLoss
from tradewright.loss_functions.parameters import choice, flag, number, whole

__all__ = ["LambdaRankLoss"]


@final
@dataclass(frozen=True, kw_only=True)
class LambdaRankLoss(GroupLoss):
    """LambdaRank: pairs weigh what exchanging them would do to NDCG.

    Over the pairs of a group with y_i > y_j, sp(z) = log(1 + e^z), r = sigmoid(−k(s_i − s_j))::

        l = Σ |ΔNDCG_ij|·sp(−k(s_i − s_j))     |ΔNDCG_ij| = |gain_i − gain_j|·|d_i − d_j| / IDCG
        g: −k·|ΔNDCG|·r to i, +k·|ΔNDCG|·r to j       h = k²·|ΔNDCG|·r(1 − r) to both

    with d = 1/log2(1 + rank) of the current ranking, which derivatives hold fixed.

    Parameters
    ----------
    sharpness : float, default 1.0
        k, above 0.
    truncation : int, optional
        NDCG at this rank: discounts behind it are 0, so that pairs entirely behind it count for nothing.
    gain : {"exp2", "linear"}, default "exp2"
        2^y − 1, for whole relevances from 0 to 30; or y itself, for returns (where a group has negative targets, y minus
        the least of them).
    normalize : bool, default False
        As LightGBM does: divide a pair by 0.01 + |s_i − s_j| (unless all scores are equal), and multiply a group by
        log2(1 + Λ)/Λ with Λ the sum of its absolute slopes. Both are held fixed by the derivative.
    reduction, nan_policy, hessian
        See :class:`BaseLoss`. ``"exact"`` is the diagonal with the weights of pairs held fixed.

    Notes
    -----
    Equal scores rank in the order of their rows. Groups whose targets are all equal are skipped. A weight is per group.
    The value jumps where the ranking changes: follow NDCG, not it, to judge a model.

    Use it when the top of the ranking is what is traded. Cut returns into quantiles per date for ``gain="exp2"``, whose
    gains double with every grade; daily returns as they are go with ``gain="linear"``.

    References
    ----------
    Burges, *From RankNet to LambdaRank to LambdaMART* (2010).

    Examples
    --------
    >>> import numpy as np
    >>> loss = LambdaRankLoss()
    >>> value, gradient = loss.value_and_grad([2, 0, 1], np.zeros(3), groups=[1, 1, 1])
    >>> round(value, 6), gradient.round(4)
    (0.427263, array([-0.2902,  0.1705,  0.1197]))
    >>> loss([0.5, 0.0], [0.0, 0.0], groups=[1, 1])
    Traceback (most recent call last):
    tradewright.errors.LossError: row 0: the target is 0.5, allowed is a whole number from 0 to 30; for returns use \
gain="linear", or pass quantiles
    """

    name: ClassVar[str] = "lambdarank"
    default_hessian: ClassVar[str | None] = "exact"
    hessians: ClassVar[tuple[str, ...]] = ("exact", "gauss_newton", "abs", "constant")

    sharpness: float = 1.0
    truncation: int | None = None
    gain: Literal["exp2", "linear"] = "exp2"
    normalize: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "sharpness", low=0.0, open_low=True)
        whole(self, "truncation", low=1, optional=True)
        choice(self, "gain", ("exp2", "linear"))
        flag(self, "normalize")

    @property
    def targets(self) -> str:
        """Whole numbers from 0 to 30 for ``gain="exp2"``, else any finite number."""
        return "relevance" if self.gain == "exp2" else "real"

    def _params(self) -> Mapping[str, float]:
        return {
            "sharpness": float(self.sharpness),
            "truncation": -1.0 if self.truncation is None else float(self.truncation),
            "exp2": float(self.gain == "exp2"),
            "normalize": float(self.normalize),
        }

    def _usable(self, torch: Any, lists: group_device.Lists) -> Any:
        return group_device.pairs(lists).any(2).any(1)

    def _terms(self, torch: Any, lists: group_device.Lists) -> tuple[Any, Any, Any]:
        s, chosen = lists.s, group_device.pairs(lists)
        gain = group_device.gains(torch, lists, self.gain)
        discount = group_device.discounts(torch, lists, self.truncation)
        ideal = (gain.sort(1, descending=True).values * discount).sum(1)
        # Rows that are none rank last.
        keyed = torch.where(lists.mask, s.detach(), -torch.inf)
        rank = torch.argsort(torch.argsort(keyed, dim=1, descending=True, stable=True), dim=1)
        now = discount.expand_as(s).gather(1, rank)
        weight = (gain[:, :, None] - gain[:, None, :]).abs() * (now[:, :, None] - now[:, None, :]).abs()
        weight = torch.where(chosen, weight / ideal[:, None, None], 0)
        gap = torch.where(chosen, s[:, :, None] - s[:, None, :], 0)
        scale = torch.ones_like(ideal)
        if self.normalize:
            first = s.detach()[:, :1]
            flat = ((s.detach() == first) | ~lists.mask).all(1)
            weight = torch.where(flat[:, None, None], weight, weight / (0.01 + gap.detach().abs()))
            slopes = 2 * self.sharpness * (weight * torch.sigmoid(-self.sharpness * gap.detach())).sum((1, 2))
            scale = torch.where(slopes > 0, torch.log2(1 + slopes) / torch.where(slopes > 0, slopes, 1), 1)
        each = torch.logaddexp(-self.sharpness * gap, torch.zeros_like(gap))
        value = scale * (weight * each).sum((1, 2))
        return value, torch.ones_like(value), torch.ones_like(value)
