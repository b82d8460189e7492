"""A model's rows as a loss sees them: the labels, the weights, and who shares a date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tradewright.base import Samples
from tradewright.errors import LossError, ParameterError
from tradewright.loss_functions import BaseLoss, LossRegistry
from tradewright.loss_functions.combined import CombinedLoss
from tradewright.loss_functions.group_index import GroupIndex
from tradewright.loss_functions.grouped import GroupLoss
from tradewright.loss_functions.point import PointLoss
from tradewright.loss_functions.series import SeriesLoss

__all__ = ["LossRows", "bind_dates", "is_series", "looks_across", "training_loss"]


def training_loss(loss: str | BaseLoss) -> BaseLoss:
    """Return a loss that can be trained on, by its name or as it is.

    Raises
    ------
    ParameterError
        When it is neither, or does not reduce to one number.
    """
    if isinstance(loss, str):
        loss = LossRegistry.create(loss)
    if not isinstance(loss, BaseLoss):
        raise ParameterError(
            f"loss={loss!r} is a {type(loss).__name__}: pass a name of LossRegistry, or a loss", code="model.loss"
        )
    if loss.reduction == "none":
        raise ParameterError("the loss has reduction='none': training needs one number", code="model.reduction")
    return loss


def looks_across(loss: BaseLoss) -> bool:
    """Whether a row's loss depends on other rows: then rows belong to dates."""
    return any(not isinstance(term, PointLoss) for term in _terms(loss))


def is_series(loss: BaseLoss) -> bool:
    """Whether the loss is one of portfolio returns, whose dates belong together in their order."""
    return any(isinstance(term, SeriesLoss) for term in _terms(loss))


def bind_dates(loss: BaseLoss, train: Samples, val: Samples | None) -> tuple[GroupIndex | None, GroupIndex | None]:
    """Return the dates and assets of train and validation rows, each their own.

    None for losses that need none, and for one asset whose rows are in time order.

    Raises
    ------
    LossError
        When the loss needs dates that rows don't have, or only one of both has them.
    """
    first = _dates_of(loss, train, "train")
    if val is None:
        return first, None
    second = _dates_of(loss, val, "validation")
    if (first is None) != (second is None):
        raise _no_dates(loss, "train" if first is None else "validation")
    return first, second


@dataclass(frozen=True, slots=True, eq=False)
class LossRows:
    """Rows bound to a loss.

    Parameters
    ----------
    loss : BaseLoss
        The loss.
    y, weight : ndarray of float64, shape (n_rows,); the weight may be None
        Labels and weights.
    dates : GroupIndex or None
        Of the rows, for losses that look across them.
    """

    loss: BaseLoss
    y: NDArray[np.float64]
    weight: NDArray[np.float64] | None
    dates: GroupIndex | None

    @classmethod
    def bind(cls, loss: BaseLoss, train: Samples, val: Samples | None) -> tuple[Self, Self | None]:
        """Bind train and validation rows; errors are those of :func:`bind_dates`."""
        dates, val_dates = bind_dates(loss, train, val)
        return cls._of(loss, train, dates), None if val is None else cls._of(loss, val, val_dates)

    @classmethod
    def _of(cls, loss: BaseLoss, samples: Samples, dates: GroupIndex | None) -> Self:
        return cls(loss, np.asarray(samples.y, dtype=np.float64), samples.sample_weight, dates)

    def value(self, scores: NDArray[Any]) -> float:
        """Return the loss of scores of these rows."""
        return float(self.loss(self.y, scores, sample_weight=self.weight, groups=self.dates))


def _terms(loss: BaseLoss) -> tuple[BaseLoss, ...]:
    return tuple(term for _, term in loss.terms) if isinstance(loss, CombinedLoss) else (loss,)


def _dates_of(loss: BaseLoss, samples: Samples, which: str) -> GroupIndex | None:
    if not looks_across(loss):
        return None
    groups, assets = samples.groups, samples.assets
    if groups is None:
        if assets is not None or any(isinstance(term, GroupLoss) for term in _terms(loss)):
            raise _no_dates(loss, which)
        return None
    if not is_series(loss):
        return GroupIndex(groups)
    index = GroupIndex(groups, assets)
    if assets is None and index.n_groups == index.rows:  # one row a date: one asset
        return GroupIndex(groups, np.zeros(index.rows, dtype=np.int64))
    return index


def _no_dates(loss: BaseLoss, which: str) -> LossError:
    of_val = "eval_groups= and eval_assets= to fit, groups_val= and assets_val= to train"
    names = of_val if which == "validation" else "groups= and assets="
    return LossError(
        f"{type(loss).__name__} looks across the rows of a date, and the {which} rows have no dates: pass a Panel, which"
        f" brings them, or {names}",
        code="loss.groups_needed",
        rows=which,
    )
