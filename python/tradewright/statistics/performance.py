"""How well forecasts rank assets, and what a position taken on them earns after costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradewright.errors import DataError, ParameterError

__all__ = ["RankIC", "portfolio_returns", "rank_ic", "sharpe_ratio"]


@dataclass(frozen=True, slots=True)
class RankIC:
    """The rank information coefficient over dates.

    Parameters
    ----------
    mean, std : float
        Mean and standard deviation (ddof 1) of the per-date coefficient.
    n_dates : int
        Dates with at least two assets and some spread on both sides.
    """

    mean: float
    std: float
    n_dates: int

    @property
    def t_statistic(self) -> float:
        """Mean over standard error, as if dates were independent; overlapping labels make it too large."""
        # A deviation made of rounding alone is none.
        varies = self.std > 1e-12
        return float(self.mean / self.std * np.sqrt(self.n_dates)) if varies else float("nan")


def rank_ic(y_true: ArrayLike, y_pred: ArrayLike, dates: ArrayLike) -> RankIC:
    """Spearman's correlation of forecast and outcome across assets, date by date.

    Parameters
    ----------
    y_true, y_pred : array-like, shape (n_rows,)
        Outcomes and forecasts.
    dates : array-like, shape (n_rows,)
        Date ids, in any order. Ties get average ranks; dates without spread on one side are left out.

    Raises
    ------
    DataError
        When the lengths differ or a value is NaN.

    Notes
    -----
    O(n log n). Grinold and Kahn, Active Portfolio Management, call its mean the skill of a forecaster.

    Examples
    --------
    >>> rank_ic([1, 2, 3, 3, 2, 1], [10, 20, 30, 1, 2, 3], [0, 0, 0, 1, 1, 1])
    RankIC(mean=0.0, std=1.4142135623730951, n_dates=2)
    """
    import polars as pl

    actual, forecast, date = _aligned(y_true=y_true, y_pred=y_pred, dates=dates)
    frame = pl.DataFrame({"date": date, "y": actual, "f": forecast})
    per_date = (
        frame.with_columns(pl.col("y", "f").rank().over("date"))
        .group_by("date", maintain_order=True)
        .agg(pl.corr("y", "f").alias("ic"))
        .filter(pl.col("ic").is_not_nan() & pl.col("ic").is_not_null())["ic"]
        .to_numpy()
    )
    if len(per_date) == 0:
        return RankIC(float("nan"), float("nan"), 0)
    std = float(per_date.std(ddof=1)) if len(per_date) > 1 else float("nan")
    return RankIC(float(per_date.mean()), std, len(per_date))


def portfolio_returns(
    position: ArrayLike, returns: ArrayLike, dates: ArrayLike, assets: ArrayLike, *, cost: float = 0.0
) -> NDArray[np.float64]:
    """Return per date of a portfolio of equally sized positions, net of turnover costs.

    Parameters
    ----------
    position : array-like, shape (n_rows,)
        Position per row in units of capital, such as the sign of a forecast.
    returns : array-like, shape (n_rows,)
        Simple return earned by a position held from this row on to the next date.
    dates, assets : array-like, shape (n_rows,)
        Date and asset ids, in any order; one row per pair. An asset absent on a date is closed and pays for it.
    cost : float
        Cost per unit of turnover and side: 0.0005 is 5 basis points.

    Returns
    -------
    ndarray of float64, shape (n_dates,)
        In date order: the mean over the date's assets of ``position * returns - cost * |change of position|``. The
        first positions are bought from zero; the last ones are not sold.

    Raises
    ------
    DataError, ParameterError
        Lengths differ, a value is NaN, a pair is repeated; a negative cost.

    Examples
    --------
    >>> portfolio_returns([1, -1], [0.02, 0.01], [0, 1], [0, 0], cost=0.001).round(6).tolist()
    [0.019, -0.012]
    """
    if not cost >= 0:
        raise ParameterError(f"cost={cost}: pass a cost per unit of turnover, not negative", code="parameter.cost")
    held, earned, date, asset = _aligned(position=position, returns=returns, dates=dates, assets=assets)
    _, day = np.unique(date, return_inverse=True)
    _, column = np.unique(asset, return_inverse=True)
    n_days, n_assets = int(day.max()) + 1, int(column.max()) + 1
    cells = day * n_assets + column
    if len(np.unique(cells)) != len(cells):
        raise DataError("a (date, asset) pair is repeated: pass one row per pair", code="data.duplicate_key")
    # Dense dates × assets: absent assets hold nothing, so leaving and coming back both cost.
    flat = np.zeros(n_days * n_assets)
    flat[cells] = held
    book = flat.reshape(n_days, n_assets)
    turnover = np.abs(np.diff(book, axis=0, prepend=0.0)).sum(axis=1)
    gross = np.bincount(day, weights=held * earned, minlength=n_days)
    present = np.bincount(day, minlength=n_days)
    return np.asarray((gross - cost * turnover) / present)


def sharpe_ratio(returns: ArrayLike, *, periods_per_year: float = 252.0) -> float:
    """Annualised ratio of mean to standard deviation (ddof 1) of per-period returns.

    Parameters
    ----------
    returns : array-like, shape (n_periods,)
        Returns in excess of the risk-free rate, at least two.
    periods_per_year : float
        252 for daily returns.

    Returns
    -------
    float
        NaN when the returns don't vary.

    Raises
    ------
    DataError
        Fewer than two returns, or a NaN.

    Notes
    -----
    Sharpe, The Sharpe Ratio, Journal of Portfolio Management 1994. The square-root rule holds for uncorrelated
    returns.

    Examples
    --------
    >>> round(sharpe_ratio([0.01, -0.005, 0.007, 0.002], periods_per_year=252), 2)
    8.47
    """
    (values,) = _aligned(returns=returns)
    if len(values) < 2:
        raise DataError(f"returns has {len(values)} values: a deviation needs at least two", code="data.too_few")
    if values.min() == values.max():  # the deviation of equal values is rounding, not 0
        return float("nan")
    return float(np.sqrt(periods_per_year) * values.mean() / values.std(ddof=1))


def _aligned(**arrays: ArrayLike) -> tuple[NDArray[np.float64], ...]:
    """1-D arrays of one length without NaN; times and ids keep their exact kind."""
    out: list[NDArray[np.float64]] = []
    for name, values in arrays.items():
        array = np.asarray(values)
        array = array.astype(np.float64) if name not in ("dates", "assets") else array
        if out and array.shape != out[0].shape:
            first = next(iter(arrays))
            raise DataError(f"{name} has shape {array.shape}, {first} has {out[0].shape}", code="data.length_mismatch")
        if array.ndim != 1 or len(array) == 0:
            raise DataError(
                f"{name} has shape {array.shape}: pass at least one value, in one dimension", code="data.shape"
            )
        if array.dtype.kind == "f" and np.isnan(array).any():
            row = int(np.flatnonzero(np.isnan(array))[0])
            raise DataError(f"{name} is NaN at row {row}: drop the row", code="data.nan", row=row, name=name)
        out.append(array)
    return tuple(out)
