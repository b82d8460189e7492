"""ListNet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from tradewright.loss_functions import group_device
from tradewright.loss_functions.grouped import GroupLoss
from tradewright.loss_functions.parameters import number

__all__ = ["ListNetLoss"]


@final
@dataclass(frozen=True, kw_only=True)
class ListNetLoss(GroupLoss):
    """ListNet, top one: cross-entropy between what targets and what scores say is on top.

    In a group, with p = softmax(s) and q = softmax(y/T)::

        l = −Σ q_i log p_i           g = p − q           h = p(1 − p)

    Parameters
    ----------
    temperature : float, default 1.0
        T, above 0, in units of the target. At T = 1 returns of 1 % make q all but uniform: pass about the deviation of
        the returns of a date, such as 0.02.
    reduction, nan_policy, hessian
        See :class:`BaseLoss`; the hessian is the exact diagonal.

    Notes
    -----
    A group of one row is 0 and counts in the mean. A weight is per group. O(m) a group; targets are read in the width of
    the predictions.

    Use it for large groups and when the best few matter most; its minimum over s is y/T up to a constant, so it is also a
    regression of centred targets. With small T it looks at the single best row alone.

    References
    ----------
    Cao et al., *Learning to rank: from pairwise approach to listwise approach* (2007).

    Examples
    --------
    >>> import numpy as np
    >>> loss = ListNetLoss()
    >>> value, gradient = loss.value_and_grad([1.0, 0.0], np.zeros(2), groups=["d", "d"])
    >>> round(value, 6), gradient.round(4)
    (0.693147, array([-0.2311,  0.2311]))
    """

    name: ClassVar[str] = "listwise"
    default_hessian: ClassVar[str | None] = "exact"
    hessians: ClassVar[tuple[str, ...]] = ("exact", "gauss_newton", "abs", "constant")

    temperature: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "temperature", low=0.0, open_low=True)

    def _params(self) -> Mapping[str, float]:
        return {"temperature": float(self.temperature)}

    def _usable(self, torch: Any, lists: group_device.Lists) -> Any:
        return lists.mask.any(1)

    def _terms(self, torch: Any, lists: group_device.Lists) -> tuple[Any, Any, Any]:
        log_p = torch.where(lists.mask, lists.s, -torch.inf).log_softmax(1)
        q = torch.where(lists.mask, lists.y / self.temperature, -torch.inf).softmax(1)
        value = -(q * torch.where(lists.mask, log_p, 0)).sum(1)
        return value, torch.ones_like(value), torch.ones_like(value)
