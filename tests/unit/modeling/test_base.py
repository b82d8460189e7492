"""BaseModel, on the smallest model there can be."""

from __future__ import annotations

import json
import time
from datetime import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tradewright.base import BaseModel, ModelMetadata, ModelState, SilentObserver, TrainState
from tradewright.bundle import read_bundle, write_bundle
from tradewright.errors import (
    DataError,
    FeatureMismatchError,
    FormatMismatchError,
    ModelLoadError,
    NotFittedError,
    ParameterError,
    UnsupportedError,
)


class Sums(BaseModel):
    """Predicts the first feature minus the second, plus the mean of the labels; two turns a fit."""

    framework = "numpy"
    task = "regression"
    mean = 0.0

    @property
    def hyperparameters(self):
        return {"turns": 2}

    def _fit_loop(self, train, val, observer, seed):
        observer.loop_begin("epoch", 2)
        for epoch in range(2):
            observer.epoch_begin(epoch)
            self.mean = float(np.average(train.y, weights=train.sample_weight)) * (epoch + 1) / 2
            self.seen = (train, val, seed)
            if observer.epoch_end(TrainState(epoch, "epoch", 2, {"train_loss": 0.0})):
                return

    def _predict(self, X):
        return X[:, 0] - X[:, 1] + self.mean

    def snapshot(self):
        return ModelState(0, self.mean)

    def restore(self, state):
        self.mean = state.weights

    def _to_payloads(self):
        return "text", {"mean.txt": repr(self.mean).encode()}

    def _config(self):
        return {}

    @classmethod
    def _from_bundle(cls, config, payload_format, payloads):
        model = cls()
        model.mean = float(payloads["mean.txt"])
        return model


FRAME = pl.DataFrame({"a": [1.0, 2.0, 3.0], "b": [0.0, 1.0, 5.0]})
Y = [1.0, 2.0, 6.0]


class TestFit:
    def test_metadata_says_what_happened(self):
        started = time.time()
        facts = Sums().fit(FRAME, Y, eval_set=(FRAME, Y)).metadata
        assert facts.model_class == "Sums"
        assert facts.feature_names == ("a", "b")
        assert facts.feature_dtypes == ("float64", "float64")
        assert (facts.n_rows, facts.n_val_rows) == (3, 3)
        assert facts.hyperparameters == {"turns": 2}
        assert {"python", "tradewright", "numpy"} <= set(facts.library_versions)
        assert facts.training_seconds > 0
        assert abs(datetime.fromisoformat(facts.created_at).timestamp() - started) < 60

    def test_metadata_survives_json(self):
        facts = Sums().fit(FRAME, Y).metadata
        assert ModelMetadata.from_dict(json.loads(json.dumps(facts.to_dict()))) == facts
        assert ModelMetadata.from_dict({**facts.to_dict(), "of_a_newer_version": 1}) == facts

    @pytest.mark.parametrize("make", [pl.DataFrame, pd.DataFrame])
    def test_columns_are_found_by_name(self, make):
        model = Sums().fit(make(FRAME.to_dict(as_series=False)), Y)
        other = make({"b": [0.0, 1.0, 5.0], "extra": [9, 9, 9], "a": [1.0, 2.0, 3.0]})
        assert model.predict(other).tolist() == model.predict(FRAME).tolist() == [4.0, 4.0, 1.0]

    def test_missing_columns_are_named(self):
        model = Sums().fit(FRAME, Y)
        with pytest.raises(FeatureMismatchError, match="missing here: b"):
            model.predict(FRAME.select("a"))

    def test_an_array_must_have_the_width(self):
        model = Sums().fit(FRAME, Y)
        assert model.predict(FRAME.to_numpy()).tolist() == [4.0, 4.0, 1.0]
        with pytest.raises(FeatureMismatchError, match="X has 3 features, but Sums is expecting 2"):
            model.predict(np.zeros((1, 3)))

    def test_labels_and_weights_are_checked(self):
        with pytest.raises(ParameterError, match="no labels"):
            Sums().fit(FRAME)
        with pytest.raises(DataError, match="the first at row 1") as caught:
            Sums().fit(FRAME, [1.0, np.nan, np.inf])
        assert caught.value.fields == {"row": 1, "count": 2}
        with pytest.raises(DataError, match="validation labels"):
            Sums().fit(FRAME, Y, eval_set=(FRAME, [np.nan] * 3))
        for bad in (-1.0, np.nan):
            with pytest.raises(DataError, match="row 2 has sample_weight"):
                Sums().fit(FRAME, Y, sample_weight=[1.0, 1.0, bad])
        with pytest.raises(DataError, match="y has shape"):
            Sums().fit(FRAME, Y[:2])

    def test_the_models_own_seed_goes_first(self):
        from tradewright.base import Samples

        samples = Samples.collect(FRAME, Y)
        model = Sums().fit_samples(samples, seed=7)
        assert model.seen[2] == model.metadata.seed == 7

        class Seeded(Sums):
            seed = 3

        assert Seeded().fit_samples(samples, seed=7).metadata.seed == 3

    def test_a_failed_fit_leaves_the_model_unfitted(self):
        model = Sums().fit(FRAME, Y)

        class Fails(SilentObserver):
            def epoch_end(self, state):
                raise RuntimeError("no")

        with pytest.raises(RuntimeError):
            model.fit_samples(model.seen[0], observer=Fails())
        assert not model.is_fitted
        with pytest.raises(NotFittedError):
            model.predict(FRAME)

    def test_score_is_r2(self):
        from sklearn.metrics import r2_score

        model = Sums().fit(FRAME, Y)
        assert model.score(FRAME, Y) == r2_score(Y, model.predict(FRAME))

    def test_stamp(self):
        model = Sums().fit(FRAME, Y)
        model.stamp(fold=2, train_ranges=((0, 3),))
        assert (model.metadata.fold, model.metadata.train_ranges) == (2, ((0, 3),))


