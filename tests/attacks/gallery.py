"""The gallery: damaged and hostile files of every format, and the error each one must end in.

An exhibit is a function of the honest bundle of a format. ``LOADS`` marks what must load all the same.
"""

from __future__ import annotations

import io
import pickle
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forging import archive_of, flipped, forged, member, members_of, with_sizes

from tradewright.bundle import read_bundle

LOADS = "loads"
ANY = "ModelLoadError"  # with all of its subclasses


@dataclass(frozen=True)
class Exhibit:
    """One file of the gallery.

    ``make`` takes the path of the honest bundle and returns the bytes of the hostile one; ``errors`` are the names of
    the errors it may end in, of which subclasses count.
    """

    name: str
    make: Callable[[Path], bytes]
    errors: tuple[str, ...]
    extension: str = ".tw"
    options: dict[str, Any] = field(default_factory=dict)


def of_archives() -> Iterator[Exhibit]:
    """What is done to the archive, whatever is in it: shown with one format."""
    for part in (0, 1, 3, 21, 0.2, 0.5, 0.9, 0.999):
        yield Exhibit(f"truncated at {part}", lambda path, part=part: cut(path, part), (ANY,))
    for part in (0.0, 0.01, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 0.99):
        yield Exhibit(f"flipped at {part}", lambda path, part=part: flip(path, part), (ANY, LOADS))
    yield Exhibit("bytes behind the end", lambda path: path.read_bytes() + b"\0", ("IntegrityError",))
    yield Exhibit("bytes in front", lambda path: b"\0" + path.read_bytes(), ("FormatMismatchError",))
    yield Exhibit("twice in one file", lambda path: path.read_bytes() * 2, (ANY,))
    yield Exhibit("empty", lambda path: b"", ("IntegrityError",))
    yield Exhibit("zeros", lambda path: bytes(4096), ("FormatMismatchError",))
    yield Exhibit("text", lambda path: b"tree,leaf\n1,2\n" * 50, ("FormatMismatchError",))
    yield Exhibit("another zip", lambda path: archive_of([(member("data.bin"), b"x")]), ("FormatMismatchError",))
    gap = ("UnsafeArchiveError", "IntegrityError")
    yield Exhibit("bytes between members", lambda path: with_gap(path.read_bytes()), gap)
    for extension in (".pkl", ".onnx", ".joblib", ".pt2", ".csv", ""):
        yield Exhibit(f"an honest bundle called {extension or 'nothing'}", Path.read_bytes, (LOADS,), extension)
    yield from of_members()
    yield from of_manifest()


def of_members() -> Iterator[Exhibit]:
    unsafe = ("UnsafeArchiveError",)

    def adding(*added: tuple[zipfile.ZipInfo, bytes]) -> Callable[[Path], bytes]:
        return lambda path: archive_of([*members_of(path), *added])

    for name in ("../evil", "/etc/evil", "a/b", "..", "C:evil", "a\\b", ".hidden", "x" * 129, "folder/", "é"):
        yield Exhibit(f"a member called {name[:20]}", adding((member(name), b"")), unsafe)
    yield Exhibit("an unlisted member", adding((member("extra.bin"), b"x")), unsafe)
    yield Exhibit("a second manifest", adding((member("manifest.json"), b"{}")), unsafe)
    yield Exhibit("a second payload", lambda path: archive_of([*members_of(path), members_of(path)[-1]]), unsafe)
    yield Exhibit("a symbolic link", adding((member("link", stat.S_IFLNK | 0o777), b"/etc/passwd")), unsafe)
    yield Exhibit("a device", adding((member("device", stat.S_IFCHR | 0o666), b"")), unsafe)
    bomb = (member("bomb.bin", compress=zipfile.ZIP_DEFLATED), bytes(50_000_000))
    yield Exhibit("a zip bomb", adding(bomb), unsafe)
    yield Exhibit("compressed members", lambda path: archive_of(deflated(path)), unsafe)
    yield Exhibit("a hundred members", adding(*((member(f"m{i}"), b"") for i in range(100))), unsafe)
    yield Exhibit("no payloads", lambda path: archive_of(members_of(path)[:1]), ("IntegrityError",))
    yield Exhibit("no manifest", lambda path: archive_of(members_of(path)[1:]), ("FormatMismatchError",))
    for size in (2**31 - 1, 2**32 - 2):
        yield Exhibit(f"a size of {size}", lambda path, size=size: with_sizes(path.read_bytes(), size), (ANY,))


