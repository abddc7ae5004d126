"""Pictures decoded in a thread beside the network, so that neither waits for the other."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
DEPTH = 4
"""Decoded pictures that wait at most: memory for them, against hiccups of the disk."""
_END = object()
_LOOK_AGAIN = 0.05  # seconds; only the end of a stream is noticed this late


def ahead(items: Iterable[Item], depth: int = DEPTH) -> Iterator[Item]:
    """All items in their order, made in a thread that is up to ``depth`` of them ahead.

    What the iterable raises is raised here, after the items before it. Closing the generator waits for the
    item in the making, and makes no other.
    """
    source = iter(items)
    with ThreadPoolExecutor(1, "decoding") as pool:
        coming = deque(pool.submit(next, source, _END) for _ in range(depth))
        try:
            while (item := coming.popleft().result()) is not _END:
                coming.append(pool.submit(next, source, _END))
                yield item
        finally:
            for one in coming:
                one.cancel()


def newest(items: Iterable[Item]) -> Iterator[Item]:
    """The latest item of a thread each time: a camera does not wait, and what is shown must not lag behind.

    Items that come while the last one is worked on are left out, all but the newest. What the iterable
    raises is raised here, after the last item.
    """
    latest: deque[Item] = deque(maxlen=1)
    arrived, stopped = threading.Event(), threading.Event()

    def fill() -> None:
        for item in items:
            latest.append(item)
            arrived.set()
            if stopped.is_set():
                return

    with ThreadPoolExecutor(1, "decoding") as pool:
        filling = pool.submit(fill)
        try:
            while True:
                finished = filling.done()
                if latest:
                    yield latest.popleft()
                elif finished:
                    break
                else:
                    arrived.wait(_LOOK_AGAIN)
                    arrived.clear()
            filling.result()
        finally:
            stopped.set()
