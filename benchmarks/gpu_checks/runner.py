"""Runs parts in a process of its own, under a clock, and writes down everything as it happens.

A check that crashes the process, hangs, or leaves the GPU in a state in which nothing works any more costs that check
alone: the next one begins in a fresh process.
"""

from __future__ import annotations

import multiprocessing
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import torch

from gpu_checks.check import Check, Figure, LeftOutError, Part, Setting

__all__ = ["OUT_OF_TIME", "Clock", "Place", "Row", "Work", "perform", "supervise"]

OUT_OF_TIME = "out of time"
PASS, FAIL, SKIPPED = "pass", "fail", "skipped"
GRACE = 10.0  # seconds that a check may go on after the end of its part
START = 90.0  # seconds for a fresh process to import everything
LEAST = 1.0  # seconds with which a part is begun
LAST_LINES = 600  # characters of an exception that are kept


class Row(NamedTuple):
    """One number, or one check that gave none."""

    part: str
    check: str
    status: str
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    seconds: float | None = None
    remark: str = ""


class Place(NamedTuple):
    """Where to begin: number of a part, and of a check in it."""

    part: int = 0
    check: int = 0


class Clock(NamedTuple):
    """When everything must have ended, by `time.time`, which all processes share."""

    end: float

    def share(self, parts: Sequence[Part], index: int, now: float) -> float:
        """When a part must have ended: after its seconds, or after its share if not all that is left gets its own."""
        wanted = sum(part.seconds for part in parts[index:])
        left = self.end - now
        return now + parts[index].seconds * min(1.0, left / wanted)


class Work(NamedTuple):
    """What a process is told to do."""

    parts: tuple[Part, ...]
    setting: Setting
    clock: Clock
    start: Place
    until: float | None = None
    """When the part that is begun in the middle must have ended."""


Send = Callable[[Any], None]


def perform(work: Work, send: Send) -> None:
    """Do all checks from a place on; sends `("begin", place, name, until)`, rows, and `("end",)`."""
    for index in range(work.start.part, len(work.parts)):
        part, now = work.parts[index], time.time()
        is_resumed = index == work.start.part and work.until is not None
        until = work.until if is_resumed and work.until is not None else work.clock.share(work.parts, index, now)
        send(("begin", Place(index, 0), "(making checks)", until))
        if until - now < LEAST:
            send(Row(part.name, "(all)", SKIPPED, remark=OUT_OF_TIME))
            continue
        first = work.start.check if is_resumed else 0
        if not _part(work, index, first, until, send):
            return
    send(("end",))


def _part(work: Work, index: int, first: int, until: float, send: Send) -> bool:
    """One part; whether the device still works afterwards."""
    part = work.parts[index]
    for number, check in enumerate(_made(part, work.setting)):
        if number < first:
            continue
        if time.time() > until:
            send(Row(part.name, check.name, SKIPPED, remark=OUT_OF_TIME))
            continue
        send(("begin", Place(index, number), check.name, until))
        rows = _rows(part.name, check, work.setting.device)
        for row in rows:
            send(row)
        if any(row.status == FAIL for row in rows) and not _works(work.setting.device):
            send(("broken",))
            return False
    return True


def _made(part: Part, setting: Setting) -> Iterator[Check]:
    """The checks of a part; an exception while they are made is one more that fails."""
    try:
        yield from part.checks(setting)
    except Exception as error:
        text = _last_lines(error)

        def again() -> Figure:
            raise RuntimeError(text)

        yield Check("(making checks)", again)


