"""The spool file: what was asked for, what of it has arrived, and nothing that is half written."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracked import model_folder

from tradewright.errors import TrackingError
from tradewright.tracking import journal as module
from tradewright.tracking.journal import SUFFIX, Entry, Journal, entries_from, lock_of, read_spool
from tradewright.tracking.operations import Artifact, ArtifactFolder, LoggedModel, Metrics, RunSpec, Tags, Terminate

SPEC = RunSpec("k1", "http://host:5000", "alpha", "a run", 1000, {"seed": "7", "sign": "é\n\u2028"}, None, "k0")
filelock = pytest.importorskip("filelock")


def written(folder, count=3):
    journal = Journal.create(folder, SPEC)
    for number in range(count):
        journal.append(Entry(number, 1000 + number, Metrics((("loss", float(number), 1000 + number, number),))))
    return journal


def test_what_is_written_is_read(tmp_path):
    journal = written(tmp_path)
    journal.note_run("r1")
    journal.note_done(0, 1)
    journal.note_refused(2, "no such thing")
    journal.append(Entry(3, 2000, Tags({"line": "one\ntwo\u2028three\r"})))
    journal.append(Entry(4, 3000, Terminate("FAILED", 3000)))
    journal.release()
    spool = read_spool(journal.path)
    assert spool.spec == SPEC
    assert (spool.run_id, spool.count, spool.done, spool.ended) == ("r1", 5, {0, 1}, "FAILED")
    assert (spool.refused, spool.last_at, spool.unreadable) == ({2: "no such thing"}, 3000, 0)
    assert spool.process["pid"] == os.getpid()
    assert [entry.number for entry in spool.entries()] == [0, 1, 2, 3, 4]
    assert next(spool.entries(3)).operation == Tags({"line": "one\ntwo\u2028three\r"})


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_cut_off_anywhere_it_holds_what_came_before(data, tmp_path_factory):
    """The machine may die within any byte of the file."""
    folder = tmp_path_factory.mktemp("cut")
    journal = written(folder, 4)
    journal.release()
    whole = journal.path.read_bytes()
    head = whole.index(b"\n") + 1
    cut = data.draw(st.integers(head, len(whole)))
    journal.path.write_bytes(whole[:cut])
    complete = whole[:cut].count(b"\n") - 1
    spool = read_spool(journal.path)
    assert spool.count in (complete, complete + 1)  # without its line end a line may be whole all the same
    # Writing on does not glue a line to the torn one.
    again = Journal(journal.path, lock_of(journal.path))
    again.note_run("r9")
    again.note_done(0, 0)
    again.release()
    spool = read_spool(journal.path)
    assert (spool.run_id, spool.done) == ("r9", {0})
    assert spool.unreadable <= 1
    assert [entry.number for entry in spool.entries()] == list(range(spool.count))


def test_a_file_that_is_no_spool_is_said(tmp_path):
    for text in ("", "hello\n", "{}\n", "[1]\n"):
        path = tmp_path / f"x{SUFFIX}"
        path.write_text(text)
        with pytest.raises(TrackingError, match="is no spool"):
            read_spool(path)
    path.write_text(json.dumps({"tradewright_spool": 99, "run": {}}) + "\n")
    with pytest.raises(TrackingError, match="newer version"):
        read_spool(path)


def test_reading_on_from_a_place(tmp_path):
    journal = written(tmp_path, 2)
    place = journal.size
    journal.note_done(0, 0)
    journal.append(Entry(2, 5, Tags({"a": "1"})))
    journal.append(Entry(3, 5, Tags({"a": "2"})))
    found, offset = entries_from(journal.path, place, 1)
    assert [entry.number for entry in found] == [2]
    found, offset = entries_from(journal.path, offset, 10)
    assert [entry.number for entry in found] == [3]
    assert offset == journal.size
    assert entries_from(journal.path, offset, 10) == ([], offset)
    journal.remove()


def test_files_are_kept_as_they_are_now(tmp_path):
    journal = Journal.create(tmp_path / "spool", SPEC)
    file = tmp_path / "metrics.json"
    file.write_text("first")
    first = journal.keep(Artifact(str(file)))
    file.write_text("second")
    second = journal.keep(Artifact(str(file), "later"))
    model = journal.keep(LoggedModel(str(model_folder(tmp_path)), "model"))
    folder = journal.keep(ArtifactFolder(str(tmp_path / "some_model" / "data")))
    file.unlink()
    assert [Path(kept.path).read_text() for kept in (first, second)] == ["first", "second"]
    assert Path(first.path).name == "metrics.json"
    assert (Path(model.path) / "data" / "weights.bin").stat().st_size == 256
    assert [path.name for path in Path(folder.path).iterdir()] == ["weights.bin"]
    for number, operation in enumerate((first, second, model, folder)):
        journal.append(Entry(number, 1, operation))
    # In the file the places are relative: a spool may be moved with its files.
    assert str(tmp_path) not in journal.path.read_text()
    journal.release()
    moved = tmp_path / "elsewhere"
    (tmp_path / "spool").rename(moved)
    entries = list(read_spool(moved / journal.path.name).entries())
    assert Path(entries[0].operation.path).read_text() == "first"
    assert entries[0].operation.path.startswith(str(moved))


def test_dropping_deletes_only_what_was_kept(tmp_path):
    journal = Journal.create(tmp_path / "spool", SPEC)
    file = tmp_path / "a.txt"
    file.write_text("mine")
    kept = journal.keep(Artifact(str(file)))
    journal.drop(kept)
    journal.drop(Artifact(str(file)))
    assert not Path(kept.path).exists()
    assert file.read_text() == "mine"
    journal.remove()
    assert list((tmp_path / "spool").iterdir()) == []


def test_large_files_are_linked(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "COPIED_BYTES", 4)
    journal = Journal.create(tmp_path / "spool", SPEC)
    file = tmp_path / "large.bin"
    file.write_bytes(b"12345")
    kept = Path(journal.keep(Artifact(str(file))).path)
    assert kept.stat().st_ino == file.stat().st_ino
    file.unlink()
    assert kept.read_bytes() == b"12345"
    journal.remove()


def test_a_missing_file_leaves_nothing_behind(tmp_path):
    journal = Journal.create(tmp_path / "spool", SPEC)
    with pytest.raises(OSError, match="gone"):
        journal.keep(Artifact(str(tmp_path / "gone.txt")))
    assert list(journal.files.iterdir()) == []
    journal.remove()


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        Journal.create(tmp_path / "file" / "spool", SPEC)


def test_a_full_disk_is_noted_and_hurts_nobody(tmp_path, monkeypatch):
    journal = written(tmp_path, 1)
    real = os.write

    def partly(file, data):
        real(file, data[:5])
        return 5

    monkeypatch.setattr(os, "write", partly)
    journal.append(Entry(1, 1, Tags({"a": "1"})))
    assert isinstance(journal.problem, OSError)
    monkeypatch.setattr(os, "write", real)
    journal.append(Entry(2, 1, Tags({"a": "2"})))
    journal.release()
    spool = read_spool(journal.path)
    assert [entry.number for entry in spool.entries()] == [0, 2]
    assert spool.unreadable == 1


def test_a_living_process_holds_the_lock_and_a_killed_one_does_not(tmp_path):
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from tradewright.tracking.journal import Entry, Journal\n"
        "from tradewright.tracking.operations import RunSpec, Tags\n"
        "journal = Journal.create(Path(sys.argv[1]), RunSpec('k', 'u', 'e', None, 1))\n"
        "journal.append(Entry(0, 5, Tags({'a': '1'})))\n"
        "print(journal.path, flush=True)\n"
        "time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
    )
    path = Path(child.stdout.readline().strip())
    with pytest.raises(filelock.Timeout):
        lock_of(path).acquire(timeout=0)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    lock = lock_of(path)
    lock.acquire(timeout=0)
    lock.release()
    spool = read_spool(path)
    assert (spool.count, spool.ended, spool.last_at) == (1, None, 5)
