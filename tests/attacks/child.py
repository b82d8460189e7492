"""Loads the files it is told on standard input, one a line as JSON, and says how each ended.

A line is written before a file is touched and another after it: if this process dies, its parent knows of which.
"""

from __future__ import annotations

import json
import os
import resource
import sys

#: Enough for the libraries and the honest models; a flood of memory ends in an error, not on the machine.
MEMORY = 6 << 30


def main() -> None:
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    import numpy as np

    import tradewright as tw

    for line in sys.stdin:
        case = json.loads(line)
        out.write("begin\n")
        out.flush()
        try:
            model = tw.load_model(case["path"], **case["options"])
            model.predict(np.zeros((2, len(model.metadata.feature_names))))
            ended = ["loads"]
        except Exception as error:  # noqa: BLE001  that is the question
            ended = [cls.__name__ for cls in type(error).__mro__ if cls is not object] + [str(error)[:300]]
        out.write(json.dumps(ended) + "\n")
        out.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
