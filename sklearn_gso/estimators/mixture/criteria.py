"""Information criteria: what a mixture's likelihood is worth beside its parameters."""

import math

CRITERIA = ("aic", "bic", "icl")


def n_free(kind, n_components, n_features, held=(), n_held_covariances=0) -> int:
    """Parameters that were estimated.

    Parameters
    ----------
    kind : {"full", "tied", "diag", "spherical"}
    n_components, n_features : int
    held : sequence of str
        Names of parameters that were given for all components.
    n_held_covariances : int
        Covariances of single components that were given.
    """
    k, d = n_components, n_features
    each = {"full": d * (d + 1) // 2, "tied": d * (d + 1) // 2, "diag": d, "spherical": 1}[kind]
    n_covariances = 1 if kind == "tied" else k - n_held_covariances
    free = {"weights": k - 1, "means": k * d, "covariances": n_covariances * each}
    return sum(count for name, count in free.items() if name not in held)


def criterion(name, log_likelihood, n_parameters, n_samples, entropy=0.0) -> float:
    r"""The lower the better.

    .. math::
        -2 \log L + p \log n, \quad -2 \log L + 2 p, \quad
        -2 \log L + p \log n - 2 \sum_{ik} r_{ik} \log r_{ik}

    for "bic", "aic" and "icl" [1]_, of p parameters, n samples and responsibilities r.

    References
    ----------
    .. [1] Biernacki, Celeux and Govaert, Assessing a mixture model for clustering with the
       integrated completed likelihood, IEEE PAMI 22, 2000.
    """
    price = 2.0 if name == "aic" else math.log(n_samples)
    doubt = 2.0 * entropy if name == "icl" else 0.0
    return float(-2.0 * log_likelihood + n_parameters * price + doubt)