class TestBeforeTheFit:
    def test_everything_that_needs_a_fit_says_so(self, tmp_path):
        model = Sums()
        path = tmp_path / "model.tw"
        for act in (
            lambda: model.predict(FRAME),
            lambda: model.metadata,
            lambda: model.save(path),
            lambda: model.score(FRAME, Y),
        ):
            with pytest.raises(NotFittedError, match="is not fitted"):
                act()
        assert not path.exists()

    def test_probabilities_are_absent_where_there_are_none(self):
        assert not hasattr(Sums(), "predict_proba")
        with pytest.raises(UnsupportedError, match="does not predict probabilities") as caught:
            Sums().predict_proba  # noqa: B018
        assert isinstance(caught.value, NotImplementedError)
        assert isinstance(caught.value, AttributeError)


class TestSaving:
    def test_round_trip(self, tmp_path):
        model = Sums().fit(FRAME, Y)
        model.save(tmp_path / "model.tw")
        back = Sums.load(tmp_path / "model.tw")
        assert back.metadata == model.metadata
        assert back.predict(FRAME).tolist() == model.predict(FRAME).tolist()

    def test_saved_in_the_middle_of_a_fit(self, tmp_path):
        path = tmp_path / "model.tw"
        model = Sums()

        class Saves(SilentObserver):
            def epoch_end(self, state):
                if state.epoch == 0:
                    model.save(path)
                    self.predicted = model.predict(FRAME)
                return False

        saver = Saves()
        from tradewright.base import Samples

        model.fit_samples(Samples.collect(FRAME, Y), observer=saver, facts={"fold": 4})
        back = Sums.load(path)
        assert back.mean == 1.5
        assert back.metadata.fold == 4
        assert back.predict(FRAME).tolist() == saver.predicted.tolist()
        assert model.mean == 3.0

    def test_another_class_is_refused(self, tmp_path):
        class Others(Sums):
            pass

        Sums().fit(FRAME, Y).save(tmp_path / "model.tw")
        with pytest.raises(FormatMismatchError, match="holds a Sums, not a Others"):
            Others.load(tmp_path / "model.tw")

    def test_payloads_that_cannot_be_rebuilt(self, tmp_path):
        path = tmp_path / "model.tw"
        model = Sums().fit(FRAME, Y)
        write_bundle(path, model.manifest("text"), {"mean.txt": b"three"})
        with pytest.raises(ModelLoadError, match=r"cannot be rebuilt \(ValueError"):
            Sums.load(path)
        write_bundle(path, {"model_class": "Sums"}, {})
        with pytest.raises(ModelLoadError, match="not a table of facts"):
            Sums.load(path)

    def test_the_manifest_is_readable(self, tmp_path):
        Sums().fit(FRAME, Y).save(tmp_path / "model.tw")
        manifest = read_bundle(tmp_path / "model.tw").manifest
        assert manifest["metadata"]["feature_names"] == ["a", "b"]
        assert manifest["payload_format"] == "text"
