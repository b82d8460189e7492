"""A look at the archive inside a skops payload, before skops reads it: no member may be a bomb."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from tradewright.errors import IntegrityError, UnsafeArchiveError

__all__ = ["check_archive"]

#: skops stores its members; those who compress theirs with skops' own option stay far below.
_MOST_RATIO = 100
_MOST_MEMBERS = 1 << 20


def check_archive(data: bytes) -> None:
    """Refuse an archive that unpacks to far more than it is.

    Raises
    ------
    UnsafeArchiveError, IntegrityError
        When sizes are out of proportion or a name occurs twice; when it is no archive.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        ValueError,
        OverflowError,
        NotImplementedError,
    ) as error:
        raise IntegrityError(
            f"the skops payload is damaged: it is no archive ({error}). Save the model again", code="bundle.payload"
        ) from error
    unpacked = sum(info.file_size for info in infos)
    twins = len(infos) - len({info.filename for info in infos})
    if unpacked > _MOST_RATIO * len(data) or len(infos) > _MOST_MEMBERS or twins:
        raise UnsafeArchiveError(
            f"the skops payload of {len(data):,} bytes unpacks to {unpacked:,} in {len(infos):,} members"
            f"{', some of one name' if twins else ''}: it was made to harm. Don't load it",
            code="bundle.unsafe_payload",
        )
