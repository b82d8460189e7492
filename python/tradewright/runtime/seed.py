"""Random seeds: set them, derive one per fold, and leave the caller's generators as they were."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tradewright import _optional
from tradewright.errors import ParameterError

__all__ = ["check_seed", "fold_seed", "fresh_seed", "seeded", "set_seed"]

#: numpy's legacy generator, and so scikit-learn, takes no larger seed.
MAX_SEED = 2**32 - 1


def set_seed(seed: int, deterministic: bool = True) -> None:
    """Seed the global generators of Python, numpy and, where it is loaded, torch.

    Parameters
    ----------
    seed : int
        From 0 to 2**32 − 1.
    deterministic : bool
        Also ask torch for deterministic kernels: slower on a GPU, and an operation that has none warns.

    Raises
    ------
    ParameterError
        When the seed is out of range.

    Notes
    -----
    torch counts only if it has been imported: this function does not import it. Libraries with generators of their
    own (LightGBM, XGBoost) take their seed as a parameter; the trainer passes it.

    Examples
    --------
    >>> set_seed(7)
    >>> first = np.random.random()
    >>> set_seed(7)
    >>> first == np.random.random()
    True
    """
    check_seed(seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  the global generator is the point
    if _optional.is_loaded("torch"):
        from tradewright.runtime import seed_torch

        seed_torch.seed_all(seed, deterministic=deterministic)


def fresh_seed() -> int:
    """Return a seed from the operating system's entropy, for a run that was given none: it can be recorded."""
    return int(np.random.SeedSequence().generate_state(1)[0])


def fold_seed(seed: int, fold: int) -> int:
    """Return the seed of one fold: a child of ``seed``, the same whichever folds run and in whatever order.

    Parameters
    ----------
    seed : int
        The seed of the whole run.
    fold : int
        The number of the fold, from 0.

    Examples
    --------
    >>> fold_seed(7, 0) == fold_seed(7, 0), fold_seed(7, 0) == fold_seed(7, 1)
    (True, False)
    """
    check_seed(seed)
    # What spawn() gives as child number `fold`, without making the ones before it.
    child = np.random.SeedSequence(seed, spawn_key=(fold,))
    return int(child.generate_state(1)[0])


@contextmanager
def seeded(seed: int, deterministic: bool = True) -> Iterator[None]:
    """Run a block under :func:`set_seed` and put the caller's generators back afterwards, whatever happens in it.

    torch's switches are put back too: deterministic kernels, threads, default dtype, gradients, matmul precision. If
    the block is the first to import torch, its generator is seeded from entropy afterwards, as a fresh import would be.

    Examples
    --------
    >>> set_seed(1)
    >>> expected = [np.random.random() for _ in range(2)]
    >>> set_seed(1)
    >>> got = [np.random.random()]
    >>> with seeded(99):
    ...     _ = np.random.random()
    >>> got.append(np.random.random())
    >>> got == expected
    True
    """
    python_state = random.getstate()
    numpy_state = np.random.get_state()  # noqa: NPY002
    torch_state: Any = None
    if _optional.is_loaded("torch"):
        from tradewright.runtime import seed_torch

        torch_state = seed_torch.get_state()
    try:
        set_seed(seed, deterministic)
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002
        if _optional.is_loaded("torch"):
            from tradewright.runtime import seed_torch

            seed_torch.set_state(torch_state)


def check_seed(seed: object) -> None:
    """Raise a ParameterError for what is no seed."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= int(seed) <= MAX_SEED:
        raise ParameterError(f"seed={seed!r}: pass an integer from 0 to {MAX_SEED}", code="runtime.seed")
