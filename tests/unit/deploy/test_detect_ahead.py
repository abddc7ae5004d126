"""Decoding in a thread: order, errors, and that neither side waits for the other; Ctrl-C held back."""

import signal
import threading
import time

import pytest

from detectnet.deploy.inference.ahead import ahead, newest
from detectnet.deploy.inference.interrupts import held_back


@pytest.mark.parametrize("depth", [1, 3, 50])
def test_all_items_in_their_order(depth):
    assert list(ahead(range(20), depth)) == list(range(20))
    assert list(ahead([], depth)) == []


def failing(error):
    yield 1
    yield 2
    raise error


@pytest.mark.parametrize("made", [ahead, newest])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_comes_after_the_items_before_it(made, error):
    seen = []
    with pytest.raises(error):
        for item in made(failing(error)):
            seen.append(item)
    assert seen[-1] == 2
    assert made is newest or seen == [1, 2]


def test_it_is_as_far_ahead_as_asked_and_no_further():
    taken = []
    coming = ahead((taken.append(number) or number for number in range(100)), depth=3)
    assert next(coming) == 0
    deadline = time.monotonic() + 10
    while len(taken) < 4 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.05)
    assert taken == [0, 1, 2, 3]
    coming.close()
    assert len(taken) <= 5
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decoding")]


def slow(count, seconds):
    for number in range(count):
        time.sleep(seconds)
        yield number


def test_two_that_sleep_do_so_at_the_same_time():
    started = time.perf_counter()
    for _ in ahead(slow(20, 0.05)):
        time.sleep(0.05)
    # One after the other takes 2 s; beside each other 1.05 s.
    assert time.perf_counter() - started < 1.7


def test_the_newest_leaves_out_what_came_in_between():
    seen = []
    for number in newest(slow(40, 0.005)):
        seen.append(number)
        time.sleep(0.05)
    assert seen == sorted(set(seen))
    assert seen[-1] == 39
    assert len(seen) < 30


def test_closing_the_newest_ends_the_thread():
    coming = newest(slow(10**6, 0.001))
    next(coming)
    coming.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decoding")]


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_waits_for_the_end_of_the_block():
    done = []
    with pytest.raises(KeyboardInterrupt):
        with held_back():
            signal.raise_signal(signal.SIGINT)
            done.append("within")
        done.append("after")
    assert done == ["within"]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("ctrl_c")
def test_an_error_within_the_block_leaves_ctrl_c_as_it_was():
    with pytest.raises(ValueError, match="own"), held_back():
        raise ValueError("own")
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_another_thread_can_use_it():
    done = []

    def work():
        with held_back():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
