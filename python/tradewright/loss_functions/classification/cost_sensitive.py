"""Losses that weigh the four outcomes of a decision by what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final, get_args

from tradewright.errors import LossError
from tradewright.loss_functions.parameters import choice, number, refuse
from tradewright.loss_functions.point import Domain, PointLoss
from tradewright.loss_functions.start import log_odds, weighted_mean

__all__ = ["CostForm", "CostSensitiveLoss"]

CostForm = Literal["log", "expected"]


@final
@dataclass(frozen=True, kw_only=True)
class CostSensitiveLoss(PointLoss):
    """Binary classification where each outcome has its cost, the same for all rows or one per row.

    With a logit s, p = sigmoid(s) and a target y in [0, 1]::

        form="log"        l = y·c_fn·log(1 + e^−s) + (1 − y)·c_fp·log(1 + e^s)
                          g = (1 − y)·c_fp·p − y·c_fn·(1 − p)
                          h = [y·c_fn + (1 − y)·c_fp] p(1 − p)
        form="expected"   l = y·[(1 − p)·c_fn + p·c_tp] + (1 − y)·[p·c_fp + (1 − p)·c_tn]
                          g = p(1 − p)·d,   d = y(c_tp − c_fn) + (1 − y)(c_fp − c_tn)
                          h = p(1 − p)(1 − 2p)·d, of either sign; boosting takes p(1 − p)|d| ("gauss_newton")

    Parameters
    ----------
    cost_fp, cost_fn : float, default 1.0
        What a false positive and a false negative cost.
    cost_tp, cost_tn : float, default 0.0
        What a true positive and a true negative cost; a gain is negative. The log form knows no cost of being right.
    form : {"log", "expected"}, default "log"
        Convex, with costs of errors alone; or the expected cost itself, which is bounded and not convex.
    reduction, nan_policy, hessian
        See :class:`BaseLoss`.

    Notes
    -----
    A call takes ``costs=`` of shape (n, 4) in the order false positive, false negative, true positive, true negative;
    they replace the four parameters on every row. They must be finite; columns three and four are not read by the log
    form, and its first two must not be negative.

    Act on a row when its probability exceeds (c_fp − c_tn) / (c_fp − c_tn + c_fn − c_tp).

    Use it when trades differ in what a mistake costs: spread and size go into the false positive, the missed move into
    the false negative. With the expected cost start from a fitted cross-entropy: its gradient vanishes far from s = 0
    on either side. With equal costs use :class:`BinaryCrossEntropy`.

    References
    ----------
    Elkan, *The Foundations of Cost-Sensitive Learning* (IJCAI 2001); Bahnsen, Aouada, Ottersten, *Example-Dependent
    Cost-Sensitive Logistic Regression for Credit Scoring* (ICMLA 2014).

    Examples
    --------
    >>> import numpy as np
    >>> loss = CostSensitiveLoss(cost_fp=2.0, cost_fn=5.0, form="expected")
    >>> loss([1, 0], np.array([0.0, 0.0]))
    1.75
    >>> loss.value_and_grad([1, 0], np.array([0.0, 0.0]))[1]
    array([-0.625,  0.25 ])
    >>> loss([1, 0], np.array([0.0, 0.0]), costs=[[2, 5, -1, 0], [4, 1, 0, 0]])
    2.0
    """

    name: ClassVar[str] = "cost_sensitive"
    targets: ClassVar[Domain] = "unit"
    per_row_names: ClassVar[tuple[str, ...]] = ("costs",)
    per_row_widths: ClassVar[Mapping[str, int]] = {"costs": 4}

    cost_fp: float = 1.0
    cost_fn: float = 1.0
    cost_tp: float = 0.0
    cost_tn: float = 0.0
    form: CostForm = "log"

    def __post_init__(self) -> None:
        super().__post_init__()
        choice(self, "form", get_args(CostForm))
        number(self, "cost_fp", "cost_fn", "cost_tp", "cost_tn")
        if self.form == "log":
            for name in ("cost_fp", "cost_fn"):
                if getattr(self, name) < 0:
                    raise refuse(self, name, 'the log form takes costs of at least 0; use form="expected"')
            for name in ("cost_tp", "cost_tn"):
                if getattr(self, name) != 0:
                    raise refuse(self, name, 'the log form knows no cost of being right; use form="expected"')

    @property
    def default_hessian(self) -> str:  # type: ignore[override]  # the expected cost is not convex
        """The exact curvature in the log form, else that of Gauss and Newton."""
        return "exact" if self.form == "log" else "gauss_newton"

    @property
    def logits(self) -> bool:
        """Predictions are logits."""
        return True

    def init_score(self, y: Any, sample_weight: Any = None) -> float:
        """Return the start value: in the log form the best constant, else the log-odds of the targets.

        Costs of the constructor are used; those per row are not known here. The expected cost has no best constant.

        Examples
        --------
        >>> CostSensitiveLoss(cost_fn=3.0).init_score([1, 0, 0, 0])
        0.0
        """
        mean = weighted_mean(self, y, sample_weight)
        if self.form == "log" and self.cost_fn * mean + self.cost_fp * (1.0 - mean) > 0.0:
            return log_odds(self.cost_fn * mean, self.cost_fp * (1.0 - mean))
        return log_odds(mean, 1.0 - mean)

    def _check_per_row(self, name: str, values: Any) -> None:
        if self.form != "log" or not len(values):
            return
        errors = values[:, :2]
        if bool((errors < 0).any()):
            row = int((errors < 0).any(1).nonzero()[0].ravel()[0])
            raise LossError(
                f"row {row}: costs of errors are {errors[row].tolist()}; the log form takes costs of at least 0; use "
                'form="expected"',
                code="loss.costs_negative",
                row=row,
            )

    def _params(self, per_row: Mapping[str, Any]) -> Mapping[str, float]:
        costs = {name: getattr(self, name) for name in ("cost_fp", "cost_fn", "cost_tp", "cost_tn")}
        return costs | {"log": float(self.form == "log"), "per_row": float("costs" in per_row)}

    def _rows_on_device(self, torch: Any, prediction: Any, target: Any, per_row: Mapping[str, Any]) -> Any:
        functional = torch.nn.functional
        if "costs" in per_row:
            c_fp, c_fn, c_tp, c_tn = per_row["costs"].to(prediction.dtype).unbind(1)
        else:
            c_fp, c_fn, c_tp, c_tn = self.cost_fp, self.cost_fn, self.cost_tp, self.cost_tn
        if self.form == "log":
            log_sigmoid = functional.logsigmoid
            return -target * c_fn * log_sigmoid(prediction) - (1 - target) * c_fp * log_sigmoid(-prediction)
        p, q = torch.sigmoid(prediction), torch.sigmoid(-prediction)
        return target * (q * c_fn + p * c_tp) + (1 - target) * (p * c_fp + q * c_tn)
