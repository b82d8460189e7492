"""The training loop: what it reports, stopping at any turn, going back, errors on the way."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tradewright.base import TrainState
from tradewright.errors import CallbackError, NotFittedError, UnsupportedError
from tradewright.testing.model_case import Case, Recorder, assert_same, expect

__all__ = ["errors_of_observers", "reports", "snapshots", "stops"]

#: Turns at which stopping is tried; loops may have thousands.
_TURNS = (0, 1, 2)


def reports(case: Case) -> None:
    """A loop tells its unit once, then each turn in order, with finite losses of both sets; being watched changes nothing."""
    seen = Recorder()
    seen.wants_batches = True
    model = case.fit(observer=seen, eval_set=case.eval_set())
    assert len(seen.begun) == 1, f"loop_begin was called {len(seen.begun)} times"
    ((unit, total),) = seen.begun
    assert unit in ("epoch", "round", "fit"), f"the unit is {unit!r}"
    ended = [state.epoch for state in seen.states]
    assert ended == list(range(len(ended))), f"epoch_end told the turns {ended}"
    assert ended, "epoch_end was never called"
    assert seen.turns[: len(ended)] == ended, f"epoch_begin told the turns {seen.turns}"
    assert total is None or len(ended) <= total, f"{len(ended)} turns, of {total} that were told"
    for state in seen.states:
        assert state.unit == unit, "the unit changed on the way"
        for name in ("train_loss", "val_loss"):
            value = state.logs.get(name)
            assert isinstance(value, float), f"turn {state.epoch}: {name} is {value!r}"
            assert math.isfinite(value), f"turn {state.epoch}: {name} is {value!r}"
    assert_same(case.output(model), case.output(case.fit()), "watched against unwatched")
    blind = Recorder()
    case.fit(observer=blind)
    assert "val_loss" not in blind.states[0].logs, "val_loss is told without validation rows"


def stops(case: Case) -> None:
    """A loop ends at the turn it is asked to, and the model is that of the turn; before the first there is none."""
    outputs: list[Any] = []
    model = case.make()

    def look(state: TrainState) -> None:
        if state.epoch in _TURNS:
            try:
                outputs.append(case.output(model))
            except UnsupportedError:  # a back end may hand out nothing before the end, if it says so
                outputs.append(None)

    full = Recorder(then=look)
    case.fit(model=model, observer=full)
    for turn in [turn for turn in _TURNS if turn < len(full.states)]:
        seen = Recorder(stop_at=turn)
        stopped = case.fit(observer=seen)
        assert len(seen.states) == turn + 1, f"asked to stop at turn {turn}, it went on to {len(seen.states) - 1}"
        assert stopped.is_fitted, f"stopped at turn {turn}, it is not fitted"
        found, then = case.output(stopped), outputs[turn]
        if then is not None:
            assert_same(found, then, f"stopped at turn {turn} against then, in a full fit")
        before = case.fit(observer=Recorder(stop_before=turn + 1))
        assert_same(case.output(before), found, f"stopped before turn {turn + 1} against at turn {turn}")
    model = case.make()
    error = expect(
        CallbackError, lambda: case.fit(model=model, observer=Recorder(stop_before=0)), "a stop before the first turn"
    )
    assert getattr(error, "code", "") == "model.stopped_before_start", (
        "the error's code is not model.stopped_before_start"
    )
    assert not model.is_fitted, "stopped before its first turn, it is fitted"


def snapshots(case: Case) -> None:
    """Going back to a snapshot gives the predictions of then; a loop of rounds or epochs has snapshots, or says no."""
    model = case.make()
    kept: list[Any] = []

    def keep(state: TrainState) -> None:
        if state.epoch == 0:
            try:
                kept.append((model.snapshot(), case.output(model)))
            except UnsupportedError:
                kept.append(None)

    seen = Recorder(then=keep)
    case.fit(model=model, observer=seen)
    if kept[0] is None:
        return
    snapshot, output = kept[0]
    if snapshot is None:
        assert seen.begun[0][0] == "fit", "a loop of many turns has no snapshots; raise UnsupportedError if it cannot"
        return
    assert snapshot.epoch == 0, f"the snapshot of turn 0 says that it is of {snapshot.epoch}"
    last = case.output(model)
    end = model.snapshot()
    model.restore(snapshot)
    assert_same(case.output(model), output, "restored, against the turn of the snapshot")
    if end is not None:
        model.restore(end)
        assert_same(case.output(model), last, "restored to the last turn again")


def errors_of_observers(case: Case) -> None:
    """What an observer raises comes out unchanged, and leaves no model behind."""
    model = case.fit()

    def fail(_: TrainState) -> None:
        raise _StumbleError

    expect(_StumbleError, lambda: case.fit(model=model, observer=Recorder(then=fail)), "an observer that raises")
    assert not model.is_fitted, "the fit ended by an exception, and the model is fitted"
    expect(NotFittedError, lambda: case.output(model), "predicting after a fit that failed")
    assert np.isfinite(_known(case.output(case.fit(model=model)))).all(), "it cannot be fitted again"


class _StumbleError(Exception):
    """What an observer raises here."""


def _known(output: Any) -> Any:
    """Without the rows a model of sequences cannot know."""
    numbers = output.astype(np.float64) if output.dtype.kind in "biuf" else np.zeros(len(output))
    return numbers[~np.isnan(numbers)]
