"""Traces of a few batches of each phase by PyTorch's profiler: every operation, for a browser's timeline."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ada3d_gym.files import replacing

if TYPE_CHECKING:
    from torch.profiler import profile

FIRST, LAST = 25, 60  # sections of a phase that are traced: some batches, after those that warm up


class Tracer:
    """Traces some sections of each phase, the first time that there are so many; others cost nothing.

    Args:
        folder: gets `trace-PHASE.json.gz`, which https://ui.perfetto.dev and chrome://tracing show.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._begun: dict[str, int] = {}  # sections of each phase
        self._traced = set[str]()
        self._running: profile | None = None
        self._phase = ""

    def begins(self, phase: str) -> None:
        """Another section of a phase begins."""
        number = self._begun[phase] = self._begun.get(phase, 0) + 1
        if self._running is not None and (phase != self._phase or number > LAST):
            self.stop()
        if self._running is None and number >= FIRST and phase not in self._traced:
            import torch
            from torch.profiler import ProfilerActivity, profile

            self._phase = phase
            self._traced.add(phase)
            found = {ProfilerActivity.CPU} | ({ProfilerActivity.CUDA} if torch.cuda.is_available() else set())
            self._running = profile(activities=found)
            self._running.start()

    def marked(self, name: str) -> AbstractContextManager[object]:
        """A section as the trace shows it."""
        if self._running is None:
            return nullcontext()
        from torch.profiler import record_function

        return record_function(name)

    def stop(self) -> None:
        """Writes the trace that is being made.

        Raises:
            OutputError: where it cannot be written.
        """
        running, self._running = self._running, None
        if running is None:
            return
        running.stop()
        with replacing(self._folder / f"trace-{self._phase}.json.gz", "choose another --output") as part:
            whole = part.with_suffix(".json.gz")  # PyTorch packs what is called so
            running.export_chrome_trace(str(whole))
            whole.replace(part)
