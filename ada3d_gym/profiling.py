"""Where a command's time goes: named sections of the program, added up while a profile is recorded.

    with recording("cuda:0") as profile:
        with phase("agent"), section("classifier", clips=32):
            ...
    print(profile.as_dict())

Nothing is recorded unless somebody asks, and a section then costs next to nothing. Sections change no result.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import wraps
from pathlib import Path
from time import perf_counter, process_time, thread_time
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

from ada3d_gym.memory import peak_memory
from ada3d_gym.tracing import Tracer

if TYPE_CHECKING:
    import torch

P = ParamSpec("P")
R = TypeVar("R")
Section = Literal[
    "decoding",  # waiting for decoded clips, or reading and keeping them in the cache on disk
    "decoder",  # on a thread that decodes: reading a video, decoding and scaling its frames
    "preparing",  # copying decoded clips together, and scaling them for the policy
    "transfer",  # copies between the host and the device
    "selection",  # the policy's network, and whatever else chooses masks
    "classifier",  # the 3D network on clips under masks, without gradients
    "policy updates",  # backward passes and steps of the policy's network
    "classifier updates",  # forward and backward passes and steps of the 3D network under masks
    "updates",  # the same of a network that is trained before them
    "environment",  # what the faces do around a pull
    "evaluation",  # keeping and adding up what was judged
    "tracing",  # making a trace of all operations, where that is asked for
]
OTHER = "other"  # what is in no section
SETUP = "setup"  # what is in no phase
TRACING: Section = "tracing"

_OFF = nullcontext()
_active: Profile | None = None


def section(name: Section, clips: int = 0) -> AbstractContextManager[None]:
    """A part of the program whose time is added up under a name, while a profile is recorded.

    Args:
        name: sections may be nested; each has the time spent in it, and that without the sections inside.
        clips: that it works on.
    """
    return _OFF if _active is None else _Frame(_active, name, clips)


def timed(name: Section, counted: int | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A function that is a section whenever it is called; `counted`: which of its arguments has a clip in each row."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if _active is None:
                return function(*args, **kwargs)
            rows: Any = () if counted is None else args[counted]
            with section(name, len(rows)):
                return function(*args, **kwargs)

        return call

    return decorate


def phase(name: str) -> AbstractContextManager[None]:
    """A part of a run with sections of its own; only on the thread that records."""
    return _OFF if _active is None else _PhaseFrame(_active, OTHER, phase=name)


def recorded() -> Profile | None:
    """The profile that is being recorded."""
    return _active


@contextmanager
def recording(device: str = "cpu", traces: Path | None = None) -> Iterator[Profile]:
    """Records a profile of this process; the calling thread is the one whose time is shared out.

    Args:
        device: where networks run. Work on a GPU is waited for where a section begins and ends, so that it is counted
            where it was asked for; that costs some of the overlap between host and GPU.
        traces: a folder that gets traces too, see `ada3d_gym.tracing.Tracer`.
    """
    global _active
    tracer = None if traces is None else Tracer(traces)
    before, _active = _active, (profile := Profile(device, tracer))
    try:
        with phase(SETUP):
            yield profile
            if tracer is not None:
                with section("tracing"):
                    tracer.stop()
    finally:
        _active = before


@dataclass
class Spent:
    """What a section took.

    Attributes:
        seconds: without the sections inside it.
        whole_seconds: with them.
        cpu_seconds: of its thread, with them.
        times: how often it was run.
        clips: that it worked on.
    """

    seconds: float = 0.0
    whole_seconds: float = 0.0
    cpu_seconds: float = 0.0
    times: int = 0
    clips: int = 0


@dataclass
class Phase:
    """What a part of a run took.

    Attributes:
        sections: of the thread that records, by name; their `seconds` add up to the phase's time by the clock.
        threads: of all other threads.
        cpu_seconds: of all threads of the process, those that libraries start among them.
        peak_memory: bytes of the process at the most until its end, as the system counts them; 0 where it does not.
        peak_gpu_memory: bytes that PyTorch held on the GPU at the most while it ran.
    """

    sections: dict[str, Spent] = field(default_factory=dict)
    threads: dict[str, Spent] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    peak_memory: int = 0
    peak_gpu_memory: int = 0

    @property
    def seconds(self) -> float:
        """By the clock, without the phases inside it."""
        return sum(each.seconds for each in self.sections.values())


class Profile:
    """Times of sections by phase.

    Attributes:
        phases: in the order in which they began.
    """

    def __init__(self, device: str = "cpu", tracer: Tracer | None = None):
        self._tracer = tracer
        self.phases: dict[str, Phase] = {}
        self._cuda: torch.device | None = None
        if device.partition(":")[0] == "cuda":
            import torch  # here alone: what is timed can do without it

            self._cuda = torch.device(device)
        self._thread = threading.get_ident()
        self._stacks, self._lock = threading.local(), threading.Lock()
        self._running: list[str] = []  # phases, the innermost last
        self._cpu = process_time()
        self._told: dict[str, float] = {}

    def as_dict(self) -> dict[str, Any]:
        """All phases up to now, as JSON has them."""
        self._share_out()
        return {name: {"seconds": each.seconds, **asdict(each)} for name, each in self.phases.items()}

    def news(self) -> dict[str, float]:
        """Seconds of each section, of all phases, since the last call."""
        self._share_out()
        total: dict[str, float] = {}
        for each in self.phases.values():
            for name, spent in each.sections.items():
                total[name] = total.get(name, 0.0) + spent.seconds
        news = {name: seconds - self._told.get(name, 0.0) for name, seconds in total.items()}
        self._told = total
        return news

    def enter(self, frame: _Frame) -> None:
        self._synchronise()
        if frame.phase is None and self._running:
            frame.phase = self._running[-1]
            if self._tracer is not None and self._is_recording_thread() and frame.name != TRACING:
                with _Frame(self, TRACING):
                    self._tracer.begins(frame.phase)
                frame.mark = self._tracer.marked(frame.name)
                frame.mark.__enter__()
        self._stack().append(frame)
        frame.begin, frame.cpu = perf_counter(), thread_time()

    def leave(self, frame: _Frame) -> None:
        self._synchronise()
        stack = self._stack()
        now, cpu = perf_counter(), thread_time()
        stack.pop()
        frame.mark.__exit__(None, None, None)
        self._add(frame, now, cpu, inside=0.0, again=any(each.name == frame.name for each in stack)).times += 1
        if stack:
            stack[-1].inner += now - frame.begin

    def enter_phase(self, name: str) -> None:
        self._settle()
        self.phases.setdefault(name, Phase())
        self._running.append(name)

    def leave_phase(self) -> None:
        self._settle()
        self._running.pop()

    def _add(self, frame: _Frame, now: float, cpu: float, inside: float, again: bool) -> Spent:
        """Adds a frame's time up to now, `inside` of it in a frame that is still open; `again`: it is in its like."""
        with self._lock:
            if frame.phase is None:  # of a thread that went on when the recording had ended
                return Spent()
            running = self.phases[frame.phase]
            table = running.sections if self._is_recording_thread() else running.threads
            spent = table.setdefault(frame.name, Spent())
            spent.seconds += now - frame.begin - frame.inner - inside
            if not again:
                spent.whole_seconds += now - frame.begin
                spent.cpu_seconds += cpu - frame.cpu
            spent.clips, frame.clips = spent.clips + frame.clips, 0
        return spent

    def _share_out(self) -> None:
        """Adds what open sections have taken so far; they go on from now."""
        self._synchronise()
        stack, now, cpu, inside = self._stack(), perf_counter(), thread_time(), 0.0
        for place, frame in reversed(list(enumerate(stack))):
            self._add(frame, now, cpu, inside, any(each.name == frame.name for each in stack[:place]))
            inside = now - frame.begin
        for frame in stack:
            frame.begin, frame.cpu, frame.inner = now, cpu, 0.0
        self._settle()

    def _settle(self) -> None:
        """Gives the running phase what the process has taken since the last one."""
        cpu, self._cpu = self._cpu, process_time()
        if not self._running:
            return
        running = self.phases[self._running[-1]]
        running.cpu_seconds += self._cpu - cpu
        running.peak_memory = max(running.peak_memory, peak_memory())
        if self._cuda is not None:
            import torch

            running.peak_gpu_memory = max(running.peak_gpu_memory, torch.cuda.max_memory_allocated(self._cuda))
            torch.cuda.reset_peak_memory_stats(self._cuda)

    def _is_recording_thread(self) -> bool:
        return threading.get_ident() == self._thread

    def _synchronise(self) -> None:
        if self._cuda is not None and self._is_recording_thread():
            import torch

            torch.cuda.synchronize(self._cuda)

    def _stack(self) -> list[_Frame]:
        """Open sections of this thread, the innermost last."""
        if not hasattr(self._stacks, "open"):
            self._stacks.open = []
        found: list[_Frame] = self._stacks.open
        return found


class _Frame(AbstractContextManager[None]):
    """An open section: when it began, and what the sections in it have taken."""

    def __init__(self, profile: Profile, name: str, clips: int = 0, phase: str | None = None):
        self._profile, self.name, self.clips, self.phase = profile, name, clips, phase
        self.begin = self.cpu = self.inner = 0.0
        self.mark: AbstractContextManager[object] = _OFF

    def __enter__(self) -> None:
        self._profile.enter(self)

    def __exit__(self, *_: object) -> None:
        self._profile.leave(self)


class _PhaseFrame(_Frame):
    """An open phase: what is in none of its sections is its section "other"."""

    def __enter__(self) -> None:
        assert self.phase is not None
        self._profile.enter_phase(self.phase)
        super().__enter__()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._profile.leave_phase()
