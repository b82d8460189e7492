"""A gallery of feature functions on real prices: what honest ones and leaky ones are found to be."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

import tradewright as tw

FIRST, ASSETS = "1995-01-01", ["AAPL", "GE", "KO", "XOM"]


@pytest.fixture(scope="module")
def prices():
    """Closes of four stocks over 300 days, in polars, by date and ticker; one close in seven is missing."""
    frame = tw.datasets.load_sp500().filter(
        pl.col("date") > pl.lit(FIRST).str.to_date(), pl.col("ticker").is_in(ASSETS)
    )
    frame = frame.head(300 * len(ASSETS))
    gap = pl.Series(np.random.default_rng(0).random(len(frame)) < 1 / 7)
    return frame.with_columns(pl.when(gap).then(None).otherwise("close").alias("gappy"))


CLOSE, OWN = pl.col("close"), "ticker"
DAY = CLOSE.log().diff().over(OWN)

HONEST = {
    "returns": DAY,
    "momentum": CLOSE.log().diff(21).over(OWN),
    "volatility": DAY.rolling_std(20).over(OWN),
    "z_score": (CLOSE - CLOSE.rolling_mean(20)).over(OWN) / CLOSE.rolling_std(20).over(OWN),
    "ema": CLOSE.ewm_mean(span=10).over(OWN),
    "drawdown": (CLOSE / CLOSE.cum_max() - 1).over(OWN),
    "expanding_mean": (CLOSE.cum_sum() / CLOSE.cum_count()).over(OWN),
    "rank_of_the_day": CLOSE.rank().over("date"),
    "demeaned_by_day": DAY - DAY.mean().over("date"),
    "forward_filled": pl.col("gappy").forward_fill().over(OWN),
    "days_since_start": pl.int_range(pl.len()).over(OWN),
    "weekday": pl.col("date").dt.weekday(),
    "gap": pl.col("gappy").is_null(),
}

LEAKY = {
    "tomorrow": DAY.shift(-1).over(OWN),
    "next_week": CLOSE.log().diff(5).shift(-5).over(OWN),
    "backfilled": pl.col("gappy").backward_fill().over(OWN),
    "interpolated": pl.col("gappy").interpolate().over(OWN),
    "mean_filled": pl.col("gappy").fill_null(pl.col("gappy").mean()).over(OWN),
    "standardised": (CLOSE - CLOSE.mean()).over(OWN) / CLOSE.std().over(OWN),
    "min_max": (CLOSE - CLOSE.min()).over(OWN) / (CLOSE.max() - CLOSE.min()).over(OWN),
    "rank_of_all_time": CLOSE.rank().over(OWN),
    "centred_average": CLOSE.rolling_mean(5, center=True).over(OWN),
    "smoothed_both_ways": CLOSE.ewm_mean(span=10).reverse().ewm_mean(span=10).reverse().over(OWN),
    "winsorised": CLOSE.clip(CLOSE.quantile(0.05), CLOSE.quantile(0.95)).over(OWN),
    "days_to_the_end": (pl.len() - pl.int_range(pl.len())).over(OWN),
    "peak": CLOSE.eq(CLOSE.max()).over(OWN),
    "relative_to_last": (CLOSE / CLOSE.last()).over(OWN),
    "smoothed": DAY.rolling_mean(11, center=True).over(OWN),
    "week_at_its_monday": (1 + DAY).product().over(OWN, pl.col("date").dt.truncate("1w")),
    "drawdown_to_come": (CLOSE / CLOSE.reverse().cum_max().reverse() - 1).over(OWN),
    "volatility_to_come": DAY.rolling_std(5).shift(-6).over(OWN),
    "target_encoded": DAY.shift(-1).mean().over(OWN),
    "survivor": (CLOSE.last() > CLOSE.first()).over(OWN).cast(pl.Float64) * CLOSE,
    "regime_in_hindsight": (DAY.rolling_mean(21, center=True).over(OWN) > 0).cast(pl.Float64),
    "monthly_mean": CLOSE.mean().over(OWN, pl.col("date").dt.truncate("1mo")),
}


def test_honest_features_are_left_alone(prices):
    report = tw.check_pipeline(
        lambda frame: frame.with_columns(**HONEST), prices, asset="ticker", ignore=["lookahead.warmup"]
    )
    assert report.findings == (), str(report)


@pytest.mark.parametrize("together", [True, False], ids=["all in one", "one by one"])
def test_each_leaky_feature_is_caught(prices, together):
    """Beside honest ones in one function, and on its own."""

    def caught(features):
        report = tw.check_pipeline(
            lambda frame: frame.with_columns(**HONEST, **features), prices, asset="ticker", ignore=["lookahead.warmup"]
        )
        return {f.columns[0] for f in report.at_least("error") if f.id == "lookahead.truncation"}

    if together:
        assert caught(LEAKY) == set(LEAKY)
    else:
        for name in ("tomorrow", "interpolated", "winsorised"):
            assert caught({name: LEAKY[name]}) == {name}


@pytest.mark.parametrize(
    ("feature", "rows_ahead"), [("tomorrow", 1), ("next_week", 5), ("centred_average", 2), ("standardised", None)]
)
def test_how_far_each_looks_is_told(prices, feature, rows_ahead):
    report = tw.check_pipeline(
        lambda frame: frame.with_columns(leak=LEAKY[feature]), prices, asset="ticker", ignore=["lookahead.warmup"]
    )
    message = next(f.message for f in report.findings if f.id == "lookahead.truncation")
    expected = "to the very end of the data" if rows_ahead is None else f"looks {rows_ahead} bar"
    assert expected in message


def test_what_pandas_users_write(prices):
    """Levels of date and ticker, a library's scaler fitted on everything, and its honest counterpart."""
    from sklearn.preprocessing import StandardScaler

    frame = prices.to_pandas().set_index(["date", "ticker"])[["close"]]

    def features(raw):
        own = raw.groupby(level="ticker")["close"]
        change = own.pct_change()
        return pd.DataFrame(
            {
                "change": change,
                "scaled": StandardScaler().fit_transform(change.to_frame())[:, 0],
                "scaled_by_the_past": change / change.groupby(level="ticker").expanding().std().droplevel(0),
                "label": own.pct_change().shift(-1),
            },
            index=raw.index,
        )

    report = tw.check_pipeline(features, frame, cuts=12)
    errors = {f.columns[0] for f in report.at_least("error") if f.columns}
    assert errors == {"scaled", "label"}, str(report)
    assert report.config["time"] == "level date"


