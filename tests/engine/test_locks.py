"""Locks and forks."""

from __future__ import annotations

import gc
import os
import threading

import pytest

from knnc.engine.system.locks import ForkSafeLock


def test_one_thread_at_a_time_again_and_again() -> None:
    lock = ForkSafeLock()
    with lock.held(), lock.held():
        taken: list[bool] = []
        other = threading.Thread(target=lambda: taken.append(lock.held().acquire(blocking=False)))
        other.start()
        other.join()
    assert taken == [False]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_takes_what_another_thread_holds() -> None:
    locks = [ForkSafeLock(), ForkSafeLock()]
    gone = ForkSafeLock()
    del gone
    gc.collect()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with locks[0].held(), locks[1].held():
            held.set()
            done.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(60)
    with ForkSafeLock().held():  # the child leaves this block too
        child = os.fork()
        if child == 0:
            os._exit(0 if all(lock.held().acquire(timeout=5) for lock in locks) else 1)
    done.set()
    holder.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
