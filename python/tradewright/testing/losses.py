"""The contract of a loss, as a suite that needs no test framework."""

from __future__ import annotations

from typing import Any

from tradewright.errors import ParameterError
from tradewright.loss_functions import BaseLoss, CombinedLoss, GroupLoss, PointLoss, SeriesLoss
from tradewright.testing.losses_group import check_group_loss
from tradewright.testing.losses_point import check_point_loss
from tradewright.testing.losses_series import check_series_loss
from tradewright.testing.losses_sum import check_sum

__all__ = ["check_loss"]

#: The suite of each family, by its (abstract) base class.
_SUITES: dict[type, Any] = {
    PointLoss: check_point_loss,
    GroupLoss: check_group_loss,
    SeriesLoss: check_series_loss,
    CombinedLoss: check_sum,
}


def check_loss(loss: BaseLoss, *, rows: int = 400, seed: int = 0) -> list[str]:
    """Check that a loss keeps every promise of the contract.

    Numerical gradient and hessian, weights as its family defines them, order of rows, shifts and scales it does not
    see, predictions that know the target, both widths, strided and read-only input, reductions, missing targets, no
    rows, extreme scores, ``out=``, pickle, JSON, the face towards boosting libraries, and, where torch is installed,
    equality with autograd through torch's own operations. Returns of trading losses are those of a broker's book.

    What no suite can know is the formula: a loss that is twice what it should be everywhere goes through. Test values
    against numbers you trust.

    Parameters
    ----------
    loss : BaseLoss
        Any concrete loss of a known family; it is checked with its parameters and each reduction. Of a sum, its terms
        too.
    rows : int, default 400
        How many random rows to check on.
    seed : int, default 0
        What the rows are drawn from.

    Returns
    -------
    list of str
        The names of the checks that ran; all of them held.

    Raises
    ------
    AssertionError
        When a promise is broken; the message names the check.
    ParameterError
        When the loss belongs to no family the suite knows.

    Examples
    --------
    >>> from tradewright.loss_functions import MSELoss
    >>> "gradient" in check_loss(MSELoss())
    True
    """
    for family, suite in _SUITES.items():
        if isinstance(loss, family):
            ran: list[str] = suite(loss, rows=rows, seed=seed)
            break
    else:
        known = ", ".join(family.__name__ for family in _SUITES)
        raise ParameterError(f"{loss!r} is of no family that can be checked: {known}", code="testing.family")
    if isinstance(loss, CombinedLoss):
        for _, term in loss.terms:
            check_loss(term, rows=rows, seed=seed)
    return ran
