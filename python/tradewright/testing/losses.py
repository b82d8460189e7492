"""The contract of a loss, as a suite that needs no test framework."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tradewright.errors import ParameterError, TradewrightError
from tradewright.loss_functions import BaseLoss, GroupLoss, PointLoss, SeriesLoss
from tradewright.testing import losses_common, losses_point
from tradewright.testing.loss_problem import Problem
from tradewright.testing.losses_group import check_group_loss
from tradewright.testing.losses_series import check_series_loss

__all__ = ["check_loss"]

Check = Callable[[BaseLoss, Problem], None]
#: A family: its (abstract) base class, the problems its losses are checked on, and its own checks.
Family = tuple[
    Any,
    Callable[[BaseLoss, int, np.random.Generator], Iterable[Problem]],
    Callable[[BaseLoss], list[Check]],
]

FAMILIES: list[Family] = [(PointLoss, losses_point.problems, losses_point.checks)]


def check_loss(loss: BaseLoss, *, rows: int = 400, seed: int = 0) -> list[str]:
    """Check that a loss keeps every promise of the contract.

    Numerical gradient and hessian, weights as its family defines them, order of rows, both widths, strided and
    read-only input, reductions, missing targets, no rows, extreme scores, ``out=``, pickle, JSON, the face towards
    boosting libraries, and, where torch is installed, equality with autograd through torch's own operations.

    Parameters
    ----------
    loss : BaseLoss
        Any concrete loss of a known family; it is checked with its parameters and each reduction.
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
    if isinstance(loss, GroupLoss):
        return check_group_loss(loss, rows=rows, seed=seed)
    if isinstance(loss, SeriesLoss):
        return check_series_loss(loss, rows=rows, seed=seed)
    family = next((family for family in FAMILIES if isinstance(loss, family[0])), None)
    if family is None:
        known = ", ".join(base.__name__ for base, _, _ in FAMILIES)
        raise ParameterError(f"{loss!r} is of no family that can be checked: {known}", code="testing.family")
    _, problems, own_checks = family
    checks = [*own_checks(loss), *losses_common.checks(loss)]
    for problem in problems(loss, rows, np.random.default_rng(seed)):
        for check in checks:
            try:
                check(loss, problem)
            except (AssertionError, TradewrightError) as error:
                raise AssertionError(f"{loss!r} fails {_name(check)}: {error}") from error
    return [_name(check) for check in checks]


def _name(check: Check) -> str:
    return check.__name__.strip("_")
