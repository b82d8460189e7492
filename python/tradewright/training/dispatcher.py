"""Running callbacks: in order, each with its own error policy."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tradewright.base import Callback, TrainerView
from tradewright.errors import CallbackError
from tradewright.training.checkpoint_file import CallbackState

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
        return any(callback.listens_to(hook) for callback in self._active)

    def call(self, hook: str, *args: Any) -> None:
        """Run ``hook`` of every callback, then raise the first error there was."""
        errors: list[Exception] = []
        for callback in list(self._active):
            if not callback.listens_to(hook):
                continue
            error = self._try(callback, hook, *args)
            if error is not None:
                errors.append(error)
        if errors:
            for other in errors[1:]:
                errors[0].add_note(f"{hook} of another callback failed as well: {type(other).__name__}: {other}")
            raise errors[0]

    def states(self) -> list[CallbackState]:
        """Return what every callback knows, in their order; one that cannot say is treated as in a hook."""
        found = []
        for callback in self.callbacks:
            state: dict[str, Any] = {}
            error = self._try(callback, "state_dict", keep=state.update)
            if error is not None:
                raise error
            found.append(CallbackState(type(callback).__qualname__, state))
        return found

    def load_states(self, states: Sequence[CallbackState]) -> list[str]:
        """Hand back what callbacks knew, to the first of their class that has nothing yet; say what has no partner.

        Only callbacks that have something to remember are missed.
        """
        left, notes = list(states), []
        for callback in self.callbacks:
            name = type(callback).__qualname__
            state = next((state for state in left if state.name == name), None)
            if state is not None:
                left.remove(state)
                error = self._try(callback, "load_state_dict", state.state)
                if error is not None:
                    raise error
            elif type(callback).state_dict is not Callback.state_dict:
                notes.append(f"{name} is not in the checkpoint: it started afresh")
        return notes + [
            f"the {state.name} of the checkpoint is not among the callbacks" for state in left if state.state
        ]

    def _try(
        self, callback: Callback, method: str, *args: Any, keep: Callable[[Any], None] | None = None
    ) -> Exception | None:
        """Call a method; return an error that is to be raised, and warn of one that is not."""
        try:
            value = getattr(callback, method)(*args)
            if keep is not None:
                keep(value)
        except Exception as error:  # noqa: BLE001  its callback says what an error means
            if callback.on_error == "raise":
                return error
            if callback in self._active:
                self._active.remove(callback)
            warnings.warn(
                f"{type(callback).__name__} is switched off: {method} failed ({type(error).__name__}: {error}). "
                "Training goes on",
                RuntimeWarning,
                stacklevel=3,
            )
        return None
