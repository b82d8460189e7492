"""The way into Rust: threads, signals, forks, panics."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from tradewright import _core, errors

ROWS = 3_000_000


@pytest.fixture(autouse=True)
def _threads_as_before():
    before = _core.num_threads()
    yield
    _core.set_num_threads(before)


def test_same_bits_at_any_thread_count():
    bits = set()
    for threads in (1, 2, 3, 7):
        _core.set_num_threads(threads)
        assert _core.num_threads() == threads
        bits.add(np.float64(_core.spin(ROWS)).tobytes())
    assert len(bits) == 1


def test_panic_is_an_exception_small_and_large():
    for rows in (10, ROWS):
        with pytest.raises(errors.InternalError, match="asked to panic"):
            _core.spin(rows, panic_at=5)
    assert _core.spin(10) == pytest.approx(np.sin(np.arange(10)).sum())


def test_zero_threads_are_refused():
    with pytest.raises(errors.ParameterError, match="num_threads=0") as caught:
        _core.set_num_threads(0)
    assert caught.value.code == "parameter.invalid"
    assert caught.value.fields["name"] == "num_threads"


def test_every_error_code_is_unique():
    codes = _core.error_codes()
    assert len(codes) == len(set(codes)) > 3


def test_ctrl_c_interrupts_a_long_call():
    """A signal in mid-call raises within 200 ms: the poll is every 50 ms, a block takes well under one."""
    code = textwrap.dedent(
        """
        import signal, threading, time, os
        from tradewright import _core
        sent = []
        def send():
            time.sleep(0.3)
            sent.append(time.perf_counter())
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=send).start()
        try:
            _core.spin(10**12)
        except KeyboardInterrupt:
            print(time.perf_counter() - sent[0])
        """
    )
    waited = []
    for _ in range(3):  # a busy machine may keep a process waiting; the best of three is the mechanism's own
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        waited.append(float(done.stdout))
        if waited[-1] < 0.2:
            break
    assert min(waited) < 0.2


def test_stop_flag_interrupts_a_long_call():
    """A handler that only takes note of a signal raises this flag instead of an exception."""
    timer = threading.Timer(0.2, _core.request_stop, args=(True,))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            _core.spin(10**12)
    finally:
        timer.join()
        _core.request_stop(False)
    assert _core.spin(10) > 0


def test_other_threads_work_during_a_long_call():
    ticks = []
    done = threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    worker = threading.Thread(target=tick)
    worker.start()
    started = time.perf_counter()
    _core.spin(30_000_000)
    ended = time.perf_counter()
    done.set()
    worker.join()
    assert sum(started < at < ended for at in ticks) > 5


def test_pool_survives_a_fork():
    """A forked child has the pool's memory but none of its threads; it must not wait for them."""
    _core.set_num_threads(2)
    expected = _core.spin(ROWS)
    code = textwrap.dedent(
        f"""
        import os, sys
        from tradewright import _core
        expected = _core.spin({ROWS})
        pid = os.fork()
        if pid == 0:
            os._exit(0 if _core.spin({ROWS}) == expected else 1)
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """
    )
    done = subprocess.run([sys.executable, "-c", code], timeout=60, check=False)
    assert done.returncode == 0
    assert expected == _core.spin(ROWS)


def test_thread_count_follows_the_environment():
    code = "from tradewright import _core; print(_core.num_threads())"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"TRADEWRIGHT_NUM_THREADS": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "3"


def test_signals_are_pythons_again_after_a_call():
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
