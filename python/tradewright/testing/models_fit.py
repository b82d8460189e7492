"""What a fit keeps to: seeds, the caller's random state, the record, classes."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from tradewright.base import ModelMetadata
from tradewright.errors import UnsupportedError
from tradewright.runtime import set_num_threads
from tradewright.runtime.threads import num_threads
from tradewright.testing.model_case import SEED, Case, assert_close, assert_same, expect

__all__ = [
    "classes",
    "clones",
    "eval_set",
    "global_random_state",
    "importances",
    "metadata",
    "refit",
    "scores",
    "seeds",
    "threads",
]


def seeds(case: Case) -> None:
    """The same seed gives the same bits, and is in the metadata."""
    model = case.fit()
    assert_same(case.output(case.fit()), case.output(model), "the same seed twice")
    wanted = case.make().seed
    wanted = SEED if wanted is None else wanted
    assert model.metadata.seed == wanted, f"metadata.seed is {model.metadata.seed}, the fit was given {wanted}"


def threads(case: Case) -> None:
    """One thread and two give the same bits."""
    before = num_threads()
    outputs = []
    try:
        for count in (1, 2):
            set_num_threads(count)
            outputs.append(case.output(case.fit()))
    finally:
        set_num_threads(before)
    assert_same(outputs[1], outputs[0], "two threads against one")


def refit(case: Case) -> None:
    """A second fit starts from scratch."""
    model = case.fit(case.table(case.X_val, later=True), case.y_val)
    assert_same(case.output(case.fit(model=model)), case.output(case.fit()), "a second fit against a first")


def eval_set(case: Case) -> None:
    """Rows that are watched don't change the fit; weights of theirs are taken."""
    wanted = case.output(case.fit())
    X, y = case.eval_set()
    assert_same(case.output(case.fit(eval_set=(X, y))), wanted, "with eval_set against without")
    assert_same(case.output(case.fit(eval_set=[(X, y)])), wanted, "eval_set as a list")
    weighted = case.fit(eval_set=(X, y), eval_sample_weight=np.ones(len(y)))
    assert_same(case.output(weighted), wanted, "with eval_sample_weight against without")
    assert case.counts(weighted.metadata.n_val_rows, len(y)), f"metadata.n_val_rows is {weighted.metadata.n_val_rows}"


def global_random_state(case: Case) -> None:
    """The caller's random streams are as they were: Python's, numpy's and torch's."""
    streams = _streams()
    callers = {name: read() for name, (read, _, _) in streams.items()}
    try:
        for _, _, draw in streams.values():
            draw()  # away from where a model that seeds the global stream would put it
        before = {name: read() for name, (read, _, _) in streams.items()}
        case.output(case.fit(eval_set=case.eval_set()))
        for name, (read, _, _) in streams.items():
            assert _plain(read()) == _plain(before[name]), f"the global random state of {name} was touched"
    finally:
        for name, (_, write, _) in streams.items():
            write(callers[name])


def _streams() -> dict[str, tuple[Callable[[], Any], Callable[[Any], Any], Callable[[], Any]]]:
    """The global random streams: how to read, write and draw from each."""
    streams: dict[str, tuple[Callable[[], Any], Callable[[Any], Any], Callable[[], Any]]] = {
        "random": (random.getstate, random.setstate, random.random),
        # numpy's global one is what this is about.
        "numpy": (np.random.get_state, np.random.set_state, np.random.random),
    }
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        streams["torch"] = (torch.get_rng_state, torch.set_rng_state, lambda: torch.rand(1))
    return streams


def _plain(state: Any) -> Any:
    """A state as plain values: arrays and tensors compare by element."""
    if isinstance(state, tuple):
        return [_plain(part) for part in state]
    return state.tolist() if hasattr(state, "tolist") else state


