"""predict(panel) says how many of the rows were trained on, and keeps quiet about all others."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tradewright as tw
from tradewright.base.trained_rows import count_trained, describe_trained
from tradewright.panel.evidence import take_evidence

N_DATES, N_ASSETS = 80, 5


def make_panel(seed=0, assets=True, unit="D", dtype=np.float64, shuffle=False, start=0):
    rng = np.random.default_rng(seed)
    n = N_DATES * N_ASSETS
    times = np.datetime64("2020-01-01") + np.repeat(np.arange(N_DATES), N_ASSETS) + start
    X, y = rng.normal(size=(n, 3)), rng.normal(size=n)
    names = np.tile([f"T{i}" for i in range(N_ASSETS)], N_DATES)
    if not assets:
        times = np.datetime64("2020-01-01") + np.arange(n) + start
    order = rng.permutation(n) if shuffle else np.arange(n)
    return tw.Panel.from_arrays(
        X[order].astype(dtype),
        y[order],
        time=times[order].astype(f"datetime64[{unit}]"),
        asset=names[order] if assets else None,
        horizon=2,
    )


def fitted(panel, fold=None):
    if fold is None:
        return tw.ModelRegistry.create("ridge").fit(panel)
    trainer = tw.ModelTrainer(tw.ModelRegistry.create("ridge"), mlflow_uri="off", seed=0)
    return trainer.train(panel, fold=fold, callbacks=[]).model


def told(model, X, **options):
    """The warning that predicting brings; None without one."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", tw.TrainedRowsWarning)
        model.predict(X, **options)
    found = [item for item in caught if issubclass(item.category, tw.TrainedRowsWarning)]
    assert len(found) <= 1
    if found:
        assert found[0].filename == __file__  # it points at who called predict
        return str(found[0].message)
    return None


@pytest.fixture(params=["assets", "no assets", "unsorted"], scope="module")
def chain(request, tmp_path_factory):
    panel = make_panel(assets=request.param != "no assets", shuffle=request.param == "unsorted")
    plan = tw.PurgedKFold(n_splits=4, embargo=1).plan(panel)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("runs"))
        model = fitted(panel, plan[1])
    return panel, plan, model


class TestTheSamePanel:
    def test_the_count_is_exact(self, chain):
        panel, plan, model = chain
        message = told(model, panel)
        assert message.startswith(f"{len(plan[1].train):,} of these {len(panel):,} rows were trained on:")

    def test_rows_of_the_fold(self, chain):
        panel, plan, model = chain
        for role in ("test", "purged", "embargoed"):
            assert told(model, panel, rows=getattr(plan[1], role)) is None
        assert told(model, panel, rows=plan[1].train).startswith(f"these {len(plan[1].train):,} rows were trained on")
        mixed = np.sort(np.r_[plan[1].train.indices()[:7], plan[1].test.indices()[:3]])
        assert told(model, panel, rows=mixed).startswith("7 of these 10 rows were trained on:")

    def test_probabilities_and_scores_say_it_too(self, chain):
        panel, _, model = chain
        with pytest.warns(tw.TrainedRowsWarning):
            model.score(panel)
        classifier = tw.ModelRegistry.create("logistic").fit(panel, panel.y > 0)
        with pytest.warns(tw.TrainedRowsWarning):
            classifier.predict_proba(panel)

    def test_after_a_save_and_in_a_pickle(self, chain, tmp_path):
        panel, _, model = chain
        tw.save_model(model, tmp_path / "model.tw")
        assert told(tw.load_model(tmp_path / "model.tw"), panel) == told(model, panel)
        assert told(pickle.loads(pickle.dumps(model)), panel) == told(model, panel)

    def test_it_can_be_switched_off(self, chain):
        panel, _, model = chain
        copy = pickle.loads(pickle.dumps(model))
        copy.warns_of_trained_rows = False
        assert told(copy, panel) is None
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", tw.TrainedRowsWarning)
            model.predict(panel)


