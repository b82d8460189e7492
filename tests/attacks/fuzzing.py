"""What the fuzzers call: bytes become a damaged or forged bundle, which must load or end in a ModelLoadError.

The first byte chooses what is done and to which honest bundle, the rest are edits. ``python fuzzing.py SECONDS FOLDER``
runs atheris (``pip install atheris``), which steers by the lines that are reached; the test suite runs hypothesis on the
same function. CatBoost's payloads are left out: its parser has no range checks, and isolate=True is what stands before it.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import sys
import tempfile
import warnings
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from forging import archive_of, member

from tradewright.bundle import Bundle, read_bundle
from tradewright.bundle.archive import read_archive
from tradewright.bundle.manifest import canonical, digest_of
from tradewright.bundle.migration import migrated
from tradewright.bundle.signature import check_signature
from tradewright.errors import ModelLoadError

PATH = Path("fuzzed.tw")
#: What a manifest may hold in another value's place.
JUNK: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2**31, 2**63, 10**30, 0.5, 1e308, "", "x", "\0", "é" * 99, "A" * 4096, "../x", "=" * 8),
    *(
        [],
        {},
        [[]],
        [None] * 9,
        {"": {}},
        [[0, 1]],
        [-1, 2**70],
        {"x": [1]},
        ["a", 1],
        [["a"]],
        "ns",
        "bar",
        "os.system",
    ),
)


@cache
def honest() -> tuple[tuple[str, bytes, dict[str, Any], dict[str, bytes]], ...]:
    """Small bundles of the formats whose parsers have a check in front of them: name, bytes, manifest, payloads."""
    import tradewright as tw

    rng = np.random.default_rng(0)
    X = np.round(rng.normal(size=(80, 2)), 2)
    panel = tw.Panel.from_arrays(X, X[:, 0], time=np.arange(80), horizon=1)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, params in {
            "ridge": {},
            "lightgbm": {"n_estimators": 2, "num_leaves": 3, "min_child_samples": 5, "n_jobs": 1},
            "xgboost": {"n_estimators": 2, "max_depth": 2, "n_jobs": 1},
        }.items():
            path = Path(folder) / f"{name}.tw"
            model = tw.ModelRegistry.create(name, **params).fit(panel)
            tw.stamp_predictions(model, model.predict(X))
            tw.save_model(model, path)
            bundle = read_bundle(path)
            found.append((name, path.read_bytes(), bundle.manifest, bundle.payloads))
    return tuple(found)


def edited(base: bytes, recipe: bytes) -> bytes:
    """``base`` after edits of six bytes each: where, what, and a value."""
    data = bytearray(base)
    for place, kind, value, length in struct.iter_unpack("<HBBH", recipe[: len(recipe) // 6 * 6]):
        at = place * max(len(data) // 65_536, 1) % (len(data) + 1)
        stretch = length % 64 + 1
        if kind % 6 == 0 and at < len(data):
            data[at] = value
        elif kind % 6 == 1 and at < len(data):
            data[at] ^= 1 << value % 8
        elif kind % 6 == 2:
            del data[at : at + stretch]
        elif kind % 6 == 3:
            data[at:at] = bytes([value]) * stretch
        elif kind % 6 == 4:
            data[at:at] = data[length % (len(data) + 1) :][:stretch]
        else:
            number = (
                (value << 8 | length).to_bytes(4, "little") if value % 2 else str(length * 10 ** (value % 9)).encode()
            )
            data[at : at + len(number)] = number
    return bytes(data)


def mistaken(manifest: dict[str, Any], recipe: bytes) -> dict[str, Any]:
    """The manifest with values replaced, taken away or put elsewhere."""
    changed = json.loads(json.dumps(manifest))
    for steps, first, second, what in struct.iter_unpack("<BBBB", recipe[: len(recipe) // 4 * 4]):
        holder: Any = changed
        for number in (first, second, first ^ second, what)[: steps % 4]:
            keys = sorted(holder) if isinstance(holder, dict) else list(range(len(holder)))
            inner = [key for key in keys if isinstance(holder[key], dict | list) and len(holder[key])]
            if not inner:
                break
            holder = holder[inner[number % len(inner)]]
        keys = sorted(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            continue
        key = keys[second % len(keys)]
        if what == 255:
            del holder[key]
        else:
            holder[key] = deepcopy(JUNK[what % len(JUNK)])  # edits may nest one in another
    return changed


def forged_bytes(manifest: dict[str, Any], payloads: dict[str, bytes]) -> bytes:
    values = dict(manifest)
    if isinstance(values.get("payloads"), dict) and values["payloads"].keys() == payloads.keys():
        values["payloads"] = {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for name, data in payloads.items()
        }
    values["digest"] = digest_of(values)
    head = (member("manifest.json"), canonical(values))
    return archive_of([head, *((member(name), payloads[name]) for name in sorted(payloads))])


def read(data: bytes) -> Bundle:
    """What read_bundle does, of bytes."""
    manifest, payloads = read_archive(io.BytesIO(data), PATH, keep=True)
    signer = check_signature(manifest, None, PATH)
    return Bundle(migrated(manifest), payloads, signer)


def target(data: bytes) -> str:
    """Load what the bytes ask for; return how it ended. Anything but a ModelLoadError is a finding."""
    from tradewright.serialization.formats.base import Loading
    from tradewright.serialization.formats.native import parse_payload

    kind, recipe = (data[0] if data else 0), data[1:]
    _, raw, manifest, payloads = honest()[kind % len(honest())]
    what = kind // len(honest()) % 4
    if what == 0:
        data = recipe
    elif what == 1:
        data = edited(raw, recipe)
    elif what == 2:
        data = forged_bytes(mistaken(manifest, recipe), payloads)
    else:
        data = forged_bytes(manifest, {name: edited(content, recipe) for name, content in payloads.items()})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = parse_payload(read(data), Loading(PATH))
            repr(model.metadata)
    except ModelLoadError as error:
        assert len(str(error)) > 30  # noqa: PT017  a fuzzer, not a test
        return type(error).__name__
    return "loads"


def main() -> None:
    import atheris

    # Only the lines of ours, and of the zip reader: numpy's would slow it down for nothing.
    ours = ["zipfile", "tradewright.bundle", "tradewright.base", "tradewright.panel.evidence", "tradewright.models"]
    for name in [name for name in sys.modules if name.startswith(tuple(ours))]:
        del sys.modules[name]
    with atheris.instrument_imports(include=ours):
        import fuzzing  # this file, once more, on instrumented modules

    seconds, folder = sys.argv[1], Path(sys.argv[2])
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number in range(12):
        (corpus / f"seed{number}").write_bytes(bytes([number]) + bytes(range(24)))
        (corpus / f"raw{number % 3}").write_bytes(b"\0" + fuzzing.honest()[number % 3][1])
    options = [
        f"-max_total_time={seconds}",
        "-print_final_stats=1",
        "-rss_limit_mb=6000",
        "-timeout=60",
        "-max_len=9000",
    ]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={folder}/", str(corpus)], fuzzing.target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
