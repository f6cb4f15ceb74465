"""Data that many tests share.

What takes long to import is imported late: the process that hands tests to others needs none of it.
"""

import os

import pytest


def pytest_collection_finish():
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seeded():
    """What a test leaves to `random_state=None` is the same in each run; TEST_SEED draws anew."""
    import numpy as np

    np.random.seed(int(os.environ.get("TEST_SEED", 0)))


@pytest.fixture
def generator():
    import torch

    return torch.Generator().manual_seed(0)


@pytest.fixture
def easy_tasks():
    """Six 24 x 18 matrices of rank 2, 60 % observed, and their truth."""
    from sklearn_gso.datasets import make_low_rank_tasks

    return make_low_rank_tasks(6, shape=(24, 18), rank=2, rate=0.6, random_state=0)


@pytest.fixture
def noisy_values():
    """A small batch for problems: three 12 x 9 matrices as a tensor."""
    import torch

    from sklearn_gso.datasets import make_low_rank_tasks

    X, _ = make_low_rank_tasks(3, shape=(12, 9), rank=2, rate=0.6, noise=0.2, random_state=1)
    return torch.from_numpy(X)


@pytest.fixture
def rng():
    import numpy as np

    return np.random.RandomState(0)
