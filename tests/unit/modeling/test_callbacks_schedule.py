"""TimeBudget and LearningRateScheduler in real trainings."""

import copy
from datetime import timedelta

import pytest
from descent import DescentModel, split_problem

import tradewright as tw
from tradewright.base import Callback
from tradewright.callbacks import time_budget
from tradewright.errors import CallbackError, ParameterError, RegistryError
from tradewright.training import ModelTrainer

DATA = split_problem()


def train(tmp_path, *callbacks, **model):
    options = {name: model.pop(name) for name in ("resume_from",) if name in model}
    trainer = ModelTrainer(DescentModel(**model), mlflow_uri="off", output_dir=tmp_path, seed=0)
    return trainer.train(*DATA, callbacks=callbacks, checks=None, **options)


def rates(result):
    return [row["lr"] for row in result.history]


# --- TimeBudget ---------------------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""

    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(time_budget, "time", clock)
    return clock


class Takes(Callback):
    """Makes each turn take as long as it is told."""

    def __init__(self, clock, seconds):
        self.clock, self.seconds = clock, seconds

    def on_epoch_end(self, epoch, logs):
        self.clock.now += self.seconds[epoch] if isinstance(self.seconds, list) else self.seconds


@pytest.mark.parametrize(
    ("budget", "seconds", "turns"),
    [
        (10, 3, 3),  # a fourth would end at 12
        (12, 3, 4),
        (timedelta(seconds=12), 3, 4),
        (0.5, 3, 1),  # the first is always trained
        (100, 3, 10),
        (20, [1, 1, 5, 1, 1, 1, 1, 1, 1, 1], 10),
        (14, [1, 1, 5, 1, 1, 1, 1, 1, 1, 1], 6),  # 10 used, and the long one is still among the last five
        (17, [1, 1, 5, 1, 1, 1, 1, 1, 1, 1], 10),
    ],
)
def test_the_turn_that_would_not_fit_is_not_begun(tmp_path, clock, budget, seconds, turns):
    result = train(tmp_path, tw.TimeBudget(budget), Takes(clock, seconds), epochs=10)
    assert len(result.history) == turns
    assert result.status == ("completed" if turns == 10 else "stopped")
    if turns < 10:
        assert result.stop_reason.startswith("time budget of ")
        assert result.model is not None


def test_it_says_what_was_used_and_expected(tmp_path, clock):
    result = train(tmp_path, tw.TimeBudget(timedelta(hours=1)), Takes(clock, 1000.0))
    assert result.stop_reason == "time budget of 1:00:00: 0:50:00 used, the next turn would take about 0:16:40"


def test_a_resumed_training_goes_on_counting(tmp_path, clock):
    first, last = tw.TimeBudget(10), tw.ModelCheckpoint(tmp_path, save_top_k=0, save_last=True)
    train(tmp_path, first, Takes(clock, 3), last, epochs=10)
    assert first.elapsed == 9.0
    clock.now += 5000.0  # between the two nobody trains
    assert first.elapsed == 9.0
    again = train(tmp_path, tw.TimeBudget(10), Takes(clock, 3), epochs=10, resume_from=last.last_model_path)
    assert len(again.history) == 3
    assert "9 s used" in again.stop_reason
    longer = train(tmp_path, tw.TimeBudget(20), Takes(clock, 3), epochs=10, resume_from=last.last_model_path)
    assert len(longer.history) == 6


def test_a_one_shot_fit_cannot_be_cut_short(tmp_path):
    with pytest.warns(UserWarning, match="has no effect: a one-shot fit of a DescentModel cannot be cut short"):
        result = train(tmp_path, tw.TimeBudget(1e-9), unit="fit")
    assert result.status == "completed"


