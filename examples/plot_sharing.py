"""
Sharing a learned optimizer
===========================

Train an optimizer, write it to a file, and use it elsewhere. The file is data: reading it
runs no code. A pickled estimator is a programme: load only what you trust.
"""

import tempfile
from pathlib import Path

import joblib
import numpy as np

from sklearn_gso import GSOMatrixCompleter, LearnedOptimizer
from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.plotting import CompletionDisplay

X, _ = make_low_rank_tasks(16, shape=(30, 24), rank=3, rate=0.5, random_state=0)
new, truth = make_low_rank_tasks(1, shape=(40, 20), rank=3, rate=0.5, random_state=1)
folder = Path(tempfile.mkdtemp())

trained = GSOMatrixCompleter(max_iter=10, n_epochs=2, random_state=0).fit(X)

# %%
# **The optimizer alone**, weights and a description of what it was trained on, in
# safetensors and JSON. A file that is damaged, foreign or of a newer format gives one clear
# error. Somewhere else its path is all that is needed, and matrices may have other shapes.

trained.learned_optimizer_.save(folder / "mine.safetensors")

received = LearnedOptimizer.load(folder / "mine.safetensors")
print(received.description["trained_on"])
completer = GSOMatrixCompleter(optimizer=folder / "mine.safetensors", random_state=0)
completer.fit(new[0])

# %%
# A damaged file is refused.

damaged = bytearray((folder / "mine.safetensors").read_bytes())
damaged[-1] ^= 1
(folder / "damaged.safetensors").write_bytes(damaged)
try:
    LearnedOptimizer.load(folder / "damaged.safetensors")
    raise AssertionError("it was read")
except ValueError as error:
    print(str(error).replace(str(folder), ""))

# %%
# **A whole estimator**, fitted components included, goes through joblib.
# ``joblib.load`` runs whatever the file says: this file must be trusted. Here we have
# just written it ourselves. The loaded completer fills in bit-equal values.

joblib.dump(completer, folder / "completer.joblib")
loaded = joblib.load(folder / "completer.joblib")  # only files you trust
is_equal = np.array_equal(loaded.transform(new[0]), completer.transform(new[0]))
print("bit-equal:", is_equal)
assert is_equal and received == trained.learned_optimizer_

# %%
# What it fills in.

CompletionDisplay.from_estimator(loaded, new[0], truth[0], cmap="RdBu_r").figure_.savefig(
    folder / "sharing.png"
)

# %%
# In a notebook the estimator shows what its optimizer was trained on.

loaded
