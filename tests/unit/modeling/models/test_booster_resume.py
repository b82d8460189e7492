"""Boosters that train in segments, and go on where a fit was broken off."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tradewright.base import Resume, Samples
from tradewright.errors import FormatMismatchError, ParameterError, UnsupportedError
from tradewright.loss_functions import LossRegistry
from tradewright.models import ModelRegistry

#: Rows and columns are drawn at random: the hard case.
SETTINGS = {
    "lightgbm": {"n_jobs": 1, "num_leaves": 7, "subsample": 0.5, "subsample_freq": 1, "colsample_bytree": 0.5},
    "xgboost": {"n_jobs": 1, "max_depth": 3, "subsample": 0.5, "colsample_bytree": 0.5, "colsample_bynode": 0.7},
    "catboost": {"thread_count": 1, "depth": 3, "bootstrap_type": "Bernoulli", "subsample": 0.5, "rsm": 0.5},
}
ROUNDS, SEGMENT = 9, 3


@pytest.fixture(params=sorted(SETTINGS))
def library(request):
    return request.param


def boosted(library, **params):
    return ModelRegistry.create(library, **{"n_estimators": ROUNDS, **SETTINGS[library], **params})


def checkpoint(model, epoch):
    payload_format, payloads = model._to_payloads()
    config = json.loads(json.dumps(model._config()))
    return Resume(epoch + 1, payload_format, payloads, model._training_state(), config)


def trained(model, samples, watcher, val=None, segment=SEGMENT, resume=None, seed=5, then=None):
    """Fit; return the observer and the checkpoints of all rounds that can be saved."""
    kept = {}

    def keep(state):
        if segment is None or (state.epoch + 1) % segment == 0:
            kept[state.epoch + 1] = checkpoint(model, state.epoch)
        if then is not None:
            then(state)

    seen = watcher(then=keep)
    seen.segment = segment
    model.fit_samples(samples, val, observer=seen, seed=seed, resume=resume)
    return seen, kept


def same_bits(library, watcher, samples, val, X, **params):
    whole = boosted(library, **params)
    seen, kept = trained(whole, samples, watcher, val)
    assert sorted(kept) == [3, 6, 9]
    for done in (3, 6):
        again = boosted(library, **params)
        resumed, _ = trained(again, samples, watcher, val, resume=kept[done])
        assert [state.epoch for state in resumed.states] == list(range(done, ROUNDS))
        for before, after in zip(seen.states[done:], resumed.states, strict=True):
            assert without_seconds(before) == without_seconds(after)
        assert again.n_rounds_ == whole.n_rounds_ == ROUNDS
        assert np.array_equal(again._raw(X), whole._raw(X))
        assert again._resumes_exactly(SEGMENT)
        assert not again._resumes_exactly(None)
    return whole


def without_seconds(state):
    return {key: value for key, value in state.logs.items() if key != "seconds"}


class TestExact:
    def test_same_bits_as_the_whole_fit(self, library, data, watcher):
        X, y = data
        whole = same_bits(library, watcher, Samples.collect(X, y), Samples.collect(X[:80], y[:80]), X)
        unbroken = boosted(library)
        trained(unbroken, Samples.collect(X, y), watcher, segment=None if library != "catboost" else 100)
        assert not np.array_equal(unbroken.predict(X), whole.predict(X))

    def test_the_segments_draw_other_rows_each(self, library, data, watcher):
        X, y = data
        model = boosted(library, **({} if library == "catboost" else {"random_state": 1}))
        trained(model, Samples.collect(X, y), watcher)
        steps = []
        for rounds in range(ROUNDS):
            before = model._library().raw_predict(model.booster_, X, rounds) if rounds else np.zeros(len(X))
            steps.append(model._library().raw_predict(model.booster_, X, rounds + 1) - before)
        # A tree of the second segment at the place of one of the first would have the same cuts.
        groups = [len(np.unique(np.round(steps[i], 9) + 1j * np.round(steps[i + SEGMENT], 9))) for i in range(SEGMENT)]
        alone = [len(np.unique(np.round(step, 9))) for step in steps[:SEGMENT]]
        assert all(both > one for both, one in zip(groups, alone, strict=True))

    @pytest.mark.parametrize("n_classes", [2, 3])
    def test_classifiers(self, library, data, watcher, n_classes):
        X, y = data
        target = np.array(list("abc"))[np.digitize(y, [-0.5, 0.5] if n_classes == 3 else [0.0])]
        samples = Samples.collect(X, target, sample_weight=np.linspace(0.5, 2.0, len(y)))
        same_bits(library, watcher, samples, samples, X, task="classification")

    @pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
    @pytest.mark.parametrize("name", ["huber", "sharpe_loss"])
    def test_losses_of_ours(self, library, name, data, watcher):
        X, y = data
        dates, assets = np.divmod(np.arange(len(y)), 6)
        loss = LossRegistry.create(name)
        samples = Samples.collect(X, 0.02 * y + 0.3 * (name == "huber"), groups=dates, assets=assets)
        val = Samples.collect(X[60:120], 0.02 * y[60:120], groups=dates[60:120], assets=assets[60:120])
        metric = {"lightgbm": {"metric": "l2"}, "xgboost": {"eval_metric": "rmse"}}[library]
        model = same_bits(library, watcher, samples, val, X, loss=loss, **metric)
        seen, _ = trained(model, samples, watcher, val)
        expected = loss(samples.y, model.predict(X), groups=dates, assets=assets)
        assert seen.states[-1].logs["train_loss"] == pytest.approx(expected, rel=1e-5)

    def test_more_kinds_of_boosting(self, data, watcher):
        X, y = data
        samples = Samples.collect(X, y)
        goss = {"data_sample_strategy": "goss", "subsample": 1.0, "subsample_freq": 0}
        same_bits("lightgbm", watcher, samples, None, X, extra_trees=True, **goss)
        same_bits("lightgbm", watcher, samples, None, X, bagging_seed=3, linear_tree=True)
        same_bits("xgboost", watcher, samples, None, X, booster="dart", rate_drop=0.5)
        same_bits("xgboost", watcher, samples, None, X, tree_method="exact", num_parallel_tree=2, colsample_bynode=1.0)

    def test_a_changed_learning_rate_is_kept(self, library, data, watcher):
        X, y = data
        samples = Samples.collect(X, y)

        def slower(model):
            return lambda state: model.set_learning_rate(0.4 / (state.epoch + 2))

        whole = boosted(library)
        if library == "catboost":
            assert not whole.set_learning_rate(0.1)
            return
        seen, kept = trained(whole, samples, watcher, then=slower(whole))
        assert [state.logs.get("lr") for state in seen.states[:3]] == [None, 0.2, pytest.approx(0.4 / 3)]
        again = boosted(library)
        # The checkpoint of round 6 was written before the scheduler's turn, so its rate is that of the round.
        resumed, _ = trained(again, samples, watcher, resume=kept[6], then=slower(again))
        assert resumed.states[0].logs["lr"] == seen.states[5].logs["lr"]


class TestGoingOn:
    def test_without_segments_the_trees_go_on(self, library, data, watcher):
        X, y = data
        samples = Samples.collect(X, y)
        first = boosted(library, n_estimators=4)
        first.fit_samples(samples, seed=5)
        resume = checkpoint(first, 3)
        model = boosted(library)
        resumed, _ = trained(model, samples, watcher, segment=None if library != "catboost" else 100, resume=resume)
        assert [state.epoch for state in resumed.states] == list(range(4, ROUNDS))
        assert model.n_rounds_ == ROUNDS
        early = model._library().raw_predict(model.booster_, X, 4)
        np.testing.assert_allclose(early, first.predict(X), rtol=1e-6)
        assert resumed.states[-1].logs["train_loss"] < resumed.states[0].logs["train_loss"]
        assert not model._resumes_exactly(None)
        assert not model._resumes_exactly(SEGMENT)

    def test_nothing_left_to_do(self, library, data, watcher):
        X, y = data
        samples = Samples.collect(X, y)
        first = boosted(library)
        first.fit_samples(samples, seed=5)
        model = boosted(library)
        resumed, _ = trained(model, samples, watcher, resume=checkpoint(first, ROUNDS - 1))
        assert resumed.states == []
        assert np.array_equal(model.predict(X), first.predict(X))

    def test_going_back_behind_the_border(self, library, data, watcher):
        X, y = data
        samples = Samples.collect(X, y)
        whole = boosted(library)
        _, kept = trained(whole, samples, watcher)
        model = boosted(library)
        trained(model, samples, watcher, resume=kept[6])
        model.restore(model._snapshot_from_bytes(1, b"2"))
        whole.restore(whole._snapshot_from_bytes(1, b"2"))
        assert np.array_equal(model.predict(X), whole.predict(X))

    def test_saving_in_the_middle(self, library, data, watcher, tmp_path):
        X, y = data
        model, found = boosted(library), []

        def save(state):
            path = tmp_path / f"{state.epoch}.tw"
            model.save(path)
            found.append(np.array_equal(type(model).load(path).predict(X), model.predict(X)))

        trained(model, Samples.collect(X, y), watcher, then=save)
        assert found == [True] * ROUNDS

    def test_a_stop_within_a_segment(self, library, data, watcher):
        X, y = data
        seen = watcher(stop_at=4)
        seen.segment = SEGMENT
        model = boosted(library).fit_samples(Samples.collect(X, y), observer=seen, seed=5)
        whole = boosted(library)
        trained(whole, Samples.collect(X, y), watcher)
        whole.restore(whole._snapshot_from_bytes(4, b"5"))
        assert model.n_rounds_ == 5
        assert np.array_equal(model.predict(X), whole.predict(X))


class TestRefused:
    @pytest.mark.parametrize(
        ("library", "params"),
        [
            ("lightgbm", {"boosting_type": "dart"}),
            ("lightgbm", {"boosting_type": "rf"}),
            ("catboost", {"loss": "mse"}),
        ],
    )
    def test_kinds_that_need_more_than_trees(self, library, params, data, watcher):
        with pytest.raises(UnsupportedError, match=r"without ModelCheckpoint\(exact=True\)"):
            trained(boosted(library, **params), Samples.collect(*data), watcher)

    def test_another_model_or_other_rows(self, library, data, watcher):
        X, y = data
        samples = Samples.collect(X, np.where(y > 0, "up", "down"))
        _, kept = trained(boosted(library, task="classification"), samples, watcher)
        with pytest.raises(ParameterError, match="classes="):
            trained(boosted(library, task="classification"), Samples.collect(X, y > 0), watcher, resume=kept[3])
        with pytest.raises(ParameterError, match="loss="):
            trained(boosted(library, task="classification", loss="bce"), samples, watcher, resume=kept[3])
        other = "xgboost" if library != "xgboost" else "lightgbm"
        with pytest.raises(ParameterError, match="library="):
            trained(boosted(other, task="classification"), samples, watcher, resume=kept[3])
        resume = Resume(3, "pickle", kept[3].payloads, {}, {})
        with pytest.raises(FormatMismatchError):
            trained(boosted(library, task="classification"), samples, watcher, resume=resume)


class TestLearningRate:
    @pytest.mark.parametrize(
        ("library", "params"),
        [("lightgbm", {}), ("lightgbm", {"eta": 0.3}), ("xgboost", {}), ("xgboost", {"eta": 0.3})],
    )
    def test_it_counts_from_the_next_round_on(self, library, params, data, watcher):
        X, y = data
        model, predicted = boosted(library, **params), []

        def still(state):
            predicted.append(model.predict(X))
            if state.epoch == 4:
                assert model.set_learning_rate(1e-9)

        seen = watcher(then=still)
        model.fit_samples(Samples.collect(X, y), observer=seen, seed=5)
        assert np.abs(predicted[4] - predicted[3]).max() > 1e-3
        np.testing.assert_allclose(predicted[-1], predicted[4], atol=1e-6)
        assert [state.logs.get("lr") for state in seen.states] == [None] * 5 + [1e-9] * 4
        assert model.fit(X, y).learning_rate_ is None
