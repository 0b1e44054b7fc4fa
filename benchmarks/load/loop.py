"""Keeps a number of calls in flight, and measures how fast they are answered."""

import asyncio
import time
from dataclasses import dataclass, field
from statistics import median

from load.channels import IDS, TIMEOUT, Channel
from load.messages import Request


@dataclass
class Sample:
    """What one run measured.

    Attributes:
        seconds: of each call, from its send to its response.
        rate: calls per second.
        lost: calls without a response, or with one that is not the result.
    """

    seconds: list[float] = field(default_factory=list)
    rate: float = 0.0
    lost: int = 0

    @property
    def median_us(self) -> float:
        """The median of a call in microseconds."""
        return median(self.seconds) * 1e6

    @property
    def p99_us(self) -> float:
        """What 99 of 100 calls did not exceed, in microseconds."""
        return sorted(self.seconds)[len(self.seconds) * 99 // 100] * 1e6


class Loop:
    """One run. It counts from the moment when as many calls are answered as are in flight."""

    def __init__(self, channel: Channel, request: Request, expected: bytes) -> None:
        self._channel = channel
        self._prepared = channel.prepare(request)
        self._expected = expected
        self._sent: dict[int, float] = {}
        self._answered = 0
        self._drained = asyncio.Event()
        self.sample = Sample()

    async def run(self, in_flight: int, seconds: float) -> Sample:
        """Keep so many calls in flight for so long, and for as many calls as are in flight."""
        self._in_flight, self._seconds, self._ends = in_flight, seconds, False
        self._channel.on_response = self._receive
        for _ in range(in_flight):
            self._send()
        try:
            await asyncio.wait_for(self._drained.wait(), seconds + TIMEOUT)
        except TimeoutError:
            self.sample.lost += len(self._sent)
        return self.sample

    def _send(self) -> None:
        request_id = next(IDS)
        self._sent[request_id] = time.perf_counter()
        self._channel.send(self._prepared, request_id)

    def _receive(self, request_id: int, body: bytes) -> None:
        now = time.perf_counter()
        sent = self._sent.pop(request_id)
        if self._expected not in body:
            self.sample.lost += 1
        self._answered += 1
        if self._answered == self._in_flight:
            self._began = now
        elif self._answered > self._in_flight and not self._ends:
            self.sample.seconds.append(now - sent)
            counted, took = len(self.sample.seconds), now - self._began
            if took >= self._seconds and counted >= self._in_flight:
                self.sample.rate = counted / took
                self._ends = True
        if not self._ends:
            self._send()
        elif not self._sent:
            self._drained.set()
