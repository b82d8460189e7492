"""Two hundred writers of one bundle, killed with SIGKILL at random moments and around every step, recorded.

After each kill the file must be one whole bundle, the old one or a new one. The test suite does the same with fewer kills
(``tests/attacks/test_writer.py``); what is killed is ``tests/attacks/killing.py``. POSIX only. Less than a minute.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import harness

ATTACKS = Path(__file__).parents[2] / "tests" / "attacks"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    chosen = parser.parse_args()
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, str(ATTACKS / "killing.py"), folder, str(chosen.kills)],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise SystemExit(f"a bundle was not whole, or the run broke off:\n{done.stderr[-3000:]}")
    told = json.loads(done.stdout)
    # Every bundle that was found was read back, digests and content, before it was counted.
    whole = told["old_bundle"] + told["new_bundle"]
    print(
        harness.record(
            "kill_writers", {"seconds": time.perf_counter() - begun, **told, "whole": whole}, ("tradewright",)
        )
    )
    print(
        f"{told['kills']} kills: {told['old_bundle']} left the old bundle, {told['new_bundle']} a new one, {whole} whole;"
        f" {told['temporary_files_left']} temporary files left behind"
    )
    for step, new in told["steps"].items():
        print(f"  killed {step:<22} the {'new' if new else 'old'} bundle")


if __name__ == "__main__":
    main()