def of_manifest() -> Iterator[Exhibit]:
    def setting(**values: Any) -> Callable[[Path], bytes]:
        return lambda path: forged(path, manifest=lambda found: found.update(values))

    def metadata(**values: Any) -> Callable[[Path], bytes]:
        return lambda path: forged(path, manifest=lambda found: found["metadata"].update(values))

    versions = ("VersionMismatchError",)
    yield Exhibit("a newer layout", setting(format_version=9, reader_version=9), versions)
    yield Exhibit("a layout of text", setting(reader_version="2"), versions)
    yield Exhibit("a layout below all", setting(reader_version=-1), ("IntegrityError",))
    yield Exhibit("a layout of huge digits", setting(format_version=2, reader_version=10**400), versions)
    yield Exhibit("another format", setting(format="other"), ("FormatMismatchError",))
    yield Exhibit("a class of another framework", setting(model_class="os.system"), ("FormatMismatchError",))
    yield Exhibit("an unknown payload format", setting(payload_format="wasm"), versions)
    yield Exhibit("metadata of text", setting(metadata="x"), (ANY,))
    yield Exhibit("a config of text", setting(config="x"), (ANY,))
    yield Exhibit("no config", lambda path: forged(path, manifest=lambda found: found.pop("config")), (ANY,))
    yield Exhibit("digests of another", swapped_digest, ("IntegrityError",))
    yield Exhibit("evidence of nonsense", metadata(evidence={"columns": 1}), ("IntegrityError",))
    yield Exhibit("train rows of nonsense", metadata(trained={"unit": "ns", "times": [["a"]]}), ("IntegrityError",))
    yield Exhibit("predictions of nonsense", metadata(predictions={"n_rows": -1, "block_rows": 0}), ("IntegrityError",))
    yield Exhibit("a forged signature", setting(signature=signature()), ("SignatureError",))
    yield Exhibit("a signature of nonsense", setting(signature=[1]), ("SignatureError",))


def of_payloads() -> Iterator[Exhibit]:
    """What is done to the payloads of every format; the digests are those of the forger where not said otherwise."""
    for part in (0.3, 0.9):
        yield Exhibit(f"truncated at {part}", lambda path, part=part: cut(path, part), ("IntegrityError",))
    yield Exhibit("flipped in a payload, its digest left", flip_payload, ("IntegrityError",))
    for junk in (b"", b"x", bytes(1_000_000), b"\xff" * 999, b"{" * 10_000, pickle.dumps([1])):
        yield Exhibit(f"{len(junk)} bytes of {junk[:1]!r} for a payload", replacing(junk), (ANY,))
    yield Exhibit("half a payload", lambda path: forged(path, payloads=halve), (ANY,))
    yield Exhibit("a payload of another name", lambda path: forged(path, payloads=rename), (ANY,))
    yield Exhibit("no payload at all", lambda path: forged(path, payloads=dict.clear), (ANY,))
    for format_ in ("skops", "lightgbm_text", "xgboost_ubj", "safetensors", "onnx"):
        change = {"payload_format": format_}
        yield Exhibit(
            f"said to be of the format {format_}",
            lambda path, change=change: forged(path, manifest=lambda found: found.update(change)),
            (ANY, LOADS),
        )


# --- what is done -------------------------------------------------------------------------------------------------


def cut(path: Path, part: float) -> bytes:
    raw = path.read_bytes()
    return raw[: part if isinstance(part, int) else int(len(raw) * part)]


def flip(path: Path, part: float) -> bytes:
    raw = path.read_bytes()
    return flipped(raw, int(len(raw) * part))


