"""LightGBM behind BoostingModel: the loop bridge, the text format."""

from __future__ import annotations

import dataclasses
import inspect
import time
from collections.abc import Mapping
from typing import Any, ClassVar

import lightgbm as lgb
import numpy as np
from lightgbm.callback import CallbackEnv, EarlyStopException
from numpy.typing import NDArray
from sklearn.base import clone

from tradewright.base import LoopObserver, Samples, TrainState
from tradewright.base.metadata import Task
from tradewright.errors import ParameterError
from tradewright.models.tree_based.booster_library import BoosterSink
from tradewright.models.tree_based.booster_loss import BoosterLoss
from tradewright.models.tree_based.lightgbm_text_check import check_text
from tradewright.runtime.threads import num_threads

__all__ = ["LightGBM"]

#: LightGBM's names for one and the same parameter, as far as they matter here, in the order in which they win.
_BOOSTING = ("boosting", "boost", "boosting_type")
_ROUNDS = (
    "num_iterations",
    "num_iteration",
    "n_iter",
    "num_tree",
    "num_trees",
    "num_round",
    "num_rounds",
    "nrounds",
    "num_boost_round",
    "max_iter",
)
_OBJECTIVE = ("objective", "objective_type", "app", "application", "loss")
_METRIC = ("metric", "metrics", "metric_types")
_VERBOSITY = ("verbosity", "verbose")
_THREADS = ("n_jobs", "num_threads", "num_thread", "nthread", "nthreads")
_SEED = ("random_state", "seed", "random_seed")
_LEAST_CURVATURE = (
    "min_sum_hessian_in_leaf",
    "min_sum_hessian_per_leaf",
    "min_sum_hessian",
    "min_hessian",
    "min_child_weight",
)
_STOPPING = ("early_stopping_round", "early_stopping_rounds", "early_stopping", "n_iter_no_change")


class LightGBM:
    """LightGBM's estimators, trained through their own ``fit`` with one callback as the bridge to the loop."""

    framework = "lightgbm"
    payload_format = "lightgbm_text"
    estimators: ClassVar[Mapping[str, Task]] = {"LGBMRegressor": "regression", "LGBMClassifier": "classification"}

    def new_estimator(self, name: str, params: Mapping[str, Any]) -> Any:
        """Build an unfitted estimator."""
        return getattr(lgb, name)(**params)

    def seed(self, estimator: Any) -> int | None:
        """Return the seed under whichever of its names it was set."""
        seed = _given(estimator, _SEED)
        return int(seed) if isinstance(seed, int | np.integer) else None

    def can_go_back(self, estimator: Any) -> bool:
        """Whether the first k rounds are a model of their own: dart rescales earlier trees, so there they aren't."""
        return bool(_given(estimator, _BOOSTING) != "dart")

    def fit(
        self,
        estimator: Any,
        train: Samples,
        val: Samples | None,
        observer: LoopObserver,
        seed: int | None,
        sink: BoosterSink,
        loss: BoosterLoss | None = None,
    ) -> bool:
        """Train a clone of ``estimator``, reporting each round; False when it was stopped before the first."""
        _check(estimator)
        prepared = clone(estimator).set_params(**_fixed(estimator, seed))
        prepared.set_params(**(_metrics(estimator, train) if loss is None else _with_loss(estimator, loss)))
        total = int(_given(estimator, _ROUNDS) or estimator.n_estimators)
        observer.loop_begin("round", total)
        if observer.epoch_begin(0):
            return False
        # LightGBM knows the train rows by identity and reads their scores off; a view of them is another set.
        watched = [train] if val is None else [train, dataclasses.replace(val, X=val.X[:])]
        weighted = any(samples.sample_weight is not None for samples in watched)
        prepared.fit(
            train.X,
            train.y,
            sample_weight=train.sample_weight,
            **_eval_sets(prepared, watched),
            eval_names=["train", "val"][: len(watched)],
            eval_sample_weight=[samples.sample_weight for samples in watched] if weighted else None,
            callbacks=[_Bridge(observer, sink, total, loss)],
            **({} if loss is None else _starts(loss, watched)),
        )
        return True

    def raw_predict(self, booster: Any, X: NDArray[Any], n_rounds: int) -> NDArray[np.float64]:
        """Return the output after ``n_rounds`` rounds: numbers, or probabilities of a classifier."""
        return np.asarray(booster.predict(X, num_iteration=n_rounds, num_threads=num_threads()), dtype=np.float64)

    def importances(self, booster: Any, n_rounds: int) -> NDArray[np.float64]:
        """Return the total gain per feature."""
        return np.asarray(booster.feature_importance("gain", iteration=n_rounds), dtype=np.float64)

    def to_bytes(self, booster: Any, n_rounds: int) -> bytes:
        """Return the first ``n_rounds`` rounds as LightGBM's text, which holds every number exactly."""
        text: str = booster.model_to_string(num_iteration=n_rounds)
        return text.encode()

    def from_bytes(self, data: bytes) -> tuple[Any, int]:
        """Return the booster and its number of rounds.

        LightGBM's parser follows whatever indices the text holds, to the end of the process. Digests tell damage but
        not malice, as who crafts a file also writes its digests: so sizes and indices are checked first, which narrows
        what a hostile file can do.
        """
        check_text(data)
        booster = lgb.Booster(model_str=data.decode())
        return booster, int(booster.current_iteration())