def test_components_of_all_rows(prices):
    """The principal components of a year, fitted on the whole of it, and on the days before each."""
    wide = prices.pivot(on="ticker", index="date", values="close").sort("date").to_pandas().set_index("date")

    def features(closes):
        change = np.log(closes).diff().fillna(0.0)
        centred = change - change.mean()
        axis = np.linalg.svd(centred.to_numpy(), full_matrices=False)[2][0]
        past = change.expanding(20).cov().unstack()  # of each day, by what was known
        return pd.DataFrame(
            {"component": centred.to_numpy() @ (axis * np.sign(axis[0])), "covariance": past.iloc[:, 1]},
            index=closes.index,
        )

    report = tw.check_pipeline(features, wide, cuts=16, ignore=["lookahead.warmup"])
    assert {f.columns[0] for f in report.at_least("error")} == {"component"}


def test_an_unsettled_average_is_told_from_a_leak(prices):
    def features(frame):
        return frame.with_columns(slow=CLOSE.ewm_mean(span=120).over(OWN), quick=CLOSE.ewm_mean(span=5).over(OWN))

    report = tw.check_pipeline(features, prices, asset="ticker", windows=(50,))
    assert {(f.id, f.severity, f.columns) for f in report.findings} == {("lookahead.warmup", "warning", ("slow",))}


def test_a_table_joined_from_the_future(prices):
    """Index levels by month, published at the end of the month and joined by month: known too early by weeks."""
    month = pl.col("date").dt.truncate("1mo").alias("month")

    def features(frame):
        monthly = frame.group_by(month).agg(CLOSE.mean().alias("level")).sort("month")
        lagged = monthly.with_columns(pl.col("level").shift(1).alias("level_of_last_month"))
        return frame.with_columns(month).join(lagged, on="month", how="left", maintain_order="left")

    report = tw.check_pipeline(features, prices, asset="ticker", ignore=["lookahead.warmup"])
    assert {f.columns[0] for f in report.at_least("error")} == {"level"}
