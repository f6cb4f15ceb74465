"""What the paper prints, by (factors, rate, rank, k); its matrices are of type P."""

from math import nan

from .cells import K_3, K_4, RANKS_2, RANKS_4, RATES


def _by_rate(values):
    return {("P", rate, 5, 5): v for rate, v in zip(RATES, values, strict=True)}


def _by_rank(values):
    return {("P", 0.2, rank, rank): v for rank, v in zip(RANKS_2, values, strict=True)}


def _by_k(values):
    return {("P", 0.2, 10, k): v for k, v in zip(K_3, values, strict=True)}


_TABLE_4 = {
    10: (0.120, 0.081, 0.065, 0.055, 0.049, 0.046, 0.043, 0.042, 0.042, 0.039),
    50: (0.250, 0.130, 0.095, 0.075, 0.067, 0.055, 0.052, 0.048, 0.046, 0.045),
    100: (0.450, 0.210, 0.140, 0.100, 0.081, 0.068, 0.061, 0.056, 0.052, 0.048),
}

MATRICES = {
    "table1": {
        "GSO": _by_rate((0.089, 0.057, 0.045, 0.003)),
        "SGD": _by_rate((0.292, 0.213, 0.136, 0.072)),
        "ALS": _by_rate((0.864, 0.717, 0.423, 0.228)),
    },
    "table2": {
        "GSO": _by_rank((0.089, 0.085, 0.078, 0.072, 0.053, 0.052)),
        "SGD": _by_rank((0.292, 0.405, 0.689, 1.337, nan, nan)),
        "ALS": _by_rank((0.864, 0.942, 1.576, 5.563, nan, nan)),
    },
    "table3": {
        "GSO": _by_k((0.09, 0.12, 0.19, 0.30, 0.36)),
        "SGD": _by_k((0.31, 0.78, 1.35, 1.65, nan)),
        "ALS": _by_k((0.89, 1.04, 1.22, 5.21, nan)),
    },
    "table4": {
        "GSO": {
            ("P", 0.2, rank, k): v
            for k in K_4
            for rank, v in zip(RANKS_4, _TABLE_4[k], strict=True)
        }
    },
}

# Negative log-likelihoods by dimension; D = 2 is figure 6, whose caption is given here.
TABLE_5 = {
    "EM": {2: 7.77, 4: 6.52, 8: 12.64, 16: 23.83, 32: 47.10, 64: 96.88},
    "GSO": {2: 7.56, 4: 6.44, 8: 12.42, 16: 23.05, 32: 46.93, 64: 95.72},
}
