"""Near-duplicate search against comparing everything with everything."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectnet.data import duplicates
from detectnet.errors import UserError

words = st.integers(0, 2**64 - 1)


@st.composite
def hashes(draw):
    """A few scattered hashes, and others a few bits away from them, so that every distance occurs."""
    centres = draw(st.lists(words, min_size=1, max_size=3))
    made = []
    for _ in range(draw(st.integers(0, 12))):
        bits = draw(st.lists(st.integers(0, 63), max_size=16))
        made.append(draw(st.sampled_from(centres)) ^ sum(1 << bit for bit in set(bits)))
    return made


@given(hashes(), st.data(), st.integers(0, 20))
def test_every_pair_is_found_and_no_other(plain, data, threshold):
    mirrored = [data.draw(st.sampled_from(plain)) ^ data.draw(st.integers(0, 255)) for _ in plain]
    expected = {}
    for i in range(len(plain)):
        for j in range(i + 1, len(plain)):
            direct = (plain[i] ^ plain[j]).bit_count()
            turned = min((mirrored[i] ^ plain[j]).bit_count(), (mirrored[j] ^ plain[i]).bit_count())
            if min(direct, turned) <= threshold:
                expected[i, j] = (min(direct, turned), int(turned < direct))
    found = duplicates.near_pairs(np.array(plain, np.uint64), np.array(mirrored, np.uint64), threshold)
    assert {(i, j): (bits, flag) for i, j, bits, flag in found.tolist()} == expected
    assert found[:, :2].tolist() == sorted(found[:, :2].tolist())


def test_hashes_are_read_as_hexadecimal():
    assert duplicates.parse(["00000000000000ff", "8000000000000000"]).tolist() == [255, 2**63]


@pytest.mark.parametrize("text", ["", "xyz", "1" * 17])
def test_what_is_no_hash_is_named(text):
    with pytest.raises(UserError, match="16 hexadecimal digits"):
        duplicates.parse([text], where="column phash")


def test_threshold_has_a_range():
    with pytest.raises(UserError, match="0 to 63"):
        duplicates.near_pairs(np.zeros(2, np.uint64), np.zeros(2, np.uint64), 64)


def test_a_block_of_equal_hashes_gives_every_pair_once(monkeypatch):
    """More pictures of one hash than are compared at a time."""
    monkeypatch.setattr(duplicates, "_BLOCK", 4)
    mirrored = np.full(11, 2**64 - 1, np.uint64)
    found = duplicates.near_pairs(np.zeros(11, np.uint64), mirrored, 10)
    assert found.tolist() == [[i, j, 0, 0] for i in range(11) for j in range(i + 1, 11)]
