"""Daily closes of 20 S&P 500 stocks, and an honest panel made from them."""

from __future__ import annotations

from importlib.resources import as_file, files

import polars as pl

from tradewright.errors import ParameterError
from tradewright.panel import Panel

__all__ = ["load_sp500", "sp500_panel"]

#: Trading days a row must look back at most; earlier rows of each stock are left out.
LOOK_BACK = 252


def load_sp500() -> pl.DataFrame:
    """Return daily adjusted closes of 20 S&P 500 constituents, 1990-01-02 to 2022-12-28.

    Returns
    -------
    polars.DataFrame
        166,260 rows: ``date`` (Date), ``ticker`` (String), ``close`` (Float64, USD), sorted by date, then ticker.

    Notes
    -----
    Real prices, from the table distributed with skfolio 1.12.2 (BSD-3-Clause; see NOTICE). The 20 names are among
    those that survived until 2022: good for trying methods, not for claiming profits.

    Examples
    --------
    >>> load_sp500().head(2)["ticker"].to_list()
    ['AAPL', 'AMD']
    """
    with as_file(files("tradewright.datasets") / "sp500_20_daily.parquet") as path:
        return pl.read_parquet(path)


def sp500_panel(horizon: int = 5) -> Panel:
    """Build a panel of momentum, volatility, reversal and rank features with forward returns as labels.

    Parameters
    ----------
    horizon : int
        Trading days until the label closes.

    Returns
    -------
    Panel
        About 161,000 rows of 20 stocks and 13 float64 features, each known at the close of its day. ``y`` is the simple
        return over the next ``horizon`` days, ``label_end`` the day it is known, ``returns`` the next day's simple
        return: what a position taken at the close earns.

    Raises
    ------
    ParameterError
        When ``horizon`` is less than 1.

    Examples
    --------
    >>> panel = sp500_panel(horizon=5)
    >>> len(panel.feature_names), len(panel.asset_names), panel.dropped
    (13, 20, 100)
    """
    if horizon < 1:
        raise ParameterError(f"horizon={horizon}: pass at least one trading day", code="dataset.horizon")
    close = pl.col("close")
    day = close.log().diff()
    own = (
        load_sp500()
        .sort("ticker", "date")
        .with_columns(
            # per stock, from the past alone
            *(
                expression.over("ticker").alias(name)
                for name, expression in {
                    "reversal_1d": -day,
                    "reversal_5d": -close.log().diff(5),
                    "momentum_1m": close.log().diff(21),
                    "momentum_3m": close.log().diff(63),
                    "momentum_6m": close.log().diff(126),
                    "momentum_12m_1m": close.log().diff(252) - close.log().diff(21),
                    "volatility_1m": day.rolling_std(21),
                    "volatility_3m": day.rolling_std(63),
                    "downside_3m": day.clip(upper_bound=0.0).pow(2).rolling_mean(63).sqrt(),
                    "drawdown_1y": close / close.rolling_max(LOOK_BACK) - 1.0,
                    f"ret_{horizon}d": close.shift(-horizon) / close - 1.0,
                    "ret_next": close.shift(-1) / close - 1.0,
                    "age": pl.int_range(pl.len()),
                }.items()
            )
        )
        .filter(pl.col("age") >= LOOK_BACK)
    )
    # across stocks on one day: the mid-rank, centred, in [-0.5, 0.5]
    ranked = own.with_columns(
        ((pl.col(name).rank() - 0.5) / pl.len() - 0.5).over("date").alias(f"rank_{name}")
        for name in ("momentum_3m", "momentum_12m_1m", "volatility_3m")
    )
    features = [
        *(
            name
            for name in own.columns
            if name.partition("_")[0] in {"reversal", "momentum", "volatility", "downside", "drawdown"}
        ),
        *(name for name in ranked.columns if name.startswith("rank_")),
    ]
    return Panel.from_frame(
        ranked.sort("date", "ticker"),
        target=f"ret_{horizon}d",
        time="date",
        asset="ticker",
        horizon=horizon,
        returns="ret_next",
        features=features,
    )
