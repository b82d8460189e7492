"""Gradient boosting libraries as models."""

from __future__ import annotations

import dataclasses
import importlib
import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from tradewright import _optional
from tradewright.base import LoopObserver, ModelState, Resume, Samples
from tradewright.base.metadata import Task
from tradewright.errors import (
    FormatMismatchError,
    IntegrityError,
    NotFittedError,
    ParameterError,
    UnsupportedError,
    VersionMismatchError,
)
from tradewright.loss_functions import BaseLoss
from tradewright.models import parameters
from tradewright.models.estimator_model import EstimatorModel, normalised
from tradewright.models.loss_rows import looks_across, training_loss
from tradewright.models.tree_based.booster_library import BoosterJob, BoosterLibrary
from tradewright.models.tree_based.booster_loss import BoosterLoss

__all__ = ["BoostingModel"]

#: Import name of the library → what stands for it here.
_LIBRARIES = {
    "lightgbm": "tradewright.models.tree_based.lightgbm_library:LightGBM",
    "xgboost": "tradewright.models.tree_based.xgboost_library:XGBoost",
    "catboost": "tradewright.models.tree_based.catboost_library:CatBoost",
}
#: The file of a checkpoint that says how a fit went on.
_STATE = "booster.json"


class BoostingModel(EstimatorModel):
    """A gradient boosting estimator, trained round by round under the eyes of the observer.

    Every round reports the library's own evaluation: ``train_loss`` and ``val_loss`` are the objective's metric, and
    each metric is there under its name too (``val_l2``). Stopping keeps the rounds so far.

    A ``loss`` takes the place of the library's objective. It gets the dates and assets of the train rows and of the
    validation rows, each their own: from a Panel, or from ``groups`` and ``assets`` (``eval_groups`` and ``eval_assets``)
    of :meth:`fit`. Boosting starts at the loss's ``init_score``, which is part of the model and of every prediction.
    ``train_loss`` and ``val_loss`` are then the loss itself.

    Categorical columns of a frame are split at by their categories. The model keeps those of the train rows, whatever
    numbers the frame at hand gives them; a category that was not among them counts as missing, with a warning.

    Parameters
    ----------
    estimator : estimator of LightGBM, XGBoost or CatBoost
        ``LGBMRegressor``, ``LGBMClassifier``, ``XGBRegressor``, ``XGBClassifier``, ``CatBoostRegressor`` or
        ``CatBoostClassifier``. Unfitted, with one of the library's own objectives unless there is a ``loss``; it is
        cloned, never changed. Where left open, the seed of the fit, the thread count of
        :func:`tradewright.set_num_threads` and the library's deterministic mode are put in.
    loss : str or BaseLoss, optional
        A name in ``LossRegistry``, or a loss, to train on; a classifier takes those of logits, for two classes. With
        losses of portfolio returns, whose curvatures are tiny, the default of ``min_child_weight`` becomes 0, and that
        of XGBoost's ``reg_lambda`` too. CatBoost takes losses of single rows only. The library's metrics beside a loss
        are those of raw scores.

    Attributes
    ----------
    booster_ : lightgbm.Booster, xgboost.Booster or catboost.CatBoost
        The trained booster, with all rounds.
    n_rounds_ : int
        How many of them are the model; fewer than the booster has after :meth:`restore`.

    Examples
    --------
    >>> from lightgbm import LGBMClassifier
    >>> X = np.arange(40.0).reshape(-1, 1)
    >>> model = BoostingModel(LGBMClassifier(n_estimators=5, min_child_samples=5)).fit(X, X[:, 0] > 19)
    >>> model.predict([[0.0], [39.0]]), model.classes
    (array([False,  True]), (False, True))
    """

    takes_categories = True
    _length_parameters = ("n_estimators", "num_iterations", "num_boost_round", "iterations")
    booster_: Any
    n_rounds_: int
    #: What a scheduler asked for during the fit; None for the estimator's own.
    learning_rate_: float | None = None
    _classes: tuple[Any, ...] | None = None
    _start: float = 0.0
    _resumed_at: int = 0

    def __init__(self, estimator: Any, *, loss: str | BaseLoss | None = None) -> None:
        self.estimator = estimator
        self.loss = loss

    def __sklearn_clone__(self) -> Self:
        copy = type(self)(_unfitted(self.estimator), loss=self.loss)
        if hasattr(self, "_metadata_request"):  # what scikit-learn's own clone carries along
            copy._metadata_request = deepcopy(self._metadata_request)
        return copy

    # the library decides, which the estimator names
    @property
    def framework(self) -> str:  # type: ignore[override]
        """The boosting library."""
        return self._library().framework

    @property
    def task(self) -> Task:
        """Whether the estimator predicts numbers or classes."""
        return self._library().estimators[type(self.estimator).__name__]

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        """The estimator's parameters, and the loss where there is one."""
        own = {} if self.loss is None else {"loss": training_loss(self.loss).to_json()}
        return parameters.describe(self.estimator.get_params() | own)

    @property
    def seed(self) -> int | None:
        """The estimator's ``random_state``, or whichever other name of it was set."""
        return self._library().seed(self.estimator)

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """The classes of a fitted classifier, ascending."""
        return self._classes

    @property
    def feature_importances_(self) -> NDArray[np.float64] | None:
        """Shares of the total gain; for CatBoost, which keeps none, of the change in predictions."""
        n_features = len(self._facts().feature_names)
        return normalised(self._library().importances(self.booster_, self.n_rounds_), n_features)

    def _library(self) -> BoosterLibrary:
        return _library_of(self.estimator)

    def _fit_loop(
        self,
        train: Samples,
        val: Samples | None,
        observer: LoopObserver,
        seed: int | None,
        resume: Resume | None = None,
    ) -> None:
        library = self._library()
        self.__dict__.pop("booster_", None)  # no way back to an earlier fit
        self._classes, self._start, self._resumed_at = None, 0.0, 0
        self.learning_rate_ = None
        estimator = self.estimator
        if self.task == "classification":
            self._classes = tuple(np.unique(np.asarray(train.y)).tolist())
            estimator = _with_class_codes(estimator, self._classes)
            train = dataclasses.replace(train, y=_codes(train.y, self._classes))
            val = val and dataclasses.replace(val, y=_codes(val.y, self._classes))
        if self.loss is None or not looks_across(training_loss(self.loss)):
            train = train.weighing()  # libraries would count rows of weight 0 in their leaves and bins
        loss = None if self.loss is None else BoosterLoss.bind(self._checked_loss(self.loss), train, val)
        if resume is not None:
            self._take_up(resume)
            # Its trees were grown from there.
            loss = loss and dataclasses.replace(loss, start=self._start)
        elif loss is not None:
            self._start = loss.start
        job = BoosterJob(
            estimator,
            train,
            val,
            None if self._classes is None else len(self._classes),
            seed,
            loss,
            0 if resume is None else resume.epoch,
            None if resume is None else resume.payloads[library.payload_name],
        )
        if not library.fit(job, observer, self):
            raise self._no_first_turn()

    def _take_up(self, resume: Resume) -> None:
        """Stand where the broken-off fit stood."""
        library, config = self._library(), resume.config
        now = {
            "library": library.framework,
            "classes": None if self._classes is None else list(self._classes),
            "loss": None if self.loss is None else training_loss(self.loss).to_dict(),
        }
        for name, value in now.items():
            if name in config and config[name] != value:
                raise ParameterError(
                    f"the broken-off fit had {name}={config[name]}, this one has {value}: resume with the same model and"
                    " rows, or train from scratch",
                    code="model.resume_differs",
                    name=name,
                )
        if resume.payload_format != library.payload_format:
            raise self._other_format(library, resume.payload_format)
        self._start = float(config.get("start", 0.0))
        self._resumed_at = resume.epoch
        state = json.loads(resume.state[_STATE]) if _STATE in resume.state else {}
        self.learning_rate_ = state.get("learning_rate")
        self.take(library.from_bytes(resume.payloads[library.payload_name])[0], resume.epoch)

    def _training_state(self) -> dict[str, bytes]:
        return {_STATE: json.dumps({"learning_rate": self.learning_rate_}).encode()}

    def _resumes_exactly(self, segment: int | None) -> bool:
        """Whether a resumed fit goes on between two segments, where a whole one starts anew as well."""
        return segment is not None and self._resumed_at % segment == 0

    def set_learning_rate(self, lr: float) -> bool:
        """Train on with another learning rate from the next round on; False for CatBoost, where it is fixed."""
        if self._library().has_learning_rate:
            self.learning_rate_ = float(lr)
            return True
        return False

    def _checked_loss(self, loss: str | BaseLoss) -> BaseLoss:
        checked = training_loss(loss)
        if self._classes is not None and not (checked.logits and len(self._classes) == 2):
            raise ParameterError(
                f"a classifier is trained on a loss of logits and two classes, such as 'bce'; this is"
                f" {checked.name!r} and {len(self._classes)} classes",
                code="model.loss_of_classifier",
            )
        return checked

    def take(self, booster: Any, n_rounds: int) -> None:
        """Keep a booster that has just grown; the loop calls this."""
        self.booster_ = booster
        self.n_rounds_ = n_rounds

    def _predict(self, X: NDArray[Any]) -> NDArray[Any]:
        if self._classes is None:
            return self._raw(X)
        labels: NDArray[Any] = np.asarray(self._classes)[np.argmax(self._predict_proba(X), axis=1)]
        return labels

    def _has_proba(self) -> bool:
        return self.task == "classification"

    def _predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        raw = self._raw(X)
        if self.loss is not None:
            raw = 0.5 * (1.0 + np.tanh(0.5 * raw))  # neither overflows nor loses digits at either end
        if raw.ndim == 1:
            return np.column_stack([1.0 - raw, raw])
        total = raw.sum(axis=1, keepdims=True)
        # XGBoost's are float32, whose sum is not 1 in float64; the others' rows stay as they are.
        return np.where(np.abs(total - 1.0) > 1e-12, raw / total, raw)

    def _raw(self, X: NDArray[Any]) -> NDArray[np.float64]:
        raw = self._library().raw_predict(self.booster_, X, self.n_rounds_)
        return raw if self.loss is None else raw + self._start

    def snapshot(self) -> ModelState | None:
        """Return the number of rounds so far: earlier rounds don't change.

        Raises
        ------
        UnsupportedError
            For dart, which does change them.
        """
        self._check_can_go_back()
        if not hasattr(self, "booster_"):
            raise NotFittedError("there are no rounds yet to go back to", code="model.not_fitted")
        return ModelState(epoch=self.n_rounds_ - 1, weights=self.n_rounds_)

    def restore(self, state: ModelState) -> None:
        """Predict and save with the rounds of a snapshot from here on.

        Raises
        ------
        UnsupportedError
            For dart, whose later rounds change the earlier ones.
        """
        self._check_can_go_back()
        self.n_rounds_ = int(state.weights)

    def _snapshot_to_bytes(self, state: ModelState) -> bytes:
        return str(int(state.weights)).encode()

    def _snapshot_from_bytes(self, epoch: int, data: bytes) -> ModelState:
        return ModelState(epoch=epoch, weights=int(data))

    def _check_can_go_back(self) -> None:
        if not self._library().can_go_back(self.estimator):
            raise UnsupportedError(
                "dart rescales its earlier trees, so there is no way back to an earlier round: use"
                " EarlyStopping(restore_best=False), or the boosting type 'gbdt' ('gbtree' in XGBoost)",
                code="model.dart_restore",
            )

    def _to_payloads(self) -> tuple[str, dict[str, bytes]]:
        self._facts()
        library = self._library()
        return library.payload_format, {library.payload_name: library.to_bytes(self.booster_, self.n_rounds_)}

    def _config(self) -> dict[str, Any]:
        return {
            "library": self._library().framework,
            "estimator": type(self.estimator).__name__,
            "params": parameters.encode(self.estimator.get_params()),
            "n_rounds": self.n_rounds_,
            "classes": None if self._classes is None else list(self._classes),
            "loss": None if self.loss is None else training_loss(self.loss).to_dict(),
            "start": self._start,
        }

    @classmethod
    def _from_bundle(cls, config: Mapping[str, Any], payload_format: str, payloads: Mapping[str, bytes]) -> Self:
        library = _library_named(str(config["library"]))
        if payload_format != library.payload_format:
            raise cls._other_format(library, payload_format)
        if config["estimator"] not in library.estimators:
            raise FormatMismatchError(
                f"{library.framework} has no estimator {config['estimator']!r} that a bundle may ask for",
                code="bundle.estimator",
            )
        # Bundles from before there were losses don't name one.
        loss = None if config.get("loss") is None else BaseLoss.from_dict(config["loss"])
        model = cls(library.new_estimator(config["estimator"], parameters.decode(config["params"])), loss=loss)
        model._start = float(config.get("start", 0.0))
        model.booster_, rounds = library.from_bytes(payloads[library.payload_name])
        if rounds > config["n_rounds"]:
            raise IntegrityError(
                f"the payload has {rounds} rounds, the manifest says {config['n_rounds']}", code="bundle.payload"
            )
        # fewer: LightGBM ends early when no split is left
        model.n_rounds_ = int(config["n_rounds"])
        model._classes = None if config["classes"] is None else tuple(config["classes"])
        return model

    @staticmethod
    def _other_format(library: BoosterLibrary, payload_format: str) -> FormatMismatchError:
        return FormatMismatchError(
            f"a BoostingModel of {library.framework} is rebuilt from {library.payload_format}, this bundle holds"
            f" {payload_format}: use tradewright.load_model",
            code="bundle.payload_format",
        )


