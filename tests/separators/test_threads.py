from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import torch

from stemfx.separators.threads import torch_threads, usual_threads


def seen_by_a_new_thread() -> int:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(torch.get_num_threads).result()


def test_limits_of_threads_that_overlap_leave_nothing_behind() -> None:
    """The second one enters while the first is inside, and leaves after it."""
    torch.set_num_threads(3)
    first_in, second_in, first_out = (threading.Event() for _ in range(3))

    def first() -> int:
        with torch_threads(1):
            first_in.set()
            second_in.wait(5)
            mine = torch.get_num_threads()
        first_out.set()
        return mine

    def second() -> int:
        first_in.wait(5)
        with torch_threads(2):
            second_in.set()
            first_out.wait(5)
            assert usual_threads() == 3
            return torch.get_num_threads()

    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(first), pool.submit(second)]
        assert [result.result() for result in results] == [1, 2]
    assert seen_by_a_new_thread() == torch.get_num_threads() == usual_threads() == 3


def test_a_limit_inside_another_gives_back_the_outer_one() -> None:
    torch.set_num_threads(3)
    with torch_threads(2):
        with torch_threads(1):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == seen_by_a_new_thread() == 3
