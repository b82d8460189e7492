"""Every error tradewright raises.

One family, :class:`TradewrightError`; each member is also the builtin a user would catch. A message says what is
wrong, where (row, column, fold) and what to do; the same facts are attributes of :attr:`TradewrightError.fields`
for programs.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "CallbackError",
    "ColumnNotFoundError",
    "DataError",
    "DeviceMemoryError",
    "DuplicateKeyError",
    "EmptyDataError",
    "EmptyTrainError",
    "FeatureMismatchError",
    "FormatMismatchError",
    "IntegrityError",
    "InternalError",
    "LabelEndError",
    "LeakageError",
    "LossError",
    "MissingExtraError",
    "MissingTimeError",
    "ModelLoadError",
    "ModelNotFoundError",
    "NoValidationError",
    "NotFittedError",
    "NotNumericError",
    "ParameterError",
    "RegistryError",
    "ResumeError",
    "SanityError",
    "SignatureError",
    "SplitError",
    "TrackingError",
    "TradewrightError",
    "UnknownMonitorError",
    "UnknownNameError",
    "UnsafeArchiveError",
    "UnsafeFormatError",
    "UnsupportedError",
    "UntrustedTypesError",
    "VersionMismatchError",
]


class TradewrightError(Exception):
    """The root of every error tradewright raises.

    Parameters
    ----------
    message : str
        What is wrong, where, and what to do.
    code : str
        A stable slug for programs, such as ``"split.empty_train"``.
    **fields
        The facts of the message by name: ``row``, ``column``, ``fold``, counts.

    Examples
    --------
    >>> error = DataError("row 3: time is missing; drop the row", code="data.missing_time", row=3)
    >>> error.fields["row"], isinstance(error, ValueError)
    (3, True)
    """

    def __init__(self, message: str = "", *, code: str = "", **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.fields = fields

    def __str__(self) -> str:
        # KeyError would print the repr of the message.
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors travel from worker processes; keyword arguments need a hand to be pickled.
        return _rebuild, (type(self), self.message, self.code, self.fields)


def _rebuild(cls: type[TradewrightError], message: str, code: str, fields: dict[str, Any]) -> TradewrightError:
    return cls(message, code=code, **fields)


class InternalError(TradewrightError, RuntimeError):
    """A bug of ours, caught before it could crash the interpreter."""


class ParameterError(TradewrightError, ValueError):
    """A parameter is outside of what it allows."""


class MissingExtraError(TradewrightError, ImportError):
    """An optional library is not installed; the message names the extra that brings it."""


class UnsupportedError(TradewrightError, NotImplementedError, AttributeError):
    """This object cannot do what was asked; ``hasattr`` answers False for it."""


class RegistryError(TradewrightError, ValueError):
    """A name cannot be registered."""


class UnknownNameError(RegistryError, KeyError):
    """No entry has that name; the message lists the nearest ones."""


# --- data ---------------------------------------------------------------------------------------------------------


class DataError(TradewrightError, ValueError):
    """The data breaks the contract."""


class EmptyDataError(DataError):
    """There are no rows."""


class NotNumericError(DataError, TypeError):
    """Values that are no numbers stand where numbers belong."""


class ColumnNotFoundError(DataError, KeyError):
    """A named column is not in the frame; the message lists the nearest ones."""


class MissingTimeError(DataError):
    """A row has no time."""


class LabelEndError(DataError):
    """A label ends before its row, or its end is missing."""


class DuplicateKeyError(DataError):
    """Two rows share one (time, asset) key."""


# --- splitting ----------------------------------------------------------------------------------------------------


class SplitError(TradewrightError, ValueError):
    """A split cannot be made from this data with these settings."""


class EmptyTrainError(SplitError):
    """Purging and embargo left a fold without train rows."""


# --- losses, models, training -------------------------------------------------------------------------------------


class LossError(TradewrightError, ValueError):
    """A loss cannot be computed from these values."""


class NotFittedError(TradewrightError, ValueError, AttributeError):
    """The model has not been fitted."""


class FeatureMismatchError(TradewrightError, ValueError):
    """The columns at hand are not the ones the model was fitted on."""


class NoValidationError(TradewrightError, ValueError):
    """A validation metric is monitored, but there are no validation rows."""


class UnknownMonitorError(TradewrightError, ValueError):
    """The monitored name is not among the logs; the message lists the known ones."""


class DeviceMemoryError(TradewrightError, MemoryError):
    """A device has no room for the smallest part of what it is to compute."""


class CallbackError(TradewrightError, RuntimeError):
    """A callback is used in a way it cannot work."""


class ResumeError(TradewrightError, ValueError):
    """A checkpoint is not of the training that is to go on with it."""


class TrackingError(TradewrightError, RuntimeError):
    """The tracking store cannot be used."""


# --- sanity -------------------------------------------------------------------------------------------------------


class SanityError(TradewrightError, ValueError):
    """A sanity report holds findings at or above the asked severity."""


class LeakageError(SanityError):
    """Training was refused because train and validation rows are not independent."""


# --- bundles ------------------------------------------------------------------------------------------------------


class ModelLoadError(TradewrightError, ValueError):
    """A saved model cannot be loaded."""


class ModelNotFoundError(ModelLoadError, FileNotFoundError):
    """There is no file at that path."""


class IntegrityError(ModelLoadError):
    """The file is damaged: a digest, a size or the archive itself does not hold."""


class SignatureError(ModelLoadError):
    """The file's signature does not hold, or is not by one of the keys that were asked for."""


class UnsafeFormatError(ModelLoadError):
    """Loading this format runs code from the file; pass ``trusted=True`` if you trust where it comes from."""


class FormatMismatchError(ModelLoadError):
    """The file is not of the format or the model class that was asked for."""


class VersionMismatchError(ModelLoadError):
    """The file was written by a version this one cannot read."""


class UntrustedTypesError(ModelLoadError):
    """The file names types that are not on the list of types allowed to be built."""


class UnsafeArchiveError(ModelLoadError):
    """The archive is built to harm: member names, sizes or ratios outside of what a bundle has."""
