"""Makes the helpers in tests/support importable, in test files and in the processes they start."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "support"))
