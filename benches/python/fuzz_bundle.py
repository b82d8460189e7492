"""Ten minutes of coverage-guided fuzzing of the bundle's reader and of the checks in front of the parsers, recorded.

Needs atheris (``pip install atheris``; Linux, Python up to 3.13). What it finds is kept in ``--folder`` and belongs into
``tests/attacks/gallery.py``; the test suite runs the same function under hypothesis for some seconds.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import harness

ATTACKS = Path(__file__).parents[2] / "tests" / "attacks"
_STATS = {
    "executions": r"stat::number_of_executed_units:\s*(\d+)",
    "executions_per_second": r"stat::average_exec_per_sec:\s*(\d+)",
    "corpus_added": r"stat::new_units_added:\s*(\d+)",
    "peak_rss_mb": r"stat::peak_rss_mb:\s*(\d+)",
    "coverage_counters": r"cov: (\d+) ft: \d+ corp: \d+/\S+ lim: \d+ exec/s: \d+ rss: \S+\s*(?!.*cov: )",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--folder", type=Path, default=None)
    chosen = parser.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="fuzz-bundle-"))
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, str(ATTACKS / "fuzzing.py"), str(chosen.seconds), str(folder)],
        capture_output=True,
        text=True,
        errors="replace",
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    found = {
        name: int(hits[-1]) for name, pattern in _STATS.items() if (hits := re.findall(pattern, done.stderr, re.DOTALL))
    }
    kept = sorted(
        path.name for path in folder.iterdir() if path.name.startswith(("crash-", "timeout-", "oom-", "slow-"))
    )
    content = {"seconds": chosen.seconds, "exit_status": done.returncode, **found, "findings": kept}
    print(harness.record("fuzz_bundle", content, ("tradewright", "atheris", "lightgbm", "xgboost-cpu", "scikit-learn")))
    print(content)
    if done.returncode:
        print(done.stderr[-3000:])
        print(f"kept in {folder}")


if __name__ == "__main__":
    main()
