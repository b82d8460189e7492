"""The house stands as the plan says: floors, names, lazy imports, nothing left unwrapped."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import tradewright
from tradewright import _core

PACKAGE = Path(tradewright.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))

#: Libraries that only some files may import, and which.
CONFINED = {
    "torch": lambda path: "torch" in path.name or "neural" in path.parts,
    "safetensors": lambda path: "torch" in path.name or "neural" in path.parts or path.parent.name == "formats",
    "mlflow": lambda path: "tracking" in path.parts,
    "onnx": lambda path: "onnx" in path.name,
    "onnxruntime": lambda path: "onnx" in path.name,
    "ray": lambda path: path.name == "ray_executor.py",
}

#: Libraries that ``import tradewright`` must not load.
HEAVY = (
    "polars",
    "pandas",
    "sklearn",
    "scipy",
    "torch",
    "mlflow",
    "lightgbm",
    "xgboost",
    "rich",
    "skops",
    "matplotlib",
)


def imported_roots(path: Path) -> set[str]:
    """Every library a file imports when it runs, inside functions too; names for type checkers don't count."""
    roots: set[str] = set()
    tree = ast.parse(path.read_text())
    for block in [node for node in ast.walk(tree) if isinstance(node, ast.If) and _is_type_checking(node)]:
        block.body = [ast.Pass()]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            roots.add(node.module.partition(".")[0])
    return roots


def _is_type_checking(node: ast.If) -> bool:
    return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def run_python(code: str) -> str:
    """Run code in a fresh interpreter and return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_floors_hold():
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=PACKAGE.parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("library", sorted(CONFINED))
def test_optional_library_is_imported_only_where_its_name_says(library):
    strangers = [str(path.relative_to(PACKAGE)) for path in SOURCES if library in imported_roots(path)]
    strangers = [name for name in strangers if not CONFINED[library](Path(name))]
    assert not strangers, f"{library} is imported in {strangers}"


def test_import_loads_no_heavy_library():
    loaded = json.loads(
        run_python(
            "import sys, json; before = set(sys.modules); import tradewright;"
            "print(json.dumps(sorted({name.partition('.')[0] for name in set(sys.modules) - before})))"
        )
    )
    assert "tradewright" in loaded
    assert not set(loaded) & set(HEAVY)


def test_every_public_name_is_there_documented_and_typed():
    stub = {
        alias.asname
        for node in ast.parse((PACKAGE / "__init__.pyi").read_text()).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for name in tradewright.__all__:
        value = getattr(tradewright, name)
        if name == "__version__":
            continue
        documented = inspect.getdoc(value) if not inspect.ismodule(value) else value.__doc__
        assert documented, f"{name} has no docstring"
        assert name in stub or name in tradewright.errors.__all__, f"{name} is missing in __init__.pyi"
    assert "Panel" in dir(tradewright)
    with pytest.raises(AttributeError, match="no attribute 'Pannel'"):
        _ = tradewright.Pannel


def test_every_compiled_name_has_a_python_wrapper():
    text = "\n".join(path.read_text() for path in SOURCES)
    #: What only the tests of threads, signals and errors call.
    probes = {"spin", "error_codes"}
    names = {name for name in dir(_core) if not name.startswith("_")} - probes
    assert names, "the core has names"
    assert not [name for name in sorted(names) if f"_core.{name}" not in text]


def test_every_error_is_of_the_family_and_a_builtin():
    errors = importlib.import_module("tradewright.errors")
    for name in errors.__all__:
        cls = getattr(errors, name)
        assert issubclass(cls, errors.TradewrightError)
        if cls is not errors.TradewrightError:
            builtin = [base for base in cls.__mro__ if base.__module__ == "builtins"]
            assert len([base for base in builtin if base not in (Exception, BaseException, object)]) >= 1, name


def test_files_stay_small():
    long = {str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for path in SOURCES}
    assert not {name: lines for name, lines in long.items() if lines > 500}


def test_nothing_is_called_utils():
    assert not [path for path in SOURCES if path.stem in ("utils", "helpers", "misc", "common")]