class TestAnotherPanel:
    def test_a_part_of_it(self, chain):
        panel, plan, model = chain
        part = panel.take(plan[1].train)
        assert told(model, part).startswith(f"these {len(part):,} rows were trained on, going by their times")
        assert told(model, panel.take(plan[1].test)) is None

    def test_it_grew(self, chain):
        """The panel of next month holds the rows of last month: those are told, the new ones aren't."""
        panel, plan, model = chain
        later = make_panel(seed=9, assets=panel.asset is not None, start=N_DATES * N_ASSETS)
        frames = [part.to_frame().select(sorted(part.to_frame().columns)) for part in (panel, later)]
        grown = tw.Panel.from_frame(
            pl.concat(frames, how="vertical"),
            target="y",
            time="time",
            asset="asset" if panel.asset is not None else None,
            label_end="label_end",
        )
        assert told(model, grown).startswith(f"{len(plan[1].train):,} of these {len(grown):,} rows were trained on")
        assert told(model, later) is None

    @pytest.mark.parametrize("change", [{"unit": "ns"}, {"dtype": np.float32}, {"shuffle": True}])
    def test_the_same_rows_in_other_units_types_and_orders(self, change):
        model, other = fitted(make_panel()), make_panel(**change)
        assert told(model, other).startswith(f"these {len(other):,} rows were trained on")

    @pytest.mark.parametrize("assets", [True, False])
    def test_other_data_of_the_same_dates(self, assets):
        """Two stocks share their dates, and so do two simulations: that is no reason to warn."""
        model = fitted(make_panel(assets=assets))
        assert told(model, make_panel(seed=1, assets=assets)) is None

    def test_new_assets_of_the_same_dates(self):
        panel = make_panel()
        model = fitted(panel.take(np.flatnonzero(panel.asset != 0)))
        assert told(model, panel.take(np.flatnonzero(panel.asset == 0))) is None
        assert told(model, panel).startswith(f"{int((panel.asset != 0).sum())} of these {len(panel)} rows")

    def test_other_kinds_of_time_and_of_data(self):
        model = fitted(make_panel())
        bars = tw.Panel.from_arrays(np.zeros((9, 3)), None, time=np.arange(9))
        assert told(model, bars) is None
        assert told(model, make_panel().matrix()) is None
        of_arrays = tw.ModelRegistry.create("ridge").fit(make_panel().matrix(), make_panel().y)
        assert of_arrays.metadata.trained is None
        assert told(of_arrays, make_panel().matrix()) is None

    def test_extra_columns_and_other_column_orders(self):
        panel = make_panel()
        names = panel.feature_names
        matrix = np.column_stack([panel.matrix(features=names[::-1]), np.ones(len(panel))])
        other = tw.Panel.from_arrays(
            matrix,
            None,
            time=panel.times,
            asset=np.array(panel.asset_names)[panel.asset],
            feature_names=[*names[::-1], "z"],
        )
        assert told(fitted(panel), other).startswith(f"these {len(panel)} rows were trained on")


def test_new_data_costs_one_look_at_the_times(monkeypatch):
    panel, later = make_panel(), make_panel(start=400)
    model = fitted(panel)
    monkeypatch.setattr("tradewright.base.trained_rows._keys", lambda *args: pytest.fail("rows were hashed"))
    monkeypatch.setattr(tw.Panel, "fingerprint", property(lambda self: pytest.fail("the panel was hashed")))
    assert told(model, later) is None


@given(st.integers(1, 400), st.data())
@settings(max_examples=60, deadline=None)
def test_the_count_is_that_of_a_set_of_rows(n, data):
    """Against the obvious twin: the positions in the ranges, as a set."""
    rng = np.random.default_rng(n)
    times = np.sort(rng.integers(0, max(n // 2, 1), n))
    order = rng.permutation(n)
    panel = tw.Panel.from_arrays(rng.normal(size=(n, 2)), None, time=times[order], allow_duplicate_keys=True)
    cuts = sorted(
        data.draw(st.lists(st.integers(0, n), min_size=2, max_size=6, unique=True).filter(lambda c: len(c) % 2 == 0))
    )
    ranges = np.array(cuts).reshape(-1, 2)
    sorted_rows = np.argsort(panel.time, kind="stable")
    trained = describe_trained(panel, ranges, sorted_rows)
    fingerprint, evidence = take_evidence(panel)
    facts = tw.ModelMetadata(
        "X",
        "x",
        "regression",
        feature_names=panel.feature_names,
        data_fingerprint=fingerprint,
        train_ranges=tuple(map(tuple, ranges.tolist())),
        evidence=evidence,
        trained=trained,
    )
    rows = np.unique(data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=20)))
    expected = {int(sorted_rows[i]) for start, stop in ranges for i in range(start, stop)} & set(rows.tolist())
    assert count_trained(panel, rows, trained, facts) == (len(expected), True)
