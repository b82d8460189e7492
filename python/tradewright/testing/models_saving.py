"""From a model to a file and back."""

from __future__ import annotations

import pickle
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from tradewright.base import BaseModel, TrainState
from tradewright.errors import ParameterError, UnsupportedError, UntrustedTypesError
from tradewright.serialization import ModelSerializer
from tradewright.testing.model_case import Case, Recorder, assert_same

__all__ = ["pickles", "saved_and_loaded", "saved_between_turns"]


def saved_and_loaded(case: Case) -> None:
    """A loaded model predicts the same bits and has the same metadata and parameters.

    A model that its safe format cannot hold says so at saving, and names pickle.
    """
    model = case.fit()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tw"
        if _save(model, path):
            back: BaseModel = type(model).load(path)
        else:
            ModelSerializer.save(model, path, format="pickle")
            back = ModelSerializer.load(path, trusted=True)
    _compare(case, back, model)


def saved_between_turns(case: Case) -> None:
    """Saved between two turns, the file holds the model as it was then."""
    model = case.make()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tw"
        outputs: list[Any] = []

        def save(state: TrainState) -> None:
            if state.epoch == 0:
                with suppress(UnsupportedError):  # a back end may hand out nothing before the end, if it says so
                    if _save(model, path):
                        outputs.append(case.output(model))

        case.fit(model=model, observer=Recorder(then=save))
        if outputs:
            assert_same(case.output(type(model).load(path)), outputs[0], "saved at turn 0, against then")


def pickles(case: Case) -> None:
    """Pickled, fitted or not, it is the same model."""
    model = case.fit()
    _compare(case, pickle.loads(pickle.dumps(model)), model)
    copy = pickle.loads(pickle.dumps(case.make()))
    assert not copy.is_fitted, "the pickle of an unfitted model is fitted"
    assert_same(case.output(case.fit(model=copy)), case.output(model), "fitted after pickling")


def _compare(case: Case, back: BaseModel, model: BaseModel) -> None:
    assert type(back) is type(model), f"it comes back as a {type(back).__name__}"
    assert back.metadata == model.metadata, "the metadata comes back changed"
    assert dict(back.hyperparameters) == dict(model.hyperparameters), "the hyperparameters come back changed"
    assert_same(case.output(back), case.output(model), "it predicts otherwise than before")
    labels = back.predict(case.table(case.X))
    assert labels.dtype == model.predict(case.table(case.X)).dtype, "labels come back in another dtype"


def _save(model: BaseModel, path: Path) -> bool:
    """Save in the safe format; False for what says that only a pickle can hold it."""
    try:
        model.save(path)
    except (ParameterError, UntrustedTypesError) as error:
        refusal = str(error)
    else:
        return True
    assert "format='pickle'" in refusal, f"the message does not say what to do: {refusal}"
    return False
