"""Work shared out to processes, with results in the order of the items whatever the number of workers."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from detectnet.logs import progress

Item = TypeVar("Item")
Result = TypeVar("Result")
PRELOADED = ("cv2", "imagehash", "pandas")
"""Slow imports, made once in the process that the others are forked from."""


def every(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    workers: int | None = None,
    what: str = "",
    unit: str = "pictures",
    chunk: int = 16,
) -> Iterator[Result]:
    """Yield ``function(item)`` in the order of ``items``, with a progress bar.

    Args:
        function: a module-level function (or a partial of one), because it is sent to other processes.
        items: what to work on; each must be picklable and small.
        workers: processes; None takes every core that this process may use, 1 starts none.
        what, unit: words of the progress bar.
        chunk: items sent to a process at a time.
    """
    workers = min(workers or len(os.sched_getaffinity(0)), max(len(items), 1))
    if workers == 1:
        yield from progress(map(function, items), total=len(items), what=what, unit=unit)
        return
    # Not fork: a parent with threads (OpenCV, TensorFlow) can leave a forked child waiting for ever.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        results = pool.map(function, items, chunksize=chunk)
        yield from progress(results, total=len(items), what=what, unit=unit)
