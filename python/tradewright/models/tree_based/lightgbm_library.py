"""LightGBM behind BoostingModel: its settings, one round at a time, the text format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import lightgbm as lgb
import numpy as np
from lightgbm import basic
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.class_weight import compute_sample_weight

from tradewright import _core
from tradewright.base import LoopObserver
from tradewright.base.metadata import Task
from tradewright.errors import ParameterError
from tradewright.models.tree_based.booster_library import BoosterJob, BoosterSink
from tradewright.models.tree_based.booster_loop import grow
from tradewright.models.tree_based.booster_loss import BoosterLoss
from tradewright.models.tree_based.booster_settings import drawn, given, seed_of, threads_of
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
#: Seeds that LightGBM makes from the one above, where they were not given one by one.
_SEEDS = ("bagging_seed", "bagging_fraction_seed", "feature_fraction_seed", "drop_seed", "extra_seed", "objective_seed")
_CLASSES = ("num_class", "num_classes")
_LEAST_CURVATURE = (
    "min_sum_hessian_in_leaf",
    "min_sum_hessian_per_leaf",
    "min_sum_hessian",
    "min_hessian",
    "min_child_weight",
)
_STOPPING = ("early_stopping_round", "early_stopping_rounds", "early_stopping", "n_iter_no_change")


class LightGBM:
    """LightGBM's estimators, whose parameters are trained with one round at a time."""

    framework = "lightgbm"
    payload_format = "lightgbm_text"
    payload_name = "model.txt"
    estimators: ClassVar[Mapping[str, Task]] = {"LGBMRegressor": "regression", "LGBMClassifier": "classification"}
    has_learning_rate = True

    def new_estimator(self, name: str, params: Mapping[str, Any]) -> Any:
        """Build an unfitted estimator."""
        return getattr(lgb, name)(**params)

    def seed(self, estimator: Any) -> int | None:
        """Return the seed under whichever of its names it was set."""
        return seed_of(estimator, _SEED)

    def can_go_back(self, estimator: Any) -> bool:
        """Whether the first k rounds are a model of their own: dart rescales earlier trees, so there they aren't."""
        return bool(given(estimator, _BOOSTING) != "dart")

    def can_be_cut(self, estimator: Any, loss: BoosterLoss | None) -> bool:
        """Whether trees are all a fit goes on from: dart's weights are not in the text, and a forest has no scores."""
        return given(estimator, _BOOSTING) not in ("dart", "rf", "random_forest")

    def fit(self, job: BoosterJob, observer: LoopObserver, sink: BoosterSink) -> bool:
        """Train, reporting each round; False when it was stopped before the first."""
        _check(job.estimator)
        params = _params(job)
        total = int(given(job.estimator, _ROUNDS) or job.estimator.n_estimators)
        return grow(self, job, total, lambda: _LightGBMRounds(job, params), observer, sink)

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
        _core.check_lightgbm_text(data)
        booster = lgb.Booster(model_str=data.decode())
        return booster, int(booster.current_iteration())


class _LightGBMRounds:
    """A LightGBM booster in training."""

    def __init__(self, job: BoosterJob, params: dict[str, Any]) -> None:
        self._job = job
        self._params = params
        self._objective = None if job.loss is None else job.loss.objective("lightgbm")
        y, weight = job.train.y, _weights(job)
        categorical: Any = job.train.categorical_columns or "auto"
        self._sets = [lgb.Dataset(job.train.X, label=y, weight=weight, params=params, categorical_feature=categorical)]
        if job.val is not None:
            self._sets.append(
                self._sets[0].create_valid(job.val.X, label=job.val.y, weight=job.val.sample_weight, params=params)
            )
        self._open(None if job.loss is None else job.scores_start, job.segment_seed(0))

    def _open(self, scores: list[NDArray[np.float64]] | None, seed: int | None) -> None:
        """Make the booster that starts from these scores."""
        for data, start in zip(self._sets, scores or (), strict=False):
            data.set_init_score(start)
        params = dict(self._params)
        if seed is not None and seed != self._job.seed:
            # Those given one by one would stand against the new seed.
            params |= {"seed": seed} | {name: (seed + i) % 2**31 for i, name in enumerate(_SEEDS, 1)}
            params.pop("random_state", None)
        self.booster = lgb.Booster(params, self._sets[0])
        self.booster.set_train_data_name("train")
        for data in self._sets[1:]:
            self.booster.add_valid(data, "val")

    def go_on(self, payload: bytes, done: int) -> None:
        """Replace the booster; its rounds so far become the scores it starts from, and its first trees."""
        earlier = lgb.Booster(model_str=payload.decode())
        scores = [
            np.asarray(earlier.predict(samples.X, raw_score=True, num_threads=num_threads()))
            for _, samples in self._job.watched
        ]
        if self._job.loss is not None:
            scores = [part + self._job.loss.start for part in scores]
        self._open(scores, self._job.segment_seed(done))
        # What LightGBM's own `init_model` does; that one would overwrite the start of a loss.
        basic._safe_call(basic._LIB.LGBM_BoosterMerge(self.booster._handle, earlier._handle))

    def set_learning_rate(self, rate: float) -> None:
        """Use another learning rate from the next round on."""
        self.booster.reset_parameter({"learning_rate": rate})

    def step(self, number: int) -> None:
        """Train one more round."""
        self.booster.update(fobj=self._objective)

    def evaluate(self) -> dict[str, float]:
        """Return LightGBM's evaluation under the keys every back end uses; the first metric of a set is its loss."""
        results = [] if self._job.loss is None else _own_results(self.booster, self._job.loss)
        results += self.booster.eval_train()
        if self._job.val is not None:
            results += self.booster.eval_valid()
        logs: dict[str, float] = {}
        for which, metric, value, higher_is_better in (result[:4] for result in results):
            logs.setdefault(f"{which}_loss", -float(value) if higher_is_better else float(value))
            logs[f"{which}_{metric}"] = float(value)
        return logs

    def close(self) -> None:
        """Let go of the data; LightGBM's training boosters point at it until they are read back."""
        self.booster.model_from_string(self.booster.model_to_string()).free_dataset()
        self._sets = []


