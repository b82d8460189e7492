"""isolate=True: what a parser does to its process, it does to another one."""

from __future__ import annotations

import gallery
import numpy as np
import pytest
from forging import forged

import tradewright as tw
from tradewright.bundle import read_bundle
from tradewright.errors import IntegrityError, ModelLoadError, UnsafeFormatError
from tradewright.serialization import isolation


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    pytest.importorskip("lightgbm")  # quicker to import than skops, which walks through all of scikit-learn
    X = np.random.default_rng(0).normal(size=(200, 3))
    path = tmp_path_factory.mktemp("honest") / "model.tw"
    tw.save_model(tw.ModelRegistry.create("lightgbm", n_estimators=3, n_jobs=1).fit(X, X[:, 0]), path)
    return path


def test_an_honest_model_loads(saved):
    X = np.ones((3, 3))
    assert np.array_equal(tw.load_model(saved, isolate=True).predict(X), tw.load_model(saved).predict(X))


def test_a_file_that_kills_its_parser_never_reaches_ours(tmp_path, monkeypatch):
    pytest.importorskip("catboost")
    from tradewright.models.tree_based.catboost_library import CatBoost

    X = np.random.default_rng(0).normal(size=(200, 3))
    honest = tmp_path / "honest.tw"
    tw.save_model(tw.ModelRegistry.create("catboost", n_estimators=5, depth=3, thread_count=1).fit(X, X[:, 0]), honest)
    hostile = tmp_path / "hostile.tw"
    exhibit = next(exhibit for exhibit in gallery.of_catboost() if exhibit.options)
    hostile.write_bytes(exhibit.make(honest))
    parsed = []
    monkeypatch.setattr(CatBoost, "from_bytes", lambda self, data: parsed.append(data))
    with pytest.raises(IntegrityError, match=r"ended the process that tried, by SIG\w+\. Don't load it") as caught:
        tw.load_model(hostile, isolate=True)
    assert not parsed
    assert caught.value.code == "bundle.isolated_crash"


def test_the_childs_error_is_told_as_it_is(saved, tmp_path):
    hostile = tmp_path / "hostile.tw"
    hostile.write_bytes(forged(saved, payloads=lambda found: found.update({"model.txt": b"tree"})))
    with pytest.raises(IntegrityError, match="not a LightGBM text model") as caught:
        tw.load_model(hostile, isolate=True)
    assert caught.value.code == "bundle.lightgbm_header"


def test_no_child_for_files_that_are_trusted_or_run_code(saved, tmp_path, monkeypatch):
    monkeypatch.setattr(isolation.subprocess, "run", lambda *args, **kwargs: pytest.fail("a child was started"))
    assert tw.load_model(saved, isolate=True, trusted=True).is_fitted
    tw.save_model(tw.load_model(saved), tmp_path / "pickle.tw", "pickle")
    with pytest.raises(UnsafeFormatError):  # a child would not make it safe
        tw.load_model(tmp_path / "pickle.tw", isolate=True)
    crypto = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    key = crypto.Ed25519PrivateKey.generate()
    tw.save_model(tw.load_model(saved), tmp_path / "signed.tw", sign_with=key)
    assert tw.load_model(tmp_path / "signed.tw", isolate=True, trusted_keys=[key.public_key()]).is_fitted


class TestAnswers:
    """What the parent makes of a child that does not answer as ours does."""

    @pytest.fixture
    def child(self, monkeypatch):
        def set_code(code):
            honest = isolation.subprocess.run

            def run(command, **options):
                return honest([command[0], "-c", code], **options)

            monkeypatch.setattr(isolation.subprocess, "run", run)

        return set_code

    @pytest.mark.parametrize(
        ("code", "words", "slug"),
        [
            ("pass", "gave no answer", "bundle.isolated_silent"),
            ("print('hello')", "gave no answer", "bundle.isolated_silent"),
            ("print('[1]')", "gave no answer", "bundle.isolated_silent"),
            ("import sys; sys.exit('no such module')", "gave no answer: no such module", "bundle.isolated_silent"),
            ("import os; os.abort()", "by SIGABRT", "bundle.isolated_crash"),
            ("import time; time.sleep(60)", "took more than 2 s and was stopped", "bundle.isolated_timeout"),
            (
                "import tradewright.serialization.isolation as i\n"
                "i._limit({'seconds': 1, 'memory': 4 << 30})\n"
                "while True: pass",
                "took more than 60 s of processor time",
                "bundle.isolated_timeout",
            ),
            ("""print('{"error": "SystemExit", "message": "m", "code": "c"}')""", "m", "c"),
            ("""print('{"error": "VersionMismatchError", "message": "old", "code": "c"}')""", "old", "c"),
        ],
    )
    def test_all_end_in_one_family(self, saved, child, code, words, slug):
        child(code)
        with pytest.raises(ModelLoadError, match=words) as caught:
            isolation.parse_elsewhere(read_bundle(saved), saved, seconds=0.2 if "sleep" in code else 60.0)
        assert caught.value.code == slug

    def test_limits_hold_in_the_child(self, saved, child, monkeypatch, tmp_path):
        resource = pytest.importorskip("resource")
        assert hasattr(resource, "RLIMIT_DATA")
        target = tmp_path / "written"
        child(
            "import tradewright.serialization.isolation as i\n"
            "def flood(*a):\n"
            f"    try: open({str(target)!r}, 'w').write('x' * 100)\n"
            "    except OSError: pass\n"
            "    bytearray(64 << 30)\n"
            "i._rebuild = flood\n"
            "i.child()\n"
        )
        with pytest.raises(ModelLoadError, match="MiB of memory") as caught:
            isolation.parse_elsewhere(read_bundle(saved), saved)
        assert caught.value.code == "bundle.isolated_memory"
        assert not target.exists() or target.read_bytes() == b""
