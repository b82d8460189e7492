"""Sums and multiples of losses."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import ParameterError
from tradewright.loss_functions.base import BaseLoss, NanPolicy, Reduction
from tradewright.loss_functions.inputs import LossInputs
from tradewright.loss_functions.parameters import keep, real

__all__ = ["CombinedLoss", "add", "scale"]

Array = NDArray[Any]
Terms = tuple[tuple[float, BaseLoss], ...]


@final
@dataclass(frozen=True, kw_only=True)
class CombinedLoss(BaseLoss):
    """A sum of losses, each with a factor. Written ``0.9 * a + 0.1 * b``, and a loss like any other.

    The value is Σ factor·loss, each term with its own reduction and policies; so is the gradient. Every term gets the
    call's weights, groups and assets, and those further per-row arguments that it knows.

    Parameters
    ----------
    terms : tuple of (float, BaseLoss)
        Factors, finite and not 0, with the losses they multiply; at least one.

    Notes
    -----
    Boosting takes the gradient of this very sum, times the total weight where all terms are averages (which makes it
    the usual gradient per row for a sum of point losses), and for each term its own curvature in the same proportion to
    its gradient; the floor of 1e-6 times the weight holds for the whole.

    The start value is that of the term with the largest factor.

    Examples
    --------
    >>> from tradewright.loss_functions import MAELoss, MSELoss
    >>> loss = 0.9 * MSELoss() + 0.1 * MAELoss()
    >>> round(loss([1.0, 2.0], [1.5, 1.0]), 4)
    0.6375
    >>> BaseLoss.from_dict(loss.to_dict()) == loss
    True
    """

    name: ClassVar[str] = "combined"
    hessians: ClassVar[tuple[str, ...]] = ()

    reduction: Reduction = field(default="mean", init=False, repr=False)
    nan_policy: NanPolicy = field(default="raise", init=False, repr=False)
    hessian: None = field(default=None, init=False, repr=False)
    terms: Terms = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.terms:
            raise _refuse("there is no term; pass at least one (factor, loss)")
        for factor, loss in self.terms:
            if not isinstance(loss, BaseLoss):
                raise _refuse(f"{loss!r} is no loss")
            if not real(factor):
                raise _refuse(f"the factor {factor!r} is not allowed; pass a finite number other than 0")
            if loss.reduction == "none":
                raise _refuse(f'{loss!r} has reduction="none"; a sum needs one number from each term')
        if len({loss.outputs for _, loss in self.terms}) > 1:
            raise _refuse("the terms differ in how many predictions a row has")
        keep(self, "terms", tuple((float(factor), loss) for factor, loss in self.terms))

    @property
    def outputs(self) -> int:
        """How many predictions a row has, as in every term."""
        return self.terms[0][1].outputs

    @property
    def logits(self) -> bool:
        """Whether any term takes logits."""
        return any(loss.logits for _, loss in self.terms)

    @property
    def per_row_names(self) -> tuple[str, ...]:  # type: ignore[override]  # a class's own list, here made of the terms'
        """The further per-row keywords any term takes."""
        return tuple(dict.fromkeys(name for _, loss in self.terms for name in loss.per_row_names))

    @property
    def traceable(self) -> bool:  # type: ignore[override]  # likewise
        """Whether every term can be traced on an accelerator."""
        return all(loss.traceable for _, loss in self.terms)

    @property
    def differentiable(self) -> bool:  # type: ignore[override]  # likewise
        """Whether every term has a gradient."""
        return all(loss.differentiable for _, loss in self.terms)

    def init_score(self, y: Any, sample_weight: Any = None) -> float:
        """Return the start value of the term with the largest factor; of several such, of the first."""
        return max(self.terms, key=lambda term: abs(term[0]))[1].init_score(y, sample_weight)

    def to_dict(self) -> dict[str, Any]:
        """Return the sum as plain JSON values, its terms in order."""
        terms = [[factor, loss.to_dict()] for factor, loss in self.terms]
        return {"loss": self.name, "params": {"terms": terms}}

    @classmethod
    def _from_params(cls, params: Mapping[str, Any]) -> CombinedLoss:
        return cls(terms=tuple((float(factor), BaseLoss.from_dict(loss)) for factor, loss in params.get("terms", ())))

    # --- the hooks ---------------------------------------------------------------------------------------------

    def _value(self, inputs: LossInputs) -> Any:
        return float(sum(factor * loss._value(part) for factor, loss, part in self._parts(inputs)))

    def _value_and_grad(self, inputs: LossInputs, gradient: Array) -> Any:
        total, spare = 0.0, np.empty_like(gradient)
        gradient[:] = 0.0
        for factor, loss, part in self._parts(inputs):
            total += factor * loss._value_and_grad(part, spare)
            spare *= factor
            gradient += spare
        return total

    def _grad_hess(self, inputs: LossInputs, gradient: Array, hessian: Array) -> None:
        slope, own, curvature = (np.empty_like(gradient) for _ in range(3))
        gradient[:], hessian[:] = 0.0, 0.0
        averages = all(loss.reduction != "sum" for _, loss in self.terms)
        weight = np.ones(len(inputs.target)) if inputs.weight is None else np.asarray(inputs.weight, dtype=np.float64)
        times = float(weight[~np.isnan(inputs.target)].sum()) if averages else 1.0
        floor = np.zeros_like(gradient)
        for factor, loss, part in self._parts(inputs):
            loss._value_and_grad(part, slope)
            slope *= factor * times
            loss._grad_hess(part, own, curvature)
            gradient += slope
            # Both are the same direction; a term that is flat everywhere bends by its factor.
            square = float(np.dot(own, own))
            share = float(np.dot(slope, own)) / square if square > 0.0 else factor
            hessian += share * curvature
            np.maximum(floor, np.where(curvature > 0, 1e-6 * np.repeat(weight, self.outputs), 0.0), out=floor)
        np.maximum(hessian, floor, out=hessian)

    def _on_device(self, torch: Any, inputs: LossInputs) -> Any:
        return sum(factor * loss._on_device(torch, part) for factor, loss, part in self._parts(inputs))

    def _check_on_device(self, torch: Any, inputs: LossInputs) -> None:
        for _, loss, part in self._parts(inputs):
            loss._check_on_device(torch, part)

    def _parts(self, inputs: LossInputs) -> list[tuple[float, BaseLoss, LossInputs]]:
        """Return each term with the arguments that are its own."""
        parts = []
        for factor, loss in self.terms:
            own = {name: value for name, value in inputs.per_row.items() if name in loss.per_row_names}
            parts.append((factor, loss, dataclasses.replace(inputs, per_row=own)))
        return parts


def add(first: BaseLoss, second: BaseLoss) -> CombinedLoss:
    """Return the sum of two losses, with the terms of sums side by side."""
    return CombinedLoss(terms=_terms(first) + _terms(second))


def scale(loss: BaseLoss, factor: float) -> CombinedLoss:
    """Return a multiple of a loss."""
    return CombinedLoss(terms=tuple((float(factor) * own, term) for own, term in _terms(loss)))


def _terms(loss: BaseLoss) -> Terms:
    return loss.terms if isinstance(loss, CombinedLoss) else ((1.0, loss),)


def _refuse(what: str) -> ParameterError:
    return ParameterError(f"a sum of losses: {what}", code="parameter.invalid", name="terms")
