"""What the paper calls SGD: alternating descent along the full gradient."""

from sklearn_gso import SGDMatrixCompleter


def sgd(X, rank, *, random_state=None):
    """From N(0, 1), rate and λ 1e-3 in the units of the data, 100 x 10 steps of each factor."""
    completer = SGDMatrixCompleter(rank, max_iter=100, t_l=10, random_state=random_state)
    return completer.fit(X).reconstruct(X)
