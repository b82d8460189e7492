"""Models that read the past of a row: they see all of it that they should, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from torch import nn

import tradewright as tw
from tradewright.base import Samples
from tradewright.errors import DataError, DuplicateKeyError, ParameterError
from tradewright.loss_functions import LossRegistry
from tradewright.models import ModelRegistry, ModuleRegistry, TorchModel
from tradewright.models.neural import window_source

NAMES = ["gru", "lstm", "tcn", "transformer"]
WINDOW = 4
SMALL = {"gru": {"hidden": 5}, "lstm": {"hidden": 5}, "tcn": {"hidden": 5}, "transformer": {"hidden": 4, "heads": 2}}


def model(name="gru", **params):
    defaults = {"window": WINDOW, "epochs": 2, "batch_size": 32, "seed": 0, "device": "cpu", "lr": 0.01}
    return ModelRegistry.create(name, **{**SMALL[name], **defaults, **params})


def ragged(rng, n_times=30, n_assets=5):
    """Keys of a panel in which assets come and go; in time order, assets in any."""
    return np.array(
        [
            (time, asset)
            for time in range(n_times)
            for asset in rng.permutation(n_assets)
            if rng.random() < 0.8 or asset == 0
        ]
    )


def panel_of(keys, X, y=None):
    return tw.Panel.from_arrays(X, y, time=keys[:, 0], asset=keys[:, 1], label_end=keys[:, 0] + 1)


@pytest.fixture(scope="module")
def keys():
    return ragged(np.random.default_rng(1))


@pytest.fixture(scope="module")
def X(keys):
    X = np.random.default_rng(2).normal(size=(len(keys), 3)) * [1.0, 50.0, 0.01]
    X[::11, 1] = np.nan
    return X


@pytest.fixture(scope="module")
def y(keys, X):
    """What the row and the one before it of the same asset say: no single row knows it."""
    y = np.zeros(len(keys))
    for asset in range(5):
        mine = np.flatnonzero(keys[:, 1] == asset)
        y[mine] = X[mine, 0]
        y[mine[1:]] -= X[mine[:-1], 0]
    return y


@pytest.fixture(scope="module")
def panel(keys, X, y):
    return panel_of(keys, X, y)


@pytest.fixture(scope="module")
def fitted(panel):
    torch.set_num_threads(1)
    return {name: model(name, dropout=0.2, scale_target=False).fit(panel) for name in NAMES}


def past_of(keys, row, window=WINDOW):
    """The rows of a row's window, the slow and obvious way; shorter where there are fewer."""
    mine = [i for i in range(len(keys)) if keys[i, 1] == keys[row, 1] and keys[i, 0] <= keys[row, 0]]
    return sorted(mine, key=lambda i: keys[i, 0])[-window:]