def _rows(part: str, check: Check, device: torch.device) -> list[Row]:
    began = time.perf_counter()
    try:
        found = check.run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)  # an error of a kernel shows here at the latest
    except LeftOutError as reason:
        return [Row(part, check.name, SKIPPED, seconds=time.perf_counter() - began, remark=str(reason))]
    except Exception as error:
        return [Row(part, check.name, FAIL, seconds=time.perf_counter() - began, remark=_last_lines(error))]
    seconds = time.perf_counter() - began
    figures = [found] if isinstance(found, Figure) else list(found)
    rows = []
    for place, figure in enumerate(figures):
        name = f"{check.name}, {figure.name}" if figure.name else check.name
        is_right = figure.limit is None or figure.value <= figure.limit  # not for nan
        taken = seconds if place == 0 else None  # of all numbers of the check together
        status = PASS if is_right else FAIL
        rows.append(Row(part, name, status, figure.value, figure.limit, figure.unit, taken, figure.remark))
    return rows


def _works(device: torch.device) -> bool:
    """Whether the device still computes; after some errors a process cannot use it any more."""
    try:
        return float(torch.ones(2, device=device).sum()) == 2
    except Exception:
        return False


def _last_lines(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-LAST_LINES:].strip()


def in_process(work: Work, connection: Connection) -> None:
    """What the other process does."""
    # Processes that read data start as they do for users; this one was started in a way that it would pass on.
    multiprocessing.set_start_method(None, force=True)
    perform(work, connection.send)
    connection.close()


def supervise(
    parts: Iterable[Part],
    setting: Setting,
    seconds: float,
    *,
    run: Callable[[Work, Connection], None] = in_process,
    method: str = "spawn",
) -> Iterator[Row]:
    """Rows of all parts as they come, whatever happens to the process that makes them.

    Args:
        parts: What to do.
        setting: Where.
        seconds: For everything.
        run: What the process runs.
        method: How it is started, a name of `multiprocessing`.
    """
    context: Any = multiprocessing.get_context(method)
    parts, clock = tuple(parts), Clock(time.time() + seconds)
    start: Place | None = Place()
    until: float | None = None
    while start is not None and start.part < len(parts):
        here, there = context.Pipe(duplex=False)
        # No daemon: those may not have processes of their own, which read data.
        process = context.Process(target=run, args=(Work(parts, setting, clock, start, until), there))
        process.start()
        there.close()
        watch = _Watch(parts, clock, start)
        try:
            yield from watch.rows(here)
        finally:
            process.kill()
            process.join()
            here.close()
        start, until = watch.next_place, watch.next_until


class _Watch:
    """Listens to one process until it ends, dies or is too slow."""

    def __init__(self, parts: tuple[Part, ...], clock: Clock, start: Place) -> None:
        self.parts, self.clock = parts, clock
        self.place, self.name, self.until = start, "(start)", time.time() + START
        self.next_place: Place | None = None
        self.next_until: float | None = None
        self._reported = False

    def rows(self, connection: Connection) -> Iterator[Row]:
        """Rows that the process sends, and one for the check in which it stopped."""
        while True:
            limit = min(self.until + GRACE, self.clock.end)
            if not connection.poll(max(0.0, limit - time.time())):
                yield from self._stopped(SKIPPED, OUT_OF_TIME)
                return
            try:
                message = connection.recv()
            except EOFError:
                yield from self._stopped(FAIL, "the process died")
                return
            if isinstance(message, Row):
                self._reported = True
                yield message
            elif message[0] == "begin":
                _, self.place, self.name, self.until = message
                self._reported = False
            elif message[0] == "broken":
                self._go_on()
                return
            else:
                return

    def _stopped(self, status: str, remark: str) -> Iterator[Row]:
        if not self._reported:
            yield Row(self.parts[self.place.part].name, self.name, status, remark=remark)
        if self.name == "(start)":  # a second process would not start either
            return
        if time.time() >= self.clock.end:
            for part in self.parts[self.place.part + 1 :]:
                yield Row(part.name, "(all)", SKIPPED, remark=OUT_OF_TIME)
            return
        self._go_on()

    def _go_on(self) -> None:
        """With the next check, or with the next part if this one has had its time, or could not be begun."""
        is_over = time.time() >= self.until or self.name == "(making checks)"
        self.next_place = Place(self.place.part + 1) if is_over else Place(self.place.part, self.place.check + 1)
        self.next_until = None if is_over else self.until
