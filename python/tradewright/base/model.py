"""The contract every model keeps, whatever library is behind it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from os import PathLike
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradewright.base.back_end import BackEnd
from tradewright.base.checks import check_classes, check_rows, refuse_infinite
from tradewright.base.cloning import cloned
from tradewright.base.data_facts import facts_of
from tradewright.base.history import History
from tradewright.base.loop import LoopObserver, ModelState, Resume, SilentObserver
from tradewright.base.metadata import ModelMetadata
from tradewright.base.rebuild import rebuild
from tradewright.base.samples import Samples
from tradewright.base.score import score_of
from tradewright.base.trained_rows import warn_of_trained
from tradewright.bundle import Bundle, read_bundle, write_bundle
from tradewright.errors import UnsupportedError
from tradewright.runtime.environment import git_sha, library_versions, machine

__all__ = ["BaseModel"]

#: How many train rows a model keeps for comparing exports with it.
_KEPT_ROWS = 1000


class BaseModel(BackEnd):
    """A model that is fitted on a table, predicts, and is saved and loaded without pickle.

    Subclasses fill in what :class:`~tradewright.base.back_end.BackEnd` names; the methods here are final and do what is
    the same everywhere: bringing the input into shape, checking feature names, keeping the metadata.

    Attributes
    ----------
    framework : str
        The library behind the model; also what its bundle payload is named after.
    metadata : ModelMetadata
        The facts of the last fit.
    warns_of_trained_rows : bool
        Whether predicting rows of a Panel that were trained on brings a :class:`TrainedRowsWarning`.
    """

    warns_of_trained_rows: bool = True
    _metadata: ModelMetadata | None = None
    #: During a fit: its facts so far, so that a checkpoint can be saved between two turns.
    _draft: ModelMetadata | None = None
    #: After a fit that ended by an exception: its facts, for :meth:`go_back`.
    _broken: ModelMetadata | None = None
    #: Some of the train rows; see :attr:`sample_rows`.
    _kept: NDArray[Any] | None = None

    @property
    def metadata(self) -> ModelMetadata:
        """The facts of the last fit.

        Raises
        ------
        NotFittedError
            Before the first fit.
        """
        return self._fitted()

    @property
    def is_fitted(self) -> bool:
        """Whether the model can predict."""
        return self._metadata is not None

    @property
    def sample_rows(self) -> NDArray[Any] | None:
        """Up to 1,000 of the train rows, evenly spaced, on which exports are compared with the model.

        They stay in memory only: no file, pickle or copy of the model has them. None for a model that was loaded, and for
        one that reads the past of a row.
        """
        return self._kept

    @property
    def feature_importances_(self) -> NDArray[np.float64] | None:
        """One importance per feature, not negative, summing to 1; None where the model has none."""
        return None

    def fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        eval_set: Any = None,
        eval_sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        assets: ArrayLike | None = None,
        eval_groups: ArrayLike | None = None,
        eval_assets: ArrayLike | None = None,
    ) -> Self:
        """Fit the model, without callbacks.

        Parameters
        ----------
        X : Panel, frame (polars, pandas, pyarrow), or array of shape (n_rows, n_features)
            The train rows; a Panel brings its own labels, and its times and fingerprint for the metadata.
        y : array-like, shape (n_rows,)
            The labels: numbers for a regression; numbers, bools or text for a classification.
        sample_weight : array-like, shape (n_rows,), optional
            Weights, not negative. A row of weight 0 has no say.
        eval_set : tuple (X, y) or Panel, optional
            Rows whose loss is computed each epoch or round; they don't change the fit.
        eval_sample_weight : array-like, optional
            Weights of the rows of ``eval_set``.
        groups, assets : array-like, shape (n_rows,), optional
            Date and asset ids, for losses that need them; a Panel brings its own.
        eval_groups, eval_assets : array-like, optional
            Those of the rows of ``eval_set``.

        Returns
        -------
        self

        Raises
        ------
        DataError
            Infinite features, labels that are missing or of the wrong kind, weights that can't be used; NaN where the
            model can't take it. Names row and column.
        FeatureMismatchError
            When ``eval_set`` lacks columns of ``X``.
        UnsupportedError
            When the model can't weigh its rows, or can't use one of the other arguments.
        """
        shared: dict[str, Any] = {"dtype": self._dtype, "history": self.reads_history, "owner": type(self).__name__}
        learnt: Any = "learn" if self.takes_categories else None
        train = Samples.collect(
            X, y, sample_weight=sample_weight, groups=groups, assets=assets, categories=learnt, **shared
        )
        val = None
        if eval_set is not None:
            pair = eval_set[0] if isinstance(eval_set, list) else eval_set
            X_val, y_val = pair if isinstance(pair, tuple) else (pair, None)
            shared |= {"expected": train.feature_names, "name": "the X of eval_set", "categories": train.categories}
            weight, dates = eval_sample_weight, eval_groups
            val = Samples.collect(X_val, y_val, sample_weight=weight, groups=dates, assets=eval_assets, **shared)
        return self.fit_samples(train, val, facts=facts_of(X))

    def fit_samples(
        self,
        train: Samples,
        val: Samples | None = None,
        *,
        observer: LoopObserver | None = None,
        seed: int | None = None,
        facts: Mapping[str, Any] | None = None,
        resume: Resume | None = None,
    ) -> Self:
        """Fit on rows that are already in shape, watched by ``observer``: what :meth:`fit` and the trainer call.

        A seed given to the model itself goes before ``seed``. ``facts`` are further fields of the metadata (digests,
        fold, ranges): what the trainer knows and the model cannot; checkpoints carry them too. From the first
        ``epoch_end`` on the model predicts and can be saved as it then is; a fit that ends by an exception leaves it
        unfitted, unless :meth:`go_back` is called. With ``resume`` a broken-off fit on the same rows goes on; the seed
        is to be that fit's.

        Raises
        ------
        UnsupportedError
            With ``resume``, when the back end cannot go on with a broken-off fit.
        """
        train = check_rows(train, "train", self.task)
        if val is not None:
            val = check_rows(val, "validation", self.task)
        if self.task == "classification":
            check_classes(train, val)
        self._metadata = self._broken = self._kept = None
        seed = self._chosen_seed(seed)
        self._draft = ModelMetadata(
            model_class=type(self).__name__,
            framework=self.framework,
            task=self.task,
            hyperparameters=dict(self.hyperparameters),
            feature_names=train.feature_names,
            feature_dtypes=train.feature_dtypes,
            categories=dict(train.categories),
            n_rows=len(train),
            n_val_rows=0 if val is None else len(val),
            library_versions=library_versions("tradewright", "numpy", *self.libraries),
            seed=seed,
            device=self.device_in_use,
            environment=machine(),
            git_sha=git_sha(),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            **(facts or {}),
        )
        started = time.perf_counter()
        try:
            watched = observer or SilentObserver()
            if resume is None:
                self._fit_loop(train, val, watched, seed)
            else:
                self._fit_loop(train, val, watched, seed, resume)
            self._metadata = dataclasses.replace(
                self._draft,
                classes=self.classes,
                device=self.device_in_use,
                peak_memory=self.peak_memory,
                training_seconds=time.perf_counter() - started,
            )
        except BaseException:
            self._broken = dataclasses.replace(
                self._draft, device=self.device_in_use, training_seconds=time.perf_counter() - started
            )
            raise
        finally:
            self._draft = None
        if train.history is None:
            self._kept = train.X[:: -(-len(train) // _KEPT_ROWS)].copy()
        return self

    def predict(self, X: Any, *, rows: Any = None) -> NDArray[Any]:
        """Predict numbers (regression) or labels (classification).

        Parameters
        ----------
        X : Panel, frame (polars, pandas, pyarrow), or array of shape (n_rows, n_features)
            Columns are found by name, in any order; further columns are ignored. A plain array has no names: its
            width must match.
        rows : Rows or index array, optional
            For a Panel: the rows to predict, in ascending order. A model that reads history reads the earlier rows of
            the panel as well, whichever they are.

        Returns
        -------
        ndarray, shape (n_rows,)
            A model that reads history gives NaN where a row's past is too short; its labels are then float64, or
            objects.

        Raises
        ------
        NotFittedError, FeatureMismatchError, DataError
            Before the first fit; when columns are missing; when a value is infinite, or NaN where the model can't take
            it.

        Warns
        -----
        TrainedRowsWarning
            When rows of a Panel were trained on. On new data the look for them is one comparison a row.
        """
        return self._predict(self._features(X, rows))

    @property
    def predict_proba(self) -> Callable[..., NDArray[np.float64]]:
        """Class probabilities, shape (n_rows, n_classes), columns in the order of ``metadata.classes``.

        Takes what :meth:`predict` takes. A property, so that ``hasattr(model, "predict_proba")`` tells the truth, as
        scikit-learn expects.

        Raises
        ------
        UnsupportedError
            When the model is not a classifier, or its library gives no probabilities; also an AttributeError.
        """
        if not self._has_proba():
            raise UnsupportedError(
                f"this {type(self).__name__} does not predict probabilities: use predict, or a classifier that does",
                code="model.no_proba",
            )
        return self._checked_proba

    def _has_proba(self) -> bool:
        """Whether :meth:`_predict_proba` is filled in and works for these parameters."""
        return False

    def _predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        raise NotImplementedError  # behind _has_proba

    def _checked_proba(self, X: Any, *, rows: Any = None) -> NDArray[np.float64]:
        return self._predict_proba(self._features(X, rows))

    # scikit-learn's scorers look at the name of the method they are handed.
    _checked_proba.__name__ = "predict_proba"

    def score(self, X: Any, y: ArrayLike | None = None, *, sample_weight: ArrayLike | None = None) -> float:
        """Return the coefficient of determination (regression) or the accuracy (classification), as scikit-learn does.

        ``X`` and ``y`` are what :meth:`fit` takes; a Panel brings its own labels. Rows whose past is too short for a
        model that reads it do not count.
        """
        if self.warns_of_trained_rows:
            warn_of_trained(X, None, self._facts(), stacklevel=2)
        samples = self._collected(X, y, sample_weight=sample_weight)
        samples = check_rows(samples, "scored", self.task)
        features: Any = samples.features
        return score_of(self._predict(features), samples, self.task)

    def clone(self) -> Self:
        """Return an unfitted copy with the same parameters.

        A class without scikit-learn's ``get_params`` is made anew from the attributes that its constructor's arguments
        are named after.

        Raises
        ------
        UnsupportedError
            When there are no such attributes.
        """
        return cloned(self)

    def stamp(self, **facts: Any) -> None:
        """Add facts to the metadata (digests, fold, ranges): what the trainer knows and the model cannot."""
        self._metadata = dataclasses.replace(self._fitted(), **facts)

    def go_back(self, state: ModelState) -> None:
        """Go back to a snapshot of the last fit, and note its turn as ``best_iteration``.

        Also after a fit that ended by an exception: the model is then fitted, as it was at that turn.
        """
        if self._metadata is None and self._broken is None:
            self._fitted()  # says so
        self.restore(state)
        if self._broken is not None:
            self._metadata, self._broken = dataclasses.replace(self._broken, classes=self.classes), None
        self.stamp(best_iteration=state.epoch)

    def save(self, path: str | PathLike[str], *, sign_with: Any = None) -> None:
        """Write the fitted model as one bundle file, atomically, without pickle.

        Between two turns of a fit, when a callback calls it, the file holds the model as it is then. ``sign_with`` is an
        Ed25519 private key of the library cryptography, or the path of its PEM file.

        Raises
        ------
        NotFittedError
            Before the first fit. The file at ``path`` is then untouched.
        """
        payload_format, payloads = self._to_payloads()
        write_bundle(path, self.manifest(payload_format), payloads, sign_with=sign_with)

    @classmethod
    def load(cls, path: str | PathLike[str], *, trusted_keys: Iterable[Any] | None = None) -> Self:
        """Read a bundle written by :meth:`save`; digests are verified before any parser sees a byte.

        With ``trusted_keys`` the file must be signed by one of them: :func:`tradewright.load_model` says how keys are
        given.

        Raises
        ------
        FormatMismatchError
            When the bundle holds another class of model.
        ModelLoadError
            When the file is damaged or not a bundle; see its subclasses.
        """
        return cls.from_bundle(read_bundle(path, trusted_keys=trusted_keys))

    def manifest(self, payload_format: str) -> dict[str, Any]:
        """Return the manifest of a bundle of this model, without the digests, which the writer adds."""
        return self.outer_manifest(payload_format) | {"config": self._config()}

    def outer_manifest(self, payload_format: str) -> dict[str, Any]:
        """Return the manifest of a bundle whose payload needs no config to be rebuilt from, such as a pickle."""
        return {
            "model_class": type(self).__name__,
            "payload_format": payload_format,
            "config": {},
            "metadata": self._facts().to_dict(),
            "saved_with": library_versions("tradewright", "numpy", *self.libraries),
        }

    @classmethod
    def from_bundle(cls, bundle: Bundle) -> Self:
        """Rebuild the model of a verified bundle.

        Raises
        ------
        FormatMismatchError, ModelLoadError
            When the bundle holds another class of model; when its payloads cannot be rebuilt.
        """
        return rebuild(cls, bundle)

    def __getstate__(self) -> Any:
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_kept"} if isinstance(state, dict) else state

    def _facts(self) -> ModelMetadata:
        """The metadata; during a fit, what is known of it so far."""
        return self._fitted() if self._draft is None else dataclasses.replace(self._draft, classes=self.classes)

    def _fitted(self) -> ModelMetadata:
        if self._metadata is None:
            raise self._not_fitted(
                f"this {type(self).__name__} is not fitted: call fit, or train it with a ModelTrainer",
                code="model.not_fitted",
            )
        return self._metadata

    def _features(self, X: Any, rows: Any = None) -> Any:
        """Return what :meth:`_predict` takes: a matrix, or a History for a model that reads it."""
        if self.warns_of_trained_rows:
            warn_of_trained(X, rows, self._facts(), stacklevel=3)
        features = self._collected(X, rows=rows).features
        if not isinstance(features, History):  # whose slices are checked as they are read
            refuse_infinite(features, self._facts().feature_names)
        return features

    def _collected(self, X: Any, y: ArrayLike | None = None, **further: Any) -> Samples:
        """Bring rows into line with the ones the model was fitted on."""
        facts = self._facts()
        shared: dict[str, Any] = {"dtype": self._dtype, "history": self.reads_history, "owner": type(self).__name__}
        return Samples.collect(X, y, expected=facts.feature_names, categories=facts.categories, **shared, **further)
