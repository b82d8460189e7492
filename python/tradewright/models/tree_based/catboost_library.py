"""CatBoost behind BoostingModel: its settings, the loop bridge, the cbm format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import catboost
import numpy as np
from numpy.typing import NDArray

from tradewright.base import LoopObserver
from tradewright.base.metadata import Task
from tradewright.errors import IntegrityError, ParameterError, UnsupportedError
from tradewright.models.loss_rows import looks_across
from tradewright.models.tree_based.booster_library import BoosterJob, BoosterSink
from tradewright.models.tree_based.booster_loop import refuse_uncut
from tradewright.models.tree_based.booster_loss import BoosterLoss
from tradewright.models.tree_based.booster_settings import (
    drawn,
    given,
    refuse_settings,
    seed_of,
    threads_of,
)
from tradewright.models.tree_based.catboost_bridge import CatBoostBridge, Growing
from tradewright.models.tree_based.catboost_loss import CatBoostMetric, CatBoostObjective
from tradewright.runtime.threads import num_threads

__all__ = ["CatBoost"]

_ROUNDS = ("iterations", "n_estimators", "num_boost_round", "num_trees")
_THREADS = ("thread_count",)
_SEED = ("random_seed", "random_state")
_OBJECTIVE = ("loss_function", "objective")
_LOGGING = ("logging_level", "verbose", "silent", "verbose_eval")
_STOPPING = ("early_stopping_rounds", "od_type", "od_wait", "od_pval", "use_best_model")
_DEFAULT_ROUNDS = 1000
#: What a cbm file begins with.
_MAGIC = b"CBM1"


class CatBoost:
    """CatBoost's estimators, whose parameters are trained by its own ``fit`` with one callback as the bridge."""

    framework = "catboost"
    payload_format = "catboost_cbm"
    payload_name = "model.cbm"
    estimators: ClassVar[Mapping[str, Task]] = {
        "CatBoostRegressor": "regression",
        "CatBoostClassifier": "classification",
    }
    #: CatBoost's callback sees the metrics, and nothing that it could change.
    has_learning_rate = False

    def new_estimator(self, name: str, params: Mapping[str, Any]) -> Any:
        """Build an unfitted estimator."""
        return getattr(catboost, name)(**params)

    def seed(self, estimator: Any) -> int | None:
        """Return the seed under whichever of its names it was set."""
        return seed_of(estimator, _SEED)

    def can_go_back(self, estimator: Any) -> bool:
        """Whether the first k rounds are a model of their own: always."""
        return True

    def can_be_cut(self, estimator: Any, loss: BoosterLoss | None) -> bool:
        """Whether trees are all a fit goes on from; CatBoost takes no start scores beside earlier trees."""
        return loss is None

    def fit(self, job: BoosterJob, observer: LoopObserver, sink: BoosterSink) -> bool:
        """Train, reporting each round; False when it was stopped before the first.

        CatBoost hands out its trees when its ``fit`` returns: at the end, or after each of the segments that the
        observer asks for. Whoever wants them in between makes it train those rounds again.
        """
        _check(job)
        params = _params(job)
        total = int(given(job.estimator, _ROUNDS) or _DEFAULT_ROUNDS)
        observer.loop_begin("round", total)
        segment = observer.segment
        if segment is not None or job.payload is not None:
            refuse_uncut(self, job)
        if job.done >= total or observer.epoch_begin(job.done):
            return job.payload is not None
        pools = _pools(job, params)
        done, payload = job.done, job.payload
        while True:
            last = total if segment is None else min(total, (done // segment + 1) * segment)
            bridge = CatBoostBridge(observer, sink, done, last, total, _loss_key(params, job))
            # All rounds are asked for in each segment, and the bridge ends it: CatBoost chooses its learning rate by
            # their number.
            settings = {**params, "iterations": total, "random_seed": job.segment_seed(done) or 0}
            grown = bridge.run(settings, pools, None if payload is None else self.from_bytes(payload)[0])
            if bridge.is_over or last == total:
                return True
            done, payload = last, self.to_bytes(grown, last)

    def raw_predict(self, booster: Any, X: NDArray[Any], n_rounds: int) -> NDArray[np.float64]:
        """Return the output after ``n_rounds`` rounds: numbers, or probabilities of a classifier."""
        booster = _there(booster)
        kind = _kind_of_prediction(booster)
        X = _table(X, list(booster.get_cat_feature_indices()))
        raw = booster.predict(X, prediction_type=kind, ntree_end=n_rounds, thread_count=num_threads())
        return np.asarray(raw, dtype=np.float64)

    def importances(self, booster: Any, n_rounds: int) -> NDArray[np.float64]:
        """Return how much predictions change when a feature does, on average; CatBoost keeps no gains."""
        whole = _first(_there(booster), n_rounds)
        return np.asarray(whole.get_feature_importance(type="PredictionValuesChange", thread_count=num_threads()))

    def to_bytes(self, booster: Any, n_rounds: int) -> bytes:
        """Return the first ``n_rounds`` rounds as cbm, which holds every number exactly."""
        return bytes(_first(_there(booster), n_rounds)._serialize_model())

    def from_bytes(self, data: bytes) -> tuple[Any, int]:
        """Return the booster and its number of rounds.

        CatBoost checks the structure of the file, not whether its indices hold together: digests tell damage, but a
        crafted file can end the process. Load those of strangers in a process of their own.
        """
        _check_frame(data)
        booster = catboost.CatBoost()
        try:
            booster.load_model(blob=data)
        except catboost.CatBoostError as error:
            raise _damaged(f"CatBoost cannot read it ({error})") from error
        return booster, int(booster.tree_count_)


def _first(booster: Any, n_rounds: int) -> Any:
    """Return the booster cut off after so many rounds, itself where those are all it has."""
    if n_rounds >= booster.tree_count_:
        return booster
    shorter = booster.copy()
    shorter.shrink(n_rounds)
    return shorter


def _there(booster: Any) -> Any:
    return booster.booster if isinstance(booster, Growing) else booster


def _check_frame(data: bytes) -> None:
    """Raise when the bytes are not one whole cbm model: a mark, the length of the trees, the trees and what follows."""
    size = int.from_bytes(data[4:8], "little")
    if not data.startswith(_MAGIC) or not 0 < size <= len(data) - 8:
        raise _damaged("it is no cbm file, or a part of it is missing")


def _damaged(what: str) -> IntegrityError:
    return IntegrityError(
        f"the CatBoost model is damaged: {what}. Get the file again from where it was saved, or save the model again",
        code="bundle.payload",
    )


def _kind_of_prediction(booster: Any) -> str:
    """Return CatBoost's name of what the estimator of this objective predicts."""
    objective = str(booster.get_all_params().get("loss_function", "")).partition(":")[0]
    if objective in ("Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll"):
        return "Probability"
    return "Exponent" if objective in ("Poisson", "Tweedie") else "RawFormulaVal"


def _pools(job: BoosterJob, params: Mapping[str, Any]) -> list[catboost.Pool]:
    starts = [None] * 2 if job.loss is None else job.scores_start
    return [
        catboost.Pool(
            _table(samples.X, samples.categorical_columns),
            cat_features=samples.categorical_columns or None,
            label=samples.y,
            weight=samples.sample_weight,
            baseline=start,
            thread_count=params["thread_count"],
        )
        for (_, samples), start in zip(job.watched, starts, strict=False)
    ]


def _table(X: NDArray[Any], categorical: list[int]) -> Any:
    """Return a matrix as CatBoost takes it, which wants categories as whole numbers: a frame, where there are some."""
    if not categorical:
        return X
    import pandas as pd  # which CatBoost itself depends on

    columns = {
        at: np.where(np.isnan(column), -1, column).astype(np.int64) if at in categorical else column
        for at, column in enumerate(X.T)
    }
    return pd.DataFrame(columns, copy=False)


def _loss_key(params: Mapping[str, Any], job: BoosterJob) -> tuple[str, str]:
    """Return CatBoost's name of the metric that is the loss, and ours."""
    if job.loss is not None:
        return CatBoostMetric.__name__, job.loss.loss.name
    name = str(params["loss_function"])
    return name, name


def _params(job: BoosterJob) -> dict[str, Any]:
    """Return the estimator's parameters as CatBoost's trainer takes them."""
    estimator = job.estimator
    params = {name: value for name, value in estimator.get_params().items() if value is not None}
    for name in (*_ROUNDS, *_SEED, *_OBJECTIVE):
        params.pop(name, None)
    params["thread_count"] = threads_of(estimator, _THREADS)
    seed = given(estimator, _SEED)
    params["random_seed"] = (job.seed or 0) if seed is None else drawn(seed)
    params.setdefault("allow_writing_files", False)
    if given(estimator, _LOGGING) is None:
        params["logging_level"] = "Silent"
    if job.loss is not None:
        return params | _with_loss(estimator, job.loss)
    objective = given(estimator, _OBJECTIVE)
    if objective is None:
        several = job.n_classes is not None and job.n_classes > 2
        objective = "RMSE" if job.n_classes is None else "MultiClass" if several else "Logloss"
    params["loss_function"] = objective
    return params


def _with_loss(estimator: Any, loss: BoosterLoss) -> dict[str, Any]:
    """Return the settings that put the loss in the objective's place; the user's metrics stay beside it."""
    default = type(estimator)()
    for name in (*_OBJECTIVE, "class_weights", "auto_class_weights", "scale_pos_weight"):
        if given(estimator, (name,)) not in (None, given(default, (name,))):
            raise ParameterError(
                f"{name} does not go with loss=: leave it out (weights of classes can be sample_weight, or WeightedBCE)",
                code="model.objective",
                parameter=name,
            )
    if looks_across(loss.loss):
        raise UnsupportedError(
            f"CatBoost hands out its rows a thousand at a time, and {type(loss.loss).__name__} needs all rows of a date"
            " together: use the model 'lightgbm' or 'xgboost' for it",
            code="model.loss_across_rows",
        )
    metrics = [
        metric
        for value in (given(estimator, ("eval_metric",)), given(estimator, ("custom_metric", "custom_loss")))
        if value is not None
        for metric in ([value] if isinstance(value, str) else value)
    ]
    return {
        "loss_function": CatBoostObjective(loss.loss),
        "eval_metric": CatBoostMetric(loss.loss),
        **({"custom_metric": metrics} if metrics else {}),
        # One Newton step a leaf, as the other libraries take.
        "leaf_estimation_method": given(estimator, ("leaf_estimation_method",)) or "Newton",
        "leaf_estimation_iterations": given(estimator, ("leaf_estimation_iterations",)) or 1,
    }


def _check(job: BoosterJob) -> None:
    estimator = job.estimator
    objective = given(estimator, _OBJECTIVE)
    stopping = next((name for name in _STOPPING if given(estimator, (name,))), "early stopping")
    kinds = ("cat_features", "text_features", "embedding_features")
    several = ("RMSEWithUncertainty", "MultiRMSE", "MultiQuantile", "MultiLogloss", "MultiCrossEntropy")
    refuse_settings(
        "catboost",
        {
            "objective as an object": (
                objective is not None and not isinstance(objective, str),
                "pass the name of one of CatBoost's own objectives, or a tradewright loss as loss= of the model",
            ),
            "eval_metric as an object": (
                not isinstance(given(estimator, ("eval_metric",)) or "", str),
                "pass names of CatBoost's metrics; a tradewright loss as loss= of the model is reported too",
            ),
            stopping: (given(estimator, _STOPPING) not in (None, False), "use the EarlyStopping callback"),
            "metric_period": (
                given(estimator, ("metric_period",)) not in (None, 1),
                "every round is reported; leave it out",
            ),
            "class_names": (
                given(estimator, ("class_names",)) is not None,
                "classes come from the labels; leave it out",
            ),
            "a feature kind": (
                any(given(estimator, (name,)) for name in kinds),
                f"leave {', '.join(kinds)} out: categorical columns of a frame are found by their dtype",
            ),
            f"objective={objective!r}": (
                isinstance(objective, str) and objective.partition(":")[0] in several,
                "it predicts several numbers a row: fit one model for each",
            ),
        },
    )