def metadata(case: Case) -> None:
    """The record of a fit is complete, plain, and comes back from JSON."""
    model = case.fit(eval_set=case.eval_set())
    facts = model.metadata
    assert facts.model_class == type(model).__name__, f"model_class is {facts.model_class!r}"
    assert facts.framework == model.framework, f"framework is {facts.framework!r}"
    assert facts.task == case.task, f"task is {facts.task!r}"
    assert case.counts(facts.n_rows, len(case.X)), f"n_rows is {facts.n_rows}"
    assert len(facts.feature_names) == len(facts.feature_dtypes) == case.X.shape[1], (
        "names or dtypes are not one a column"
    )
    assert facts.training_seconds > 0, "training_seconds is not positive"
    assert {"python", "tradewright", "numpy"} <= set(facts.library_versions), "library_versions lacks our own"
    assert facts.created_at, "created_at is empty"
    assert facts.device, "device is empty"
    assert facts.hyperparameters == dict(model.hyperparameters), "hyperparameters are not those of the model"
    again = ModelMetadata.from_dict(json.loads(json.dumps(facts.to_dict())))
    assert again == facts, "the metadata does not come back from JSON as it was"
    told = case.fit(case.panel(case.X, case.y), None if case.task == "regression" else case.y).metadata
    assert told.time_range is not None, "time_range is missing after a fit on a Panel"
    assert told.data_fingerprint is not None, "data_fingerprint is missing after a fit on a Panel"


def clones(case: Case) -> None:
    """A clone is unfitted, has the same parameters, and fits to the same bits; fitting changes no parameter."""
    model = case.make()
    before = dict(model.hyperparameters)
    case.fit(model=model)
    assert dict(model.hyperparameters) == before, "fit changed the hyperparameters"
    copy = model.clone()
    assert type(copy) is type(model), f"the clone is a {type(copy).__name__}"
    assert not copy.is_fitted, "the clone is fitted"
    assert dict(copy.hyperparameters) == before, "the clone has other hyperparameters"
    assert_same(case.output(case.fit(model=copy)), case.output(model), "the clone's fit")


def classes(case: Case) -> None:
    """Labels come back as they were; probabilities sum to 1, in the order of the classes; a regressor has none."""
    if case.task == "regression":
        model = case.fit()
        assert model.metadata.classes is None, "a regressor has classes"
        assert not hasattr(model, "predict_proba"), "a regressor has predict_proba"
        expect(UnsupportedError, lambda: model.predict_proba, "predict_proba of a regressor")
        return
    for low, high in (("down", "up"), (False, True), (-1, 7), (0.0, 1.0)):
        model = case.fit(y=np.where(case.y > 0, high, low))
        assert model.metadata.classes == (low, high), f"metadata.classes is {model.metadata.classes}"
        predicted = model.predict(case.table(case.X))
        known = predicted[predicted == predicted]
        assert set(known.tolist()) <= {low, high}, f"labels {low!r} and {high!r} come back as {set(known.tolist())}"
        if hasattr(model, "predict_proba"):
            proba = model.predict_proba(case.table(case.X))
            rows = ~np.isnan(proba).any(axis=1)
            assert proba.shape == (len(case.X), 2), f"predict_proba has shape {proba.shape}"
            assert_close(proba[rows].sum(axis=1), np.ones(rows.sum()), 1e-6, "probabilities of a row sum to 1")
            likely = np.asarray([low, high])[proba[rows].argmax(axis=1)]
            clear = np.abs(proba[rows, 0] - 0.5) > 1e-6
            assert (likely == predicted[rows])[clear].all(), "predict is not the likeliest class of predict_proba"


def importances(case: Case) -> None:
    """Importances are None, or one per feature, not negative, and shares of 1."""
    found = case.fit().feature_importances_
    if found is not None:
        assert found.shape == (case.X.shape[1],), f"feature_importances_ has shape {found.shape}"
        assert (found >= 0).all(), "an importance is negative"
        assert np.isclose(found.sum(), 1.0) or not found.any(), f"importances sum to {found.sum()}"


def scores(case: Case) -> None:
    """``score`` is R² of a regressor and the accuracy of a classifier, as scikit-learn has them."""
    model = case.fit()
    X, y = case.eval_set()
    predicted = model.predict(X)
    known = predicted == predicted
    predicted, y_known = predicted[known], y[known]
    if case.task == "classification":
        wanted = float(np.mean(predicted == y_known))
    else:
        wanted = 1.0 - float(np.sum((y_known - predicted) ** 2) / np.sum((y_known - y_known.mean()) ** 2))
    assert np.isclose(model.score(X, y), wanted), f"score is {model.score(X, y)}, not {wanted}"
