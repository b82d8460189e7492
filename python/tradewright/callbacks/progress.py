"""Show how far the training is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from tradewright.base import Callback, TrainerView
from tradewright.errors import ParameterError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

__all__ = ["ProgressBar"]

#: A person sees no more, and drawing costs training time.
REFRESHES_PER_SECOND = 10
#: Characters of the bar itself; rich would give it all the room that the losses need.
BAR_WIDTH = 14
#: How many lines a boosting fit of known length prints where no bar can be drawn.
ROUND_LINES = 20


class ProgressBar(Callback):
    """A progress bar in a terminal or notebook; elsewhere a line per epoch.

    Parameters
    ----------
    every_n : int, optional
        Where no bar can be drawn: print each n-th turn, and always the last one. By default each epoch, and of
        boosting rounds about twenty in all.
    console : rich.console.Console, optional
        Where to write; by default standard error.

    Notes
    -----
    Drawn at most 10 times a second, by the clock, on the training thread. A failing terminal does not end the
    training: ``on_error`` is ``"warn"``.

    Examples
    --------
    >>> ProgressBar(every_n=10)
    ProgressBar(every_n=10)
    """

    order: ClassVar[int] = 40
    on_error: Literal["raise", "warn"] = "warn"

    def __init__(self, every_n: int | None = None, *, console: Console | None = None) -> None:
        if every_n is not None and every_n < 1:
            raise ParameterError(f"every_n={every_n}: pass 1 or more", code="callback.every_n")
        self.every_n = every_n
        self.console = console
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __repr__(self) -> str:
        return f"ProgressBar(every_n={self.every_n})"

    def on_train_begin(self, trainer: TrainerView) -> None:
        """Open the bar."""
        self._stop_bar()
        self._unit, self._total = trainer.unit, trainer.total
        self._name = type(trainer.model).__name__
        self._seen = self._printed = 0
        self._drawn = 0.0
        self._console = self.console or _standard_error()
        self._every = self.every_n or self._default_every()
        if self._console.is_terminal or self._console.is_jupyter:
            self._start_bar()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Draw, if the last drawing is long enough ago."""
        self._seen = epoch + 1
        if self._progress is not None and self._task is not None:
            now = time.monotonic()
            if now - self._drawn < 1 / REFRESHES_PER_SECOND:
                return
            self._drawn = now
            self._draw(logs)
        elif self._seen % self._every == 0 or self._seen == self._total:
            self._print(logs)

    def on_train_end(self, logs: Mapping[str, float]) -> None:
        """Close the bar, or print the last turn if it was left out."""
        if self._progress is not None:
            self._draw(logs)
            self._stop_bar()
        elif self._seen > self._printed:
            self._print(logs)

    def _default_every(self) -> int:
        if self._unit == "round" and self._total is not None:
            return max(1, self._total // ROUND_LINES)
        return 1

    def _start_bar(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=BAR_WIDTH),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[logs]}"),
            console=self._console,
            # rich's own thread would draw while the training computes.
            auto_refresh=False,
        )
        self._progress.start()
        self._task = self._progress.add_task(self._name, total=self._total, logs="")

    def _draw(self, logs: Mapping[str, float]) -> None:
        assert self._progress is not None
        assert self._task is not None
        counts = 2 * len(str(self._total or self._seen)) + 1
        taken = len(self._name) + BAR_WIDTH + counts + len("0:00:00") + 5  # spaces between columns, one for the cursor
        logs = {name: value for name, value in logs.items() if name != "seconds"}
        text = _text(logs, self._console.width - taken)
        self._progress.update(self._task, completed=self._seen, logs=text, refresh=True)

    def _print(self, logs: Mapping[str, float]) -> None:
        self._printed = self._seen
        total = "" if self._total is None else f"/{self._total}"
        line = f"{self._name} {self._unit} {self._seen}{total}  {_text(logs)}"
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _stop_bar(self) -> None:
        progress, self._progress, self._task = self._progress, None, None
        if progress is not None:
            progress.stop()

    def __getstate__(self) -> dict[str, object]:
        # An open bar holds locks and the terminal; a copy opens its own.
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name not in ("_console", "_progress", "_task")} | {
            "_progress": None,
            "_task": None,
        }


def _standard_error() -> Console:
    from rich.console import Console

    return Console(stderr=True)


def _text(logs: Mapping[str, float], width: int | None = None) -> str:
    """Return the logs as text; where the width is limited, whole entries that fit, the losses first."""
    text = ""
    for name in logs if width is None else sorted(logs, key=_rank):
        longer = f"{text}{'  ' if text else ''}{name} {logs[name]:.4g}"
        if width is not None and len(longer) > width:
            break
        text = longer
    return text


def _rank(name: str) -> int:
    losses = ("val_loss", "train_loss")
    return losses.index(name) if name in losses else len(losses)
