"""What all tests share: property tests are judged by what they find, not by how long a busy machine takes."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """SIGINT interrupts this process and its children; in a background job of a shell it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
