"""The bundle: whole or an error, whatever happens to the file."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import threading
import time
import warnings
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewright.bundle import bundle as bundle_module
from tradewright.bundle import inspect_bundle, read_bundle, write_bundle
from tradewright.bundle.layout import RESERVED
from tradewright.bundle.manifest import canonical, digest_of
from tradewright.errors import (
    FormatMismatchError,
    IntegrityError,
    ModelLoadError,
    ModelNotFoundError,
    ParameterError,
    UnsafeArchiveError,
    VersionMismatchError,
)

MANIFEST = {"model_class": "X", "config": {"alpha": 0.1, "names": ["a", "é"], "none": None}}
PAYLOADS = {"weights.bin": bytes(range(256)), "empty.txt": b""}


@pytest.fixture
def path(tmp_path):
    target = tmp_path / "model.tw"
    write_bundle(target, MANIFEST, PAYLOADS)
    return target


def names_in(folder):
    return [entry.name for entry in folder.iterdir()]


def rezip(path, change):
    """Rewrite the archive at ``path`` with members changed by ``change(list of (ZipInfo, bytes))``."""
    with zipfile.ZipFile(path) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # duplicate names are what some tests are about
        with zipfile.ZipFile(buffer, "w") as archive:
            for info, data in change(members):
                archive.writestr(info, data)
    path.write_bytes(buffer.getvalue())


def member(name, mode=stat.S_IFREG | 0o644, compress=zipfile.ZIP_STORED):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.compress_type = compress
    return info


def with_manifest(path, change, *, redigest):
    """Change the manifest of a bundle; with ``redigest`` as a forger would, who knows how digests are made."""

    def edit(members):
        (info, data), *others = members
        manifest = json.loads(data)
        change(manifest)
        if redigest:
            manifest["digest"] = digest_of(manifest)
        return [(info, canonical(manifest)), *others]

    rezip(path, edit)


class TestRoundTrip:
    def test_content_comes_back(self, path):
        bundle = read_bundle(path)
        assert bundle.payloads == PAYLOADS
        assert {key: bundle.manifest[key] for key in MANIFEST} == MANIFEST
        assert inspect_bundle(path) == bundle.manifest

    def test_same_content_gives_the_same_bytes(self, path, tmp_path):
        other = tmp_path / "other.bin"
        write_bundle(other, dict(reversed(MANIFEST.items())), dict(reversed(PAYLOADS.items())))
        assert other.read_bytes() == path.read_bytes()

    def test_no_temporary_files_are_left(self, path):
        assert names_in(path.parent) == ["model.tw"]

    @given(
        st.dictionaries(st.text(max_size=8).filter(lambda key: key not in RESERVED), st.integers()),
        st.dictionaries(
            st.from_regex(r"[a-z0-9_][a-z0-9._-]{0,8}", fullmatch=True), st.binary(max_size=64), max_size=5
        ),
    )
    @settings(max_examples=50, deadline=None)
    def test_any_content(self, tmp_path_factory, manifest, payloads):
        payloads.pop("manifest.json", None)
        target = tmp_path_factory.getbasetemp() / "any.tw"
        write_bundle(target, manifest, payloads)
        bundle = read_bundle(target)
        assert bundle.payloads == payloads
        assert {key: bundle.manifest[key] for key in manifest} == manifest

    def test_permissions_follow_the_umask_and_then_the_old_file(self, path):
        umask = os.umask(0)
        os.umask(umask)
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
        path.chmod(0o640)
        write_bundle(path, MANIFEST, PAYLOADS)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640


class TestDamage:
    def test_every_flipped_bit_is_found_or_harmless(self, path):
        raw = path.read_bytes()
        good = read_bundle(path)
        seen = set()
        for place in range(len(raw)):
            damaged = bytearray(raw)
            damaged[place] ^= 1 << (place % 8)
            path.write_bytes(damaged)
            try:
                found = read_bundle(path)
            except ModelLoadError as error:
                seen.add((type(error), str(path) in str(error)))
            else:
                assert (found.manifest, found.payloads) == (good.manifest, good.payloads)
        assert (IntegrityError, True) in seen
        assert all(named for _, named in seen)

    def test_every_truncation_is_found(self, path):
        raw = path.read_bytes()
        for length in range(len(raw)):
            path.write_bytes(raw[:length])
            with pytest.raises(ModelLoadError):
                read_bundle(path)

    @given(st.data())
    @settings(max_examples=150, deadline=None)
    def test_any_rewritten_stretch_is_found_or_harmless(self, tmp_path_factory, data):
        target = tmp_path_factory.getbasetemp() / "stretch.tw"
        write_bundle(target, MANIFEST, PAYLOADS)
        raw = target.read_bytes()
        start = data.draw(st.integers(0, len(raw)))
        end = data.draw(st.integers(start, len(raw)))
        target.write_bytes(raw[:start] + data.draw(st.binary(max_size=32)) + raw[end:])
        try:
            found = read_bundle(target)
        except ModelLoadError:
            return
        assert found.payloads == PAYLOADS
        assert found.manifest["config"] == MANIFEST["config"]

    def test_payload_bytes_are_what_integrity_is_about(self, path):
        rezip(path, lambda members: [(i, d.replace(b"\x00\x01", b"\x00\x02")) for i, d in members])
        with pytest.raises(IntegrityError, match=r"weights\.bin does not match its digest"):
            read_bundle(path)
        with pytest.raises(IntegrityError):
            inspect_bundle(path)

    def test_swapped_payloads(self, path):
        """Of one size, so that their digests alone tell; and one that belongs to another bundle."""
        write_bundle(path, MANIFEST, {"a.bin": b"a" * 99, "b.bin": b"b" * 99})

        def swapped(members):
            (first, a), (second, b) = members[1:]
            return [members[0], (first, b), (second, a)]

        rezip(path, swapped)
        with pytest.raises(IntegrityError, match=r"a\.bin does not match its digest"):
            read_bundle(path)
        rezip(path, swapped)
        assert read_bundle(path).payloads["a.bin"] == b"a" * 99
        rezip(path, lambda members: [*members[:2], (members[2][0], b"c" * 99)])
        with pytest.raises(IntegrityError, match=r"b\.bin does not match its digest"):
            read_bundle(path)

    def test_a_zip_checksum_that_is_not_the_headers(self, path):
        """Nothing reads it here, since SHA-256 is checked; a flipped bit in it is told all the same."""
        raw = bytearray(path.read_bytes())
        raw[14] ^= 1  # of the first member
        path.write_bytes(raw)
        with pytest.raises(IntegrityError, match="the directory differ"):
            read_bundle(path)

    def test_missing_payload(self, path):
        rezip(path, lambda members: [m for m in members if m[0].filename != "empty.txt"])
        with pytest.raises(IntegrityError, match=r"empty\.txt are missing"):
            read_bundle(path)

    def test_changed_manifest(self, path):
        with_manifest(path, lambda manifest: manifest.update(model_class="Y"), redigest=False)
        with pytest.raises(IntegrityError, match="own digest"):
            read_bundle(path)

    def test_manifest_without_a_payload_list(self, path):
        with_manifest(path, lambda manifest: manifest.update(payloads=[1]), redigest=True)
        with pytest.raises(IntegrityError, match="list of payloads"):
            read_bundle(path)

    def test_manifest_nested_too_deep_to_parse(self, path):
        rezip(path, lambda members: [(members[0][0], b"[" * 200_000), *members[1:]])
        with pytest.raises(IntegrityError, match="not JSON"):
            read_bundle(path)

    def test_bytes_in_front_or_behind(self, path):
        raw = path.read_bytes()
        path.write_bytes(raw + b"x")
        with pytest.raises(IntegrityError):
            read_bundle(path)
        path.write_bytes(b"x" + raw)
        with pytest.raises(FormatMismatchError):
            read_bundle(path)


class TestWrongFile:
    def test_missing_file_is_a_file_not_found_error(self, tmp_path):
        with pytest.raises(ModelNotFoundError, match="there is no file") as caught:
            read_bundle(tmp_path / "nothing.tw")
        assert isinstance(caught.value, FileNotFoundError)
        assert isinstance(caught.value, ModelLoadError)

    def test_folder_and_special_file(self, tmp_path):
        with pytest.raises(FormatMismatchError, match="is a folder"):
            read_bundle(tmp_path)
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(FormatMismatchError, match="not a plain file"):
            read_bundle(tmp_path / "pipe")

    def test_other_content(self, tmp_path):
        other = tmp_path / "model.tw"
        other.write_text("tree\nversion=v4\n")
        with pytest.raises(FormatMismatchError, match="not a tradewright bundle"):
            read_bundle(other)
        with zipfile.ZipFile(other, "w") as archive:
            archive.writestr("data.pkl", b"x")
        with pytest.raises(FormatMismatchError, match=r"no manifest\.json"):
            read_bundle(other)
        with zipfile.ZipFile(other, "w") as archive:
            archive.writestr("manifest.json", b'{"format":"other"}')
        with pytest.raises(FormatMismatchError, match="does not say so"):
            read_bundle(other)

    def test_newer_version(self, path):
        with_manifest(path, lambda manifest: manifest.update(reader_version=99), redigest=True)
        with pytest.raises(VersionMismatchError, match="upgrade tradewright") as caught:
            read_bundle(path)
        assert caught.value.fields["needed"] == 99

    def test_newer_writer_that_old_readers_understand(self, path):
        with_manifest(path, lambda manifest: manifest.update(format_version=99), redigest=True)
        assert read_bundle(path).payloads == PAYLOADS


class TestHostileArchives:
    @pytest.mark.parametrize("name", ["../evil", "/evil", "a/b", "..", "C:evil", ".hidden", "x" * 129, "a\\b", "dir/"])
    def test_member_names(self, path, name):
        rezip(path, lambda members: [*members, (member(name), b"")])
        with pytest.raises(UnsafeArchiveError, match="a member is called"):
            read_bundle(path)

    def test_unlisted_member(self, path):
        rezip(path, lambda members: [*members, (member("extra.bin"), b"x")])
        with pytest.raises(UnsafeArchiveError, match=r"extra\.bin are not in its manifest"):
            read_bundle(path)

    def test_duplicate_member(self, path):
        rezip(path, lambda members: [*members, (member("weights.bin"), b"other")])
        with pytest.raises(UnsafeArchiveError, match="two members of one name"):
            read_bundle(path)

    def test_symbolic_link(self, path):
        def link(members):
            return [(member("empty.txt", stat.S_IFLNK | 0o777), b"") if i.filename == "empty.txt" else (i, d)
                    for i, d in members]  # fmt: skip

        rezip(path, link)
        with pytest.raises(UnsafeArchiveError, match="a link or a device"):
            read_bundle(path)

    def test_compression_bomb(self, path):
        rezip(path, lambda members: [*members, (member("bomb.bin", compress=zipfile.ZIP_DEFLATED), b"0" * 10_000_000)])
        with pytest.raises(UnsafeArchiveError, match="compressed"):
            read_bundle(path)

    def test_too_many_members(self, path):
        rezip(path, lambda members: [*members, *((member(f"m{i}"), b"") for i in range(100))])
        with pytest.raises(UnsafeArchiveError, match="more than a bundle may have"):
            read_bundle(path)

    def test_overlapping_members_claim_more_than_the_file_has(self, path):
        # every directory entry points at the same bytes
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
        buffer = io.BytesIO(path.read_bytes())
        with zipfile.ZipFile(buffer, "a") as archive:
            big = next(info for info in infos if info.filename == "weights.bin")
            for i in range(20):
                twin = member(f"twin{i}")
                twin.header_offset, twin.CRC = big.header_offset, big.CRC
                twin.file_size = twin.compress_size = big.file_size
                archive.filelist.append(twin)
                archive.NameToInfo[twin.filename] = twin
            archive._didModify = True
        path.write_bytes(buffer.getvalue())
        with pytest.raises(ModelLoadError):
            read_bundle(path)

    def test_manifest_that_names_foreign_payload_sizes(self, path):
        with_manifest(path, lambda manifest: manifest["payloads"]["empty.txt"].update(size=10**12), redigest=True)
        with pytest.raises(IntegrityError):
            read_bundle(path)


class TestWriting:
    def test_refused_content(self, tmp_path):
        target = tmp_path / "model.tw"
        for manifest in ({"x": float("nan")}, {"x": object()}, {"digest": "mine"}, {1: 2, "a": 3}):
            with pytest.raises(ParameterError):
                write_bundle(target, manifest, {})
        for name in ("../x", "manifest.json", "", "a/b"):
            with pytest.raises(ParameterError):
                write_bundle(target, {}, {name: b""})
        with pytest.raises(ParameterError, match="at most 63"):
            write_bundle(target, {}, {f"p{i}": b"" for i in range(64)})
        assert names_in(tmp_path) == []

    def test_refused_targets(self, path, tmp_path):
        (tmp_path / "folder").mkdir()
        (tmp_path / "link").symlink_to(path)
        (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
        os.mkfifo(tmp_path / "pipe")
        before = path.read_bytes()
        for name, words in (
            ("folder", "it is a folder"),
            ("link", "symbolic link"),
            ("dangling", "symbolic link"),
            ("pipe", "not a plain file"),
            ("missing/model.tw", "does not exist"),
        ):
            with pytest.raises(ParameterError, match=words):
                write_bundle(tmp_path / name, {"new": True}, {})
        assert path.read_bytes() == before
        assert (tmp_path / "link").is_symlink()

    @pytest.mark.parametrize("step", ["write_archive", "check_written", "os.fsync", "os.replace"])
    def test_any_failure_leaves_the_old_file_and_no_other(self, path, monkeypatch, step):
        def fail(*args, **kwargs):
            raise OSError(28, "No space left on device")

        holder, name = (os, step.removeprefix("os.")) if step.startswith("os.") else (bundle_module, step)
        before = path.read_bytes()
        monkeypatch.setattr(holder, name, fail)
        with pytest.raises(OSError, match="No space left"):
            write_bundle(path, {"new": True}, {})
        monkeypatch.undo()
        assert path.read_bytes() == before
        assert names_in(path.parent) == ["model.tw"]

    def test_a_disk_that_lies_is_found_before_the_old_file_is_replaced(self, path, monkeypatch):
        honest = bundle_module.write_archive

        def lying(file, manifest, payloads):
            honest(file, manifest, {**payloads, "weights.bin": b"wrong"})

        before = path.read_bytes()
        monkeypatch.setattr(bundle_module, "write_archive", lying)
        with pytest.raises(IntegrityError):
            write_bundle(path, {"new": True}, PAYLOADS)
        assert path.read_bytes() == before

    def test_concurrent_writers_end_with_one_whole_bundle(self, path):
        def save(number):
            for _ in range(10):
                write_bundle(path, {"writer": number}, {"p.bin": bytes([number]) * 50_000})

        threads = [threading.Thread(target=save, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            found = read_bundle(path)  # readers see whole bundles all the while
            if "writer" in found.manifest:
                assert found.payloads["p.bin"] == bytes([found.manifest["writer"]]) * 50_000
        for thread in threads:
            thread.join()
        assert names_in(path.parent) == ["model.tw"]

    @pytest.mark.parametrize("moment", [0.0, 0.02, 0.1])
    def test_a_killed_writer_leaves_the_old_file_or_the_new_one(self, path, moment):
        code = (
            "import sys; from tradewright.bundle import write_bundle\n"
            "print('go', flush=True)\n"
            "while True:\n"
            "    for n in (1, 2): write_bundle(sys.argv[1], {'n': n}, {'p.bin': bytes([n]) * 3_000_000})\n"
        )
        writer = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
        try:
            assert writer.stdout.readline() == b"go\n"
            time.sleep(moment)
        finally:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            writer.stdout.close()
        found = read_bundle(path)
        if "n" in found.manifest:
            assert found.payloads["p.bin"] == bytes([found.manifest["n"]]) * 3_000_000
        else:
            assert found.payloads == PAYLOADS


def test_errors_cross_processes():
    error = ModelNotFoundError("there is no file x", code="bundle.not_found", path="x")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        back = pool.apply(repr, (error,))
    assert back == repr(error)
