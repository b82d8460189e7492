"""Scores of rows, without gradients."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tradewright.models.neural.batch_source import BatchSource
from tradewright.runtime.device_layer_torch import DeviceLayer

__all__ = ["score_rows"]


def score_rows(
    module: nn.Module, source: BatchSource, layer: DeviceLayer, start: int = 0, stop: int | None = None
) -> Tensor:
    """Return the module's output for consecutive rows, in evaluation mode, in float32 and in batches.

    Where the device runs out of memory the batches are halved, down to single rows.

    Parameters
    ----------
    module : nn.Module
        What scores; left in evaluation mode.
    source : BatchSource
        The rows.
    layer : DeviceLayer
        The device's memory.
    start, stop : int
        The first row, and the one after the last; all by default.

    Returns
    -------
    Tensor of float32, shape (stop − start,)
    """
    module.eval()
    stop = len(source) if stop is None else stop
    at, step = start, source.scoring_rows
    device = next(module.parameters()).device
    # Written into one tensor: small results kept one by one lie between the batches that come and go, and the memory
    # falls to pieces that fit none of those.
    out = torch.empty(stop - start, device=device)
    with torch.inference_mode():
        while at < stop:
            end = min(at + step, stop)
            scores = _attempt(module, source, layer, at, end, last=end - at == 1)
            if scores is None:
                # Outside of the except block: its traceback would keep what the failed pass had taken.
                layer.synchronize()
                layer.empty_cache()
                step = (end - at) // 2
                continue
            out[at - start : end - start] = scores
            at = end
    return out


def _attempt(
    module: nn.Module, source: BatchSource, layer: DeviceLayer, start: int, stop: int, *, last: bool
) -> Tensor | None:
    try:
        out: Tensor = module(source.slice(start, stop))
    except RuntimeError as error:
        if last or not layer.recovers or not layer.ran_out(error):
            raise
        return None
    return out[:, 0] if out.ndim == 2 else out