class _Bridge:
    """The one LightGBM callback: reports each round, and ends training when the observer says so.

    LightGBM sorts and keeps callbacks by attributes, which a class instance can carry.
    """

    def __init__(self, observer: LoopObserver, sink: BoosterSink, total: int, loss: BoosterLoss | None) -> None:
        self._observer = observer
        self._sink = sink
        self._total = total
        self._loss = loss
        self._started = time.perf_counter()

    def __call__(self, env: CallbackEnv) -> None:
        now = time.perf_counter()
        own = [] if self._loss is None else _own_results(env.model, self._loss)
        logs = _logs([*own, *(env.evaluation_result_list or ())])
        logs["seconds"] = now - self._started
        self._started = now
        epoch = env.iteration
        self._sink.take(env.model, epoch + 1)
        stop = self._observer.epoch_end(TrainState(epoch=epoch, unit="round", total=self._total, logs=logs))
        if stop or (epoch + 1 < self._total and self._observer.epoch_begin(epoch + 1)):
            raise EarlyStopException(epoch, env.evaluation_result_list or [])


def _eval_sets(estimator: Any, watched: list[Samples]) -> dict[str, Any]:
    """Return the keywords for the watched sets; LightGBM 4.7 renamed them."""
    if "eval_X" in inspect.signature(estimator.fit).parameters:
        return {"eval_X": tuple(part.X for part in watched), "eval_y": tuple(part.y for part in watched)}
    return {"eval_set": [(part.X, part.y) for part in watched]}


def _logs(results: Any) -> dict[str, float]:
    """Return LightGBM's evaluation under the keys every back end uses; the first metric of a set is its loss."""
    logs: dict[str, float] = {}
    for result in results or ():
        which, metric, value, higher_is_better = result[:4]
        logs.setdefault(f"{which}_loss", -float(value) if higher_is_better else float(value))
        logs[f"{which}_{metric}"] = float(value)
    return logs


def _own_results(booster: lgb.Booster, loss: BoosterLoss) -> list[tuple[str, str, float, bool]]:
    """Evaluate the loss on scores that LightGBM keeps anyway; a metric of its own would not know which rows they are."""
    results = []
    for which, rows, evaluate in (("train", loss.train, booster.eval_train), ("val", loss.val, booster.eval_valid)):
        if rows is not None:
            measured = evaluate(lambda scores, _, rows=rows: (loss.loss.name, rows.value(scores), False))
            results.append((which, *measured[-1][1:4]))
    return results


