"""A feature function is run on parts of its data: what looks ahead is found and shown, what does not is left alone."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pandas as pd
import polars as pl
import pytest

import tradewright as tw
from tradewright.errors import ColumnNotFoundError, DataError, EmptyDataError, ParameterError
from tradewright.sanity_checks.pipeline.probe import draw_cuts

ASSETS = list("ABCD")
N_TIMES = 90


def long_panel(order="time"):
    """Prices of four assets by date, with gaps in one of seven volumes."""
    rng = np.random.default_rng(3)
    n = N_TIMES * len(ASSETS)
    frame = pl.DataFrame(
        {
            "date": np.repeat(np.datetime64("2024-01-01") + np.arange(N_TIMES), len(ASSETS)),
            "ticker": ASSETS * N_TIMES,
            "close": 50 + rng.normal(size=n).cumsum() * 0.1,
            "volume": rng.integers(1, 1000, n),
        }
    )
    if order == "asset":
        return frame.sort("ticker", "date")
    return frame.sample(fraction=1.0, shuffle=True, seed=1) if order == "shuffled" else frame


def causal(frame):
    """The features of an honest pipeline: lags, averages, ranks within a date, one-hot, text."""
    close, own = pl.col("close"), "ticker"
    return frame.sort("ticker", "date").select(
        "date",
        "ticker",
        close.shift(1).over(own).alias("lag"),
        close.rolling_mean(5).over(own).alias("mean_5"),
        close.ewm_mean(span=30).over(own).alias("ema"),
        close.rank().over("date").alias("rank"),
        pl.when(pl.col("volume") % 7 > 0).then(close).forward_fill().over(own).alias("filled"),
        pl.when(close > 50).then(pl.lit("high")).otherwise(pl.lit("low")).alias("level"),
    )


LEAKS = {
    "shift": lambda close: close.shift(-3).over("ticker"),
    "backfill": lambda close: pl.when(pl.col("volume") % 7 > 0).then(close).backward_fill().over("ticker"),
    "scaled": lambda close: (close - close.mean()) / close.std(),
    "rank": lambda close: close.rank().over("ticker"),
    "centred": lambda close: close.rolling_mean(5, center=True).over("ticker"),
    "reversed": lambda close: close.reverse().ewm_mean(span=5).reverse().over("ticker"),
    "best": lambda close: close == close.max().over("ticker"),
    "word": lambda close: pl.when(close > close.median()).then(pl.lit("up")).otherwise(pl.lit("down")),
}


@pytest.mark.parametrize("order", ["time", "asset", "shuffled"])
def test_an_honest_pipeline_of_a_panel_is_left_alone(order):
    report = tw.check_pipeline(causal, long_panel(order), asset="ticker", windows=(80,))
    assert report.findings == (), str(report)
    assert report.checks_run == (
        "lookahead.nondeterministic",
        "lookahead.truncation",
        "lookahead.perturb",
        "lookahead.warmup",
    )
    assert report.config["rows_matched_by"] == "keys"
    assert report.config["bars"] == N_TIMES


@pytest.mark.parametrize(
    ("leak", "order"), [*((leak, "shuffled") for leak in LEAKS), ("backfill", "time"), ("backfill", "asset")]
)
def test_each_leak_is_found_and_named(leak, order):
    def features(frame):
        ahead = frame.sort("ticker", "date").select(
            "date", "ticker", LEAKS[leak](pl.col("close")).alias(f"leak_{leak}")
        )
        return causal(frame).join(ahead, on=["date", "ticker"])

    report = tw.check_pipeline(features, long_panel(order), asset="ticker")
    errors = [finding for finding in report.at_least("error") if finding.id == "lookahead.truncation"]
    assert [finding.columns for finding in errors] == [(f"leak_{leak}",)], str(report)
    example = errors[0].examples[0]
    assert example.value != example.other_value
    assert example.asset in ASSETS
    assert example.time is not None
    assert str(example.row) in errors[0].message


def test_one_gap_in_seven_is_found_by_32_cuts_and_shown_at_the_gap():
    prices = np.cumsum(np.random.default_rng(0).normal(size=3000))
    gaps = np.random.default_rng(1).random(3000) < 1 / 7

    def backfilled(values):
        return pd.Series(np.where(gaps[: len(values)], np.nan, values)).bfill().to_numpy()

    found = [not tw.check_pipeline(backfilled, prices, seed=seed).passed() for seed in range(12)]
    assert sum(found) >= 11
    finding = next(f for f in tw.check_pipeline(backfilled, prices, seed=1).findings if f.id == "lookahead.truncation")
    assert gaps[finding.examples[0].row]
    assert finding.examples[0].other_value == "nan"


@pytest.mark.parametrize(
    ("function", "ahead"),
    [
        (lambda p: np.r_[p[1:], np.nan], "it looks 1 row ahead"),
        (lambda p: np.r_[p[17:], np.full(17, np.nan)][: len(p)], "it looks 17 rows ahead"),
        (lambda p: p - p.mean(), "it looks to the very end of the data"),
    ],
)
def test_it_is_told_how_far_a_feature_looks(function, ahead):
    report = tw.check_pipeline(function, np.cumsum(np.random.default_rng(0).normal(size=400)))
    assert ahead in report.findings[0].message


def test_counts_are_rows_whose_value_depends_on_later_rows():
    prices = np.cumsum(np.random.default_rng(0).normal(size=20))
    report = tw.check_pipeline(lambda p: np.r_[p[1:], np.nan], prices, cuts=100)
    # Every place is cut at: each row but the last one knows its successor.
    assert report.findings[0].count == 19


def test_perturbing_finds_code_that_behaves_on_short_data():
    prices = np.exp(np.cumsum(np.random.default_rng(0).normal(size=500)) * 0.01)

    def features(p):
        return {"lag": np.r_[np.nan, p[:-1]], "sly": p / p.max() if len(p) == 500 else p / prices.max()}

    report = tw.check_pipeline(features, prices)
    assert {(f.id, f.columns) for f in report.at_least("error")} == {("lookahead.perturb", ("sly",))}


def test_what_has_not_settled_is_a_warning_and_what_is_missing_is_info():
    prices = pd.DataFrame({"close": np.cumsum(np.random.default_rng(0).normal(size=600))})

    def features(frame):
        close = frame["close"]
        return pd.DataFrame({"ema": close.ewm(span=100).mean(), "sma": close.rolling(80).mean(), "lag": close.shift(1)})

    report = tw.check_pipeline(features, prices, windows=(50, 599))
    assert {(f.id, f.severity, f.columns) for f in report.findings} == {
        ("lookahead.warmup", "warning", ("ema",)),
        ("lookahead.warmup", "info", ("sma",)),
    }
    loose = tw.check_pipeline(features, prices, config={"lookahead.warmup": {"relative": 5.0}})
    assert loose.passed("warning")


def test_chance_is_named_and_not_taken_for_the_future():
    rng = np.random.default_rng(0)

    def features(p):
        return {"noise": rng.normal(size=len(p)), "next": np.r_[p[1:], 0.0]}

    report = tw.check_pipeline(features, np.arange(300.0))
    assert {(f.id, f.severity, f.columns) for f in report.at_least("warning")} == {
        ("lookahead.nondeterministic", "warning", ("noise",)),
        ("lookahead.truncation", "error", ("next",)),
        ("lookahead.perturb", "error", ("next",)),
    }
    quiet = tw.check_pipeline(features, np.arange(300.0), ignore=["lookahead.nondeterministic"])
    assert {f.columns for f in quiet.findings} == {("next",)}
    alone = tw.check_pipeline(lambda p: rng.normal(size=len(p)), np.arange(300.0))
    assert set(alone.checks_skipped.values()) == {"no feature is the same in two runs"}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_noise_of_floating_point_is_no_finding(dtype):
    """Convolution by Fourier transforms rounds differently for every length."""
    prices = (100 + np.cumsum(np.random.default_rng(0).normal(size=700))).astype(dtype)

    def features(p):
        size = 2 * len(p)
        kernel = np.zeros(len(p))
        kernel[:10] = 0.1
        smooth = np.fft.irfft(np.fft.rfft(p, size) * np.fft.rfft(kernel, size), size)[: len(p)]
        return smooth.astype(dtype)

    assert (features(prices)[:300] != features(prices[:300])).any()
    report = tw.check_pipeline(features, prices, windows=(100,))
    assert report.passed("warning"), str(report)


def test_reports_are_reproducible():
    prices = np.arange(200.0)
    reports = [tw.check_pipeline(lambda p: p / p[-1], prices, seed=seed) for seed in (1, 1, 2)]
    assert reports[0].digest == reports[1].digest != reports[2].digest


def test_a_function_that_writes_to_its_input_spoils_nothing():
    prices = np.arange(1.0, 200.0)
    before = prices.copy()

    def features(p):
        p -= p[0]
        return p

    assert tw.check_pipeline(features, prices, windows=(198,)).passed("warning")
    np.testing.assert_array_equal(prices, before)


def test_random_cuts_cover_all_of_the_time():
    cuts = draw_cuts(10_000, 32, seed=5)
    assert len(cuts) == 32
    assert all(k * 9999 / 32 - 1 <= cut <= (k + 1) * 9999 / 32 for k, cut in enumerate(cuts))
    assert draw_cuts(5, 32, seed=0) == [0, 1, 2, 3]
    assert draw_cuts(1, 32, seed=0) == []


# --- what a finding shows runs --------------------------------------------------------------------------------------

PRICES = 50 + np.cumsum(np.random.default_rng(0).normal(size=120))
DATES = pd.date_range("2024-01-01", periods=120)


def shifted_panel(frame):
    return frame.with_columns(pl.col("close").shift(-1).over("ticker").alias("next"))


def pandas_panel(frame):
    return frame.assign(next=frame.groupby(level="ticker")["close"].shift(-1))


MULTI = long_panel("asset").to_pandas().set_index(["date", "ticker"])
CASES = {
    "array": (lambda p: p / p[-1], PRICES),
    "matrix": (lambda p: p - p.mean(axis=0), PRICES.reshape(-1, 2)),
    "dict": (lambda p: {"a": p, "b": np.column_stack([p, p[::-1]])}, PRICES),
    "whole numbers": (lambda p: p - p[-1], np.random.default_rng(0).integers(0, 10**6, 120)),
    "pandas series": (lambda s: s.shift(-1), pd.Series(PRICES, index=DATES, name="close")),
    "pandas frame": (lambda f: f.assign(z=f["close"] / f["close"].max()), pd.DataFrame({"close": PRICES}, index=DATES)),
    "pandas levels": (pandas_panel, MULTI),
    "pandas column": (
        lambda f: f.assign(next=f.groupby("ticker")["close"].shift(-1)),
        long_panel("shuffled").to_pandas(),
    ),
    "polars series": (lambda s: s.shift(-1), pl.Series("close", PRICES)),
    "polars frame": (lambda f: f.select(z=pl.col("close") / pl.col("close").max()), pl.DataFrame({"close": PRICES})),
    "polars panel": (shifted_panel, long_panel("shuffled")),
}


def number(text):
    return float("nan") if text == "None" else float(text)


@pytest.mark.parametrize("case", CASES)
def test_code_of_a_finding_runs_and_prints_both_values(case):
    function, raw = CASES[case]
    named = {"asset": "ticker"} if case in ("pandas column", "polars panel") else {}
    report = tw.check_pipeline(function, raw, **named)
    assert {f.id for f in report.at_least("error")} >= {"lookahead.truncation", "lookahead.perturb"}, str(report)
    for finding in report.at_least("warning"):
        code = finding.reproducer.replace("f = <lambda>", "")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, {"f": function, "raw": raw, function.__name__: function})
        first, second = printed.getvalue().split()
        told = finding.examples[0]
        assert (number(first), number(second)) == pytest.approx(
            (number(told.value), number(told.other_value)), nan_ok=True
        )
        assert first != second


# --- rows that are dropped ------------------------------------------------------------------------------------------


def test_dropped_warm_up_is_honest_and_dropped_newest_rows_are_not():
    frame = pd.DataFrame({"close": PRICES}, index=DATES)
    honest = tw.check_pipeline(lambda f: f.rolling(5).mean().dropna(), frame, windows=(50,))
    assert honest.findings == (), str(honest)
    # Equal in every row there is: that the newest row is missing gives it away.
    sly = tw.check_pipeline(lambda f: f.assign(next=f["close"].shift(-1)).dropna()[["next"]], frame)
    assert next((f.id, f.severity) for f in sly.at_least("error")) == ("lookahead.truncation", "error")
    assert "depends on later rows in 31 of 31 cuts" in sly.findings[0].message


@pytest.mark.parametrize("drop", [lambda p: np.diff(p), lambda p: np.convolve(p, np.ones(9) / 9, "valid")])
def test_arrays_with_fewer_rows_are_counted_from_the_first(drop):
    report = tw.check_pipeline(drop, PRICES)
    assert report.passed("warning"), str(report)
    assert "rows were counted from the first one" in report.findings[0].message
    assert report.config["rows_matched_by"] == "front"
    leaky = tw.check_pipeline(lambda p: drop(p) / p[-1], PRICES)
    assert not leaky.passed()


def test_rows_that_cannot_be_told_apart_are_refused():
    frame = long_panel("shuffled")
    with pytest.raises(DataError, match="return the columns of time and asset"):
        tw.check_pipeline(lambda f: f.drop("date").filter(pl.col("volume") > 500), frame)


def test_bars_are_cut_for_all_assets_together():
    """The market mean of a date is honest; that of yesterday's date under tomorrow's key is not."""

    def market(frame):
        mean = frame.group_by("date").agg(pl.col("close").mean().alias("market")).sort("date")
        ahead = mean.with_columns(pl.col("market").shift(-1).alias("tomorrow"))
        return frame.join(ahead, on="date", how="left", maintain_order="left")

    report = tw.check_pipeline(market, long_panel("asset"), asset="ticker")
    assert {f.columns for f in report.at_least("warning")} == {("tomorrow",)}


def test_resampled_rows_claim_nothing_before_their_own_time():
    frame = pd.DataFrame({"close": PRICES}, index=DATES)
    weekly = tw.check_pipeline(lambda f: f.resample("W").last(), frame, time=None, windows=(50,))
    assert weekly.passed("warning"), str(weekly)
    monday = tw.check_pipeline(lambda f: f.resample("W", label="left", closed="left").last(), frame)
    assert not monday.passed()  # a week's last price stands at its first day


# --- functions that fail --------------------------------------------------------------------------------------------


def test_short_inputs_that_raise_are_told_and_others_looked_at_instead():
    def features(p):
        if len(p) < 150:
            raise ValueError("need 150 rows")
        return p / p[149]

    report = tw.check_pipeline(features, np.arange(1.0, 500.0), windows=(200,))
    assert [(f.id, f.severity) for f in report.findings if f.id == "lookahead.truncation"] == [
        ("lookahead.truncation", "info")
    ]
    message = next(f.message for f in report.findings if f.id == "lookahead.truncation")
    assert "all of at most 1" in message
    assert "ValueError: need 150 rows" in message


def test_long_inputs_that_raise_are_a_warning():
    def features(p):
        if len(p) % 2 and len(p) != 499:
            raise ValueError("odd")
        return p

    report = tw.check_pipeline(features, np.arange(499.0))
    finding = next(f for f in report.findings if f.id == "lookahead.truncation")
    assert finding.severity == "warning"
    assert "also on" in finding.message


def test_a_function_that_works_on_all_rows_alone_skips_its_checks():
    def features(p):
        if len(p) != 300 or p[-1] != 299:
            raise RuntimeError("all or nothing")
        return p

    report = tw.check_pipeline(features, np.arange(300.0))
    assert set(report.checks_skipped) == {"lookahead.truncation", "lookahead.perturb", "lookahead.warmup"}
    assert "RuntimeError: all or nothing" in report.checks_skipped["lookahead.truncation"]


def test_what_it_raises_on_all_rows_is_raised():
    def features(p):
        raise KeyError("close")

    with pytest.raises(KeyError) as raised:
        tw.check_pipeline(features, np.arange(10.0))
    assert "on all 10 rows" in raised.value.__notes__[0]


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "keywords", "error", "message"),
    [
        ([1.0, 2.0], {}, DataError, "raw is a builtins.list"),
        (np.float64(3.0), {}, DataError, "raw is a numpy.float64"),
        (np.array(3.0), {}, DataError, "single number"),
        (np.empty((0, 3)), {}, EmptyDataError, "no rows"),
        (pl.DataFrame({"a": [1.0]}).lazy(), {}, DataError, "collect it first"),
        (PRICES, {"time": "date"}, ParameterError, "an array has none"),
        (long_panel(), {"time": "day"}, ColumnNotFoundError, "raw has no 'day'; it has 'date'"),
        (long_panel().with_columns(end="date"), {}, ParameterError, "2 columns of times .'date', 'end'."),
        (PRICES, {"cuts": 0}, ParameterError, "cuts has 0"),
        (PRICES, {"windows": (2.5,)}, ParameterError, "windows has 2.5"),
        (PRICES, {"config": {"lookahead.warm": {}}}, ParameterError, "there is lookahead.warmup"),
        (PRICES, {"config": {"lookahead.warmup": {"x": 1}}}, ParameterError, "it has relative, places"),
    ],
)
def test_refused_data(raw, keywords, error, message):
    with pytest.raises(error, match=message):
        tw.check_pipeline(lambda p: p, raw, **keywords)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (lambda p: None, "returned a NoneType"),
        (lambda p: 3.0, "returned a float"),
        (lambda p: {"a": p, "b": p[1:]}, "different lengths: 'a' 120, 'b' 119"),
        (lambda p: {"a": 1}, "a int for 'a'"),
        (lambda p: pl.DataFrame({"a": p}).lazy(), "lazy frame: collect it"),
        (lambda p: np.zeros((2, 2, 2)), "return a frame, an array"),
    ],
)
def test_refused_outputs(output, message):
    with pytest.raises(DataError, match=message):
        tw.check_pipeline(output, PRICES)


def test_one_row_and_one_time_have_nothing_to_take_away():
    report = tw.check_pipeline(lambda p: p, np.array([1.0]))
    assert report.checks_run == ("lookahead.nondeterministic",)
    assert "one time only" in report.checks_skipped["lookahead.truncation"]
    swapped = "f is a ndarray, not a function"
    with pytest.raises(ParameterError, match=swapped):
        tw.check_pipeline(PRICES, lambda p: p)


def test_columns_of_any_kind_are_compared():
    frame = pd.DataFrame({"close": PRICES, "sector": pd.Categorical(["a", "b"] * 60)}, index=DATES)

    def features(f):
        known = f["close"] > f["close"].expanding().mean()
        return pd.DataFrame(
            {
                "sector": f["sector"],
                "when": f.index,
                "word": known.map({True: "up", False: None}),
                "flag": known,
                "nullable": pd.array(known.astype(int), dtype="Int64"),
                "list": [[x] for x in f["close"]],
                1: f["close"],
                "last_word": ["end" if t == f.index[-1] else "" for t in f.index],
            }
        )

    report = tw.check_pipeline(features, frame, windows=(119,))
    assert {f.columns for f in report.at_least("error")} == {("last_word",)}, str(report)


def test_columns_that_appear_later_are_a_warning():
    frame = pl.DataFrame({"close": PRICES, "regime": ["calm"] * 60 + ["wild"] * 60})
    report = tw.check_pipeline(lambda f: f.to_dummies("regime"), frame)
    finding = report.at_least("warning")[0]
    assert (finding.severity, finding.columns) == ("warning", ("regime_wild",))


def test_findings_about_a_feature_can_be_left_out():
    report = tw.check_pipeline(
        lambda p: {"a": p / p[-1], "b": p[::-1]},
        PRICES,
        ignore=[("lookahead.truncation", "a"), "lookahead.perturb", "lookahead.warmup"],
    )
    assert {(f.id, f.columns) for f in report.findings} == {("lookahead.truncation", ("b",))}
    assert "lookahead.perturb" not in report.checks_run
