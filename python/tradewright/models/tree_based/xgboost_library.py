"""XGBoost behind BoostingModel: its settings, one round at a time, the UBJSON format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from tradewright.base import LoopObserver, Samples
from tradewright.base.metadata import Task
from tradewright.errors import IntegrityError, ParameterError
from tradewright.models.tree_based.booster_library import BoosterJob, BoosterSink
from tradewright.models.tree_based.booster_loop import grow
from tradewright.models.tree_based.booster_loss import BoosterLoss
from tradewright.models.tree_based.booster_settings import (
    drawn,
    given,
    refuse_settings,
    seed_of,
    threads_of,
)
from tradewright.models.tree_based.xgboost_ubj_check import check_ubj
from tradewright.runtime.threads import num_threads

__all__ = ["XGBoost"]

#: XGBoost's names for one and the same parameter, in the order in which they win.
_ROUNDS = ("n_estimators", "num_boost_round")
_THREADS = ("n_jobs", "nthread")
_SEED = ("random_state", "seed")
_LEAST_CURVATURE = ("min_child_weight",)
_SHRINKAGE = ("reg_lambda", "lambda")
#: What XGBoost's classifiers call the objectives whose output is a probability.
_PROBABILITIES = ("binary:logistic", "multi:softprob", "multi:softmax")
_DEFAULT_ROUNDS = 100


class XGBoost:
    """XGBoost's estimators, whose parameters are trained with one round at a time."""

    framework = "xgboost"
    payload_format = "xgboost_ubj"
    payload_name = "model.ubj"
    estimators: ClassVar[Mapping[str, Task]] = {"XGBRegressor": "regression", "XGBClassifier": "classification"}
    has_learning_rate = True

    def new_estimator(self, name: str, params: Mapping[str, Any]) -> Any:
        """Build an unfitted estimator."""
        return getattr(xgb, name)(**params)

    def seed(self, estimator: Any) -> int | None:
        """Return the seed under whichever of its names it was set."""
        return seed_of(estimator, _SEED)

    def can_go_back(self, estimator: Any) -> bool:
        """Whether the first k rounds are a model of their own: dart rescales earlier trees, so there they aren't."""
        return bool(given(estimator, ("booster",)) != "dart")

    def can_be_cut(self, estimator: Any, loss: BoosterLoss | None) -> bool:
        """Whether the bytes are all a fit goes on from: they hold dart's weights too."""
        return True

    def fit(self, job: BoosterJob, observer: LoopObserver, sink: BoosterSink) -> bool:
        """Train, reporting each round; False when it was stopped before the first."""
        _check(job)
        params = _params(job)
        total = int(given(job.estimator, _ROUNDS) or _DEFAULT_ROUNDS)
        return grow(self, job, total, lambda: _XGBoostRounds(job, params), observer, sink)

    def raw_predict(self, booster: Any, X: NDArray[Any], n_rounds: int) -> NDArray[np.float64]:
        """Return the output after ``n_rounds`` rounds: numbers, or probabilities of a classifier."""
        return np.asarray(booster.inplace_predict(X, iteration_range=(0, n_rounds)), dtype=np.float64)

    def importances(self, booster: Any, n_rounds: int) -> NDArray[np.float64]:
        """Return the total gain per feature."""
        gains = np.zeros(booster.num_features())
        # XGBoost calls features without a name f0, f1, …, and leaves those out that no split uses.
        for name, gain in _first(booster, n_rounds).get_score(importance_type="total_gain").items():
            gains[int(name[1:])] = np.sum(gain)
        return gains

    def to_bytes(self, booster: Any, n_rounds: int) -> bytes:
        """Return the first ``n_rounds`` rounds as UBJSON, which holds every number exactly."""
        return bytes(_first(booster, n_rounds).save_raw("ubj"))

    def from_bytes(self, data: bytes) -> tuple[Any, int]:
        """Return the booster and its number of rounds.

        XGBoost's parser believes what it reads, to the end of the process: sizes and indices are checked first.
        """
        check_ubj(data)
        try:
            booster = xgb.Booster({"nthread": num_threads()}, model_file=bytearray(data))
        except xgb.core.XGBoostError as error:
            raise IntegrityError(
                f"XGBoost {xgb.__version__} cannot read the model ({str(error).splitlines()[0]}): load it with the version"
                " it was saved with, or save it again",
                code="bundle.payload",
            ) from error
        return booster, int(booster.num_boosted_rounds())