def _given(estimator: Any, names: tuple[str, ...]) -> Any:
    """Return the parameter under whichever of its names it was set, None when it was not."""
    params = estimator.get_params()
    return next((params[name] for name in names if params.get(name) is not None), None)


def _check(estimator: Any) -> None:
    if callable(_given(estimator, _OBJECTIVE)):
        raise ParameterError(
            "objective is a function: pass the name of one of LightGBM's own objectives, or a tradewright loss as loss= of"
            " the model",
            code="model.objective",
        )
    if _given(estimator, _STOPPING):
        raise ParameterError(
            "LightGBM's own early stopping is set: leave early_stopping_round out and use the EarlyStopping callback",
            code="model.early_stopping",
        )


def _with_loss(estimator: Any, loss: BoosterLoss) -> dict[str, Any]:
    """Return the settings that put the loss in the objective's place; the user's metrics stay."""
    refused = {
        "objective": _given(estimator, _OBJECTIVE) is not None,
        "class_weight": _given(estimator, ("class_weight",)) is not None,
        "boosting='rf'": _given(estimator, _BOOSTING) in ("rf", "random_forest"),
    }
    if any(refused.values()):
        name = next(name for name, is_set in refused.items() if is_set)
        raise ParameterError(
            f"{name} does not go with loss=: leave it out (weights of classes can be sample_weight, or WeightedBCE)",
            code="model.objective",
            parameter=name,
        )
    settings: dict[str, Any] = {"objective": loss.objective("lightgbm")}
    if _given(estimator, _METRIC) is None:
        settings["metric"] = "None"
    is_open = _given(estimator, _LEAST_CURVATURE) in (None, lgb.LGBMRegressor().min_child_weight)
    if loss.has_small_curvature and is_open:
        settings["min_child_weight"] = 0.0
    return settings


def _starts(loss: BoosterLoss, watched: list[Samples]) -> dict[str, Any]:
    starts = [np.full(len(part), loss.start) for part in watched]
    return {"init_score": starts[0], "eval_init_score": starts}


def _fixed(estimator: Any, seed: int | None) -> dict[str, Any]:
    """Return the settings that make the same data give the same trees, where the user left them open."""
    params = estimator.get_params()
    fixed: dict[str, Any] = {}
    if seed is not None and _given(estimator, _SEED) is None:
        fixed["random_state"] = seed
    if _given(estimator, _THREADS) is None:
        fixed["n_jobs"] = num_threads()
    if "deterministic" not in params:
        fixed["deterministic"] = True
    # LightGBM would time both ways and choose, which is not repeatable.
    if not params.get("force_col_wise") and not params.get("force_row_wise"):
        fixed["force_row_wise"] = True
    if _given(estimator, _VERBOSITY) is None:
        fixed["verbosity"] = -1
    return fixed


def _metrics(estimator: Any, train: Samples) -> dict[str, Any]:
    """Put the objective's own metric before the user's: the first one is the loss.

    Without metrics of the user's, LightGBM takes the objective's by itself.
    """
    name = next((name for name in _METRIC if estimator.get_params().get(name) is not None), None)
    if name is None:
        return {}
    metrics = estimator.get_params()[name]
    metrics = metrics.split(",") if isinstance(metrics, str) else list(metrics)
    own = _objective_metric(estimator, len(np.unique(np.asarray(train.y))))
    return {name: [own, *(metric for metric in metrics if metric != own)]}


def _objective_metric(estimator: Any, n_classes: int) -> str:
    """Return the objective's own metric; LightGBM knows it by the objective's name."""
    objective = _given(estimator, _OBJECTIVE)
    if isinstance(estimator, lgb.LGBMClassifier) and (objective is None or n_classes > 2):
        return "multi_logloss" if n_classes > 2 else "binary_logloss"
    return "l2" if objective is None else str(objective)
