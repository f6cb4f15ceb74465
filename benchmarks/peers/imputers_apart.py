"""Imputers that need an older scikit-learn, in an environment of their own (``make imputers``).

With a newer one HyperImpute fills columns' means without a word, so that is an error here.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

PYTHON = Path(__file__).parents[2] / ".venv-imputers/bin/python"
# miceforest: the mean of so many completed tables.
N_TABLES, N_ROUNDS = 5, 5


def apart(name):
    """A method that fills a table in that environment."""

    def method(X):
        with tempfile.TemporaryDirectory() as folder:
            given, filled = Path(folder) / "given.npy", Path(folder) / "filled.npy"
            np.save(given, X)
            # The package is not to be found from there: -P leaves the script's folder out.
            command = [PYTHON, "-P", __file__, name, given, filled]
            subprocess.run(command, check=True, capture_output=True)
            return np.load(filled)

    return method


def hyper_impute(X):
    from hyperimpute.plugins.imputers import Imputers

    filled = Imputers().get("hyperimpute", random_state=0).fit_transform(X.copy())
    filled = np.asarray(filled, float)
    if np.allclose(filled, np.where(np.isnan(X), np.nanmean(X, axis=0), X)):
        raise RuntimeError("HyperImpute filled columns' means: its scikit-learn is too new.")
    return filled


def mice_forest(X):
    import miceforest
    import pandas as pd

    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
    kernel = miceforest.ImputationKernel(frame, num_datasets=N_TABLES, random_state=0)
    kernel.mice(N_ROUNDS, verbose=False, num_threads=1)
    return np.mean([kernel.complete_data(i).to_numpy(float) for i in range(N_TABLES)], axis=0)


def copula(X):
    """Columns' means where it ends in an error, as on seven tables of 43."""
    from gcimpute.gaussian_copula import GaussianCopula

    try:
        return GaussianCopula(verbose=0).fit_transform(X=X)
    except ValueError:
        return np.where(np.isnan(X), np.nanmean(X, axis=0), X)


FILLS = {"HyperImpute": hyper_impute, "miceforest": mice_forest, "gcimpute": copula}


def main():
    name, given, filled = sys.argv[1:]
    X = np.load(given)
    mean, sd = np.nanmean(X, axis=0), np.nanstd(X, axis=0)
    sd = np.where(sd > 0, sd, 1.0)
    np.save(filled, FILLS[name]((X - mean) / sd) * sd + mean)


if __name__ == "__main__":
    main()
