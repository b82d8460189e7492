"""The names of optimizers."""

from __future__ import annotations

from typing import Any

from tradewright.registry import Registry

__all__ = ["OptimizerRegistry"]

#: Optimizers by name. An entry takes ``params`` (what is optimized, as torch takes it), ``lr``, ``weight_decay`` and
#: keywords of its own, and returns a ``torch.optim.Optimizer``; users add theirs the same way.
OptimizerRegistry: Registry[Any] = Registry("optimizer", entry_points="tradewright.optimizers")

for _name, _tags in (
    ("sgd", ["first_order"]),
    ("asgd", ["first_order"]),
    ("rprop", ["first_order", "all_rows"]),
    ("adam", ["adaptive"]),
    ("adamw", ["adaptive"]),
    ("adamax", ["adaptive"]),
    ("nadam", ["adaptive"]),
    ("radam", ["adaptive"]),
    ("rmsprop", ["adaptive"]),
    ("adagrad", ["adaptive"]),
    ("adadelta", ["adaptive"]),
    ("adafactor", ["adaptive", "little_memory"]),
):
    OptimizerRegistry.register(
        _name, f"tradewright.optimizers.torch_optimizers:{_name}", tags=_tags, requires=["torch"]
    )
OptimizerRegistry.register(
    "muon", "tradewright.optimizers.torch_muon:muon", tags=["matrix", "little_memory"], requires=["torch"]
)
