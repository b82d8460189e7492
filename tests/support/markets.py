"""Panels of returns with everything that makes honest data look suspicious."""

from __future__ import annotations

import numpy as np

from tradewright import Panel

HORIZON = 5


def lagged(values, rows):
    """The values of so many rows earlier (later, for negative rows), NaN where there are none."""
    out = np.full(values.shape, np.nan)
    if rows > 0:
        out[rows:] = values[:-rows]
    else:
        out[: len(values) + rows] = values[-rows:]
    return out


def market(seed, n_times=500, n_assets=8):
    """Features (times × assets) by name, labels over five rows, and the returns of one row.

    A common factor, fat tails, volatility regimes; among the features walks, levels, persistent and discrete ones,
    z-scores by date, trends, warm-up, the last known label, and a weak honest signal.
    """
    rng = np.random.default_rng(seed)
    shape = (n_times, n_assets)
    volatility = np.where((np.arange(n_times) // 90) % 2, 0.02, 0.008)[:, None]
    returns = (0.5 * rng.normal(size=(n_times, 1)) + rng.standard_t(4, size=shape) / 1.4) * volatility
    price = np.cumsum(returns, axis=0)
    label = lagged(price, -HORIZON) - price

    def persistent(phi):
        out = rng.normal(size=shape)
        for t in range(1, n_times):
            out[t] += phi * out[t - 1]
        return out

    momentum = price - lagged(price, 20)
    squares = np.array([np.convolve(returns[:, j] ** 2, np.ones(20) / 20)[:n_times] for j in range(n_assets)]).T
    with np.errstate(invalid="ignore"):
        by_date = (momentum - momentum.mean(axis=1, keepdims=True)) / momentum.std(axis=1, keepdims=True)
    across = np.ones((1, n_assets))
    features = {
        "reversal": -returns,
        "price": 100 * np.exp(price),
        "momentum": momentum,
        "momentum_60": price - lagged(price, 60),
        "volatility": np.sqrt(squares),
        "persistent": persistent(0.97),
        "sticky": persistent(0.995),
        "market": returns.mean(axis=1, keepdims=True) * across,
        "macro": np.cumsum(rng.normal(size=(n_times, 1)), axis=0) * across,
        "z_by_date": by_date,
        "rank": returns.argsort(axis=1).argsort(axis=1).astype(float),
        "weekday": (np.arange(n_times) % 5)[:, None] * across,
        "clock": np.arange(n_times)[:, None] * across,
        "sector": rng.normal(size=(1, n_assets)) * np.ones((n_times, 1)),
        "volume": np.cumsum(rng.lognormal(size=shape), axis=0),
        "flag": (persistent(0.9) > 0).astype(float),
        "last_label": lagged(label, HORIZON),
        "signal": 0.03 * np.nan_to_num(label / np.nanstd(label)) + rng.normal(size=shape),
    }
    return features, label, returns


def panel_of(features, label, horizon=HORIZON, order=None):
    """A panel of a market, its rows in any order."""
    n_times, n_assets = label.shape
    time = np.repeat(np.datetime64("2015-01-01") + np.arange(n_times), n_assets)
    asset = np.tile([f"A{j}" for j in range(n_assets)], n_times)
    X = np.column_stack([values.reshape(-1) for values in features.values()]).astype(float)
    rows = np.arange(label.size) if order is None else order
    return Panel.from_arrays(
        X[rows],
        label.reshape(-1)[rows],
        time=time[rows],
        asset=asset[rows],
        horizon=horizon,
        feature_names=list(features),
    )
