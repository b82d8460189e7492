"""Categorical columns: the categories of the train rows, whatever numbers a frame gives them later."""

from __future__ import annotations

import warnings

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tradewright as tw
from tradewright.base.categories import encode_categories
from tradewright.errors import DataError

N = 300
RNG = np.random.default_rng(0)
SECTOR = RNG.choice(["tech", "bank", "oil", "auto"], N)
Z = RNG.normal(size=N)
Y = np.select([SECTOR == "tech", SECTOR == "bank"], [1.0, -1.0], 0.0) + 0.1 * Z

FRAMES = {
    "pandas": lambda s: pd.DataFrame({"z": Z[: len(s)], "sector": pd.Categorical(s)}),
    "pandas, another order": lambda s: pd.DataFrame(
        {"sector": pd.Categorical(s, categories=["oil", "x", "tech", "bank", "auto"], ordered=True), "z": Z[: len(s)]}
    ),
    "polars": lambda s: pl.DataFrame({"sector": pl.Series(s, dtype=pl.Categorical), "z": Z[: len(s)]}),
    "polars enum": lambda s: pl.DataFrame(
        {"z": Z[: len(s)], "sector": pl.Series(s, dtype=pl.Enum(["tech", "oil", "auto", "bank"]))}
    ),
    "polars text": lambda s: pl.DataFrame({"z": Z[: len(s)], "sector": pl.Series(s, dtype=pl.String)}),
    "pandas text": lambda s: pd.DataFrame({"z": Z[: len(s)], "sector": list(s)}),
    "arrow": lambda s: pa.table({"z": Z[: len(s)], "sector": pa.array(s).dictionary_encode()}),
}
TRAINABLE = [name for name in FRAMES if "text" not in name]
BOOSTERS = {
    "lightgbm": {"n_jobs": 1, "min_data_per_group": 1},
    "xgboost": {"n_jobs": 1},
    "catboost": {"thread_count": 1},
}


@pytest.fixture(scope="module", params=sorted(BOOSTERS))
def model(request):
    made = tw.ModelRegistry.create(request.param, n_estimators=15, **BOOSTERS[request.param])
    return made.fit(FRAMES["pandas"](SECTOR), Y)


class TestBoosters:
    @pytest.mark.parametrize("kind", FRAMES)
    def test_every_frame_gives_the_same_predictions(self, model, kind):
        pl.Series(["zz", "oil", "aa"], dtype=pl.Categorical)  # polars numbers categories as they come
        assert np.array_equal(model.predict(FRAMES[kind](SECTOR)), model.predict(FRAMES["pandas"](SECTOR)))
        # A few rows have other categories in another order.
        assert np.array_equal(model.predict(FRAMES[kind](SECTOR[:5])), model.predict(FRAMES["pandas"](SECTOR))[:5])

    def test_the_categories_are_used_and_kept(self, model, tmp_path):
        assert model.metadata.categories == {"sector": ["auto", "bank", "oil", "tech"]}
        assert model.metadata.feature_dtypes == ("float64", "category")
        assert model.score(FRAMES["pandas"](SECTOR), Y) > 0.8
        assert model.feature_importances_[1] > 0.9
        model.save(tmp_path / "model.tw")
        back = tw.load_model(tmp_path / "model.tw")
        assert back.metadata == model.metadata
        assert np.array_equal(back.predict(FRAMES["polars"](SECTOR)), model.predict(FRAMES["pandas"](SECTOR)))

    def test_a_category_nobody_trained_on_counts_as_missing(self, model):
        frame = FRAMES["pandas"](np.array(["mars", "tech", "venus"]))
        with pytest.warns(UserWarning, match=r"'sector': 2 of its categories.*'mars', 'venus'.*count as missing"):
            found = model.predict(frame)
        missing = frame.assign(sector=pd.Categorical([None, "tech", None]))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert np.array_equal(model.predict(missing), found)

    def test_numbers_for_categories_are_refused(self, model):
        frame = FRAMES["pandas"](SECTOR).assign(sector=1.0)
        with pytest.raises(DataError, match=r"'sector' held categories \('auto'.*Float64 here"):
            model.predict(frame)

    @pytest.mark.parametrize("kind", TRAINABLE)
    def test_what_is_trained_on_is_what_is_watched_and_scored(self, kind):
        frame = FRAMES[kind](SECTOR)
        made = tw.ModelRegistry.create("lightgbm", n_estimators=5, **BOOSTERS["lightgbm"])
        made.fit(frame, Y, eval_set=(FRAMES["polars text"](SECTOR[:90]), Y[:90]))
        assert set(made.metadata.categories["sector"]) >= set(SECTOR)
        assert made.score(FRAMES["pandas text"](SECTOR), Y) > 0.3

    def test_through_the_trainer(self):
        made = tw.ModelRegistry.create("xgboost", n_estimators=5, n_jobs=1)
        frame = FRAMES["polars"](SECTOR)
        trainer = tw.ModelTrainer(made, mlflow_uri="off")
        result = trainer.train(frame[:200], Y[:200], FRAMES["polars enum"](SECTOR)[200:], Y[200:], callbacks=[])
        assert result.model.metadata.categories["sector"] == ["auto", "bank", "oil", "tech"]
        assert result.metrics["val_loss"] < np.std(Y)


def test_models_without_categories_say_which_have_them():
    for name in ("ridge", "random_forest"):
        with pytest.raises(DataError, match=r"'sector' is categorical.*'lightgbm', 'xgboost' or 'catboost'"):
            tw.ModelRegistry.create(name).fit(FRAMES["pandas"](SECTOR), Y)


def test_whole_numbers_and_bools_are_categories_too(tmp_path):
    codes = RNG.integers(100, 104, N)
    frame = pd.DataFrame({"z": Z, "industry": pd.Categorical(codes)})
    model = tw.ModelRegistry.create("lightgbm", n_estimators=5, **BOOSTERS["lightgbm"]).fit(frame, codes * 1.0)
    assert model.metadata.categories == {"industry": [100, 101, 102, 103]}
    model.save(tmp_path / "model.tw")
    plain = tw.load_model(tmp_path / "model.tw").predict(frame.assign(industry=codes))
    assert np.array_equal(plain, model.predict(frame))
    dates = pd.Categorical(pd.to_datetime(["2020-01-01"] * N))
    with pytest.raises(DataError, match="Timestamp: a saved model can hold text and numbers"):
        tw.ModelRegistry.create("lightgbm").fit(frame.assign(industry=dates), Y)


@settings(max_examples=80, deadline=None)
@given(
    values=st.lists(st.sampled_from(["a", "b", "c", "dé", None]), min_size=1, max_size=20),
    order=st.permutations(["a", "b", "c", "dé", "e"]),
)
def test_codes_against_the_obvious(values, order):
    known = ["b", "dé", "a"]
    wanted = [known.index(value) if value in known else np.nan for value in values]
    columns = {
        "pandas": pd.Series(pd.Categorical(values, categories=order)),
        "polars": pl.Series(values, dtype=pl.Categorical),
        "enum": pl.Series(values, dtype=pl.Enum(order)),
        "text": pl.Series(values, dtype=pl.String),
    }
    for kind, column in columns.items():
        series = nw.from_native(column, series_only=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found, kept = encode_categories("x", series, known)
            assert np.array_equal(found, wanted, equal_nan=True), kind
            assert kept == known
            if kind != "text":
                own, learnt = encode_categories("x", series)
                back = [None if np.isnan(code) else learnt[int(code)] for code in own]
                assert back == values, kind
                assert learnt == (list(order) if kind != "polars" else sorted(learnt)), kind