def test_the_same_budget_serves_two_fits(tmp_path, clock):
    budget = tw.TimeBudget(10)
    assert [len(train(tmp_path, budget, Takes(clock, 3)).history) for _ in range(2)] == [3, 3]
    assert repr(copy.deepcopy(budget)) == "TimeBudget(0:00:10)"


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf"), "2h", True, None, timedelta(0)])
def test_wrong_budgets(wrong):
    with pytest.raises(ParameterError, match="pass a number of seconds above 0, or a timedelta"):
        tw.TimeBudget(wrong)


# --- LearningRateScheduler ----------------------------------------------------------------------------------------


def test_a_function_gives_the_rate_of_each_turn(tmp_path):
    result = train(tmp_path, tw.LearningRateScheduler(lambda epoch: 0.1 * 0.5**epoch), epochs=4)
    assert rates(result) == [0.1, 0.05, 0.025, 0.0125]


@pytest.mark.parametrize(("lr", "base"), [(None, 0.08), (0.02, 0.02)])
def test_a_schedule_multiplies_a_rate(tmp_path, lr, base):
    result = train(tmp_path, tw.LearningRateScheduler("linear", lr=lr), epochs=4, lr=0.08)
    assert rates(result) == pytest.approx([base, base * 0.75, base * 0.5, base * 0.25])


def plateau(tmp_path, name, *callbacks, **options):
    schedule = tw.ScheduleRegistry.create("plateau", gamma=0.5, patience=1)
    callbacks = [tw.LearningRateScheduler(schedule), *callbacks]
    return train(tmp_path / name, *callbacks, epochs=6, lr=0.08, val_losses=[1, 2, 3, 4, 5, 6], **options)


def test_a_schedule_that_learns_from_losses(tmp_path):
    whole = plateau(tmp_path, "whole")
    assert rates(whole) == [0.08, 0.08, 0.08, 0.04, 0.04, 0.02]


def test_what_it_learnt_is_resumed(tmp_path):
    checkpoint = tw.ModelCheckpoint(tmp_path, monitor=None, save_top_k=-1)
    whole = plateau(tmp_path, "whole", checkpoint)
    resumed = plateau(tmp_path, "resumed", resume_from=tmp_path / "epoch-001.tw")
    assert rates(resumed) == rates(whole)
    assert resumed.model.weights.tolist() == whole.model.weights.tolist()


def test_each_fit_starts_the_schedule_anew(tmp_path):
    scheduler = tw.LearningRateScheduler(tw.ScheduleRegistry.create("plateau", gamma=0.5, patience=0))
    first, second = (train(tmp_path, scheduler, val_losses=[1.0] * 10) for _ in range(2))
    assert rates(first) == rates(second)
    assert rates(first)[-1] < rates(first)[0]


def test_a_model_without_a_rate_warns_once(tmp_path, recwarn):
    result = train(tmp_path, tw.LearningRateScheduler("cosine"), unit="fit")
    assert result.status == "completed"
    messages = [str(warning.message) for warning in recwarn]
    assert messages == [
        "LearningRateScheduler('cosine') has no effect: a DescentModel of numpy has no learning rate that can change"
        " during the fit"
    ]


@pytest.mark.parametrize("bad", [float("nan"), -0.1, "0.1", None])
def test_a_rate_that_is_none(tmp_path, bad):
    with pytest.raises(CallbackError, match="for epoch 2: a rate is a finite number, not negative"):
        train(tmp_path, tw.LearningRateScheduler(lambda epoch: 0.1 if epoch < 2 else bad))


def test_a_model_that_does_not_say_its_rate(tmp_path, monkeypatch):
    monkeypatch.setattr(DescentModel, "hyperparameters", property(lambda self: {}))
    with pytest.raises(CallbackError, match="does not say its learning rate: pass LearningRateScheduler"):
        train(tmp_path, tw.LearningRateScheduler("cosine"))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("no such schedule",), RegistryError),
        ((0.1,), ParameterError),
        (("cosine", -1.0), ParameterError),
        (("cosine", "fast"), ParameterError),
        ((abs, 0.1), ParameterError),
    ],
)
def test_wrong_schedules(arguments, error):
    with pytest.raises(error):
        tw.LearningRateScheduler(*arguments)
