"""What the core refuses, refused for tensors on an accelerator: the same errors, at one synchronisation a call."""

from __future__ import annotations

from typing import Any

from tradewright.errors import LossError
from tradewright.loss_functions.base import BaseLoss

__all__ = ["check_finite", "check_values", "nothing_to_average"]


def check_values(
    loss: BaseLoss, torch: Any, s: Any, y: Any, w: Any, *, targets: str, predictions: str = "real", weighs: bool = True
) -> None:
    """Refuse predictions, targets and weights that are not allowed, and a mean over nothing.

    Parameters
    ----------
    s, y, w : torch.Tensor, shape (n · outputs,)
        Flat; ``w`` may be None.
    targets, predictions : {"real", "unit", "binary", "relevance"}
        What they may be.
    weighs : bool, default True
        Whether a mean needs a row of positive weight, or the loss looks for that itself.
    """
    missing = torch.isnan(y)
    counted = ~missing if loss.nan_policy == "omit" else torch.ones_like(missing)
    bad_s, bad_y = ~_inside(torch, s, predictions), ~_inside(torch, y, targets) & counted
    bad_w = torch.zeros_like(bad_s) if w is None else ~(torch.isfinite(w) & (w >= 0))
    heavy = counted if w is None or not weighs or loss.reduction != "mean" else counted & (w != 0)
    bad = bad_s | bad_y | bad_w
    # One transfer answers all questions.
    any_bad, any_heavy = torch.stack([bad.any(), heavy.any()]).tolist()
    if any_bad:
        at = int(bad.to(torch.uint8).argmax())
        named = (("prediction", bad_s, s), ("target", bad_y, y), ("weight", bad_w, w))
        what, value = next((name, float(values[at])) for name, flags, values in named if bool(flags[at]))
        raise _refused(loss, what, value, at // loss.outputs)
    if not any_heavy and loss.reduction in ("mean", "mean_n"):
        raise nothing_to_average()


def check_finite(torch: Any, name: str, values: Any) -> None:
    """Refuse a per-row argument that is not finite."""
    bad = ~torch.isfinite(values)
    if bool(bad.any()):
        row = int(bad.reshape(len(values), -1).any(1).to(torch.uint8).argmax())
        raise LossError(
            f"row {row}: {name} is not finite; repair it, or drop the row", code="loss.argument_not_finite", row=row
        )


def nothing_to_average() -> LossError:
    """Build the error for a mean over nothing."""
    return LossError(
        'the mean is undefined: no row counts. Pass rows that count, or use reduction="sum"',
        code="loss.nothing_to_average",
    )


def _inside(torch: Any, values: Any, domain: str) -> Any:
    if domain == "unit":
        return (values >= 0) & (values <= 1)
    if domain == "binary":
        return (values == 0) | (values == 1)
    if domain == "relevance":
        return (values >= 0) & (values <= 30) & (values == torch.floor(values))
    return torch.isfinite(values)


def _refused(loss: BaseLoss, what: str, value: float, row: int) -> LossError:
    missing, infinite = value != value, value in (float("inf"), -float("inf"))
    code = {
        "prediction": "loss.prediction_not_finite" if missing or infinite else "loss.prediction_out_of_domain",
        "target": "loss.target_missing" if missing else "loss.target_out_of_domain",
        "weight": "loss.weight_invalid",
    }[what]
    hint = "drop or repair the row"
    if what == "target" and missing:
        hint = 'drop the row, or pass nan_policy="omit"'
    elif what == "target" and value == -1.0:
        hint = "for labels -1 and 1 pass (y + 1) / 2"
    return LossError(
        f"row {row}: the {what} is {value:g}, which {type(loss).__name__} does not take; {hint}", code=code, row=row
    )
