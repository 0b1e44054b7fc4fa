"""Keeps a number of calls in flight, and measures how long they take."""

import asyncio
import time
from dataclasses import dataclass, field
from math import nan
from statistics import median

from load.channels import TIMEOUT, Channel
from load.messages import Request, new_id


@dataclass
class Sample:
    """What one run measured.

    Attributes:
        seconds: of each call that succeeded, from its send to the end of its response.
        rate: calls per second that succeeded.
        lost: calls without a response, or with one that is not what the request expects.
    """

    seconds: list[float] = field(default_factory=list)
    rate: float = 0.0
    lost: int = 0

    @property
    def median(self) -> float:
        """The median time of a call; not a number if none succeeded."""
        return median(self.seconds) if self.seconds else nan

    @property
    def p99(self) -> float:
        """The time that 99 of 100 calls did not exceed; not a number if none succeeded."""
        return sorted(self.seconds)[len(self.seconds) * 99 // 100] if self.seconds else nan


class Loop:
    """One run of one call.

    The start does not count: the run is measured once as many calls were answered as are in flight.
    The end does not count either: it keeps sending until the last measured call is answered.
    """

    def __init__(self, channel: Channel, request: Request) -> None:
        self._channel = channel
        self._request = request

    async def run(self, in_flight: int, seconds: float, calls: int = 0) -> Sample:
        """Keep `in_flight` calls in flight, for so many seconds and at least so many calls."""
        self._in_flight, self._least_seconds = in_flight, seconds
        self._least_calls = max(in_flight, calls)
        self._sent: dict[int, float] = {}
        self._answered, self._sample, self._done = 0, Sample(), False
        self._drained = asyncio.Event()
        await self._channel.reserve(in_flight)
        self._channel.listen(self._receive)
        self._send_next = self._channel.sender(self._request)
        for _ in range(in_flight):
            self._send()
        await self._wait()
        self._channel.release()
        return self._sample

    async def _wait(self) -> None:
        """Wait for the end of the run, or until nothing is answered any more."""
        answered = -1
        while not self._drained.is_set() and answered != self._answered:
            answered = self._answered
            try:
                await asyncio.wait_for(self._drained.wait(), TIMEOUT)
            except TimeoutError:
                continue
        self._sample.lost += len(self._sent)

    def _send(self) -> None:
        request_id = new_id()
        self._sent[request_id] = time.perf_counter()
        self._send_next(request_id)

    def _receive(self, request_id: int, body: bytes) -> None:
        now = time.perf_counter()
        sent = self._sent.pop(request_id, None)
        if sent is None:  # its run has ended without it
            return
        self._answered += 1
        if self._request.expected not in body:
            self._sample.lost += 1
        elif self._answered > self._in_flight and not self._done:
            self._sample.seconds.append(now - sent)
        self._note_progress(now)
        if not self._done:
            self._send()
        elif not self._sent:
            self._drained.set()

    def _note_progress(self, now: float) -> None:
        if self._answered == self._in_flight:
            self._began = now
        elif self._answered > self._in_flight and not self._done:
            calls, took = self._answered - self._in_flight, now - self._began
            self._done = took >= self._least_seconds and calls >= self._least_calls
            self._sample.rate = len(self._sample.seconds) / took
