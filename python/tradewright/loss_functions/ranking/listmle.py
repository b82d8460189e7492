"""ListMLE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from tradewright.loss_functions import group_device
from tradewright.loss_functions.grouped import GroupLoss

__all__ = ["ListMLELoss"]


@final
@dataclass(frozen=True, kw_only=True)
class ListMLELoss(GroupLoss):
    """ListMLE: the negative log-likelihood of the order of the targets under Plackett and Luce.

    In a group of m rows, (1), …, (m) in descending order of target::

        l = Σ_k [logsumexp(s_(k), …, s_(m)) − s_(k)]
        g_i = Σ_{k ≤ pos(i)} π_ki − 1,  π_ki = e^{s_i}/C_k,  C_k = Σ_{l ≥ k} e^{s_(l)}      h_i = Σ_k π_ki(1 − π_ki)

    Parameters
    ----------
    reduction, nan_policy, hessian
        See :class:`BaseLoss`; the hessian is the exact diagonal.

    Notes
    -----
    Equal targets keep the order of their rows, where others shuffle them: with many ties the loss says something about
    that order. A group of one row is 0 and counts in the mean. The value is a sum over a group's rows, so long lists have
    large losses. A weight is per group. O(m log m); sums are logarithms from the end, so that no spread of scores
    overflows.

    Use it when the whole order matters and targets rarely tie. It heeds neither the size of returns nor where in the list
    a mistake is.

    References
    ----------
    Xia et al., *Listwise approach to learning to rank: theory and algorithm* (2008).

    Examples
    --------
    >>> import numpy as np
    >>> loss = ListMLELoss()
    >>> value, gradient = loss.value_and_grad([0.2, 0.1], np.zeros(2), groups=[1, 1])
    >>> round(value, 6), gradient
    (0.693147, array([-0.5,  0.5]))
    >>> round(loss([4, 3, 2, 1], [499.0, 500.0, -500.0, 0.0], groups=[1] * 4), 4)
    501.3133
    """

    name: ClassVar[str] = "listmle"
    default_hessian: ClassVar[str | None] = "exact"
    hessians: ClassVar[tuple[str, ...]] = ("exact", "gauss_newton", "abs", "constant")

    def _params(self) -> Mapping[str, float]:
        return {}

    def _usable(self, torch: Any, lists: group_device.Lists) -> Any:
        return lists.mask.any(1)

    def _terms(self, torch: Any, lists: group_device.Lists) -> tuple[Any, Any, Any]:
        order = torch.argsort(torch.where(lists.mask, lists.y, -torch.inf), dim=1, descending=True, stable=True)
        mask = lists.mask.gather(1, order)
        # Finite, so that the gradient of logcumsumexp is.
        low = torch.finfo(lists.s.dtype).min / 4
        s = torch.where(mask, lists.s.gather(1, order), low)
        tails = s.flip(1).logcumsumexp(1).flip(1)
        value = torch.where(mask, tails - s, 0).sum(1)
        return value, torch.ones_like(value), torch.ones_like(value)
