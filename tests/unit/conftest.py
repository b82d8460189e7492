"""Unit tests leave nothing behind in the folder they are started from."""

import pytest


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Trainers and stores write to the working directory unless told where."""
    monkeypatch.chdir(tmp_path)
