"""A look at a torch.export archive before torch opens it.

torch unpickles parts of such an archive where its JSON says so, and loads compiled code from it. What
:func:`torch.export.save` writes of a plain module asks for neither, so what does is refused. That is a check of form: the
format stays one of those that need trust.
"""

from __future__ import annotations

import io
import json
import re
import stat
import zipfile
from collections.abc import Iterator
from typing import Any, NoReturn

from tradewright.errors import UnsafeArchiveError

__all__ = ["check_pt2"]

_MAX_MEMBERS = 20_000
_MAX_JSON = 256 << 20
#: One folder with what torch.export.save puts there: weights, constants, the graph, marks of the format.
_MEMBER = re.compile(
    r"[\w.-]+/(?:data/(?:weights|constants)/[\w.-]+|data/sample_inputs/[\w.-]+\.pt|models/[\w.-]+\.json"
    r"|extra/[\w.-]+|\.data/[\w.-]+|archive_format|archive_version|version|byteorder|\.format_version)"
)
_CONFIG = re.compile(r".*/data/(?:weights|constants)/[\w.-]+_config\.json")
#: Pickled script objects among the constants.
_OBJECT = re.compile(r".*/data/constants/custom_obj_.*")


def check_pt2(data: bytes) -> None:
    """Refuse an archive with members that torch.export does not write, or that asks for pickle or compiled code.

    Raises
    ------
    UnsafeArchiveError
        With the name of the member.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check_members(members, len(data))
            for member in members:
                if _CONFIG.fullmatch(member.filename):
                    _check_config(member.filename, archive.read(member))
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError) as error:
        _refuse(f"it is no archive that can be read ({error})")


def _check_members(members: list[zipfile.ZipInfo], size: int) -> None:
    if len(members) > _MAX_MEMBERS or len({member.filename for member in members}) != len(members):
        _refuse("it has too many members, or two of one name")
    for member in members:
        name = member.filename
        if not _MEMBER.fullmatch(name) or ".." in name:
            _refuse(
                f"torch.export does not write a member called {name!r}: compiled code, or a path out of the archive"
            )
        if _OBJECT.fullmatch(name):
            _refuse(f"the member {name!r} is a pickled object")
        if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
            _refuse(f"the member {name!r} is a link or a device")
        if member.compress_type != zipfile.ZIP_STORED:
            _refuse(f"the member {name!r} is compressed")
        if name.endswith(".json") and member.file_size > _MAX_JSON:
            _refuse(f"the member {name!r} is too large")
    if sum(member.file_size for member in members) > size:
        _refuse("its members claim more bytes than the archive has")


def _check_config(name: str, text: bytes) -> None:
    try:
        entries = list(_tables(json.loads(text)))
    except (ValueError, RecursionError) as error:
        _refuse(f"the member {name!r} is no JSON ({error})")
    if any(entry.get("use_pickle") for entry in entries):
        _refuse(f"the member {name!r} asks for pickle")


def _tables(value: Any) -> Iterator[dict[str, Any]]:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            yield item
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)


def _refuse(what: str) -> NoReturn:
    raise UnsafeArchiveError(
        f"the torch.export archive is not as torch writes it: {what}. Don't load it", code="torch.export_archive"
    )