class TestWhatIsRead:
    @pytest.mark.parametrize("name", NAMES)
    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(seed=st.integers(0, 2**32 - 1))
    def test_predictions_are_those_of_materialised_windows(self, name, seed, fitted):
        rng = np.random.default_rng(seed)
        keys = rng.permutation(ragged(rng, n_times=int(rng.integers(1, 12)), n_assets=int(rng.integers(1, 4))))
        X = rng.normal(size=(len(keys), 3))
        X[rng.random(X.shape) < 0.1] = np.nan
        rows = rng.integers(0, len(keys), size=int(rng.integers(1, 20)))
        trained = fitted[name]
        scaled = trained.scaler_.transform(X)
        expected = np.full(len(rows), np.nan)
        for k, row in enumerate(rows):
            past = past_of(keys, row)
            if len(past) == WINDOW:
                with torch.inference_mode():
                    score = trained.module_.eval()(torch.from_numpy(scaled[past][None]))
                expected[k] = float(score[0, 0])
        found = trained.predict(panel_of(keys, X), rows=rows)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize("name", NAMES)
    def test_the_future_and_other_assets_change_no_bit(self, name, fitted, keys, X):
        trained, rng = fitted[name], np.random.default_rng(5)
        before = trained.predict(panel_of(keys, X))
        row = int(np.flatnonzero((keys[:, 0] == 15) & (keys[:, 1] == 0))[0])
        window = np.isin(np.arange(len(keys)), past_of(keys, row))
        assert window.sum() == WINDOW

        def predicted(changed):
            other = X.copy()
            other[changed] = rng.normal(size=other[changed].shape) * 1e3
            return trained.predict(panel_of(keys, other))

        later = keys[:, 0] > keys[row, 0]
        assert np.array_equal(predicted(later)[~later], before[~later], equal_nan=True)
        strangers = keys[:, 1] != keys[row, 1]
        assert np.array_equal(predicted(strangers)[~strangers], before[~strangers], equal_nan=True)
        assert predicted(~window)[row] == before[row]
        assert not np.isnan(before[row])
        for inside in np.flatnonzero(window):  # and every row of the window counts
            assert predicted(np.arange(len(keys)) == inside)[row] != before[row]

    @pytest.mark.parametrize("name", NAMES)
    def test_short_windows_are_nan(self, name, fitted, panel, keys):
        short = np.array([len(past_of(keys, row)) < WINDOW for row in range(len(keys))])
        assert np.array_equal(np.isnan(fitted[name].predict(panel)), short)
        assert fitted[name].metadata.n_short_windows == short.sum()
        assert fitted[name].metadata.n_rows == (~short).sum()

    def test_rows_read_the_past_they_are_not_asked_for(self, fitted, panel, keys):
        everything = fitted["gru"].predict(panel)
        last = np.flatnonzero(keys[:, 0] == 29)
        np.testing.assert_allclose(fitted["gru"].predict(panel, rows=last), everything[last], rtol=1e-6)
        assert np.isnan(fitted["gru"].predict(panel.take(last))).all()

    def test_batches_of_any_size_predict_the_same(self, fitted, panel, monkeypatch):
        whole = fitted["gru"].predict(panel)
        monkeypatch.setattr(window_source, "_STEPS", 7 * WINDOW)
        np.testing.assert_allclose(fitted["gru"].predict(panel), whole, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("name", NAMES)
    def test_more_is_known_with_a_past(self, name, panel):
        settings = {"epochs": 40, "lr": 0.02, "dropout": 0.0}
        assert model(name, **settings).fit(panel).score(panel) > 0.9
        single = ModelRegistry.create("mlp", batch_size=32, hidden=[5], seed=0, device="cpu", **settings).fit(panel)
        assert single.score(panel) < 0.7

    def test_arrays_with_times_and_assets_are_a_panel(self, panel, keys, X, y):
        trained = model().fit(X, y, groups=keys[:, 0], assets=keys[:, 1])
        assert np.array_equal(trained.predict(panel), model().fit(panel).predict(panel), equal_nan=True)


class TestFolds:
    @pytest.fixture
    def fold(self, panel):
        return tw.PurgedKFold(n_splits=3, embargo=2).plan(panel)[1]  # train rows on both sides of the test

    def train(self, panel, fold, **params):
        trained = model(**params)
        tw.ModelTrainer(trained, mlflow_uri="off").train(panel, fold=fold, callbacks=[])
        return trained

    @pytest.fixture(autouse=True)
    def elsewhere(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

    def test_train_windows_are_over_all_rows_of_the_panel(self, panel, fold, keys, monkeypatch):
        taken = []
        take = window_source.WindowSource.take

        def watched(source, index):
            taken.append(take(source, index))
            return taken[-1]

        monkeypatch.setattr(window_source.WindowSource, "take", watched)
        trained = self.train(panel, fold, epochs=1)
        scaled = trained.scaler_.transform(panel.matrix())
        expected = [scaled[past] for row in fold.train if len(past := past_of(keys, row)) == WINDOW]
        found = torch.cat(taken).numpy()
        assert sorted(window.tobytes() for window in found) == sorted(window.tobytes() for window in expected)

    def test_the_scaling_is_of_the_train_rows(self, panel, fold):
        X = panel.matrix(rows=fold.train)
        np.testing.assert_allclose(self.train(panel, fold).scaler_.mean, np.nanmean(X, axis=0))

    def test_labels_of_others_and_what_comes_later_change_no_bit(self, panel, keys, X, y):
        forward = tw.PurgedSplit(train_size=0.6, embargo=1)
        both_sides = tw.PurgedKFold(n_splits=3, embargo=2)
        for splitter, number in ((forward, 0), (both_sides, 1)):
            fold = splitter.plan(panel)[number]
            train = np.isin(np.arange(len(y)), fold.train)
            later = keys[:, 0] > keys[train, 0].max()
            changed = panel_of(keys, np.where(later[:, None], 9.0, X), np.where(train, y, -100.0))
            same = splitter.plan(changed)[number]
            assert same.train == fold.train
            first, second = self.train(panel, fold), self.train(changed, same)
            assert np.array_equal(first.predict(panel), second.predict(panel), equal_nan=True)

    def test_predictions_of_the_test_rows(self, panel, fold):
        trained = self.train(panel, fold)
        found = trained.predict(panel, rows=fold.test)
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found, trained.predict(panel)[np.asarray(fold.test)], rtol=1e-5)

    def test_a_resumed_fit_has_the_same_bits(self, panel, fold, tmp_path):
        class StopAt(tw.Callback):
            def on_epoch_end(self, epoch, logs):
                if epoch == 1:
                    self.trainer.request_stop("enough")

        settings = {"epochs": 4, "dropout": 0.3, "layers": 2}
        expected = self.train(panel, fold, **settings).predict(panel)
        checkpoint = tw.ModelCheckpoint(tmp_path, save_top_k=0, save_last=True)
        tw.ModelTrainer(model(**settings), mlflow_uri="off").train(panel, fold=fold, callbacks=[checkpoint, StopAt()])
        resumed = model(**settings)
        path = checkpoint.last_model_path
        tw.ModelTrainer(resumed, mlflow_uri="off").train(panel, fold=fold, callbacks=[], resume_from=path)
        assert np.array_equal(resumed.predict(panel), expected, equal_nan=True)

    def test_validation_rows_read_the_past_too(self, panel, watcher):
        fold = tw.SequentialSplit(embargo=1).plan(panel)[0]
        seen = watcher()
        train, val = (Samples.collect(panel, rows=rows, history=True) for rows in (fold.train, fold.val))
        trained = model().fit_samples(train, val, observer=seen)
        predicted = trained.predict(panel, rows=fold.val)
        expected = np.mean((predicted - panel.y[fold.val]) ** 2)
        assert seen.states[-1].logs["val_loss"] == pytest.approx(expected, rel=1e-4)
        assert trained.metadata.n_val_rows == len(fold.val)
        assert train.X.nbytes == 0
        assert train.history.table is val.history.table is panel


class TestOnRealPrices:
    def test_a_gru_stops_early_with_its_best_weights(self, tmp_path):
        panel = tw.datasets.sp500_panel(horizon=5)
        panel = panel.take(np.flatnonzero(panel.times >= np.datetime64("2020-06-01")))
        fold = tw.SequentialSplit(embargo=5).plan(panel)[0]
        gru = ModelRegistry.create("gru", hidden=16, epochs=30, lr=0.03, batch_size=512, seed=0, device="cpu")
        trainer = tw.ModelTrainer(gru, mlflow_uri="off", output_dir=tmp_path)
        result = trainer.train(panel, fold=fold, callbacks=[tw.EarlyStopping("val_loss", patience=2)])
        assert result.status == "stopped"
        assert len(result.history) < 30
        losses = [logs["val_loss"] for logs in result.history]
        assert result.best_epoch == np.argmin(losses)
        predicted = gru.predict(panel, rows=fold.val)
        assert np.mean((predicted - panel.y[fold.val]) ** 2) == pytest.approx(min(losses), rel=1e-4)
        assert np.isfinite(gru.predict(panel, rows=fold.test)).all()
        assert gru.metadata.n_short_windows == 19 * 20


class TestLosses:
    def test_classification(self, panel, keys, X, y, tmp_path):
        for labels in ((0, 1), ("down", "up")):
            target = np.where(y > 0, labels[1], labels[0])
            trained = model(task="classification", epochs=30).fit(X, target, groups=keys[:, 0], assets=keys[:, 1])
            proba, found = trained.predict_proba(panel), trained.predict(panel)
            short = np.array([len(past_of(keys, row)) < WINDOW for row in range(len(keys))])
            assert np.isnan(proba[short]).all()
            assert found.dtype == (np.float64 if labels == (0, 1) else object)
            assert all(label != label for label in found[short])
            assert set(found[~short]) == set(labels)
            assert np.mean(found[~short] == target[~short]) > 0.8
            trained.save(tmp_path / "model.tw")
            back = TorchModel.load(tmp_path / "model.tw")
            assert np.array_equal(back.predict_proba(panel), proba, equal_nan=True)
        accuracy = model(task="classification", epochs=2).fit(X, y > 0, groups=keys[:, 0], assets=keys[:, 1])
        assert 0.3 < accuracy.score(panel, y > 0) <= 1.0

    @pytest.mark.parametrize("loss", ["pairwise", "ic", "listwise"])
    def test_ranking_in_batches_of_whole_dates(self, panel, loss, watcher):
        seen = watcher()
        samples = Samples.collect(panel, history=True)
        trained = model(loss=loss, epochs=8).fit_samples(samples, samples, observer=seen)
        predicted = trained.predict(panel)
        known = np.isfinite(predicted)
        expected = LossRegistry.create(loss)(panel.y[known], predicted[known], groups=panel.time[known])
        assert seen.states[-1].logs["val_loss"] == pytest.approx(expected, rel=1e-4)
        assert seen.states[-1].logs["val_loss"] < seen.states[0].logs["val_loss"]

    def test_a_whole_series_in_parts_has_the_same_gradient(self, panel, monkeypatch):
        loss = LossRegistry.create("sharpe_loss", cost=0.001)
        settings = {"loss": loss, "epochs": 5, "dropout": 0.0}
        at_once = model(**settings).fit(panel).predict(panel)
        monkeypatch.setattr(window_source, "_STEPS", 10 * WINDOW)
        in_parts = model(**settings).fit(panel)
        np.testing.assert_allclose(in_parts.predict(panel), at_once, rtol=1e-3, atol=1e-5)
        known = np.isfinite(at_once)
        index = {"groups": panel.time[known], "assets": panel.asset[known]}
        untrained = model(**{**settings, "lr": 1e-30}).fit(panel).predict(panel)
        assert loss(panel.y[known], at_once[known], **index) < loss(panel.y[known], untrained[known], **index)

    def test_parts_drop_the_same_units_when_they_are_computed_again(self, panel, monkeypatch):
        """The units dropped in the forward pass are those of the gradient, or the gradient is another function's."""
        monkeypatch.setattr(window_source, "_STEPS", 10 * WINDOW)
        drawn = []

        class Watched(nn.Module):
            def __init__(self, n_features, n_outputs):
                super().__init__()
                self.head = nn.Linear(n_features, n_outputs)

            def forward(self, x):
                mask = torch.rand(len(x))
                if self.training:
                    drawn.append(mask)
                return self.head(x[:, -1]) * mask[:, None]

        loss = LossRegistry.create("sharpe_loss")
        TorchModel(Watched, loss=loss, window=WINDOW, epochs=1, seed=0, device="cpu").fit(panel)
        assert len(drawn) > 4
        forward, again = drawn[: len(drawn) // 2], drawn[len(drawn) // 2 :]
        assert all(torch.equal(*pair) for pair in zip(forward, again, strict=True))

    def test_rows_of_weight_0_are_still_the_past_of_others(self, keys, X, y):
        weight = np.where(keys[:, 0] < 10, 0.0, 1.0)
        panel = tw.Panel.from_arrays(X, y, time=keys[:, 0], asset=keys[:, 1], weight=weight)
        wild = tw.Panel.from_arrays(X, np.where(weight > 0, y, 99.0), time=keys[:, 0], asset=keys[:, 1], weight=weight)
        fits = [model(scale_target=False).fit(rows).predict(panel) for rows in (panel, wild)]
        assert np.array_equal(*fits, equal_nan=True)
        changed = X.copy()
        changed[keys[:, 0] < 7] = 1.0
        longer = tw.Panel.from_arrays(changed, y, time=keys[:, 0], asset=keys[:, 1], weight=weight)
        assert not np.array_equal(model(scale_target=False).fit(longer).predict(panel), fits[0], equal_nan=True)


class TestAsOtherModels:
    @pytest.mark.parametrize("name", NAMES)
    def test_round_trip(self, name, fitted, panel, tmp_path):
        fitted[name].save(tmp_path / "model.tw")
        back = TorchModel.load(tmp_path / "model.tw")
        assert np.array_equal(back.predict(panel), fitted[name].predict(panel), equal_nan=True)
        assert back.get_params() == fitted[name].get_params()
        assert back.metadata == fitted[name].metadata
        assert clone(back).window == WINDOW

    @pytest.mark.parametrize("name", NAMES)
    def test_the_seed_is_all_the_randomness_there_is(self, name, panel):
        torch.manual_seed(123)
        expected = torch.rand(3)
        torch.manual_seed(123)
        first, second = (model(name, dropout=0.3).fit(panel).predict(panel) for _ in range(2))
        assert np.array_equal(first, second, equal_nan=True)
        assert torch.equal(torch.rand(3), expected)
        assert not np.array_equal(first, model(name, dropout=0.3, seed=1).fit(panel).predict(panel), equal_nan=True)

    def test_missing_values_may_be_indicated(self, panel):
        assert model(missing_indicator=True).fit(panel).module_.recurrent.input_size == 4

    def test_names_and_tags(self):
        # Others may have registered theirs in this process.
        assert set(NAMES) <= set(ModelRegistry.search("sequence"))
        assert set(NAMES) <= set(ModuleRegistry.search("sequence"))
        assert set(NAMES) <= set(ModelRegistry.search("neural")) & set(ModelRegistry.search("classification"))
        for name in NAMES:
            assert ModelRegistry.create(name).window == 20

    def test_features_are_found_by_name(self, fitted, panel, keys):
        shuffled = tw.Panel.from_arrays(
            panel.matrix()[:, ::-1], None, time=keys[:, 0], asset=keys[:, 1], feature_names=["x2", "x1", "x0"]
        )
        assert np.array_equal(fitted["gru"].predict(shuffled), fitted["gru"].predict(panel), equal_nan=True)


class TestRefused:
    def test_a_table_without_a_past(self, fitted, X, y):
        for act in (lambda: fitted["gru"].predict(X), lambda: model().fit(X, y), lambda: fitted["gru"].score(X, y)):
            with pytest.raises(ParameterError, match=r"pass a Panel.*groups=") as caught:
                act()
            assert caught.value.code == "data.no_history"

    def test_the_trainer_knows_the_past_by_folds(self, keys, X, y, tmp_path):
        trainer = tw.ModelTrainer(model(), mlflow_uri="off", output_dir=tmp_path)
        with pytest.raises(ParameterError, match=r"train\(panel, fold="):
            trainer.train(X, y, X, y, groups=keys[:, 0], assets=keys[:, 1])
        with pytest.raises(ParameterError, match="pass a Panel"):
            trainer.train(X, y)
        result = trainer.train(X, y, groups=keys[:, 0], assets=keys[:, 1], callbacks=[])
        assert result.status == "completed"

    def test_two_rows_at_one_time(self, keys, X, y):
        twice = np.concatenate([keys, keys[5:6]])
        arguments = {"time": twice[:, 0], "asset": twice[:, 1], "allow_duplicate_keys": True}
        panel = tw.Panel.from_arrays(np.concatenate([X, X[5:6]]), np.append(y, 0.0), **arguments)
        with pytest.raises(DuplicateKeyError, match=f"rows 5 and {len(keys)} are both at"):
            model().fit(panel)

    def test_windows_longer_than_the_past(self, panel, keys, X, y):
        with pytest.raises(DataError, match=r"none of the \d+ train rows has the 99 earlier rows"):
            model(window=100).fit(panel)
        kept = (keys[:, 1] != 2) | (keys[:, 0] < 3)
        with pytest.warns(UserWarning, match="1 of 5 assets have no train row with the 3 earlier rows"):
            model().fit(panel.take(kept))
        with pytest.raises(DataError, match="no row has a past"):
            model().fit(panel).score(panel.take(keys[:, 0] < 2))

    def test_infinite_features_are_named_by_the_row_of_the_panel(self, fitted, keys, X, y):
        X = X.copy()
        X[40, 1] = np.inf
        for act in (lambda panel: fitted["gru"].predict(panel), lambda panel: model().fit(panel)):
            with pytest.raises(DataError, match="row 40, feature 1"):
                act(panel_of(keys, X, y))

    @pytest.mark.parametrize(
        ("params", "words"),
        [
            ({"window": 0}, "window=0"),
            ({"window": 2.5}, "window=2.5"),
            ({"window": True}, "window=True"),
            ({"window": None}, "reads sequences"),
            ({"module": "mlp"}, "reads single rows"),
        ],
    )
    def test_windows_that_make_no_sense(self, panel, params, words):
        arguments = {"module": "gru", "window": 3, "device": "cpu", **params}
        with pytest.raises(ParameterError, match=words):
            TorchModel(**arguments).fit(panel)

    def test_an_infinite_future_stays_out_of_a_small_prediction(self, fitted, keys, X):
        """What is not in a window is not even read."""
        X = X.copy()
        X[keys[:, 0] > 15] = np.inf
        rows = np.flatnonzero(keys[:, 0] == 15)
        assert np.isfinite(fitted["gru"].predict(panel_of(keys, X), rows=rows)).all()
