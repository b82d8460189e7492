"""The loop of boosters that grow round by round, written once for the libraries that let us turn the crank."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from tradewright.base import LoopObserver, TrainState
from tradewright.errors import UnsupportedError
from tradewright.models.tree_based.booster_library import BoosterJob, BoosterLibrary, BoosterSink

__all__ = ["Rounds", "grow", "refuse_uncut"]


class Rounds(Protocol):
    """A booster in training, with the data it trains on."""

    @property
    def booster(self) -> Any:
        """The booster as it is now."""

    def go_on(self, payload: bytes, done: int) -> None:
        """Replace the booster by the one of these bytes, with fresh random streams; the data stays."""

    def set_learning_rate(self, rate: float) -> None:
        """Use another learning rate from the next round on."""

    def step(self, number: int) -> None:
        """Train one more round."""

    def evaluate(self) -> dict[str, float]:
        """Return the logs of the round; predicts nothing anew."""

    def close(self) -> None:
        """Let go of the data; the booster can still predict."""


def grow(
    library: BoosterLibrary,
    job: BoosterJob,
    total: int,
    start: Callable[[], Rounds],
    observer: LoopObserver,
    sink: BoosterSink,
) -> bool:
    """Train rounds until ``total`` are done or the observer ends it; False when there are none at all.

    Where the observer asks for segments, the booster is brought to bytes and read back after each: exactly what a fit
    that is resumed there does. It costs the prediction of all rows by the rounds so far, once a segment.

    Parameters
    ----------
    library : BoosterLibrary
        Writes the bytes of a segment.
    job : BoosterJob
        The fit; ``job.done`` rounds of it may be there already.
    total : int
        How many rounds there are to be in the end.
    start : callable
        Brings the data into shape, and returns the booster before its first round.
    observer, sink : LoopObserver, BoosterSink
        Who is told of each round, and who keeps the booster.
    """
    observer.loop_begin("round", total)
    segment = observer.segment
    if segment is not None or job.payload is not None:
        refuse_uncut(library, job)
    rounds: Rounds | None = None
    rate: float | None = None
    started = time.perf_counter()
    try:
        for number in range(job.done, total):
            if observer.epoch_begin(number):
                break
            payload = None
            if rounds is None:
                payload, rounds = job.payload, start()
            elif segment is not None and number % segment == 0:
                payload = library.to_bytes(rounds.booster, number)
            if payload is not None:
                rounds.go_on(payload, number)
                rate = None
            if sink.learning_rate_ is not None and sink.learning_rate_ != rate:
                rate = sink.learning_rate_
                rounds.set_learning_rate(rate)
            rounds.step(number)
            sink.take(rounds.booster, number + 1)
            logs = rounds.evaluate()
            if rate is not None:
                logs["lr"] = rate
            now = time.perf_counter()
            logs["seconds"], started = now - started, now
            if observer.epoch_end(TrainState(epoch=number, unit="round", total=total, logs=logs)):
                break
    finally:
        if rounds is not None:
            rounds.close()
    return rounds is not None or job.payload is not None


def refuse_uncut(library: BoosterLibrary, job: BoosterJob) -> None:
    """Raise when this fit cannot go on from its bytes.

    Raises
    ------
    UnsupportedError
        For a kind of boosting whose later rounds need more than the trees.
    """
    if not library.can_be_cut(job.estimator, job.loss):
        raise UnsupportedError(
            f"{library.framework} cannot go on from a saved booster with these settings (dart, random forests and, in"
            " CatBoost, losses of ours need more than the trees): train without ModelCheckpoint(exact=True) and"
            " without resume_from",
            code="model.no_resume",
        )