class _XGBoostRounds:
    """An XGBoost booster in training."""

    def __init__(self, job: BoosterJob, params: dict[str, Any]) -> None:
        self._job = job
        self._params = params
        self._objective = None if job.loss is None else job.loss.objective("xgboost")
        self._sets = _matrices(job, params)
        metrics = _metrics(job.estimator)
        # The first metric of a set is its loss; without any of the user's, XGBoost takes the objective's by itself.
        self._has_metrics = bool(metrics) or job.loss is None
        if metrics:
            own = _objective_metric(params, job.train) if job.loss is None else []
            params = {**params, "eval_metric": [*own, *(metric for metric in metrics if metric not in own)]}
            self._params = params
        self.booster = xgb.Booster(self._params, [data for data, _ in self._sets])

    def go_on(self, payload: bytes, done: int) -> None:
        """Replace the booster; XGBoost predicts its rounds so far anew when it needs them."""
        params = {**self._params, "seed": self._job.segment_seed(done) or 0}
        self.booster = xgb.Booster(params, [data for data, _ in self._sets], model_file=bytearray(payload))

    def set_learning_rate(self, rate: float) -> None:
        """Use another learning rate from the next round on."""
        self.booster.set_param({"eta": rate, "learning_rate": rate})

    def step(self, number: int) -> None:
        """Train one more round."""
        self.booster.update(self._sets[0][0], number, fobj=self._objective)

    def evaluate(self) -> dict[str, float]:
        """Return XGBoost's evaluation under the keys every back end uses; the first metric of a set is its loss."""
        results = [] if self._job.loss is None else self._own_results(self._job.loss)
        if self._has_metrics:
            results += _results(self.booster.eval_set(self._sets))
        logs: dict[str, float] = {}
        for which, metric, value in results:
            logs.setdefault(f"{which}_loss", value)
            logs[f"{which}_{metric}"] = value
        return logs

    def _own_results(self, loss: BoosterLoss) -> list[tuple[str, str, float]]:
        """Evaluate the loss on margins that XGBoost keeps anyway, for the sets it was opened with."""
        return [
            (which, loss.loss.name, rows.value(self.booster.predict(data, output_margin=True)))
            for (data, which), rows in zip(self._sets, (loss.train, loss.val), strict=False)
            if rows is not None
        ]

    def close(self) -> None:
        """Let go of the data."""
        self.booster.reset()
        self._sets = []


def _first(booster: xgb.Booster, n_rounds: int) -> xgb.Booster:
    """Return the booster cut off after so many rounds, itself where those are all it has."""
    return booster if n_rounds == booster.num_boosted_rounds() else booster[:n_rounds]


def _matrices(job: BoosterJob, params: Mapping[str, Any]) -> list[tuple[xgb.DMatrix, str]]:
    """Return the watched sets as XGBoost's matrices, binned where it trains on bins."""
    estimator = job.estimator
    starts = [None] * 2 if job.loss is None else [start.astype(np.float32) for start in job.scores_start]
    binned = given(estimator, ("tree_method",)) in (None, "auto", "hist")
    sets: list[tuple[xgb.DMatrix, str]] = []
    for (which, samples), start in zip(job.watched, starts, strict=False):
        settings = {
            "label": samples.y,
            "weight": samples.sample_weight,
            "base_margin": start,
            "nthread": params["nthread"],
            "feature_types": _feature_types(estimator, samples),
            "enable_categorical": bool(given(estimator, ("enable_categorical",)) or samples.categories),
        }
        if which == "train":
            settings["feature_weights"] = given(estimator, ("feature_weights",))
        if binned:
            settings |= {"max_bin": given(estimator, ("max_bin",)), "ref": sets[0][0] if sets else None}
        sets.append(((xgb.QuantileDMatrix if binned else xgb.DMatrix)(samples.X, **settings), which))
    return sets


def _feature_types(estimator: Any, samples: Samples) -> list[str] | None:
    """Return what the user said, else which columns are categories; None where all are numbers."""
    types: list[str] | None = given(estimator, ("feature_types",))
    if types is None and samples.categories:
        types = ["c" if name in samples.categories else "q" for name in samples.feature_names]
    return types


def _results(text: str) -> list[tuple[str, str, float]]:
    """Return set, metric and value of each entry of XGBoost's report, as in ``train-rmse:0.5``, set apart by tabs."""
    found = []
    for entry in text.split("\t")[1:]:
        name, _, value = entry.rpartition(":")
        which, _, metric = name.partition("-")
        found.append((which, metric, float(value)))
    return found


