"""Random damage and random forgery: a bundle loads, or ends in a ModelLoadError; nothing else ever happens.

In a child process, since a finding may be a crash. Ten minutes of coverage-guided fuzzing of the same function are
recorded in ``benches/results/fuzz_bundle.json``; what was found there stands in the gallery.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = """
import json, sys, time
import fuzzing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

fuzzing.honest()
fuzzing.target(b"")
ended, until = {}, time.process_time() + float(sys.argv[1])

@given(st.integers(0, 11), st.binary(max_size=30))
@settings(max_examples=3000, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
def fuzz(kind, recipe):
    if time.process_time() > until:
        return
    data = bytes([kind]) + recipe
    print(data.hex(), flush=True)
    key = f"{kind // 3} {fuzzing.target(data)}"
    ended[key] = ended.get(key, 0) + 1

fuzz()
print(json.dumps(ended))
"""


def test_fuzz():
    pytest.importorskip("lightgbm")
    pytest.importorskip("xgboost")
    seconds = os.environ.get("TRADEWRIGHT_FUZZ_SECONDS", "8")  # of processor time, beside the imports
    done = subprocess.run(
        [sys.executable, "-c", CHILD, seconds],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ
        | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f"found with {lines[-1] if lines else 'nothing'}: {done.stderr[-3000:]}"
    ended = json.loads(lines[-1])
    # Every way in was taken, and both ways out.
    assert {key[0] for key in ended} == set("0123")
    assert {"2 loads", "3 loads", "1 IntegrityError", "2 FormatMismatchError"} <= ended.keys()
