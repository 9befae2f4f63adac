"""Property: a shared value is computed once, by whichever thread comes first; an exception is not kept."""

from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from time import sleep

import pytest

from ntklora.shared import shared


def test_a_shared_value_is_computed_once_by_threads_that_ask_at_once():
    computed, counting = [], Lock()

    @shared(maxsize=2)
    def slow(x, *, y=0):
        with counting:
            computed.append((x, y))
        sleep(0.1)
        return x + y

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(slow, x, y=10) for x in (1, 2, 1, 2, 1, 2)]
        assert [answer.result() for answer in answers] == [11, 12] * 3
    assert sorted(computed) == [(1, 10), (2, 10)]
    assert slow(3) == 3  # the oldest makes room
    assert slow(1, y=10) == 11
    assert sorted(computed) == [(1, 10), (1, 10), (2, 10), (3, 0)]
    slow.cache_clear()
    assert slow(3) == 3
    assert computed.count((3, 0)) == 2


def test_an_exception_is_not_shared():
    calls = []

    @shared(maxsize=1)
    def falls_once():
        calls.append(None)
        if len(calls) == 1:
            raise RuntimeError("fell")
        return len(calls)

    with pytest.raises(RuntimeError, match="fell"):
        falls_once()
    assert falls_once() == falls_once() == 2


def test_a_function_that_asks_for_its_own_value_says_so():
    @shared(maxsize=1)
    def endless():
        return endless()

    with pytest.raises(RecursionError):
        endless()
