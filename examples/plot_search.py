"""
A search over tasks
===================

Figure 3 of the paper: how do the inner steps t_l and the window t_u, after which the weights
are updated, change what a rule reaches? scikit-learn's searches split a collection by task:
a rule is trained on some and judged on the others.
"""

from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklearn_gso import ALSMatrixCompleter, GSOMatrixCompleter
from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.plotting import SearchGridDisplay, TrainingHistoryDisplay

X, truth = make_low_rank_tasks(12, shape=(24, 18), rank=3, rate=0.45, random_state=0)

# %%
# Rules that are trained from scratch, for runs of eight sweeps. ``y`` are the true matrices;
# without them a tenth of the observed entries is hidden and judged. t_l costs time in
# training and in solving, t_u only memory; short windows make more updates, and myopic ones.

completer = GSOMatrixCompleter(4, optimizer=None, max_iter=8, n_epochs=3, n_init=1, random_state=0)
grid = {"t_l": [1, 2, 3], "t_u": [2, 4, 8]}
search = GridSearchCV(completer, grid, cv=2).fit(list(X), list(truth))
print(f"best: {search.best_params_}, relative error {-search.best_score_:.3f}")
asked = list(search.cv_results_["mean_test_score"])
untrained = clone(completer).set_params(n_epochs=0).fit(X)
print(f"the worst of the grid: {-min(asked):.3f}, untrained: {-untrained.score(X, truth):.3f}")
shipped = GSOMatrixCompleter(4, max_iter=8, n_epochs=0, n_init=1, random_state=0).fit(X)
print(f"the rule that ships, not trained on these: {-shipped.score(X, truth):.3f}")

settings = {"alpha_start": 10.0, "max_iter": 8, "random_state": 0}
als = [ALSMatrixCompleter(4, alpha=alpha, **settings).fit(X) for alpha in (1e-3, 1e-2, 0.1, 1.0)]
peer = min(-one.score(X, truth) for one in als)
print(f"ALS with a falling λ, the best of four: {peer:.3f}")
assert -search.best_score_ < 0.5 * min(peer, -min(asked))

display = SearchGridDisplay.from_estimator(search)
display.figure_.savefig("search.png", dpi=100)

# %%
# The best one was trained once more on all tasks; this is how that went.

TrainingHistoryDisplay.from_estimator(search.best_estimator_)