def _library_of(estimator: Any) -> BoosterLibrary:
    root = type(estimator).__module__.partition(".")[0]
    if root in _LIBRARIES and type(estimator).__name__ in (library := _library_named(root)).estimators:
        return library
    raise ParameterError(
        f"{type(estimator).__name__} is not one of the boosting estimators known here: pass the regressor or classifier of"
        " lightgbm, xgboost or catboost (LGBMRegressor, XGBClassifier …); other scikit-learn estimators go into a"
        " SklearnModel",
        code="model.estimator",
    )


def _library_named(name: str) -> BoosterLibrary:
    if name not in _LIBRARIES:
        raise VersionMismatchError(
            f"the bundle needs the boosting library {name!r}, which this tradewright does not know: upgrade it",
            code="bundle.library",
        )
    _optional.require(name, "BoostingModel")
    module, _, attribute = _LIBRARIES[name].partition(":")
    library: BoosterLibrary = getattr(importlib.import_module(module), attribute)()
    return library


def _codes(y: Any, classes: tuple[Any, ...]) -> NDArray[np.intp]:
    """Return the place of each row's class, so that libraries see numbers whatever the labels are."""
    known = np.asarray(classes)
    codes: NDArray[np.intp] = np.searchsorted(known, y)
    return codes


def _with_class_codes(estimator: Any, classes: tuple[Any, ...]) -> Any:
    """Return the estimator with class weights by place instead of by label."""
    coded = {}
    for name in ("class_weight", "class_weights"):  # CatBoost's is the latter
        weights = estimator.get_params().get(name)
        if isinstance(weights, Mapping):
            coded[name] = {i: weights.get(label, 1.0) for i, label in enumerate(classes)}
    return _unfitted(estimator).set_params(**coded) if coded else estimator


def _unfitted(estimator: Any) -> Any:
    """Return an unfitted copy of the estimator."""
    try:
        return clone(estimator)
    except RuntimeError:  # CatBoost hands out copies of lists and dicts, which scikit-learn takes for changes
        return type(estimator)(**estimator.get_params())
