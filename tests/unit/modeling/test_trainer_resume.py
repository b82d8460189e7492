"""Going on with a broken-off training: the same bits, the same callbacks, and refusals of what is another training."""

import json
import zipfile

import numpy as np
import pytest
from descent import DescentModel, split_problem
from hypothesis import given, settings
from hypothesis import strategies as st

import tradewright as tw
from tradewright.base import Callback
from tradewright.bundle import inspect_bundle, read_bundle, write_bundle
from tradewright.errors import CallbackError, IntegrityError, ModelLoadError, ResumeError, UnsupportedError
from tradewright.training.checkpoint_file import read_checkpoint
from tradewright.training.files import TrainingFiles

DATA = split_problem()
LOSSES = [5.0, 4.0, 3.5, 3.6, 3.0, 3.2, 3.4, 3.3, 2.9, 3.1, 3.5, 3.6]


@pytest.fixture(autouse=True, scope="module")
def no_plots():
    """Drawing takes longer than all the trainings here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingFiles, "write_plots", lambda self, drawn: None)
        yield


class Crash(RuntimeError):
    """Ends a training as a power cut would, but that hooks of the end run."""


class CrashAt(Callback):
    """Raises at the beginning of one epoch."""

    order = 99

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, epoch):
        if epoch == self.epoch:
            raise Crash


def model(**options):
    options = {"epochs": 12, "lr": 0.05, "momentum": 0.9, "val_losses": LOSSES, **options}
    return DescentModel(**options)


def run(folder, callbacks=(), *, seed=3, data=DATA, resume_from=None, dry_run=0, **options):
    trainer = tw.ModelTrainer(model(**options), mlflow_uri="off", output_dir=folder / "runs", seed=seed)
    return trainer.train(*data, callbacks=list(callbacks), checks=None, resume_from=resume_from, dry_run=dry_run)


def broken_off(folder, at, callbacks=(), **options):
    """Train until a crash; return the path of the last checkpoint."""
    last = tw.ModelCheckpoint(folder, save_top_k=0, save_last=True)
    with pytest.raises(Crash):
        run(folder, [*callbacks, last, CrashAt(at)], **options)
    return last.last_model_path


def without_seconds(history):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history]


# --- the same as without a break ----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=25)
@given(at=st.integers(1, 11), patience=st.integers(1, 8), restore=st.booleans(), top=st.sampled_from([-1, 1, 2]))
def test_a_resumed_training_is_the_one_that_was_not_broken_off(tmp_path_factory, at, patience, restore, top):
    def callbacks(folder):
        stopping = tw.EarlyStopping(patience=patience, restore_best=restore)
        return [stopping, tw.ModelCheckpoint(folder / "best", save_top_k=top)]

    whole, broken = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("broken")
    expected_callbacks = callbacks(whole)
    expected = run(whole, expected_callbacks)
    if at >= len(expected.history):
        return
    path = broken_off(broken, at, callbacks(broken))
    resumed_callbacks = callbacks(broken)
    result = run(broken, resumed_callbacks, resume_from=path)

    assert without_seconds(result.history) == without_seconds(expected.history)
    np.testing.assert_array_equal(result.model.weights, expected.model.weights)
    assert (result.status, result.stop_reason, result.best_epoch) == (
        expected.status,
        expected.stop_reason,
        expected.best_epoch,
    )
    names = [[path.name for path, _ in found[1]._kept] for found in (resumed_callbacks, expected_callbacks)]
    assert names[0] == names[1]
    assert sorted(path.name for path in (broken / "best").iterdir()) == sorted(names[1])
    assert result.notes[0] == f"resumed from epoch {at} (last.tw)"
    assert not any("not bit-exact" in note for note in result.notes)


def test_without_the_training_state_it_would_not_be(tmp_path):
    """The momentum matters: the test above would see a resume from weights alone."""
    expected = run(tmp_path).model.weights
    path = broken_off(tmp_path, 4)
    bundle = read_bundle(path)
    manifest = {
        key: value
        for key, value in bundle.manifest.items()
        if key in ("model_class", "payload_format", "config", "metadata", "checkpoint")
    }
    bundle.payloads["training.model.velocity.json"] = b"[0.0, 0.0, 0.0]"
    write_bundle(path, manifest, bundle.payloads)
    assert not np.array_equal(run(tmp_path, resume_from=path).model.weights, expected)


def test_a_checkpoint_loads_as_the_model_of_its_turn(tmp_path):
    path = broken_off(tmp_path, 4)
    loaded = DescentModel.load(path)
    np.testing.assert_array_equal(loaded.weights, run(tmp_path, epochs=4).model.weights)
    assert inspect_bundle(path)["checkpoint"] == {"turns": 4, "batches": 0}
    with zipfile.ZipFile(path) as archive:
        assert not any("pickle" in name or name.endswith(".pkl") for name in archive.namelist())


def test_not_bit_exact_is_said(tmp_path):
    path = broken_off(tmp_path, 4, exact=False)
    result = run(tmp_path, resume_from=path, exact=False)
    assert result.notes[:2] == ("resumed from epoch 4 (last.tw)", "resumed, not bit-exact")
    assert "not bit-exact" in repr(result)


def test_a_second_break(tmp_path):
    expected = run(tmp_path)
    broken_off(tmp_path, 3)
    path = broken_off(tmp_path, 7, resume_from=tmp_path / "last.tw")
    result = run(tmp_path, resume_from=path)
    assert [row["epoch"] for row in result.history] == list(range(12))
    np.testing.assert_array_equal(result.model.weights, expected.model.weights)


def test_more_turns_than_at_first(tmp_path):
    expected = run(tmp_path, epochs=12)
    last = tw.ModelCheckpoint(tmp_path, save_top_k=0, save_last=True)
    run(tmp_path, [last], epochs=5)
    result = run(tmp_path, epochs=12, resume_from=last.last_model_path)
    np.testing.assert_array_equal(result.model.weights, expected.model.weights)
    assert "resumed with epochs=12, begun with epochs=5" in result.notes


def test_a_training_that_was_over_stays_as_it_is(tmp_path):
    last = tw.ModelCheckpoint(tmp_path, save_top_k=0, save_last=True)
    expected = run(tmp_path, [last])
    result = run(tmp_path, resume_from=last.last_model_path)
    assert result.status == "completed"
    assert without_seconds(result.history) == without_seconds(expected.history)
    np.testing.assert_array_equal(result.model.weights, expected.model.weights)


def test_a_stop_before_the_first_new_turn_keeps_the_model(tmp_path):
    class StopNow(Callback):
        def on_train_begin(self, trainer):
            trainer.request_stop("changed my mind")

    path = broken_off(tmp_path, 4)
    result = run(tmp_path, [StopNow()], resume_from=path)
    assert (result.status, len(result.history)) == ("stopped", 4)
    np.testing.assert_array_equal(result.model.weights, DescentModel.load(path).weights)


def test_training_time_is_of_both_parts(tmp_path):
    path = broken_off(tmp_path, 4, pause=0.01)
    before = read_checkpoint(path).progress.seconds
    assert before >= 0.04
    assert run(tmp_path, resume_from=path).training_time > before


def test_a_fresh_seed_is_taken_over(tmp_path):
    path = broken_off(tmp_path, 4, seed=None)
    result = run(tmp_path, resume_from=path, seed=None)
    assert result.model.seed_used == read_checkpoint(path).progress.seed
    config = json.loads(result.artifacts["config"].read_text())
    assert config["seed"] == result.model.seed_used
    assert config["resumed_from"] == str(path)


def test_a_dry_run_counts_new_turns(tmp_path):
    path = broken_off(tmp_path, 4)
    assert len(run(tmp_path, resume_from=path, dry_run=2).history) == 6


# --- batches ------------------------------------------------------------------------------------------------------


def test_steps_are_counted_over_epochs_and_the_epoch_begins_anew(tmp_path):
    checkpoint = tw.ModelCheckpoint(tmp_path, save_top_k=0, every_n_steps=4)
    with pytest.raises(Crash):
        run(tmp_path, [checkpoint, CrashAt(2)], batches=3)
    # Steps 1 to 6 are done; the fourth is the first batch of the second epoch.
    assert checkpoint.last_step_path == tmp_path / "last-step.tw"
    found = read_checkpoint(checkpoint.last_step_path)
    assert (found.progress.turns, found.progress.batches, len(found.progress.history)) == (1, 1, 1)
    resumed = tw.ModelCheckpoint(tmp_path, save_top_k=0, every_n_steps=4)
    result = run(tmp_path, [resumed], batches=3, resume_from=checkpoint.last_step_path)
    assert [row["epoch"] for row in result.history] == list(range(12))
    assert resumed._steps == 4 + 3 * 11
    assert any("batch 1 of an epoch, which began anew" in note for note in result.notes)


def test_without_steps_nobody_listens_to_batches():
    assert not tw.ModelCheckpoint().listens_to("on_batch_end")
    assert tw.ModelCheckpoint(every_n_steps=2).listens_to("on_batch_end")


# --- callbacks ----------------------------------------------------------------------------------------------------


class Counts(Callback):
    """Counts turns; knows the last one as bytes too."""

    def __init__(self):
        self.turns, self.word = 0, b""

    def on_train_begin(self, trainer):
        self.turns, self.word = 0, b""

    def on_epoch_end(self, epoch, logs):
        self.turns += 1
        self.word = f"turn {epoch}".encode()

    def state_dict(self):
        return {"turns": np.int64(self.turns), "word": self.word, "nan": float("nan"), "inf": float("-inf")}

    def load_state_dict(self, state):
        self.turns, self.word = state["turns"], state["word"]
        assert np.isnan(state["nan"])
        assert state["inf"] == float("-inf")


class Other(Counts):
    """Another class, with a state of its own."""


def test_states_go_to_the_same_class_in_the_same_order(tmp_path):
    class Late(Counts):
        def on_epoch_end(self, epoch, logs):
            if epoch > 2:
                super().on_epoch_end(epoch, logs)

    path = broken_off(tmp_path, 4, [Counts(), Late(), Counts()])
    states = [state.name for state in read_checkpoint(path).callbacks]
    assert [name.rpartition(".")[2] for name in states] == ["Counts", "Late", "Counts", "ModelCheckpoint", "CrashAt"]
    late, first, second, other = Late(), Counts(), Counts(), Other()
    result = run(tmp_path, [late, other, first, second], resume_from=path)
    assert (late.turns, first.turns, second.turns, other.turns) == (9, 12, 12, 8)
    assert first.word == b"turn 11"
    assert "Other is not in the checkpoint: it started afresh" in result.notes
    assert "the ModelCheckpoint of the checkpoint is not among the callbacks" in result.notes
    # A callback that never had anything to remember is not missed.
    assert not any("CrashAt" in note for note in result.notes)


@pytest.mark.parametrize("method", ["state_dict", "load_state_dict"])
@pytest.mark.parametrize("on_error", ["raise", "warn"])
def test_a_callback_that_fails_with_its_state(tmp_path, method, on_error):
    def broken(*arguments):
        raise ValueError("nothing to say")

    path = broken_off(tmp_path, 4, [Counts()])
    counts = Counts()
    counts.on_error = on_error
    setattr(counts, method, broken)
    callbacks = [counts, tw.ModelCheckpoint(tmp_path / "again")]
    if on_error == "raise":
        with pytest.raises(ValueError, match="nothing to say"):
            run(tmp_path, callbacks, resume_from=path)
    else:
        with pytest.warns(RuntimeWarning, match=f"Counts is switched off: {method} failed"):
            result = run(tmp_path, callbacks, resume_from=path)
        assert result.status == "completed"


def test_a_state_that_cannot_be_written(tmp_path):
    class Odd(Callback):
        def state_dict(self):
            return {"fine": [1, {"a": None}], "odd": object()}

    with pytest.raises(CallbackError, match=r"state_dict\(\)\['odd'\] cannot be written"):
        run(tmp_path, [Odd(), tw.ModelCheckpoint()])


def test_best_weights_that_the_model_cannot_write_are_missed(tmp_path, monkeypatch):
    def refuse(self, state):
        raise UnsupportedError("no bytes")

    monkeypatch.setattr(DescentModel, "_snapshot_to_bytes", refuse)
    path = broken_off(tmp_path, 6, [tw.EarlyStopping()])
    with pytest.warns(UserWarning, match="does not hold the weights of the best turn, 4"):
        result = run(tmp_path, [tw.EarlyStopping()], resume_from=path)
    assert result.best_epoch == 8


def test_files_of_the_earlier_folder_are_left_alone(tmp_path):
    first = tw.ModelCheckpoint()
    with pytest.raises(Crash):
        run(tmp_path, [first, CrashAt(4)])
    old = first.best_model_path
    second = tw.ModelCheckpoint()
    run(tmp_path, [second], resume_from=old)
    assert old.is_file()
    assert second.best_model_path.parent != old.parent
    assert second.best_model_score == min(LOSSES)
    # A file that has gone is no longer kept.
    old.rename(tmp_path / "moved.tw")
    third = tw.ModelCheckpoint(save_top_k=-1)
    run(tmp_path, [third], resume_from=tmp_path / "moved.tw")
    assert len(third._kept) == 9


# --- segments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "segment"),
    [([{}], None), ([{"exact": True, "every_n_epochs": 5}, {}], 5), ([{"exact": True, "every_n_epochs": 5}] * 2, 5)],
)
def test_the_loop_is_told_of_segments(tmp_path, monkeypatch, options, segment):
    told = []
    real = DescentModel._fit_loop

    def listen(self, train, val, observer, seed, resume=None):
        told.append(observer.segment)
        real(self, train, val, observer, seed, resume)

    monkeypatch.setattr(DescentModel, "_fit_loop", listen)
    run(tmp_path, [tw.ModelCheckpoint(**each) for each in options])
    assert told == [segment]


def test_segments_of_one_round_are_warned_of(tmp_path):
    with pytest.warns(UserWarning, match="after every round, which takes many times as long"):
        run(tmp_path, [tw.ModelCheckpoint(exact=True)], unit="round")
    run(tmp_path, [tw.ModelCheckpoint(exact=True)], unit="epoch")


def test_segments_of_two_lengths(tmp_path):
    callbacks = [tw.ModelCheckpoint(exact=True, every_n_epochs=n) for n in (2, 3)]
    with pytest.raises(CallbackError, match="segments of 2 and of 3 rounds"):
        run(tmp_path, callbacks)


@pytest.mark.parametrize(("then", "now", "told"), [(2, 2, 2), (2, 3, None), (2, None, None), (None, 2, None)])
def test_the_model_is_asked_about_segments_that_are_the_same(tmp_path, monkeypatch, then, now, told):
    def checkpoint(segment, folder):
        exact = segment is not None
        return tw.ModelCheckpoint(folder, save_top_k=0, save_last=True, exact=exact, every_n_epochs=segment or 1)

    asked = []
    first = checkpoint(then, tmp_path)
    with pytest.raises(Crash):
        run(tmp_path, [first, CrashAt(6)])
    monkeypatch.setattr(DescentModel, "_resumes_exactly", lambda self, segment: asked.append(segment) or False)
    run(tmp_path, [checkpoint(now, tmp_path / "second")], resume_from=first.last_model_path)
    assert set(asked) == {told}


# --- another training ---------------------------------------------------------------------------------------------


def changed(data, part):
    copy = [np.array(values) for values in data]
    copy[part].flat[0] += 1e-9
    return copy


@pytest.mark.parametrize(
    ("options", "message", "code"),
    [
        ({"lr": 0.06}, r"the parameters differ: lr was 0\.05, is 0\.06", "train.resume_hyperparameters"),
        ({"data": changed(DATA, 0)}, "the train rows are not", "train.resume_train_rows"),
        ({"data": changed(DATA, 1)}, "the train rows are not", "train.resume_train_rows"),
        ({"data": changed(DATA, 3)}, "the validation rows are not", "train.resume_val_rows"),
        ({"data": DATA[:2]}, "the validation rows are not", "train.resume_val_rows"),
        ({"data": [DATA[0][:, :2], DATA[1], DATA[2][:, :2], DATA[3]]}, "these differ: x2", "train.resume_features"),
        ({"seed": 4}, "its seed is 3, this one 4", "train.resume_seed"),
    ],
)
def test_another_training_is_refused(tmp_path, options, message, code):
    path = broken_off(tmp_path, 4)
    with pytest.raises(ResumeError, match=message) as caught:
        run(tmp_path, resume_from=path, **options)
    assert caught.value.code == code
    assert "last.tw is a checkpoint of another training" in str(caught.value)


def test_features_in_another_order(tmp_path):
    polars = pytest.importorskip("polars")
    tables = [polars.DataFrame(X, schema=["a", "b", "c"]) for X in (DATA[0], DATA[2])]
    path = broken_off(tmp_path, 4, data=(tables[0], DATA[1], tables[1], DATA[3]))
    other = [table.select("b", "a", "c") for table in tables]
    with pytest.raises(ResumeError, match="they come in another order"):
        run(tmp_path, resume_from=path, data=(other[0], DATA[1], other[1], DATA[3]))


def test_another_class_of_model(tmp_path):
    class OtherModel(DescentModel):
        pass

    path = broken_off(tmp_path, 4)
    trainer = tw.ModelTrainer(OtherModel(), mlflow_uri="off", output_dir=tmp_path)
    with pytest.raises(ResumeError, match="its model is a DescentModel, this one a OtherModel"):
        trainer.train(*DATA, callbacks=[], checks=None, resume_from=path)


def test_a_model_is_no_training(tmp_path):
    result = run(tmp_path)
    with pytest.raises(ResumeError, match="holds a model, but no training to go on with"):
        run(tmp_path, resume_from=result.artifacts["model"])


def test_a_model_that_cannot_go_on(tmp_path):
    checkpoint = tw.ModelCheckpoint()
    run(tmp_path, [checkpoint], unit="fit")
    with pytest.raises(UnsupportedError, match="cannot go on with a broken-off fit"):
        run(tmp_path, [], unit="fit", resume_from=checkpoint.best_model_path)


@pytest.mark.parametrize(
    "record",
    [b"[]", b"{", b'{"callbacks": []}', b'{"callbacks": 3}', b'{"turns": 1, "callbacks": [{"class": "A"}]}'],
)
def test_a_record_that_says_nothing(tmp_path, record):
    path = broken_off(tmp_path, 4)
    bundle = read_bundle(path)
    manifest = {key: bundle.manifest[key] for key in ("model_class", "payload_format", "config", "metadata")}
    write_bundle(path, manifest, bundle.payloads | {"training.json": record})
    with pytest.raises(IntegrityError, match="what it says of its training cannot be read"):
        run(tmp_path, resume_from=path)


def test_a_damaged_file(tmp_path):
    path = broken_off(tmp_path, 4)
    path.write_bytes(path.read_bytes().replace(b'"turns": 4', b'"turns": 5'))
    with pytest.raises(ModelLoadError):
        run(tmp_path, resume_from=path)
