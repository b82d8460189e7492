"""EarlyStopping, ModelCheckpoint and ProgressBar in real trainings."""

import copy
import io
import math
import pickle
import re

import numpy as np
import pytest
from descent import DescentModel, split_problem
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from tradewright.base import Callback, ModelState
from tradewright.callbacks import EarlyStopping, ModelCheckpoint, ProgressBar
from tradewright.callbacks.monitor import Monitor
from tradewright.errors import CallbackError, NoValidationError, ParameterError, UnknownMonitorError
from tradewright.training import ModelTrainer, checkpoint_file

DATA = split_problem()


def trainer(tmp_path, **model):
    return ModelTrainer(DescentModel(**model), mlflow_uri="off", output_dir=tmp_path)


def train(tmp_path, *callbacks, data=DATA, **model):
    return trainer(tmp_path, **model).train(*data, callbacks=callbacks, checks=None)


def weights_after(epochs):
    model = DescentModel(epochs=epochs)
    model.fit(DATA[0], DATA[1])
    return model.weights


# --- EarlyStopping ------------------------------------------------------------------------------------------------


def test_stops_after_patience_and_goes_back_to_the_best(tmp_path):
    stopping = EarlyStopping(patience=3)
    result = train(tmp_path, stopping, val_losses=[5, 4, 3, 2, 1, 2, 3, 4, 5, 6])
    assert result.status == "stopped"
    assert len(result.history) == 8
    assert (stopping.stopped_epoch, stopping.best_epoch, stopping.best_score) == (7, 4, 1.0)
    assert result.best_epoch == 4
    assert result.metrics["val_loss"] == 1.0
    assert result.model.metadata.best_iteration == 4
    np.testing.assert_array_equal(result.model.weights, weights_after(5))


