"""Vectorised elimination against LAPACK for many small systems.

``python -m benchmarks.small_systems``: milliseconds for 32 x 100 systems of each order.
"""

import time

import torch

from sklearn_gso.problems._linalg import _eliminate, _lapack


def milliseconds(method, matrix, right, repeats=7):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        method(matrix, right)
        times.append(time.perf_counter() - start)
    return 1e3 * sorted(times)[repeats // 2]


def main():
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    print("order  elimination  LAPACK")
    for k in (2, 5, 10, 15, 20, 25, 30, 40):
        root = torch.randn(32, 100, k, k, generator=generator, dtype=torch.float64)
        matrix = (root @ root.mT + torch.eye(k, dtype=torch.float64)).permute(0, 2, 3, 1)
        matrix = matrix.contiguous()
        right = torch.randn(32, k, 100, generator=generator, dtype=torch.float64)
        fast, slow = (milliseconds(method, matrix, right) for method in (_eliminate, _lapack))
        print(f"{k:5}  {fast:11.2f}  {slow:6.2f}")


if __name__ == "__main__":
    main()
