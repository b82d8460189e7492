"""The processes that train one model together, each on its part of every step."""

from __future__ import annotations

import atexit
from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from tradewright.errors import UnsupportedError
from tradewright.runtime.distributed import Launch

__all__ = ["Team", "join"]


class Team:
    """One process that stands alone, or one of several that hold the same rows and the same weights.

    All draw the same steps in the same order. Of each step every process takes a stretch; gradients are summed, so that
    all take the step that one process would have taken.

    Parameters
    ----------
    rank, size : int
        Which process this is, of how many.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    def part_of(self, rows: Tensor | slice) -> Tensor | slice:
        """Return this process's stretch of the rows of a step; empty where there are fewer rows than processes."""
        if self.size == 1:
            return rows
        if isinstance(rows, slice):
            start, stop = self._ends(rows.stop - rows.start)
            return slice(rows.start + start, rows.start + stop)
        return self.part_of_values(rows)

    def part_of_values(self, values: Tensor) -> Tensor:
        """Return this process's stretch of values per row of a step; a view."""
        start, stop = self._ends(len(values))
        return values[start:stop]

    def gather(self, values: Tensor, n_rows: int) -> Tensor:
        """Return the values of all rows of a step from those of every process's stretch."""
        if self.size == 1:
            return values
        start, stop = self._ends(n_rows)
        whole = torch.zeros(n_rows, dtype=values.dtype, device=values.device)
        whole[start:stop] = values
        return self.sum(whole)

    def sum_gradients(self, weights: Sequence[Tensor], loss: Tensor) -> Tensor:
        """Sum gradients and losses over the processes, in one exchange; return the sum of the losses."""
        if self.size == 1:
            return loss
        trained = [weight for weight in weights if weight.requires_grad]
        flat = torch.cat(
            [torch.zeros_like(w).reshape(-1) if w.grad is None else w.grad.reshape(-1) for w in trained]
            + [loss.reshape(1)]
        )
        self.sum(flat)
        at = 0
        for weight in trained:
            weight.grad = flat[at : at + weight.numel()].view_as(weight)
            at += weight.numel()
        return flat[-1]

    def sum(self, values: Tensor) -> Tensor:
        """Sum values over the processes, in place."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def any(self, flag: bool) -> bool:
        """Whether any process says yes: all get the same answer."""
        if self.size == 1:
            return flag
        return bool(self.sum(torch.tensor(float(flag), device=_exchange_device())).item())

    def agree(self, module: nn.Module) -> None:
        """Give all processes the weights and running statistics of the first."""
        if self.size > 1:
            with torch.no_grad():
                for value in module.state_dict().values():
                    dist.broadcast(value, 0)

    def agree_on_statistics(self, module: nn.Module) -> None:
        """Give all processes the running statistics of the first: each saw other rows."""
        if self.size > 1:
            for value in module.buffers():
                dist.broadcast(value, 0)

    def agree_on(self, number: int) -> int:
        """Return the first process's number."""
        return int(self._firsts(torch.tensor([number], dtype=torch.int64))[0])

    def agree_on_rates(self, rates: Sequence[float]) -> list[float]:
        """Return the first process's rates: callbacks may have changed them there alone."""
        return [float(rate) for rate in self._firsts(torch.tensor(rates, dtype=torch.float64))]

    def _firsts(self, values: Tensor) -> Tensor:
        if self.size == 1:
            return values
        values = values.to(_exchange_device())
        dist.broadcast(values, 0)
        return values

    def _ends(self, n_rows: int) -> tuple[int, int]:
        return self.rank * n_rows // self.size, (self.rank + 1) * n_rows // self.size


def join(launch: Launch | None, device: str) -> Team:
    """Return the team of the processes that a launcher started; a team of one for a process that stands alone.

    The processes' group is opened at the first call and closed when the process ends; one that is open already is used.

    Raises
    ------
    UnsupportedError
        When torch was built without process groups, or the device has none.
    """
    if launch is None:
        return Team()
    if not dist.is_available() or device == "mps":
        raise UnsupportedError(
            f"torch has no process groups for {device} here: pass distributed=False, or start the script without torchrun",
            code="model.distributed",
        )
    if not dist.is_initialized():
        if device.startswith("cuda"):
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
        atexit.register(_leave)
    return Team(dist.get_rank(), dist.get_world_size())


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def _exchange_device() -> str:
    return f"cuda:{torch.cuda.current_device()}" if dist.get_backend() == "nccl" else "cpu"
