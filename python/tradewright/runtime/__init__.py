"""Seeds, devices, threads and the record of the environment: what a run needs to be repeated."""

from __future__ import annotations

from tradewright.runtime.environment import show_versions
from tradewright.runtime.seed import set_seed
from tradewright.runtime.threads import set_num_threads

__all__ = ["set_num_threads", "set_seed", "show_versions"]
