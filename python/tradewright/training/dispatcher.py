"""Running callbacks: in order, each with its own error policy."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from tradewright.base import Callback, TrainerView
from tradewright.errors import CallbackError

__all__ = ["Dispatcher"]


class Dispatcher:
    """Calls one hook of all callbacks.

    All callbacks of a hook run, also after one has failed, so that no logger misses the last epoch. An error of a
    callback with ``on_error="raise"`` is raised after that; one with ``"warn"`` warns and is switched off until the
    next training.

    Parameters
    ----------
    callbacks : iterable of Callback
        Sorted here by ``order``; equal ones keep the caller's order.
    trainer : TrainerView
        What they see.
    """

    def __init__(self, callbacks: Iterable[Callback], trainer: TrainerView) -> None:
        if isinstance(callbacks, Callback) or not isinstance(callbacks, Iterable):
            raise CallbackError(
                f"callbacks={callbacks!r} is no list: pass a list, callbacks=[...]", code="callback.list"
            )
        given: list[Any] = list(callbacks)
        for callback in given:
            if not isinstance(callback, Callback):
                hint = (
                    "an instance, not the class" if isinstance(callback, type) else "subclasses of tradewright.Callback"
                )
                raise CallbackError(f"{callback!r} is no callback: pass {hint}", code="callback.type")
            if callback.on_error not in ("raise", "warn"):
                raise CallbackError(
                    f"{type(callback).__name__}.on_error is {callback.on_error!r}: set 'raise' or 'warn'",
                    code="callback.on_error",
                )
        self.callbacks = sorted(given, key=lambda callback: callback.order)
        self._active = list(self.callbacks)
        segments = sorted({callback.segment for callback in given if callback.segment is not None})
        if len(segments) > 1:
            raise CallbackError(
                f"callbacks ask for segments of {' and of '.join(map(str, segments))} rounds: a booster can be trained in"
                " segments of one length only; give every ModelCheckpoint(exact=True) the same every_n_epochs",
                code="callback.segment",
                segments=segments,
            )
        self.segment: int | None = segments[0] if segments else None
        for callback in self.callbacks:
            callback.trainer = trainer

    def overridden(self, hook: str) -> bool:
        """Whether any callback does something in ``hook``."""
        return any(self._does(callback, hook) for callback in self._active)

    def call(self, hook: str, *args: Any) -> None:
        """Run ``hook`` of every callback, then raise the first error there was."""
        errors: list[Exception] = []
        for callback in list(self._active):
            if not self._does(callback, hook):
                continue
            try:
                getattr(callback, hook)(*args)
            except Exception as error:  # noqa: BLE001  its callback says what an error means
                if callback.on_error == "raise":
                    errors.append(error)
                    continue
                self._active.remove(callback)
                warnings.warn(
                    f"{type(callback).__name__} is switched off: {hook} failed ({type(error).__name__}: {error}). "
                    "Training goes on",
                    RuntimeWarning,
                    stacklevel=2,
                )
        if errors:
            for other in errors[1:]:
                errors[0].add_note(f"{hook} of another callback failed as well: {type(other).__name__}: {other}")
            raise errors[0]

    @staticmethod
    def _does(callback: Callback, hook: str) -> bool:
        # A hook may also be set on the object itself.
        return hook in vars(callback) or getattr(type(callback), hook) is not getattr(Callback, hook)
