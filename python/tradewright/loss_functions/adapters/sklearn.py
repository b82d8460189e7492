"""Losses as scikit-learn scorers, written once for all losses."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.metadata_routing import MetadataRequest

from tradewright.errors import LossError, ParameterError
from tradewright.loss_functions.base import BaseLoss

__all__ = ["LossScorer"]

Array = NDArray[Any]


class LossScorer:
    """Minus a loss, for scikit-learn: greater is better. Made by :meth:`BaseLoss.scorer`.

    Parameters
    ----------
    loss : BaseLoss
        What to compute; not with ``reduction="none"``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from tradewright.loss_functions import BinaryCrossEntropy
    >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])
    >>> model = LogisticRegression().fit(X, y)
    >>> logits = model.decision_function(X)
    >>> BinaryCrossEntropy().scorer()(model, X, y) == -BinaryCrossEntropy()(y, logits)
    True
    """

    def __init__(self, loss: BaseLoss) -> None:
        if loss.reduction == "none":
            raise ParameterError('a score is one number; use another reduction than "none"', code="loss.scorer")
        self.loss = loss
        self._request = MetadataRequest(owner=self)

    def __repr__(self) -> str:
        return f"<scorer of {self.loss!r}>"

    def __call__(self, estimator: Any, X: Any, y: Any, **metadata: Any) -> float:
        """Return minus the loss of the estimator's predictions on ``X``."""
        return -float(self.loss(y, self._predictions(estimator, X), **metadata))

    def set_score_request(self, **requests: Any) -> LossScorer:
        """Say which of sample_weight, groups, assets and the per-row arguments are routed to the scorer.

        Parameters
        ----------
        **requests : bool, str or None
            True asks for the argument, a string for that argument under another name.

        Returns
        -------
        LossScorer
            A new scorer; this one stays as it is.
        """
        known = ("sample_weight", "groups", "assets", *self.loss.per_row_names)
        asked = LossScorer(self.loss)
        for name, alias in (dict(self._request.score.requests) | requests).items():
            if name not in known:
                raise ParameterError(
                    f"{name!r} cannot be routed to {self!r}; it takes {', '.join(known)}", code="loss.unknown_argument"
                )
            asked._request.score.add_request(param=name, alias=alias)
        return asked

    def get_metadata_routing(self) -> MetadataRequest:
        """Return what the scorer asks for, to scikit-learn's routing."""
        return self._request

    def _predictions(self, estimator: Any, X: Any) -> Array:
        loss = self.loss
        if getattr(loss, "predictions", "real") == "unit":
            return self._probabilities(estimator, X)
        if not loss.logits:
            return np.asarray(estimator.predict(X))
        if hasattr(estimator, "decision_function"):
            return np.asarray(estimator.decision_function(X))
        if hasattr(estimator, "predict_proba"):
            probabilities = self._probabilities(estimator, X).astype(np.float64)
            # A certain forecast has an infinite logit; one last place off is finite and as bad as it gets.
            tiny = np.finfo(np.float64).eps
            probabilities = probabilities.clip(tiny, 1 - tiny)
            return np.asarray(np.log(probabilities) - np.log1p(-probabilities))
        return np.asarray(estimator.predict(X))

    def _probabilities(self, estimator: Any, X: Any) -> Array:
        if not hasattr(estimator, "predict_proba"):
            raise LossError(
                f"{type(estimator).__name__} has no predict_proba, and {type(self.loss).__name__} takes probabilities",
                code="loss.scorer",
            )
        probabilities = np.asarray(estimator.predict_proba(X))
        if probabilities.ndim == 2 and probabilities.shape[1] == 2:
            probabilities = probabilities[:, 1]
        if probabilities.ndim != 1:
            raise LossError(
                f"predict_proba gave shape {probabilities.shape}; this loss is of two classes", code="loss.scorer"
            )
        return probabilities
