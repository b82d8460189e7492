"""Every Python bench, one after the other, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BENCHES = (
    ("bench_import.py",),
    ("bench_split.py",),
    ("bench_split.py", "--threads", "1"),
    ("bench_split.py", "--rows", "1000000"),
    ("bench_split_peers.py", "--repeats", "5"),
    ("bench_loss.py",),
    ("bench_scan.py",),
    ("bench_loss_groups.py",),
    ("bench_torch_epoch.py",),
    ("bench_boosting_bridge.py", "--rows", "1000000"),
)

if __name__ == "__main__":
    for script, *options in BENCHES:
        print(f"\n=== {script} {' '.join(options)}", flush=True)
        subprocess.run([sys.executable, HERE / script, *options], check=True)
