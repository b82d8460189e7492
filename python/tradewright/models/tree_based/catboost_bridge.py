"""CatBoost's callback as the loop's reports."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import catboost

from tradewright.base import LoopObserver, TrainState
from tradewright.models.tree_based.booster_library import BoosterSink

__all__ = ["CatBoostBridge", "Growing"]

#: How much more may be trained again for the asking than there is to train, before a word is said about it.
_PATIENCE = 10
#: CatBoost's names of the sets.
_SETS = {"learn": "train", "validation": "val"}


class Growing:
    """Stands for a booster whose trees CatBoost has not handed out yet.

    Parameters
    ----------
    regrow : callable
        Trains the same rounds again; called when somebody asks for them.
    """

    def __init__(self, regrow: Callable[[], Any]) -> None:
        self._regrow = regrow
        self._booster: Any = None

    @property
    def booster(self) -> Any:
        """A booster with exactly the trees that the growing one has now."""
        if self._booster is None:
            self._booster = self._regrow()
        return self._booster

    def __reduce__(self) -> tuple[Any, ...]:
        return _itself, (self.booster,)


def _itself(booster: Any) -> Any:
    return booster


class _Stop:
    """Ends a call of CatBoost's ``fit`` after so many rounds."""

    def __init__(self, n_rounds: int) -> None:
        self._n_rounds = n_rounds

    def after_iteration(self, info: Any) -> bool:
        return bool(info.iteration < self._n_rounds)


def _fit(booster: Any, pools: list[Any], earlier: Any | None, bridge: Any) -> Any:
    eval_set = pools[1] if len(pools) > 1 else None
    booster.fit(pools[0], eval_set=eval_set, use_best_model=False, init_model=earlier, callbacks=[bridge])
    return booster


class CatBoostBridge:
    """Reports the rounds of one call of CatBoost's ``fit``.

    The last round of a call is reported when the call has returned: only then are there trees, for a checkpoint to
    save. What a hook raises is kept and raised afterwards, as CatBoost would wrap it.

    Parameters
    ----------
    observer, sink : LoopObserver, BoosterSink
        Who is told of each round, and who keeps the booster.
    done, last, total : int
        The rounds there are, those to be there after this call, and in the end.
    loss : tuple of (str, str)
        The metric that is the loss, by CatBoost's name and by ours.
    """

    def __init__(
        self,
        observer: LoopObserver,
        sink: BoosterSink,
        done: int,
        last: int,
        total: int,
        loss: tuple[str, str],
    ) -> None:
        self._observer = observer
        self._sink = sink
        self._done = done
        self._last = last
        self._total = total
        self._loss = loss
        self._started = time.perf_counter()
        self._again = 0
        self._anew: Callable[[_Stop], Any]
        self._pending: TrainState | None = None
        self._error: BaseException | None = None
        #: Whether the observer, or CatBoost, ended the training.
        self.is_over = False

    def run(self, settings: Mapping[str, Any], pools: list[Any], earlier: Any | None) -> Any:
        """Train with ``settings``, on from ``earlier``; keep and return what it has become."""
        grown = catboost.CatBoost(dict(settings))
        self._anew = lambda stop: _fit(catboost.CatBoost(dict(settings)), pools, earlier, stop)
        try:
            _fit(grown, pools, earlier, self)
        except catboost.CatBoostError as error:
            cause = self._error or getattr(grown.get_param("loss_function"), "error", None)
            if cause is None:
                raise
            raise cause from error
        if self._error is not None:
            raise self._error
        seen = int(grown.tree_count_)
        self._sink.take(grown, seen)
        if self._pending is not None:
            self.is_over = self._report(self._pending)
        elif seen < self._last:  # ended by the observer, or by CatBoost when nothing is left to learn
            self.is_over = True
        return grown

    def after_iteration(self, info: Any) -> bool:
        """Report the round; what CatBoost calls after each. False ends the call."""
        try:
            return self._after(info)
        except BaseException as error:  # noqa: BLE001  raised again when CatBoost has returned
            self._error = error
            return False

    def _after(self, info: Any) -> bool:
        number = self._done + info.iteration - 1
        now = time.perf_counter()
        logs = self._logs(info.metrics or {})
        logs["seconds"], self._started = now - self._started, now
        state = TrainState(epoch=number, unit="round", total=self._total, logs=logs)
        if number + 1 == self._last:
            self._pending = state
            return False
        self._sink.take(Growing(partial(self._regrow, number + 1)), number + 1)
        return not self._report(state)

    def _regrow(self, n_rounds: int) -> Any:
        """Train so many rounds of this call again: the same trees, as the same seed and settings make them."""
        self._again += n_rounds - self._done
        if self._again > _PATIENCE * self._total > 0:
            self._again = -(10**9)  # once is enough
            warnings.warn(
                f"predictions or checkpoints during the training made CatBoost train over {_PATIENCE} times as many rounds"
                " again, as it hands out trees at the end only: ask less often, or train in segments,"
                " ModelCheckpoint(exact=True, every_n_epochs=50)",
                RuntimeWarning,
                stacklevel=2,
            )
        return self._anew(_Stop(n_rounds - self._done))

    def _report(self, state: TrainState) -> bool:
        """Tell the observer; True when it wants the training to end."""
        following = state.epoch + 1
        return self._observer.epoch_end(state) or (following < self._total and self._observer.epoch_begin(following))

    def _logs(self, metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
        logs: dict[str, float] = {}
        theirs, ours = self._loss
        for group, values in metrics.items():
            which = _SETS.get(group)
            if which is None or not values:
                continue
            # CatBoost may add settings to a name: "Logloss:use_weights=True".
            kind = theirs.partition(":")[0]
            names = sorted(values, key=lambda name: (name != theirs, name.partition(":")[0] != kind))
            logs[f"{which}_loss"] = float(values[names[0]][-1])
            for name in values:
                logs[f"{which}_{ours if name == theirs else name}"] = float(values[name][-1])
        return logs
