"""``tradewright inspect``: what a bundle says of itself, for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tradewright import _optional
from tradewright.bundle import inspect_bundle

__all__ = ["inspect_command"]


def inspect_command(path: Path, *, as_json: bool = False, trusted_keys: Sequence[str] = ()) -> None:
    """Print the manifest of a bundle, after verifying every digest; loads no model.

    Raises
    ------
    ModelLoadError
        When the file is damaged, no bundle, or not signed by one of ``trusted_keys`` where some are given.
    """
    manifest = inspect_bundle(path, trusted_keys=list(trusted_keys) or None)
    if as_json:
        print(json.dumps(manifest, indent=2))
        return
    console = Console(highlight=False)
    for title, facts in _sections(path, manifest, checked=bool(trusted_keys)).items():
        table = Table(
            title=title, show_header=False, box=None, title_justify="left", title_style="bold", padding=(0, 1)
        )
        table.add_column(no_wrap=True, style="dim")
        table.add_column(overflow="fold")
        for name, value in facts.items():
            table.add_row(name, value)
        console.print(table)
        console.print()


def _sections(path: Path, manifest: Mapping[str, Any], *, checked: bool) -> dict[str, dict[str, str]]:
    metadata = manifest.get("metadata") or {}
    known = metadata.get
    file = {
        "file": f"{path.name}, {_size(path.stat().st_size)}, whole: every digest holds",
        "layout": f"version {manifest['format_version']}, for readers of version {manifest['reader_version']} and up",
        "payloads": ", ".join(f"{name} {_size(entry['size'])}" for name, entry in manifest["payloads"].items()),
        "digest": manifest["digest"],
        "signature": _signature(manifest, checked=checked),
    }
    model = {
        "class": f"{manifest.get('model_class')} ({known('framework')}), {known('task')}",
        "stored as": str(manifest.get("payload_format")),
        "target": _text(known("target")),
        "classes": _text(known("classes")),
        "features": _features(known("feature_names"), known("feature_dtypes")),
        "hyperparameters": _pairs(known("hyperparameters")),
        "best turn": _text(known("best_iteration")),
    }
    trained = {
        "at": f"{known('created_at')}, {known('training_seconds') or 0:.1f} s on {known('device')}, seed {known('seed')}",
        "rows": _rows(metadata),
        "window": " to ".join(known("time_range") or ()),
        "data": _text(known("data_fingerprint")),
        "plan": _plan(metadata),
        "report": _text(known("report_digest")),
        "predictions": _predictions(known("predictions")),
        "versions": _pairs(known("library_versions")),
        "machine": ", ".join(_text((known("environment") or {}).get(name)) for name in ("os", "cpu")).strip(", "),
        "git": _text(known("git_sha")),
    }
    sections = {"File": file, "Model": model, "Training": trained}
    return {
        title: {name: value for name, value in facts.items() if value not in ("", "None")}
        for title, facts in sections.items()
    }


def _signature(manifest: Mapping[str, Any], *, checked: bool) -> str:
    signature = manifest.get("signature")
    if signature is None:
        return "none"
    if not _optional.is_available("cryptography"):
        return f"by {signature['public_key']}, not checked: pip install 'tradewright[signing]'"
    whose = "one of your trusted keys" if checked else "a key; compare it with the one you were given"
    return f"holds, by {signature['public_key']}: {whose}"


def _rows(metadata: Mapping[str, Any]) -> str:
    text = f"{metadata.get('n_rows', 0):,} trained on"
    if metadata.get("n_val_rows"):
        text += f", {metadata['n_val_rows']:,} watched"
    purged = sum(stop - start for start, stop in metadata.get("purged_ranges") or ())
    return text + (f", {purged:,} purged or embargoed" if purged else "")


def _plan(metadata: Mapping[str, Any]) -> str:
    if metadata.get("plan_digest") is None:
        return ""
    splitter = dict(metadata.get("splitter") or {})
    name = splitter.pop("splitter", None)
    made = f" of {name}({_pairs(splitter)})" if name else ""
    return f"fold {metadata.get('fold')}{made}, digest {metadata['plan_digest']}"


def _predictions(kept: Mapping[str, Any] | None) -> str:
    if kept is None:
        return ""
    whose = "of this model" if kept["by"] == "model" else "of the folds' models"
    return f"{kept['n_rows']:,} scored {whose}, digest {kept['digest']}"


def _features(names: Sequence[str] | None, dtypes: Sequence[str] | None) -> str:
    if not names:
        return ""
    kinds = sorted(set(dtypes or ()))
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return f"{len(names)} ({', '.join(kinds)}): {shown}"


def _pairs(values: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{name}={value}" for name, value in (values or {}).items() if value is not None)


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)


def _size(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
