"""Honest panels of many kinds, and ways to sabotage them: for the gallery of leaks and for the calibration of checks.

Everything a row says is known at its time; labels are sums of the returns that follow. What makes real panels hard for
checks is there: persistent features, overlapping labels, regimes of volatility, a market factor, random walks, columns of
few values, columns that are equal for all assets, figures that are published once a quarter or a month, attributes that
never change, warm-up gaps, assets that are listed late and tickers that change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tradewright as tw

Grid = NDArray[np.float64]


@dataclass(frozen=True)
class Market:
    """A panel as grids of (times, assets), before it becomes rows.

    ``kept`` marks the rows that exist; ``names`` are the assets' names at each time.
    """

    features: Mapping[str, Grid]
    label: Grid
    returns: Grid
    kept: NDArray[np.bool_]
    names: NDArray[Any]
    horizon: int
    start: str = "2015-01-02"
    changed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        return self.label.shape

    @property
    def dates(self) -> NDArray[Any]:
        """Business days."""
        return np.busday_offset(self.start, np.arange(self.shape[0]), roll="forward")

    def with_feature(self, name: str, values: Grid) -> Market:
        return replace(self, features={**self.features, name: values})

    def arrays(self) -> dict[str, Any]:
        """Features (n, k), labels, times, assets and label ends of the rows whose label has closed."""
        n_times = self.shape[0]
        kept = self.kept.copy()
        kept[n_times - self.horizon :] = False
        rows = np.nonzero(kept)
        X = np.column_stack([values[rows] for values in self.features.values()])
        dates = self.dates
        return {
            "X": X,
            "y": self.label[rows],
            "time": dates[rows[0]],
            "asset": self.names[rows],
            "label_end": dates[rows[0] + self.horizon],
            "returns": self.returns[rows[0] + 1, rows[1]],
            "names": list(self.features),
        }

    def panel(self, order: NDArray[np.int64] | None = None) -> tw.Panel:
        """The rows as a panel, in date order or in another."""
        data = self.arrays()
        rows = np.arange(len(data["y"])) if order is None else order
        return tw.Panel.from_arrays(
            data["X"][rows],
            data["y"][rows],
            time=data["time"][rows],
            asset=data["asset"][rows],
            label_end=data["label_end"][rows],
            returns=data["returns"][rows],
            feature_names=data["names"],
        )


def honest_market(
    seed: int, n_times: int = 420, n_assets: int = 8, horizon: int = 5, *, binary: bool = False, drift: float = 0.0
) -> Market:
    """Make a market with the features of an honest pipeline."""
    rng = np.random.default_rng(seed)
    shape = (n_times, n_assets)
    regime = np.where((np.arange(n_times) // 70) % 2, 0.022, 0.009)[:, None]
    level = np.exp(_ar1(rng, (n_times, 1), 0.98) * 0.3)
    common = rng.standard_t(5, size=(n_times, 1)) * 0.6
    returns = (common + rng.standard_t(5, size=shape)) * regime * level * 0.6 + drift
    prices = np.cumsum(returns, axis=0)
    label = np.full(shape, np.nan)
    label[:-horizon] = prices[horizon:] - prices[:-horizon]
    if binary:
        label = np.where(np.isnan(label), np.nan, (label > 0).astype(float))
    names = np.tile(np.array([f"A{j:02d}" for j in range(n_assets)], dtype=object), (n_times, 1))
    kept = np.ones(shape, dtype=bool)
    if n_assets > 1:
        names[n_times // 2 :, 0] = "B00"  # a ticker that changes its name goes on with values of its own
        kept[: n_times // 3, 1] = False  # listed late
    return Market(_features(rng, returns, prices), label, returns, kept, names, horizon)


def _features(rng: np.random.Generator, returns: Grid, prices: Grid) -> dict[str, Grid]:
    n_times, n_assets = returns.shape
    shape = returns.shape
    own = {
        "reversal": -returns,
        "momentum": _lagged_sum(returns, 20),
        "momentum_slow": _lagged_sum(returns, 60),
        "volatility": np.sqrt(np.maximum(_lagged_sum(returns**2, 20) / 20, 0)),
        "persistent": _ar1(rng, shape, 0.97),
        "very_persistent": _ar1(rng, shape, 0.995),
        "walk": np.cumsum(rng.normal(size=shape), axis=0),
        "price": 100 * np.exp(prices),
        "volume": 12 + _ar1(rng, shape, 0.9) + rng.normal(size=(1, n_assets)),  # the logarithm of shares
        "is_up": (returns > 0).astype(float),
        "weekday": np.repeat((np.arange(n_times) % 5)[:, None], n_assets, axis=1).astype(float),
        "earnings": np.where(rng.random(shape) < 0.02, rng.normal(size=shape), 0.0),
        "noise": rng.normal(size=shape),
        "fundamental": _published(rng, shape, 63),
        "implied_volatility": np.sqrt(np.maximum(_lagged_sum(returns**2, 10), 0))
        * np.exp(rng.normal(size=shape) * 0.2),
    }
    if n_assets == 1:
        return own
    centred = returns - returns.mean(axis=1, keepdims=True)
    return {
        **own,
        "rank": _ar1(rng, shape, 0.8).argsort(axis=1).argsort(axis=1).astype(float),
        "z_per_date": centred / centred.std(axis=1, keepdims=True, ddof=1),
        "sector": np.tile(np.arange(n_assets) % 3, (n_times, 1)).astype(float),
        "market": np.repeat(returns.mean(axis=1, keepdims=True), n_assets, axis=1),
        "macro": np.repeat(_published(rng, (n_times, 1), 21), n_assets, axis=1),
        "founded": np.tile(1990 + 30 * rng.random(n_assets), (n_times, 1)),
    }


def _published(rng: np.random.Generator, shape: tuple[int, int], every: int) -> Grid:
    """A walk that stands still between its publications; each asset has its own days."""
    steps = (np.arange(shape[0])[:, None] + rng.integers(every, size=shape[1])) // every
    walks = np.cumsum(rng.normal(size=(steps.max() + 1, shape[1])), axis=0)
    return np.take_along_axis(walks, steps, axis=0)


def _ar1(rng: np.random.Generator, shape: tuple[int, ...], rho: float) -> Grid:
    """A stationary first-order autoregression down the first axis, of unit variance."""
    noise = rng.normal(size=shape) * np.sqrt(1 - rho**2)
    values = np.empty(shape)
    values[0] = rng.normal(size=shape[1:])
    for t in range(1, shape[0]):
        values[t] = rho * values[t - 1] + noise[t]
    return values


def _lagged_sum(values: Grid, window: int) -> Grid:
    """The sum over the last ``window`` rows, this one included; NaN before there are as many."""
    total = np.cumsum(values, axis=0)
    out = np.full(values.shape, np.nan)
    out[window - 1] = total[window - 1]
    out[window:] = total[window:] - total[:-window]
    return out


#: Ways an honest market can look; the calibration goes through all of them.
HONEST: dict[str, Callable[[int], Market]] = {
    "regimes": honest_market,
    "one bar": lambda seed: honest_market(seed, horizon=1),
    "long labels": lambda seed: honest_market(seed, n_times=1600, n_assets=3, horizon=20),
    "classes": lambda seed: honest_market(seed, binary=True),
    "one asset": lambda seed: honest_market(seed, n_times=1500, n_assets=1),
    "many assets": lambda seed: honest_market(seed, n_times=260, n_assets=40),
}
