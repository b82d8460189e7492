"""The contract of a sum of losses: its terms', and that it is their sum."""

from __future__ import annotations

from typing import Any

import numpy as np

from tradewright._optional import is_available
from tradewright.loss_functions import CombinedLoss, PointLoss
from tradewright.testing.loss_problem import Problem, assert_close, run
from tradewright.testing.losses_boosting import boosting
from tradewright.testing.losses_common import value_semantics

__all__ = ["check_sum"]


def check_sum(loss: CombinedLoss, *, rows: int = 400, seed: int = 0) -> list[str]:
    """Check what a sum promises beyond its terms; see :func:`check_loss`."""
    problem = _problem(loss, rows, np.random.default_rng(seed))
    checks = [_terms, value_semantics] + ([_curvature, boosting] if loss.differentiable else [])
    if is_available("torch"):
        checks.append(_torch)
    return run(loss, problem, checks)


def _problem(loss: Any, rows: int, rng: np.random.Generator) -> Problem:
    """Draw rows that every term takes: labels where one wants them, else returns; dates and assets for those that look."""
    losses = [term for _, term in loss.terms]
    labels = any(getattr(term, "targets", "real") != "real" for term in losses)
    unit = any(getattr(term, "predictions", "real") == "unit" for term in losses)
    target = rng.integers(0, 2, rows).astype(float) if labels else rng.normal(0.0, 0.05, rows)
    shape = rows if loss.outputs == 1 else (rows, loss.outputs)
    prediction = rng.uniform(0.05, 0.95, shape) if unit else rng.normal(0.0, 1.0, shape)
    dates, assets = np.divmod(rng.permutation(rows), 7)
    # One weight a date: every family takes those.
    weight = np.take([0.5, 1.0, 3.0], dates % 3)
    further: dict[str, Any] = {}
    if not all(isinstance(term, PointLoss) for term in losses):
        further = {"groups": dates, "assets": assets}
    if "volatility" in loss.per_row_names and any(getattr(term, "target_volatility", None) for term in losses):
        further["volatility"] = rng.uniform(0.1, 0.4, rows)
    return Problem(target, prediction, weight, further)


def _terms(loss: Any, problem: Problem) -> None:
    known = {name: value for name, value in problem.further.items() if name in ("groups", "assets")}
    value, slopes = 0.0, np.zeros_like(problem.prediction)
    for factor, term in loss.terms:
        own = {name: value for name, value in problem.further.items() if name in term.per_row_names}
        part = problem.replace(further={**known, **own})
        value += factor * part.call(term)
        if loss.differentiable:
            slopes += factor * part.value_and_grad(term)[1]
    assert_close(problem.call(loss), value, 1e-12, 1e-14)
    if loss.differentiable:
        found, gradient = problem.value_and_grad(loss)
        assert_close(found, value, 1e-12, 1e-14)
        assert_close(gradient, slopes, 1e-12, 1e-15)


def _curvature(loss: Any, problem: Problem) -> None:
    """Boosting gets the direction of this very sum, and a curvature of at least the floor."""
    gradient, hessian = problem.grad_hess(loss)
    slopes = problem.value_and_grad(loss)[1]
    used = np.abs(slopes) > 1e-9 * np.abs(slopes).max()
    factors = gradient[used] / slopes[used]
    assert_close(factors, np.full_like(factors, factors[0]), 1e-9)
    assert factors[0] > 0, "boosting climbs"
    weight = problem.weight if loss.outputs == 1 else problem.weight[:, None]
    assert (hessian >= 0.999e-6 * weight).all(), "the hessian falls below its floor"
    assert np.isfinite(hessian).all()


def _torch(loss: Any, problem: Problem) -> None:
    from tradewright.testing import losses_torch

    losses_torch.check(loss, problem)
    if loss.differentiable:
        losses_torch.check_sum(loss, problem)