def flip_payload(path: Path) -> bytes:
    raw, (_, data) = path.read_bytes(), members_of(path)[-1]
    return flipped(raw, raw.index(data) + len(data) // 2)


def deflated(path: Path) -> list[tuple[zipfile.ZipInfo, bytes]]:
    return [(member(info.filename, compress=zipfile.ZIP_DEFLATED), data) for info, data in members_of(path)]


def with_gap(raw: bytes) -> bytes:
    """The archive with bytes in front of its directory, which no member and no digest covers."""
    start = raw.index(b"PK\x01\x02")
    end = bytearray(raw[-22:])
    end[16:20] = (start + 7).to_bytes(4, "little")
    return raw[:start] + b"\0" * 7 + raw[start:-22] + bytes(end)


def swapped_digest(path: Path) -> bytes:
    return forged(path, manifest=lambda found: next(iter(found["payloads"].values())).update(sha256="0" * 64))


def signature() -> dict[str, str]:
    return {"algorithm": "ed25519", "public_key": "11" * 32, "value": "22" * 64}


def replacing(junk: bytes) -> Callable[[Path], bytes]:
    return lambda path: forged(path, payloads=lambda found: found.update(dict.fromkeys(found, junk)))


def halve(payloads: dict[str, bytes]) -> None:
    payloads.update({name: data[: len(data) // 2] for name, data in payloads.items()})


def rename(payloads: dict[str, bytes]) -> None:
    for name in list(payloads):
        payloads[f"other-{name}"] = payloads.pop(name)


def editing(name: str, old: bytes, new: bytes) -> Callable[[Path], bytes]:
    """The bundle with the first ``old`` in a payload replaced, digests and all."""

    def edit(payloads: dict[str, bytes]) -> None:
        assert old in payloads[name], f"{old!r} is not in {name}"
        payloads[name] = payloads[name].replace(old, new, 1)

    return lambda path: forged(path, payloads=edit)


def payload(path: Path, name: str) -> bytes:
    return read_bundle(path).payloads[name]


# --- per format ---------------------------------------------------------------------------------------------------


def of_skops() -> Iterator[Exhibit]:
    def rezipped(change: Callable[[list[tuple[zipfile.ZipInfo, bytes]]], Any]) -> Callable[[Path], bytes]:
        def edit(payloads: dict[str, bytes]) -> None:
            with zipfile.ZipFile(io.BytesIO(payloads["model.skops"])) as archive:
                found = [(info, archive.read(info)) for info in archive.infolist()]
            payloads["model.skops"] = archive_of(change(found))

        return lambda path: forged(path, payloads=edit)

    def schema(old: bytes, new: bytes) -> Callable[[Path], bytes]:
        def change(found: list[tuple[zipfile.ZipInfo, bytes]]) -> list[tuple[zipfile.ZipInfo, bytes]]:
            assert any(old in data for _, data in found)
            return [(member(info.filename), data.replace(old, new)) for info, data in found]

        return rezipped(change)

    foreign = ("UntrustedTypesError", ANY)
    for module, name in ((b"posix", b"system"), (b"subprocess", b"Popen"), (b"builtins", b"eval")):
        make = schema(b'"__class__": "Ridge"', b'"__class__": "' + name + b'", "__module__": "' + module + b'"')
        yield Exhibit(f"skops that asks for {name.decode()}", make, foreign)
        moved = schema(b'"__module__": "sklearn.linear_model._ridge"', b'"__module__": "' + module + b'"')
        yield Exhibit(f"skops that asks for a module {module.decode()}", moved, foreign)

    def bombed(found: list[tuple[zipfile.ZipInfo, bytes]]) -> list[tuple[zipfile.ZipInfo, bytes]]:
        return [*found, (member("0.npy", compress=zipfile.ZIP_DEFLATED), bytes(200_000_000))]

    yield Exhibit("skops with a zip bomb", rezipped(bombed), ("UnsafeArchiveError",))
    yield Exhibit("skops without a schema", rezipped(lambda found: []), (ANY,))
    yield Exhibit("skops with two schemas", rezipped(lambda found: found * 2), ("UnsafeArchiveError",))
    yield Exhibit("a bare skops archive", lambda path: payload(path, "model.skops"), ("UnsafeFormatError",), ".skops")


def of_lightgbm() -> Iterator[Exhibit]:
    name = "model.txt"
    for old, new in (
        (b"left_child=", b"left_child=9999999 "),
        (b"split_feature=", b"split_feature=2147483647 "),
        (b"num_leaves=", b"num_leaves=131071 "),
        (b"max_feature_idx=", b"max_feature_idx=-"),
        (b"tree_sizes=", b"tree_sizes=1 "),
        (b"leaf_value=", b"leaf_value=nan nan nan "),
        (b"num_class=1", b"num_class=1000000000"),
        # Found by fuzzing: LightGBM looks for the part behind the colon where there is none.
        (b"[extra_trees: 0]", b"[extra2701600 0]"),
        (b"[early_stopping_round: 0]", b"[ea\n[num_leaverly_stopping_round: 0]"),
        (b"[lambdarank_norm: 1]", b"lambdarank"),
        (b"end of parameters", b""),
    ):
        yield Exhibit(f"LightGBM text with {new.decode()}", editing(name, old, new), ("IntegrityError",))
    yield Exhibit("LightGBM text with zero bytes", editing(name, b"Tree=0", b"Tree=\0"), ("IntegrityError",))
    yield Exhibit("a bare LightGBM text", lambda path: payload(path, name), ("UnsafeFormatError",), ".txt")
    half = lambda path: payload(path, name)[:900]  # noqa: E731
    yield Exhibit("half a bare LightGBM text, trusted", half, ("IntegrityError",), ".txt", {"trusted": True})


def of_xgboost() -> Iterator[Exhibit]:
    name = "model.ubj"
    length = (2**62).to_bytes(8, "big")
    for old, new in (
        (b"left_children[$l#L" + bytes(7), b"left_children[$l#L\x7f" + bytes(6)),
        (b"num_featureSL", b"num_featureZL"),
        (b"{L", b"{L" + length),
        (b"num_nodes", b"num_n0des"),
    ):
        yield Exhibit(f"XGBoost UBJ with {new[:20]!r}", editing(name, old, new), ("IntegrityError",))
    yield Exhibit("XGBoost UBJ nested without end", replacing(b"[" * 1_000_000), ("IntegrityError",))
    yield Exhibit("a bare XGBoost UBJ", lambda path: payload(path, name), ("UnsafeFormatError",), ".ubj")


def of_catboost() -> Iterator[Exhibit]:
    # CatBoost's parser has no range checks and no check of ours stands before it: the child process does.
    for part in (7046 / 7336,):

        def edit(payloads: dict[str, bytes], part: float = part) -> None:
            raw = payloads["model.cbm"]
            payloads["model.cbm"] = flipped(raw, int(len(raw) * part), 0x80)

        make = lambda path, edit=edit: forged(path, payloads=edit)  # noqa: E731
        yield Exhibit(f"CatBoost cbm flipped at {part:.2f}", make, (ANY, LOADS), options={"isolate": True})
    size = (2**31 - 1).to_bytes(4, "little")
    yield Exhibit("a bare CatBoost cbm", lambda path: payload(path, "model.cbm"), ("UnsafeFormatError",), ".cbm")
    yield Exhibit("CatBoost cbm of 2 GiB", replacing(b"CBM1" + size + bytes(100)), ("IntegrityError",))


def of_safetensors() -> Iterator[Exhibit]:
    def header(text: bytes, length: int | None = None) -> bytes:
        return (len(text) if length is None else length).to_bytes(8, "little") + text + bytes(64)

    huge = b'{"module.0.weight":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,64]}}'
    for what, junk in {
        "a header of 2^63 bytes": header(b"{}", 2**63),
        "a header of 2 GB": header(b"{}", 2 * 10**9),
        "a shape that overflows": header(huge),
        "offsets outside": header(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,99999]}}'),
        "overlapping tensors": header(
            b'{"a":{"dtype":"F32","shape":[8],"data_offsets":[0,32]},'
            b'"b":{"dtype":"F32","shape":[8],"data_offsets":[16,48]}}'
        ),
    }.items():
        yield Exhibit(f"safetensors with {what}", replacing(junk), (ANY,))

    def asking(values: dict[str, Any]) -> None:
        pairs = values["config"]["params"]["module_params"]["pairs"]
        next(pair for pair in pairs if pair[0] == "hidden")[1] = [2**30, 2**30]

    yield Exhibit("a manifest that asks for 4 EiB of weights", lambda path: forged(path, manifest=asking), (ANY,))


class _Bomb:
    """A pickle of it writes a file where it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("open('pwned', 'w').close()",))


def of_pickle() -> Iterator[Exhibit]:
    code = pickle.dumps(_Bomb())
    unsafe = ("UnsafeFormatError",)
    yield Exhibit("an honest pickle without trust", Path.read_bytes, unsafe)
    yield Exhibit("a pickle with code", replacing(code), unsafe)
    yield Exhibit("a pickle with code, isolated", replacing(code), unsafe, options={"isolate": True})
    yield Exhibit("a bare pickle with code", lambda path: code, unsafe, ".pkl")
    yield Exhibit("a bare pickle called a bundle", lambda path: code, unsafe)
    wrong = replacing(pickle.dumps({"a": 1}))
    yield Exhibit("a trusted pickle of no model", wrong, ("FormatMismatchError",), options={"trusted": True})
    half = replacing(code[: len(code) // 2])
    yield Exhibit("half a trusted pickle", half, (ANY,), options={"trusted": True})


def of_joblib() -> Iterator[Exhibit]:
    code = pickle.dumps(_Bomb())
    unsafe = ("UnsafeFormatError",)
    yield Exhibit("an honest joblib file without trust", Path.read_bytes, unsafe)
    yield Exhibit("joblib with code", replacing(code), unsafe)
    yield Exhibit("joblib with code, isolated", replacing(code), unsafe, options={"isolate": True})
    yield Exhibit("a bare joblib file with code", lambda path: code, unsafe, ".joblib")
    trusted = {"trusted": True}
    yield Exhibit("half a trusted joblib file", replacing(code[: len(code) // 2]), (ANY,), options=trusted)


def of_onnx() -> Iterator[Exhibit]:
    def nodes(old: bytes, new: bytes) -> Callable[[Path], bytes]:
        return editing("model.onnx", old, new)

    yield Exhibit("ONNX with an unknown operator", nodes(b"Cast", b"C\xffst"), (ANY,))
    yield Exhibit("ONNX with an operator of no domain", nodes(b"Cast", b"Evil"), (ANY,))
    for part in (0.2, 0.5, 0.8):
        raw = lambda path, part=part: payload(path, "model.onnx")[: int(len(payload(path, "model.onnx")) * part)]  # noqa: E731
        yield Exhibit(f"half a bare ONNX file, {part}", raw, (ANY,), ".onnx", {"trusted": True})
    yield Exhibit("a bare ONNX file", lambda path: payload(path, "model.onnx"), ("UnsafeFormatError",), ".onnx")
    outside = b"\x08\x0a\x3a\x05" + b"\xff" * 5
    yield Exhibit("ONNX with a length outside of it", replacing(outside), (ANY,))
    yield Exhibit("ONNX with a length outside of it, isolated", replacing(outside), (ANY,), options={"isolate": True})


def of_torch_archives() -> Iterator[Exhibit]:
    """torch.export and TorchScript; the honest file is a safetensors bundle, so that nothing needs to be traced."""
    trusted = {"trusted": True}

    def called(format_: str, data: bytes = b"") -> Callable[[Path], bytes]:
        def fill(payloads: dict[str, bytes]) -> None:
            payloads.clear()
            payloads.update({"module.pt2": data, "scaling.safetensors": b""})

        return lambda path: forged(path, manifest=lambda found: found.update(payload_format=format_), payloads=fill)

    for format_ in ("torch_export", "torchscript"):
        for options in ({}, {"isolate": True}):
            name = f"{format_} without trust{', isolated' if options else ''}"
            yield Exhibit(name, called(format_), ("UnsafeFormatError",), options=options)
        yield Exhibit(
            f"{format_} of no archive, trusted", called(format_, b"x"), (ANY, "FutureWarning"), options=trusted
        )
    config = b'{"config": {"weight": {"path_name": "weight_0", "use_pickle": true}}}'
    # Who trusts a file lets it run code; that a pickle hides behind torch.export is told all the same.
    for name, content in {
        "m/data/weights/model_weights_config.json": config,
        "m/data/constants/custom_obj_0": pickle.dumps(_Bomb()),
        "m/data/aotinductor/model/code.so": b"\x7fELF",
        "../evil": b"x",
    }.items():
        data = archive_of([(member(name), content), (member("m/version"), b"1")])
        made = called("torch_export", data)
        yield Exhibit(f"torch.export with {name}", made, ("UnsafeArchiveError",), options=trusted)


FORMATS: dict[str, Callable[[], Iterator[Exhibit]]] = {
    "skops": of_skops,
    "lightgbm_text": of_lightgbm,
    "xgboost_ubj": of_xgboost,
    "catboost_cbm": of_catboost,
    "safetensors": of_safetensors,
    "pickle": of_pickle,
    "joblib": of_joblib,
    "onnx": of_onnx,
    "torch_archives": of_torch_archives,
}


def exhibits(format_: str) -> list[Exhibit]:
    """All that is done to bundles of one format."""
    archives = list(of_archives()) if format_ == "skops" else []
    # Those that run code are not looked at before they are trusted.
    payloads = [] if format_ in ("pickle", "joblib", "torch_archives") else list(of_payloads())
    return [*archives, *payloads, *FORMATS[format_]()]