def _own_results(booster: lgb.Booster, loss: BoosterLoss) -> list[Any]:
    """Evaluate the loss on scores that LightGBM keeps anyway; a metric of its own would not know which rows they are."""
    results = []
    for which, rows, evaluate in (("train", loss.train, booster.eval_train), ("val", loss.val, booster.eval_valid)):
        if rows is not None:
            measured = evaluate(lambda scores, _, rows=rows: (loss.loss.name, rows.value(scores), False))
            results.append((which, *measured[-1][1:4]))
    return results


def _weights(job: BoosterJob) -> NDArray[np.float64] | None:
    """Return the weights of the train rows, those of their classes in them."""
    balance, weight = given(job.estimator, ("class_weight",)), job.train.sample_weight
    if balance is None:
        return weight
    by_class: NDArray[np.float64] = compute_sample_weight(balance, job.train.y)
    return by_class if weight is None else weight * by_class


def _params(job: BoosterJob) -> dict[str, Any]:
    """Return the estimator's parameters as LightGBM's trainer takes them: what its ``fit`` would make of them."""
    estimator = job.estimator
    prepared = clone(estimator).set_params(**_fixed(estimator, job.seed))
    prepared.set_params(**(_metrics(job) if job.loss is None else _with_loss(estimator, job.loss)))
    params = {name: value for name, value in prepared.get_params().items() if value is not None}
    for name in ("importance_type", "class_weight", "n_estimators", *_ROUNDS, *_THREADS, *_OBJECTIVE, *_CLASSES):
        params.pop(name, None)
    params["num_threads"] = threads_of(estimator, _THREADS)
    params["objective"] = "none" if job.loss is not None else _objective(job)
    if job.loss is None and job.n_classes is not None and job.n_classes > 2:
        params["num_class"] = job.n_classes
    if "random_state" in params:
        params["random_state"] = drawn(params["random_state"])
    return params


def _objective(job: BoosterJob) -> str:
    objective = given(job.estimator, _OBJECTIVE)
    if objective is not None:
        return str(objective)
    if job.n_classes is None:
        return "regression"
    return "multiclass" if job.n_classes > 2 else "binary"


def _check(estimator: Any) -> None:
    if callable(given(estimator, _OBJECTIVE)):
        raise ParameterError(
            "objective is a function: pass the name of one of LightGBM's own objectives, or a tradewright loss as loss= of"
            " the model",
            code="model.objective",
        )
    if given(estimator, _STOPPING):
        raise ParameterError(
            "LightGBM's own early stopping is set: leave early_stopping_round out and use the EarlyStopping callback",
            code="model.early_stopping",
        )


def _with_loss(estimator: Any, loss: BoosterLoss) -> dict[str, Any]:
    """Return the settings that go with a loss in the objective's place; the user's metrics stay."""
    refused = {
        "objective": given(estimator, _OBJECTIVE) is not None,
        "class_weight": given(estimator, ("class_weight",)) is not None,
        "boosting='rf'": given(estimator, _BOOSTING) in ("rf", "random_forest"),
    }
    if any(refused.values()):
        name = next(name for name, is_set in refused.items() if is_set)
        raise ParameterError(
            f"{name} does not go with loss=: leave it out (weights of classes can be sample_weight, or WeightedBCE)",
            code="model.objective",
            parameter=name,
        )
    settings: dict[str, Any] = {}
    if given(estimator, _METRIC) is None:
        settings["metric"] = "None"
    is_open = given(estimator, _LEAST_CURVATURE) in (None, lgb.LGBMRegressor().min_child_weight)
    if loss.has_small_curvature and is_open:
        settings["min_child_weight"] = 0.0
    return settings


def _fixed(estimator: Any, seed: int | None) -> dict[str, Any]:
    """Return the settings that make the same data give the same trees, where the user left them open."""
    params = estimator.get_params()
    fixed: dict[str, Any] = {}
    if seed is not None and given(estimator, _SEED) is None:
        fixed["random_state"] = seed
    if "deterministic" not in params:
        fixed["deterministic"] = True
    # LightGBM would time both ways and choose, which is not repeatable.
    if not params.get("force_col_wise") and not params.get("force_row_wise"):
        fixed["force_row_wise"] = True
    if given(estimator, _VERBOSITY) is None:
        fixed["verbosity"] = -1
    return fixed


def _metrics(job: BoosterJob) -> dict[str, Any]:
    """Put the objective's own metric before the user's: the first one is the loss.

    Without metrics of the user's, LightGBM takes the objective's by itself.
    """
    name = next((name for name in _METRIC if job.estimator.get_params().get(name) is not None), None)
    if name is None:
        return {}
    metrics = job.estimator.get_params()[name]
    metrics = metrics.split(",") if isinstance(metrics, str) else list(metrics)
    own = _objective_metric(job)
    return {name: [own, *(metric for metric in metrics if metric != own)]}


def _objective_metric(job: BoosterJob) -> str:
    """Return the objective's own metric; LightGBM knows it by the objective's name."""
    objective = given(job.estimator, _OBJECTIVE)
    if job.n_classes is not None and (objective is None or job.n_classes > 2):
        return "multi_logloss" if job.n_classes > 2 else "binary_logloss"
    return "l2" if objective is None else str(objective)
