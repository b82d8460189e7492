"""torch's part of seeding; imported only when torch is loaded already."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["TorchRandomState", "get_state", "seed_all", "set_state"]

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


@dataclass(frozen=True, eq=False)
class TorchRandomState:
    """torch's global state: its generators, the switches for deterministic kernels, and what else a training can turn."""

    cpu: Any
    cuda: list[Any]
    deterministic: bool
    warn_only: bool
    benchmark: bool
    workspace: str | None
    threads: int
    dtype: torch.dtype
    grad: bool
    precision: str


def seed_all(seed: int, *, deterministic: bool) -> None:
    """Seed every torch generator; with ``deterministic``, prefer deterministic kernels."""
    torch.manual_seed(seed)
    if deterministic:
        # cuBLAS reads this when it starts; without it its results differ from run to run.
        os.environ.setdefault(WORKSPACE, ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False


def get_state() -> TorchRandomState:
    """Return the state as it is. CUDA counts only if it is in use: looking must not start it."""
    in_use = torch.cuda.is_available() and torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return TorchRandomState(
        cpu=torch.get_rng_state(),
        cuda=torch.cuda.get_rng_state_all() if in_use else [],
        deterministic=torch.are_deterministic_algorithms_enabled(),
        warn_only=torch.is_deterministic_algorithms_warn_only_enabled(),
        benchmark=torch.backends.cudnn.benchmark,
        workspace=os.environ.get(WORKSPACE),
        threads=torch.get_num_threads(),
        dtype=torch.get_default_dtype(),
        grad=torch.is_grad_enabled(),
        precision=torch.get_float32_matmul_precision(),
    )


def set_state(state: TorchRandomState | None) -> None:
    """Go back to ``state``; None stands for a torch that had not been imported."""
    if state is None:
        torch.seed()  # a fresh import starts from entropy
        torch.use_deterministic_algorithms(False)
        return
    torch.set_rng_state(state.cpu)
    if state.cuda:
        torch.cuda.set_rng_state_all(state.cuda)
    torch.use_deterministic_algorithms(state.deterministic, warn_only=state.warn_only)
    torch.backends.cudnn.benchmark = state.benchmark
    if torch.get_num_threads() != state.threads:  # setting them anew is not free
        torch.set_num_threads(state.threads)
    torch.set_default_dtype(state.dtype)
    torch.set_grad_enabled(state.grad)
    torch.set_float32_matmul_precision(state.precision)
    if state.workspace is None:
        os.environ.pop(WORKSPACE, None)
    else:
        os.environ[WORKSPACE] = state.workspace
