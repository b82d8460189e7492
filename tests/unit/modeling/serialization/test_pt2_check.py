"""torch.export archives are looked at before torch opens them."""

from __future__ import annotations

import io
import json
import stat
import zipfile

import pytest

import tradewright as tw
from tradewright.bundle import read_bundle, write_bundle
from tradewright.errors import UnsafeArchiveError
from tradewright.serialization.formats.pt2_check import check_pt2


@pytest.fixture(scope="module")
def archive(one, tmp_path_factory):
    pytest.importorskip("torch")
    path = tmp_path_factory.mktemp("pt2") / "model.tw"
    tw.save_model(one("mlp-regression").model, path, "torch_export")
    return path, read_bundle(path).payloads["module.pt2"]


def changed(data, change=lambda name, text: text, extra=(), compression=zipfile.ZIP_STORED):
    source, out = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as target:
        for name in source.namelist():
            target.writestr(name, change(name, source.read(name)))
        for member in extra:
            target.writestr(member, b"x")
    return out.getvalue()


def test_what_torch_writes_passes(archive):
    check_pt2(archive[1])
    check_pt2(changed(archive[1]))


def test_json_that_asks_for_pickle(archive):
    def ask(name, text):
        return text.replace(b'"use_pickle": false', b'"use_pickle": true') if name.endswith("_config.json") else text

    with pytest.raises(UnsafeArchiveError, match="asks for pickle"):
        check_pt2(changed(archive[1], ask))


def link():
    info = zipfile.ZipInfo("archive/data/weights/weight_99")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    "member",
    [
        "../evil",
        "/etc/passwd",
        "archive/data/aotinductor/model/lib.so",
        "archive/data/weights/../../x",
        "archive/data/constants/custom_obj_0",
        "archive/code/model.py",
        link(),
    ],
    ids=str,
)
def test_members_torch_does_not_write(archive, member):
    with pytest.raises(UnsafeArchiveError):
        check_pt2(changed(archive[1], extra=[member]))


def test_compressed_damaged_and_no_archive(archive):
    with pytest.raises(UnsafeArchiveError, match="compressed"):
        check_pt2(changed(archive[1], compression=zipfile.ZIP_DEFLATED))
    for data in (b"", b"PK", archive[1][:100], archive[1][:-30]):
        with pytest.raises(UnsafeArchiveError):  # cut off, it may begin with the archive of its sample inputs
            check_pt2(data)

    def broken(name, text):
        return text[:-3] if name.endswith("_config.json") else text

    with pytest.raises(UnsafeArchiveError, match="no JSON"):
        check_pt2(changed(archive[1], broken))


def test_it_is_done_before_torch_loads(archive, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    bundle = read_bundle(archive[0])
    own = ("format", "format_version", "reader_version", "payloads", "digest")
    manifest = {key: value for key, value in bundle.manifest.items() if key not in own}
    crafted = changed(archive[1], extra=["archive/data/aotinductor/model/lib.so"])
    write_bundle(tmp_path / "model.tw", manifest, {**bundle.payloads, "module.pt2": crafted})
    monkeypatch.setattr(torch.export, "load", lambda *_: pytest.fail("torch opened it"))
    with pytest.raises(UnsafeArchiveError):
        tw.load_model(tmp_path / "model.tw", trusted=True)
    assert json.dumps(bundle.manifest["config"])