def test_without_restore_the_last_weights_are_kept(tmp_path):
    result = train(tmp_path, EarlyStopping(patience=1, restore_best=False), val_losses=[2, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert len(result.history) == 3
    assert result.model.metadata.best_iteration is None
    np.testing.assert_array_equal(result.model.weights, weights_after(3))
    assert result.metrics["val_loss"] == 2.0


def test_restores_when_the_last_round_ended_the_training(tmp_path):
    result = train(tmp_path, EarlyStopping(patience=100), val_losses=[5, 4, 1, 2, 3, 4, 5, 6, 7, 8])
    assert result.status == "completed"
    np.testing.assert_array_equal(result.model.weights, weights_after(3))


def test_restores_when_another_callback_ended_the_training(tmp_path):
    class StopAt(Callback):
        def on_epoch_end(self, epoch, logs):
            if epoch == 4:
                self.trainer.request_stop("enough")

    result = train(tmp_path, EarlyStopping(patience=100), StopAt(), val_losses=[5, 4, 1, 2, 3, 4, 5, 6, 7, 8])
    assert (result.status, result.stop_reason) == ("stopped", "enough")
    np.testing.assert_array_equal(result.model.weights, weights_after(3))


def test_restores_when_a_callback_failed(tmp_path):
    class Fail(Callback):
        def on_epoch_end(self, epoch, logs):
            if epoch == 4:
                raise KeyError("mine")

    run = trainer(tmp_path, val_losses=[5, 4, 1, 2, 3, 4, 5, 6, 7, 8])
    with pytest.raises(KeyError, match="mine"):
        run.train(*DATA, callbacks=[EarlyStopping(patience=100), Fail()], checks=None)
    assert run.last_result.status == "failed"
    np.testing.assert_array_equal(run.last_result.model.weights, weights_after(3))


def test_the_very_best_turn_is_restored_whatever_min_delta(tmp_path):
    stopping = EarlyStopping(patience=2, min_delta=0.5)
    result = train(tmp_path, stopping, val_losses=[2.0, 1.9, 1.8, 1.9, 1.9, 1.9, 1.9, 1.9, 1.9, 1.9])
    assert len(result.history) == 3  # neither 1.9 nor 1.8 beats 2.0 by 0.5
    assert stopping.best_epoch == 2
    np.testing.assert_array_equal(result.model.weights, weights_after(3))


def test_the_same_object_serves_two_fits(tmp_path):
    stopping = EarlyStopping(patience=2)
    first = train(tmp_path, stopping, val_losses=[1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    second = train(tmp_path, stopping, val_losses=[10, 9, 8, 7, 6, 5, 4, 3, 2, 1])
    assert len(first.history) == 3
    assert len(second.history) == 10
    assert second.best_epoch == 9
    np.testing.assert_array_equal(second.model.weights, weights_after(10))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_check_finite(tmp_path, bad):
    losses = [3.0, 2.0, bad, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    result = train(tmp_path, EarlyStopping(), val_losses=losses)
    assert len(result.history) == 3
    assert str(bad) in result.stop_reason
    np.testing.assert_array_equal(result.model.weights, weights_after(2))
    result = train(tmp_path, EarlyStopping(check_finite=False, patience=5), val_losses=losses)
    assert result.best_epoch == 3


def test_thresholds(tmp_path):
    falling = [5, 4, 3, 2, 1, 0, -1, -2, -3, -4]
    result = train(tmp_path, EarlyStopping(stopping_threshold=2.0), val_losses=falling)
    assert len(result.history) == 4
    assert "reached 2" in result.stop_reason
    result = train(tmp_path, EarlyStopping(divergence_threshold=4.0, patience=50), val_losses=falling[::-1])
    assert len(result.history) == 10  # 5 in the last turn is the first above 4
    assert "worse than 4" in result.stop_reason


def test_start_from_epoch_ignores_what_comes_before(tmp_path):
    losses = [0.0, float("nan"), 5, 4, 6, 6, 6, 6, 6, 6]
    result = train(tmp_path, EarlyStopping(patience=2, start_from_epoch=2), val_losses=losses)
    assert result.best_epoch == 3
    assert len(result.history) == 6


def test_baseline_must_be_beaten_in_time(tmp_path):
    falling = [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert len(train(tmp_path, EarlyStopping(patience=4, baseline=5.5), val_losses=falling).history) == 4
    assert len(train(tmp_path, EarlyStopping(patience=6, baseline=5.5), val_losses=falling).history) == 10


def test_constant_negative_loss_stops_with_relative_delta(tmp_path):
    result = train(tmp_path, EarlyStopping(patience=3, min_delta=0.01, min_delta_mode="rel"), val_losses=[-1.0] * 10)
    assert len(result.history) == 4


def test_max_mode(tmp_path):
    stopping = EarlyStopping("val_loss", mode="max", patience=2)
    train(tmp_path, stopping, val_losses=[1, 2, 3, 2, 1, 0, 0, 0, 0, 0])
    assert (stopping.best_epoch, stopping.best_score) == (2, 3.0)


def test_unknown_monitor_lists_the_known(tmp_path):
    run = trainer(tmp_path)
    with pytest.raises(
        UnknownMonitorError, match=r"'val_los'.*train_loss, val_loss.*did you mean 'val_loss'"
    ) as caught:
        run.train(*DATA, callbacks=[EarlyStopping("val_los")], checks=None)
    assert caught.value.fields["known"] == ["lr", "seconds", "train_loss", "val_loss"]
    assert len(run.last_result.history) == 1


def test_unknown_monitor_not_strict_warns_once_and_trains(tmp_path):
    with pytest.warns(UserWarning, match="val_los") as caught:
        result = train(tmp_path, EarlyStopping("val_los", strict=False))
    assert len(caught) == 1
    assert result.status == "completed"


@pytest.mark.parametrize("callback", [EarlyStopping(), ModelCheckpoint()], ids=["stopping", "checkpoint"])
def test_no_validation_rows_is_said_before_the_first_round(tmp_path, callback):
    run = trainer(tmp_path)
    with pytest.raises(NoValidationError, match=r"val_loss.*no validation rows.*train_loss"):
        run.train(DATA[0], DATA[1], callbacks=[callback], checks=None)
    assert run.model.draws == []
    assert run.last_result.history == ()


def test_one_shot_fit_has_nothing_to_go_back_to(tmp_path):
    result = train(tmp_path, EarlyStopping(patience=0), unit="fit")
    assert result.status == "completed"
    assert len(result.history) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "auto"},
        {"patience": -1},
        {"min_delta": -0.1},
        {"min_delta": float("nan")},
        {"min_delta_mode": "relative"},
    ],
)
def test_wrong_parameters(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        EarlyStopping(**wrong)


class FakeTrainer:
    """Just enough of a trainer for EarlyStopping alone."""

    has_validation = True

    def __init__(self):
        self.model = self
        self.reason = None
        self.epoch = -1

    def snapshot(self):
        return ModelState(self.epoch, None)

    def _snapshot_to_bytes(self, state):
        return b""

    def _snapshot_from_bytes(self, epoch, data):
        return ModelState(epoch, None)

    def request_stop(self, reason):
        self.reason = self.reason or reason


def obvious(values, *, mode, patience, min_delta, relative, start, baseline):
    """EarlyStopping as one would write it on a blackboard: look back over the whole series at each turn."""
    sign = 1.0 if mode == "min" else -1.0
    reference, last_good = None, start - 1
    for turn in range(start, len(values)):
        value = values[turn]
        if reference is None:
            improved = True
        else:
            delta = min_delta * abs(reference) if relative else min_delta
            improved = sign * value < sign * reference - delta
        if improved:
            reference = value
            if baseline is None or sign * value < sign * baseline:
                last_good = turn
        if turn > last_good and turn - last_good >= patience:
            break
    else:
        turn = len(values) - 1
    seen = values[start : turn + 1]
    if not seen:
        return turn, None
    best = min(seen) if mode == "min" else max(seen)
    return turn, start + seen.index(best)


@settings(deadline=None, max_examples=300)
@given(
    values=st.lists(st.floats(-100, 100) | st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=30),
    mode=st.sampled_from(["min", "max"]),
    patience=st.integers(0, 6),
    min_delta=st.sampled_from([0.0, 0.01, 0.5, 2.0]),
    relative=st.booleans(),
    start=st.integers(0, 4),
    baseline=st.none() | st.floats(-50, 50),
)
def test_stops_where_the_obvious_twin_does(values, mode, patience, min_delta, relative, start, baseline):
    fake = FakeTrainer()
    stopping = EarlyStopping(
        "val_loss",
        mode=mode,
        patience=patience,
        min_delta=min_delta,
        min_delta_mode="rel" if relative else "abs",
        start_from_epoch=start,
        baseline=baseline,
    )
    stopping.trainer = fake
    stopping.on_train_begin(fake)
    for turn, value in enumerate(values):
        fake.epoch = turn
        stopping.on_epoch_end(turn, {"val_loss": value})
        if fake.reason:
            break
    expected = obvious(
        values, mode=mode, patience=patience, min_delta=min_delta, relative=relative, start=start, baseline=baseline
    )
    assert (turn, stopping.best_epoch) == expected
    if stopping.best_epoch is not None:
        assert stopping._best_state.epoch == stopping.best_epoch


def test_state_survives_a_round_trip():
    fake = FakeTrainer()
    first = EarlyStopping(patience=3)
    first.trainer = fake
    first.on_train_begin(fake)
    for turn, value in enumerate([3.0, 2.0, 2.5]):
        first.on_epoch_end(turn, {"val_loss": value})
    second = EarlyStopping(patience=3)
    second.trainer = fake
    second.on_train_begin(fake)
    second.load_state_dict(first.state_dict())
    for turn, value in enumerate([2.6, 2.7], start=3):
        assert fake.reason is None
        second.on_epoch_end(turn, {"val_loss": value})
    assert fake.reason is not None


@pytest.mark.parametrize("callback", [EarlyStopping(), ModelCheckpoint(), ProgressBar()])
def test_callbacks_copy_and_pickle_without_the_trainer(tmp_path, callback):
    run = trainer(tmp_path)
    run.train(*DATA, callbacks=[callback], checks=None)
    assert callback.trainer is run
    for other in (copy.deepcopy(callback), pickle.loads(pickle.dumps(callback))):
        assert other.trainer is None
        assert repr(other) == repr(callback)
        trainer(tmp_path).train(*DATA, callbacks=[other], checks=None)


# --- ModelCheckpoint ----------------------------------------------------------------------------------------------


def test_the_best_is_saved_and_loads(tmp_path):
    checkpoint = ModelCheckpoint(tmp_path / "best", filename="{epoch:03d}-{val_loss:.2f}")
    train(tmp_path, checkpoint, val_losses=[5, 4, 1, 2, 3, 4, 5, 6, 7, 8])
    assert [path.name for path in (tmp_path / "best").iterdir()] == ["002-1.00.tw"]
    assert checkpoint.best_model_path == tmp_path / "best" / "002-1.00.tw"
    assert checkpoint.best_model_score == 1.0
    model = DescentModel.load(checkpoint.best_model_path)
    np.testing.assert_array_equal(model.weights, weights_after(3))
    assert model.metadata.n_rows == 40
    np.testing.assert_array_equal(model.predict(DATA[2]), DATA[2] @ weights_after(3))


def test_files_are_there_when_the_next_round_crashes(tmp_path):
    checkpoint = ModelCheckpoint(tmp_path / "best", save_last=True)
    run = trainer(tmp_path, val_losses=[5, 4, 3, 4, 5, 6, 7, 8, 9, 10], fails_at=5)
    with pytest.raises(RuntimeError, match="epoch 5"):
        run.train(*DATA, callbacks=[checkpoint], checks=None)
    assert not run.model.is_fitted
    np.testing.assert_array_equal(DescentModel.load(tmp_path / "best" / "epoch-002.tw").weights, weights_after(3))
    np.testing.assert_array_equal(DescentModel.load(checkpoint.last_model_path).weights, weights_after(5))


@settings(deadline=None, max_examples=25)
@given(
    losses=st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, -1.5, float("nan")]), min_size=1, max_size=8),
    mode=st.sampled_from(["min", "max"]),
    top=st.integers(-1, 3),
    every=st.integers(1, 3),
)
def test_the_files_are_the_top_k(tmp_path_factory, losses, mode, top, every):
    folder = tmp_path_factory.mktemp("top")
    checkpoint = ModelCheckpoint(folder / "c", mode=mode, save_top_k=top, every_n_epochs=every)
    train(folder, checkpoint, epochs=len(losses), val_losses=losses)
    looked_at = [epoch for epoch in range(len(losses)) if (epoch + 1) % every == 0]
    if top == -1:
        expected = looked_at
    else:
        numbers = [epoch for epoch in looked_at if not math.isnan(losses[epoch])]
        expected = sorted(numbers, key=lambda epoch: losses[epoch] * (1 if mode == "min" else -1))[:top]
    files = sorted(path.name for path in (folder / "c").iterdir()) if (folder / "c").exists() else []
    assert files == sorted(f"epoch-{epoch:03d}.tw" for epoch in expected)
    finite = [losses[epoch] for epoch in expected if not math.isnan(losses[epoch])]
    if finite:
        assert checkpoint.best_model_score == (min(finite) if mode == "min" else max(finite))


@settings(deadline=None, max_examples=25)
@given(
    losses=st.lists(st.sampled_from([0.96, 0.98, 1.0, 1.01, 1.04, 2.0]), min_size=1, max_size=8),
    filename=st.sampled_from(["best", "{val_loss:.1f}"]),
    top=st.sampled_from([-1, 1, 2, 3]),
)
def test_equal_names_never_overwrite_a_kept_file(tmp_path_factory, losses, filename, top):
    folder = tmp_path_factory.mktemp("names")
    checkpoint = ModelCheckpoint(folder / "c", filename=filename, save_top_k=top)
    train(folder, checkpoint, epochs=len(losses), val_losses=losses)
    best = sorted(range(len(losses)), key=losses.__getitem__)
    expected = best if top == -1 else best[:top]
    kept = checkpoint.state_dict()["kept"]
    assert [value for _, value in kept] == [losses[epoch] for epoch in expected]
    for (path, _), epoch in zip(kept, expected, strict=True):
        np.testing.assert_array_equal(DescentModel.load(path).weights, weights_after(epoch + 1))
    assert sorted(str(path) for path in (folder / "c").iterdir()) == sorted(path for path, _ in kept)
    assert str(checkpoint.best_model_path) == kept[0][0]


def test_equal_names_get_versions(tmp_path):
    checkpoint = ModelCheckpoint(tmp_path / "c", filename="best", save_top_k=3)
    train(tmp_path, checkpoint, epochs=3, val_losses=[1, 2, 3])
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["best-v1.tw", "best-v2.tw", "best.tw"]
    assert checkpoint.best_model_path.name == "best.tw"


def test_old_ones_go_only_after_the_new_one_is_there(tmp_path):
    seen = []

    class Watch(Callback):
        order = 60

        def on_checkpoint_saved(self, path, logs):
            seen.append((path.name, sorted(item.name for item in path.parent.iterdir()), logs["val_loss"]))

    train(tmp_path, ModelCheckpoint(tmp_path / "c"), Watch(), epochs=3, val_losses=[3, 2, 1])
    assert seen == [
        ("epoch-000.tw", ["epoch-000.tw"], 3.0),
        ("epoch-001.tw", ["epoch-000.tw", "epoch-001.tw"], 2.0),
        ("epoch-002.tw", ["epoch-001.tw", "epoch-002.tw"], 1.0),
    ]
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["epoch-002.tw"]


def test_a_failed_save_keeps_the_old_one(tmp_path, monkeypatch):
    checkpoint = ModelCheckpoint(tmp_path / "c")
    run = trainer(tmp_path, val_losses=[3, 2, 1, 0, 0, 0, 0, 0, 0, 0])
    real = checkpoint_file.write_bundle

    def full_disk(path, manifest, payloads):
        if path.name == "epoch-002.tw":
            raise OSError("no space left")
        real(path, manifest, payloads)

    monkeypatch.setattr(checkpoint_file, "write_bundle", full_disk)
    with pytest.raises(OSError, match="no space left"):
        run.train(*DATA, callbacks=[checkpoint], checks=None)
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["epoch-001.tw"]
    assert checkpoint.best_model_path == tmp_path / "c" / "epoch-001.tw"


def test_without_monitor_the_newest_are_kept(tmp_path):
    checkpoint = ModelCheckpoint(tmp_path / "c", monitor=None, save_top_k=2)
    train(tmp_path, checkpoint, data=DATA[:2], epochs=5)
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["epoch-003.tw", "epoch-004.tw"]
    assert checkpoint.best_model_score is None


def test_default_folder_is_the_trainings_own(tmp_path):
    checkpoint = ModelCheckpoint()
    run = trainer(tmp_path)
    run.train(*DATA, callbacks=[checkpoint], checks=None)
    assert checkpoint.best_model_path.parent == run.output_dir / "checkpoints"


@pytest.mark.parametrize("filename", ["{nope}", "a/b", "../x", "{epoch.__class__}", "{}", "{epoch", "last", ""])
def test_templates_that_make_no_file_name(tmp_path, filename):
    with pytest.raises(CallbackError, match="filename="):
        train(tmp_path, ModelCheckpoint(tmp_path / "c", filename=filename))


@pytest.mark.parametrize("wrong", [{"save_top_k": -2}, {"every_n_epochs": 0}, {"mode": "best"}, {"every_n_steps": 0}])
def test_wrong_checkpoint_parameters(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        ModelCheckpoint(**wrong)


# --- ProgressBar --------------------------------------------------------------------------------------------------


def lines(tmp_path, every_n=None, **model):
    console = Console(file=io.StringIO(), width=40)
    train(tmp_path, ProgressBar(every_n, console=console), **model)
    return console.file.getvalue().splitlines()


def test_a_line_per_epoch_where_no_bar_can_be_drawn(tmp_path):
    text = lines(tmp_path, epochs=3)
    assert len(text) == 3
    assert text[0].startswith("DescentModel epoch 1/3  train_loss ")
    assert "val_loss" in text[0]


def test_every_n_and_the_last(tmp_path):
    assert [line.split()[2] for line in lines(tmp_path, 4, epochs=10)] == ["4/10", "8/10", "10/10"]


def test_boosting_rounds_are_thinned(tmp_path):
    text = lines(tmp_path, epochs=200, unit="round", val_losses=[1.0] * 200)
    assert len(text) == 20
    assert text[-1].split()[2] == "200/200"


def test_the_last_line_comes_also_when_stopped_early(tmp_path):
    console = Console(file=io.StringIO(), width=40)
    train(tmp_path, ProgressBar(50, console=console), EarlyStopping(patience=2), val_losses=[1.0] * 10)
    assert [line.split()[2] for line in console.file.getvalue().splitlines()] == ["3/10"]


def test_a_bar_in_a_terminal_refreshes_by_the_clock(tmp_path):
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    bar = ProgressBar(console=console)
    drawn = []
    real = bar._draw
    bar._draw = lambda logs: (drawn.append(bar._seen), real(logs))
    train(tmp_path, bar, epochs=2000, lr=0.01)
    # Far fewer drawings than turns; the last one shows the end.
    assert len(drawn) < 1000
    assert drawn[-1] == 2000
    assert "2000/2000" in console.file.getvalue()
    assert bar._progress is None


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_narrow_terminal_shows_the_count_and_whole_numbers(tmp_path, width):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=width, color_system=None)
    train(tmp_path, ProgressBar(console=console), epochs=3)
    last = [line for line in screen.getvalue().replace("\r", "\n").split("\n") if "3/3" in line][-1]
    assert "…" not in last
    shown = {60: [], 80: ["val_loss", "train_loss"], 120: ["val_loss", "train_loss", "lr"]}[width]
    for name in shown:
        assert re.search(rf"{name} [0-9.]+", last)
    assert "seconds" not in last


def test_a_broken_terminal_does_not_end_the_training(tmp_path):
    class Broken(io.StringIO):
        def write(self, text):
            raise OSError("gone")

    with pytest.warns(RuntimeWarning, match=r"ProgressBar is switched off.*gone") as caught:
        result = train(tmp_path, ProgressBar(console=Console(file=Broken(), width=40)))
    assert len(caught) == 1
    assert result.status == "completed"


def test_wrong_every_n():
    with pytest.raises(ParameterError, match="every_n"):
        ProgressBar(0)


def test_monitor():
    assert Monitor("a", "min").is_better(1.0, 2.0)
    assert Monitor("a", "max").is_better(2.0, 1.0)
    assert not Monitor("a", "min").is_better(float("nan"), 1.0)
    assert Monitor("a", "min").is_better(1.0, Monitor("a", "min").worst)
