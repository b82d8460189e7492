"""The contract of every loss, whatever its family."""

from __future__ import annotations

import dataclasses
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tradewright._optional import is_loaded, require
from tradewright.errors import ParameterError
from tradewright.loss_functions.inputs import LossInputs, as_output, numpy_inputs
from tradewright.loss_functions.parameters import choice

if TYPE_CHECKING:
    import torch

    from tradewright.loss_functions.adapters.boosting import BoundMetric, BoundObjective
    from tradewright.loss_functions.adapters.sklearn import LossScorer
    from tradewright.loss_functions.combined import CombinedLoss

__all__ = ["BaseLoss", "HessianChoice", "NanPolicy", "Reduction"]

Reduction = Literal["mean", "mean_n", "sum", "none"]
NanPolicy = Literal["raise", "omit"]
HessianChoice = Literal["exact", "gauss_newton", "abs", "constant"]
Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class BaseLoss(ABC):
    """A loss: something to minimise, with its gradient. Abstract; every concrete loss is final.

    A loss is a frozen value: it compares, hashes, pickles and turns into JSON, and holds no data. numpy in gives a
    float, torch in gives a scalar tensor with autograd.

    Parameters
    ----------
    reduction : {"mean", "mean_n", "sum", "none"}, default "mean"
        Σwl/Σw, Σwl/n, Σwl, or one weighted loss per row (per group for group losses).
    nan_policy : {"raise", "omit"}, default "raise"
        Whether a NaN target is an error that names the row, or the row leaves sum and count with a gradient of
        exactly 0. Predictions must be finite on every row in either case.
    hessian : {"exact", "gauss_newton", "abs", "constant"}, optional
        The curvature given to boosting; None is the loss's own choice.

    Notes
    -----
    Sums are formed in float64 in blocks that depend on the number of rows alone: the same bits at any thread count
    on one machine. Nothing is copied on the way in, unless a dtype or layout forces it (float16, reversed or
    broadcast views).

    To write a loss of a new family, implement the five hooks at the end; :class:`PointLoss` implements them for all
    losses that are sums over rows.
    """

    #: The registry name, which is also the tag in JSON.
    name: ClassVar[str]
    #: What ``hessian`` may be, besides None.
    hessians: ClassVar[tuple[str, ...]] = get_args(HessianChoice)
    #: Which of them None stands for; None where that is a curvature of another kind.
    default_hessian: ClassVar[str | None] = None
    #: What :meth:`grad_hess` multiplies the loss by, as boosting libraries do with the squared error.
    boosting_scale: ClassVar[float] = 1.0
    #: What ``reduction`` may be.
    reductions: ClassVar[tuple[str, ...]] = get_args(Reduction)
    #: Whether ``reduction="none"`` gives a value per row.
    per_row_value: ClassVar[bool] = True
    #: Further per-row keywords a call takes, in order.
    per_row_names: ClassVar[tuple[str, ...]] = ()
    #: Whether :meth:`_on_device` can be traced into a compiled graph: no size in it depends on values.
    traceable: ClassVar[bool] = False
    #: Whether there is a gradient; a metric has none.
    differentiable: ClassVar[bool] = True

    reduction: Reduction = "mean"
    nan_policy: NanPolicy = "raise"
    hessian: HessianChoice | None = None

    def __post_init__(self) -> None:
        choice(self, "reduction", self.reductions)
        choice(self, "nan_policy", get_args(NanPolicy))
        if self.hessian is not None:
            choice(self, "hessian", self.hessians)

    @property
    def outputs(self) -> int:
        """How many predictions a row has: ``y_pred`` is of shape (n, outputs) where there is more than one."""
        return 1

    @property
    def logits(self) -> bool:
        """Whether predictions are logits, so that a scorer turns probabilities into them."""
        return False

    # --- the public face ---------------------------------------------------------------------------------------

    def __call__(
        self,
        y_true: Any,
        y_pred: Any,
        *,
        sample_weight: Any = None,
        groups: Any = None,
        assets: Any = None,
        **per_row: Any,
    ) -> Any:
        """Compute the loss.

        Parameters
        ----------
        y_true : array_like or torch.Tensor, shape (n,) or (n, 1)
            Targets; any numeric dtype.
        y_pred : array_like or torch.Tensor, the shape of ``y_true``
            Predictions. A tensor here makes it a torch call: all other arguments are then tensors of its device.
        sample_weight : array_like, shape (n,), optional
            Finite, not negative. Weight 2 is the row twice, weight 0 is the row left out.
        groups, assets : array_like, shape (n,), optional
            Date and asset of each row, for the losses that look across rows; others ignore them. A
            :class:`GroupIndex` as ``groups`` stands for both.
        **per_row : array_like
            Further arguments some losses take, a value per row.

        Returns
        -------
        float or torch.Tensor
            The reduced loss (an array of rows with ``reduction="none"``). A tensor has the dtype of ``y_pred`` and
            carries its gradient; a second derivative raises.

        Raises
        ------
        LossError
            Shapes that differ, a non-finite prediction, a target or weight that is not allowed (with its row), or a
            mean over nothing.
        """
        self._check_names(per_row)
        if _is_tensor(y_pred):
            from tradewright.loss_functions.adapters import torch_adapter

            return torch_adapter.evaluate(self, y_true, y_pred, sample_weight, groups, assets, per_row)
        return self._value(self._inputs(y_true, y_pred, sample_weight, groups, assets, per_row))

    def value_and_grad(
        self,
        y_true: Any,
        y_pred: Any,
        *,
        sample_weight: Any = None,
        groups: Any = None,
        assets: Any = None,
        out: Array | None = None,
        **per_row: Any,
    ) -> tuple[Any, Array]:
        """Compute the loss and the gradient of the *reduced* loss by the predictions.

        Arguments are those of a call, in numpy's world (CPU tensors are viewed as arrays).

        Parameters
        ----------
        out : numpy.ndarray, optional
            Where to put the gradient: writable, contiguous, with the shape and dtype of ``y_pred``. Reusing one
            saves the page faults of a fresh array, which cost more than the arithmetic.

        Returns
        -------
        value : float
            As a call (an array with ``reduction="none"``).
        gradient : numpy.ndarray
            Shape and dtype of ``y_pred``; ``out`` itself where it was given. With ``reduction="none"`` it is the
            derivative of each row's loss.
        """
        self._check_names(per_row)
        y_true, y_pred, sample_weight, groups, assets = _as_arrays(y_true, y_pred, sample_weight, groups, assets)
        inputs = self._inputs(y_true, y_pred, sample_weight, groups, assets, per_row)
        held, flat = as_output(out, inputs)
        value = self._value_and_grad(inputs, flat)
        return value, held if out is not None else held.astype(inputs.dtype, copy=False)

    def grad_hess(
        self,
        y_true: Any,
        y_pred: Any,
        *,
        sample_weight: Any = None,
        groups: Any = None,
        assets: Any = None,
        **per_row: Any,
    ) -> tuple[Array, Array]:
        """Compute what a booster asks an objective for.

        Per row, whatever ``reduction`` says: derivative and curvature of the *sum*, weights multiplied in, the
        curvature at least 1e-6 times the weight (tree growers stop at 0). Omitted rows and rows of weight 0 give 0.

        Returns
        -------
        gradient, hessian : numpy.ndarray, shape and dtype of ``y_pred``
        """
        self._check_names(per_row)
        y_true, y_pred, sample_weight, groups, assets = _as_arrays(y_true, y_pred, sample_weight, groups, assets)
        inputs = self._inputs(y_true, y_pred, sample_weight, groups, assets, per_row)
        gradient, hessian = (np.empty(inputs.shape, dtype=inputs.prediction.dtype) for _ in range(2))
        self._grad_hess(inputs, gradient.reshape(-1), hessian.reshape(-1))
        return gradient.astype(inputs.dtype, copy=False), hessian.astype(inputs.dtype, copy=False)

    @abstractmethod
    def init_score(self, y: Any, sample_weight: Any = None) -> float:
        """Return the constant prediction to start boosting from: the best constant where there is one."""

    def module(self, *, check_on_device: bool = True) -> torch.nn.Module:
        """Return the loss as a module whose ``forward(input, target, sample_weight=None, ...)`` is in torch's order.

        Parameters
        ----------
        check_on_device : bool, default True
            On an accelerator the checks of values need one synchronisation a call; False leaves them out, and bad
            values then show as a NaN loss. On the CPU they are always made, at no cost.

        Raises
        ------
        MissingExtraError
            When torch is not installed.
        """
        require("torch", f"{type(self).__name__}.module()")
        from tradewright.loss_functions.adapters import torch_adapter

        return torch_adapter.make_module(self, check_on_device=check_on_device)

    def objective(
        self,
        library: Literal["lightgbm", "xgboost"],
        *,
        groups: Any = None,
        assets: Any = None,
        **per_row: Any,
    ) -> BoundObjective:
        """Return the loss as a custom objective: ``objective=`` of LightGBM and XGBoost, or XGBoost's ``obj=``.

        Parameters
        ----------
        library : {"lightgbm", "xgboost"}
            Who calls it. Both start a custom objective at a score of their own, not at the best one: hand
            :meth:`init_score` over as ``init_score`` or ``base_margin``.
        groups, assets : array_like or GroupIndex, optional
            Date and asset of each training row, for the losses that look across rows. With these or ``per_row`` the
            objective belongs to those rows and refuses data of another length.
        **per_row : array_like
            Further arguments some losses take, a value per training row.

        Returns
        -------
        BoundObjective
            Picklable. It takes weights from the library and returns float32 gradients and curvatures in buffers of
            its own, which the next call overwrites.

        Examples
        --------
        >>> import numpy as np
        >>> from tradewright.loss_functions import BinaryCrossEntropy
        >>> objective = BinaryCrossEntropy().objective("lightgbm")
        >>> objective(np.array([1.0, 0.0]), np.array([0.0, 0.0]))
        (array([-0.5,  0.5], dtype=float32), array([0.25, 0.25], dtype=float32))
        """
        from tradewright.loss_functions.adapters import boosting

        return boosting.bind_objective(self, library, groups, assets, per_row)

    def metric(
        self,
        library: Literal["lightgbm", "xgboost"],
        *,
        groups: Any = None,
        assets: Any = None,
        sets: Sequence[Mapping[str, Any]] | None = None,
        **per_row: Any,
    ) -> BoundMetric:
        """Return the loss as an evaluation metric of raw scores, for a library's own early stopping.

        It is minimised, and named after the loss. With LightGBM pass it as ``eval_metric`` or ``feval``; with XGBoost as
        ``eval_metric`` of an estimator or ``custom_metric`` of ``train``.

        Parameters
        ----------
        library, groups, assets, **per_row
            As :meth:`objective`, for the rows that are evaluated.
        sets : sequence of mapping, optional
            Where several sets are evaluated, such as train and validation rows: ``groups``, ``assets`` and the like of
            each. A call is told by its number of rows; for sets of equal length add ``data``, the library's own data set
            (``lightgbm.Dataset``, ``xgboost.DMatrix``), which ``train`` hands back.

        Raises
        ------
        LossError
            From a call, when no bound set has that number of rows, or several have.

        Examples
        --------
        >>> import numpy as np
        >>> from tradewright.loss_functions import PairwiseLogisticLoss
        >>> train, val = {"groups": [1, 1, 2, 2]}, {"groups": [3, 3]}
        >>> metric = PairwiseLogisticLoss().metric("lightgbm", sets=[train, val])
        >>> metric(np.array([1.0, 0.0]), np.array([9.0, -9.0]))[1] < 1e-6
        True
        """
        from tradewright.loss_functions.adapters import boosting

        return boosting.bind_metric(self, library, groups, assets, sets, per_row)

    def scorer(self) -> LossScorer:
        """Return the loss as a scikit-learn scorer: minus the loss, greater is better.

        It asks the estimator for what the loss takes: logits from ``decision_function``, or from ``predict_proba`` by
        the log-odds; probabilities from ``predict_proba``; else ``predict``. Weights, groups, assets and the loss's
        per-row arguments are routed with ``set_score_request``.
        """
        require("sklearn", f"{type(self).__name__}.scorer()")
        from tradewright.loss_functions.adapters import sklearn as adapter

        return adapter.LossScorer(self)

    # --- sums and multiples ------------------------------------------------------------------------------------

    def __add__(self, other: object) -> CombinedLoss:
        """Return the sum with another loss."""
        if not isinstance(other, BaseLoss):
            return NotImplemented
        # Built on this module; only an operator leads back up to it.
        from tradewright.loss_functions import combined

        return combined.add(self, other)

    def __radd__(self, other: object) -> BaseLoss:
        """Return the loss itself for 0 + loss, so that ``sum`` works."""
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __mul__(self, factor: object) -> CombinedLoss:
        """Return a multiple."""
        if not isinstance(factor, int | float | np.number) or isinstance(factor, bool):
            return NotImplemented
        from tradewright.loss_functions import combined

        return combined.scale(self, float(factor))

    __rmul__ = __mul__

    # --- the loss as a value -----------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return the loss as plain JSON values: ``{"loss": name, "params": {...}}``."""
        return {"loss": self.name, "params": {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> BaseLoss:
        """Rebuild a loss from :meth:`to_dict`; on :class:`BaseLoss` any registered loss, on a subclass that one.

        Raises
        ------
        ParameterError
            When there is no tag, it is another loss's, or a parameter is unknown or missing.
        UnknownNameError
            When no loss has that name.
        """
        # It needs the registry, which is built on this module; only the tag leads back up to it.
        from tradewright.loss_functions.from_json import loss_of

        return loss_of(cls, data)

    @classmethod
    def _from_params(cls, params: Mapping[str, Any]) -> BaseLoss:
        made: Any = cls
        loss: BaseLoss = made(**{k: tuple(v) if isinstance(v, list) else v for k, v in params.items()})
        return loss

    def to_json(self) -> str:
        """Return :meth:`to_dict` as a JSON string with sorted keys: equal losses, equal strings."""
        return json.dumps(self.to_dict(), sort_keys=True)

    def _inputs(
        self, y_true: Any, y_pred: Any, weight: Any, groups: Any, assets: Any, per_row: Mapping[str, Any]
    ) -> LossInputs:
        return numpy_inputs(y_true, y_pred, weight, groups, assets, per_row, outputs=self.outputs)

    def _prepare(self, target: Any, prediction: Any, weight: Any, arguments: Mapping[str, Any]) -> LossInputs:
        """Return one call's inputs from its named arguments, for adapters."""
        per_row = {name: value for name, value in arguments.items() if name not in ("groups", "assets")}
        return self._inputs(target, prediction, weight, arguments.get("groups"), arguments.get("assets"), per_row)

    def _check_names(self, per_row: Mapping[str, Any]) -> None:
        if unknown := sorted(set(per_row) - set(self.per_row_names)):
            known = ["sample_weight", "groups", "assets", *self.per_row_names]
            raise ParameterError(
                f"{type(self).__name__} takes no argument {unknown[0]!r}; it takes {', '.join(known)}",
                code="loss.unknown_argument",
                name=unknown[0],
            )

    # --- the hooks of a family ---------------------------------------------------------------------------------

    @abstractmethod
    def _value(self, inputs: LossInputs) -> Any:
        """Return the reduced loss of arrays."""

    @abstractmethod
    def _value_and_grad(self, inputs: LossInputs, gradient: Array) -> Any:
        """Return the reduced loss of arrays and fill ``gradient``."""

    @abstractmethod
    def _grad_hess(self, inputs: LossInputs, gradient: Array, hessian: Array) -> None:
        """Fill what boosting takes."""

    @abstractmethod
    def _on_device(self, torch: Any, inputs: LossInputs) -> Any:
        """Return the reduced loss of tensors on an accelerator, composed of torch's own operations.

        ``torch`` is the module, handed in so that no loss imports it.
        """

    @abstractmethod
    def _check_on_device(self, torch: Any, inputs: LossInputs) -> None:
        """Raise what the core would raise for bad values in tensors on an accelerator; may synchronise once."""


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _is_tensor(value: Any) -> bool:
    if not is_loaded("torch"):
        return False
    from tradewright.loss_functions.adapters import torch_adapter

    return torch_adapter.is_tensor(value)


def _as_arrays(*values: Any) -> tuple[Any, ...]:
    if not any(_is_tensor(value) for value in values):
        return values
    from tradewright.loss_functions.adapters import torch_adapter

    return tuple(torch_adapter.as_array(value) for value in values)
