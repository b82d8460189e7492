"""The documentation runs: its code, its pictures, and what it says about us beside others."""

from __future__ import annotations

import doctest
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tradewright.loss_functions import LossRegistry

ROOT = Path(__file__).parents[1]
PAGES = sorted([*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "losses").glob("*.md")])
PICTURES = ROOT / "docs" / "pictures"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def module_at(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_on_a_page_runs(page, monkeypatch, tmp_path):
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)  # what the page writes
    text = page.read_text()
    module = ModuleType(f"page_{page.stem}")  # what a page defines can be pickled
    monkeypatch.setitem(sys.modules, module.__name__, module)
    names: dict[str, Any] = vars(module)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE, verbose=False)
    told: list[str] = []
    for found in BLOCK.finditer(text):
        code, line = found.group(1), text[: found.start()].count("\n") + 1
        if ">>>" not in code:
            exec(compile("\n" * line + code, str(page), "exec"), names)
            continue
        test = doctest.DocTestParser().get_doctest(code, names, page.name, str(page), line)
        runner.run(test, out=told.append, clear_globs=False)
        names.update(test.globs)  # the next block goes on with what this one made
    assert not runner.summarize(verbose=False).failed, "\n".join(told)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_of_a_page_lead_somewhere(page):
    for target, heading in re.findall(r"\]\(([^)#]*)(?:#([^)]+))?\)", page.read_text()):
        if "://" in target:
            continue
        there = page.parent / target if target else page
        assert there.exists(), target
        assert not heading or heading in anchors(there), heading


def anchors(page: Path) -> set[str]:
    """The names under which the headings of a page can be linked to."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_picture_is_shown():
    shown = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in re.findall(r"\]\(([^)]+\.png)\)", page.read_text())
    }
    assert shown == {path.resolve() for path in PICTURES.rglob("*.png")}


def test_pictures_are_drawn_from_plans(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    pictures = module_at(ROOT / "docs" / "make_pictures.py")
    drawn = []
    monkeypatch.setattr(pictures, "save", lambda figure, name: drawn.append(name))
    for draw in (pictures.leak, pictures.hull, pictures.embargo, pictures.folds, pictures.assets):
        draw()
    assert sorted(drawn) == sorted(path.stem for path in PICTURES.glob("*.png"))


def test_pictures_of_losses_are_drawn_from_losses(monkeypatch):
    pytest.importorskip("matplotlib")
    pictures = module_at(ROOT / "docs" / "make_loss_pictures.py")
    drawn = []
    monkeypatch.setattr(pictures, "save", lambda figure, name: drawn.append(name))
    for draw in pictures.DRAW:
        draw()
    assert sorted(drawn) == sorted(path.stem for path in (PICTURES / "losses").glob("*.png"))


@pytest.mark.parametrize("tag", ["classification", "regression", "ranking", "trading"])
def test_every_loss_has_its_place(tag):
    page = (ROOT / "docs" / "losses" / f"{tag}.md").read_text()
    names = LossRegistry.search(tag)
    assert names
    for name in names:
        assert f"`{LossRegistry.get(name).__name__}`" in page, name
        assert f"(`{name}`)" in page, name


def test_we_are_right_where_peers_are_compared():
    pytest.importorskip("sklearn")
    peers = module_at(ROOT / "benches" / "python" / "peer_differences.py")
    ours = next(peer for peer in peers.PEERS if peer.package == "tradewright")
    cells = {title: check(ours) for title, check in peers.CHECKS}
    assert {title: cell for title, cell in cells.items() if not cell.startswith("right")} == {}
    page = (ROOT / "docs" / "splitting.md").read_text()
    assert all(f"| {title} | {cell} |" in page for title, cell in cells.items())
