"""What a TorchModel's parameters may be, checked when it is fitted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tradewright.errors import ParameterError
from tradewright.loss_functions import BaseLoss
from tradewright.models.loss_rows import is_series
from tradewright.models.neural.registry import ModuleRegistry

__all__ = ["check_loss", "check_parameters"]

_COUNTS = ("epochs", "batch_size", "accumulate")
_CHOICES: dict[str, tuple[Any, ...]] = {
    "task": ("regression", "classification"),
    "shuffle": ("full", "block", False),
    "amp": (None, "bf16", "fp16"),
    "compile": (False, True),
    "distributed": (None, False, True),
}
_NUMBERS: dict[str, tuple[Callable[[float], bool], str]] = {
    "lr": (lambda value: value > 0, "above 0"),
    "weight_decay": (lambda value: value >= 0, "not negative"),
    "warmup": (lambda value: value >= 0, "of epochs, not negative"),
}


def check_parameters(params: Mapping[str, Any]) -> None:
    """Refuse parameters out of their range.

    Raises
    ------
    ParameterError
        Naming the first one, its value and what it may be.
    """
    for name, allowed in _CHOICES.items():
        # 0 equals False, and is none of these
        if not any(
            params[name] is choice or (isinstance(choice, str) and params[name] == choice) for choice in allowed
        ):
            raise _refused(name, params[name], " or ".join(map(repr, allowed)))
    for name in _COUNTS:
        value = params[name]
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise _refused(name, value, "a whole number, at least 1")
    for name, (within, what) in _NUMBERS.items():
        if not _is_finite_number(params[name]) or not within(params[name]):
            raise _refused(name, params[name], f"a finite number {what}")
    if params["grad_clip"] is not None and not (_is_finite_number(params["grad_clip"]) and params["grad_clip"] > 0):
        raise _refused("grad_clip", params["grad_clip"], "a finite number above 0, or None")
    if params["warmup"] >= params["epochs"]:
        raise _refused("warmup", params["warmup"], f"fewer epochs than the {params['epochs']} there are")
    for name in ("module_params", "optimizer_params", "schedule_params"):
        if params[name] is not None and not isinstance(params[name], Mapping):
            raise _refused(name, params[name], "a mapping of keywords, or None")
    taken = sorted({"params", "lr", "weight_decay"} & (params["optimizer_params"] or {}).keys())
    if taken:
        raise ParameterError(
            f"optimizer_params has {taken[0]!r}, which the model hands over itself: set {taken[0]}= of the model",
            code="model.optimizer_params",
        )
    _check_window(params["module"], params["window"])


def check_loss(loss: BaseLoss, task: str, scale_target: bool | None) -> None:
    """Refuse what changes the returns that a loss takes as they are.

    Raises
    ------
    ParameterError
        When the loss is one of portfolio returns, and labels are classes or scaled.
    """
    if is_series(loss) and (scale_target or task == "classification"):
        raise ParameterError(
            f"{type(loss).__name__} takes returns as they are: leave scale_target={scale_target!r} out, and"
            " task='regression'",
            code="model.loss_of_returns",
        )


def _check_window(module: Any, window: Any) -> None:
    if window is not None and (isinstance(window, bool) or not isinstance(window, int | np.integer) or window < 1):
        raise _refused("window", window, "a whole number, at least 1, or None")
    if not isinstance(module, str):
        return
    if window is None and module in ModuleRegistry.search("sequence"):
        raise ParameterError(
            f"the module {module!r} reads sequences: say how many rows, window=20", code="model.window"
        )
    if window is not None and module in ModuleRegistry.search("tabular"):
        raise ParameterError(
            f"the module {module!r} reads single rows: leave window={window} out, or take a module that reads"
            f" sequences: {', '.join(ModuleRegistry.search('sequence'))}",
            code="model.window",
        )


def _is_finite_number(value: Any) -> bool:
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return number and math.isfinite(value)


def _refused(name: str, value: Any, what: str) -> ParameterError:
    return ParameterError(f"{name}={value!r}: pass {what}", code=f"model.{name}")
