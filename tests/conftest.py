"""What every test needs, in the test files and in the processes they start."""

import signal
import sys
from pathlib import Path

# The helpers in tests/support are importable.
sys.path.insert(0, str(Path(__file__).parent / "support"))
sys.path.insert(0, str(Path(__file__).parent / "attacks"))

# A shell that starts the tests in the background has Ctrl-C ignored, here and in every child; the tests send real ones.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