def _objective_metric(params: Mapping[str, Any], train: Samples) -> list[str]:
    """Ask XGBoost for the metric of its objective; it names it in a report on the first row."""
    assert train.y is not None
    row = xgb.DMatrix(train.X[:1], label=np.asarray(train.y[:1], dtype=np.float64), nthread=1)
    probe = xgb.Booster(dict(params), [row])
    return [metric for _, metric, _ in _results(probe.eval_set([(row, "train")]))]


def _params(job: BoosterJob) -> dict[str, Any]:
    """Return the estimator's parameters as XGBoost's trainer takes them."""
    estimator, loss = job.estimator, job.loss
    params = {name: value for name, value in estimator.get_xgb_params().items() if value is not None}
    for name in ("eval_metric", "num_boost_round", "num_class", *_THREADS, *_SEED):
        params.pop(name, None)
    params["nthread"] = threads_of(estimator, _THREADS)
    seed = given(estimator, _SEED)
    params["seed"] = (job.seed or 0) if seed is None else drawn(seed)
    params["disable_default_eval_metric"] = loss is not None
    params.setdefault("verbosity", 0)
    if loss is not None:
        params |= _with_loss(estimator, loss)
    elif job.n_classes is not None:
        several = job.n_classes > 2
        params["objective"] = "multi:softprob" if several else "binary:logistic"
        if several:
            params["num_class"] = job.n_classes
    return params


def _with_loss(estimator: Any, loss: BoosterLoss) -> dict[str, Any]:
    """Return the settings that go with a loss in the objective's place; the user's metrics stay, and see raw scores."""
    for name in ("objective", "base_score", "scale_pos_weight"):
        default = type(estimator)().get_params().get(name)
        if given(estimator, (name,)) not in (None, default):
            raise ParameterError(
                f"{name} does not go with loss=: leave it out (weights of classes can be sample_weight, or WeightedBCE)",
                code="model.objective",
                parameter=name,
            )
    # The start is a margin of the rows, and ours to add to predictions.
    settings: dict[str, Any] = {"objective": "reg:squarederror", "base_score": 0.0}
    if loss.has_small_curvature:
        if given(estimator, _LEAST_CURVATURE) in (None, 1):
            settings["min_child_weight"] = 0.0
        # Made for curvatures of 1 a row, it would outweigh theirs a million times: no step would be left.
        if given(estimator, _SHRINKAGE) in (None, 1):
            settings["reg_lambda"] = 0.0
    return settings


def _metrics(estimator: Any) -> list[Any]:
    metrics = given(estimator, ("eval_metric",))
    if metrics is None:
        return []
    return [metrics] if isinstance(metrics, str) or callable(metrics) else list(metrics)


def _check(job: BoosterJob) -> None:
    estimator = job.estimator
    objective = given(estimator, ("objective",))
    missing = estimator.get_params().get("missing")
    use_loss = "pass the name of one of XGBoost's own objectives, or a tradewright loss as loss= of the model"
    refuse_settings(
        "xgboost",
        {
            "objective as a function": (callable(objective), use_loss),
            "eval_metric as a function": (
                any(map(callable, _metrics(estimator))),
                "pass names of XGBoost's metrics; a tradewright loss as loss= of the model is reported too",
            ),
            "early_stopping_rounds": (
                given(estimator, ("early_stopping_rounds",)) is not None,
                "leave it out and use the EarlyStopping callback",
            ),
            "callbacks": (
                bool(given(estimator, ("callbacks",))),
                "leave them out and pass tradewright callbacks to the trainer",
            ),
            "booster='gblinear'": (
                given(estimator, ("booster",)) == "gblinear",
                "it has no rounds that could be kept apart: use gbtree, or a linear model such as 'ridge'",
            ),
            "multi_strategy='multi_output_tree'": (
                given(estimator, ("multi_strategy",)) == "multi_output_tree",
                "its leaves hold several numbers: leave it out",
            ),
            "missing": (
                missing is not None and not np.isnan(missing),
                "replace that value by NaN, which is missing everywhere here",
            ),
            f"objective={objective!r}": (
                isinstance(objective, str) and objective.startswith(("rank:", "survival:", "binary:hinge")),
                "it needs labels of another kind; for ranking pass loss='lambdarank', or another ranking loss",
            ),
            f"the classifier's objective={objective!r}": (
                job.n_classes is not None and isinstance(objective, str) and objective not in _PROBABILITIES,
                "a classifier predicts probabilities: leave objective out",
            ),
        },
    )
