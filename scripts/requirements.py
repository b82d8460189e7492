"""Print what an extra of pyproject.toml needs, one requirement a line: the set-up installs libraries before the core."""

import re
import sys
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]


def requirements(extra: str) -> list[str]:
    """Return the requirements of an extra, extras of our own inside it spelled out."""
    found = []
    for line in PROJECT["optional-dependencies"][extra]:
        own = re.fullmatch(r"tradewright\[(.+)\]", line)
        found += [need for name in own[1].split(",") for need in requirements(name)] if own else [line]
    return found


if __name__ == "__main__":
    print("\n".join(sorted({*PROJECT["dependencies"], *requirements(sys.argv[1])})))
