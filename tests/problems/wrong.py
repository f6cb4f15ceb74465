"""Problems that break one promise each, and what the checker must say of it."""

import torch

from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.problems import MatrixCompletion, Problem
from tests.problems.nonnegative import NonnegativeFactorisation
from tests.problems.three_blocks import TensorFactorisation

WRONG: dict[str, tuple] = {}


def wrong(message):
    """A class of problems of which the checker says so; its docstring says what is wrong."""

    def note(cls):
        make = getattr(cls, "random", None) or cls.from_seed
        WRONG[cls.__doc__] = (make, message)
        return cls

    return note


class Completion(MatrixCompletion):
    @classmethod
    def from_seed(cls, seed):
        X, _ = make_low_rank_tasks(2, shape=(8, 6), rank=2, rate=0.7, random_state=seed)
        return cls(torch.from_numpy(X), 2, alpha=0.1)


@wrong("gradient of block 'A' disagrees with finite differences")
class Gradient(TensorFactorisation):
    """a gradient 1 % too long"""

    def gradient(self, variables, name):
        return 1.01 * super().gradient(variables, name)


@wrong("gradient of block 'U' disagrees with finite differences")
class ClosedGradient(Completion):
    """a gradient in closed form that is a thousandth too long"""

    def gradient(self, variables, name):
        return 1.001 * super().gradient(variables, name)


@wrong("gradient of block 'C' has shape")
class GradientShape(TensorFactorisation):
    """a gradient of another shape, which would be broadcast"""

    def gradient(self, variables, name):
        gradient = super().gradient(variables, name)
        return gradient.sum(1, keepdim=True) if name == "C" else gradient


@wrong("block 'B'")
class Minimiser(TensorFactorisation):
    """a minimiser 1 % too long"""

    def minimize_block(self, variables, name, controls=None):
        return (1.01 if name == "B" else 1) * super().minimize_block(variables, name, controls)


@wrong("(raises|lowers) the objective (of block 'A'|below)")
class Maximiser(TensorFactorisation):
    """a minimiser of the wrong sign"""

    def minimize_block(self, variables, name, controls=None):
        return -super().minimize_block(variables, name, controls)


@wrong("what minimize_block gives for block 'A' is torch.float32")
class SingleMinimiser(TensorFactorisation):
    """a minimiser in single precision"""

    def minimize_block(self, variables, name, controls=None):
        return super().minimize_block(variables, name, controls).float()


@wrong("objective mixes the tasks")
class MixedObjective(TensorFactorisation):
    """an objective that mixes the tasks, and no minimiser that could tell"""

    minimize_block = Problem.minimize_block

    def objective(self, variables):
        own = super().objective(variables)
        return own + 1e-3 * own.sum()


@wrong("minimize_block of 'U' mixes the tasks")
class MixedMinimiser(Completion):
    """a minimiser that mixes the tasks by a hundred-thousandth"""

    def minimize_block(self, variables, name, controls=None):
        new = super().minimize_block(variables, name, controls)
        return new + 1e-5 * new[:1]


@wrong("row_features of 'A' mixes the tasks")
class MixedFeatures(TensorFactorisation):
    """features in which the mean of the batch is subtracted"""

    def row_features(self, variables, name):
        features = super().row_features(variables, name)
        return features - features.mean(0)


@wrong("neutral controls move block 'A' away")
class NotNeutral(TensorFactorisation):
    """a control whose neutral value is not 0"""

    def minimize_block(self, variables, name, controls=None):
        bent = {} if controls is None else {"ridge": torch.as_tensor(controls["ridge"]) + 0.01}
        return super().minimize_block(variables, name, bent)


@wrong("control 'nothing' has no effect on block 'A'")
class NoEffect(TensorFactorisation):
    """a control without effect"""

    control_names = ("ridge", "nothing")


@wrong(r"objective must give one number a task, shape \(2,\), got \(\)")
class ScalarObjective(TensorFactorisation):
    """a scalar objective"""

    def objective(self, variables):
        return super().objective(variables).sum()


@wrong(r"objective must give one number a task, shape \(2,\), got float")
class FloatObjective(TensorFactorisation):
    """an objective that is no tensor"""

    def objective(self, variables):
        return float(super().objective(variables).sum())


@wrong(r"objective of a random start is \[.*nan")
class UndefinedObjective(TensorFactorisation):
    """an objective that is not finite at a random start"""

    def objective(self, variables):
        return super().objective(variables) + variables["A"].amin((1, 2)).log()


@wrong(r"init gives no block \['C'\]")
class MissingBlock(TensorFactorisation):
    """a block that init forgets"""

    def init(self, generator):
        variables = super().init(generator)
        return {name: variables[name] for name in "AB"}


@wrong("block 'B' is torch.float32: the checker needs double precision")
class SingleBlock(TensorFactorisation):
    """a block in single precision"""

    def init(self, generator):
        variables = super().init(generator)
        return {**variables, "B": variables["B"].float()}


@wrong(r"block 'C' has shape \(3, 2\); its first axis must count the 2 tasks")
class SharedBlock(TensorFactorisation):
    """a block that all tasks share"""

    def init(self, generator):
        variables = super().init(generator)
        return {**variables, "C": variables["C"][0]}


@wrong("check_problem needs a batch of two tasks or more")
class OneTask(TensorFactorisation):
    """a batch of one task, which could not tell whether tasks mix"""

    @classmethod
    def random(cls, seed):
        return super().random(seed, n_tasks=1)


@wrong(r"local_blocks holds \['D'\], which are no blocks")
class UnknownBlock(TensorFactorisation):
    """a misspelt name of a block"""

    local_blocks = ("D",)


@wrong("take gives a problem that lacks something: 'Loses' object has no attribute 'weight'")
class Loses(TensorFactorisation):
    """take that loses an attribute"""

    @classmethod
    def random(cls, seed):
        problem = super().random(seed)
        problem.weight = 2.0
        return problem

    def objective(self, variables):
        return self.weight * super().objective(variables)


@wrong("take gives a problem with another objective")
class Forgets(TensorFactorisation):
    """take that forgets a setting"""

    @classmethod
    def random(cls, seed):
        problem = super().random(seed)
        problem.alpha = 0.2
        return problem

    def take(self, index):
        return type(self)(self.data[index], self.rank)


@wrong("take gives a problem with another row_features of 'A'")
class ForgetsFeatures(Forgets):
    """take that forgets what only features need"""

    unit = 1.0

    @classmethod
    def random(cls, seed):
        problem = TensorFactorisation.random.__func__(cls, seed)
        problem.unit = 2.0
        return problem

    def row_features(self, variables, name):
        return super().row_features(variables, name) / self.unit


@wrong("row_features of block 'A' must be finite and of shape")
class FeatureShape(TensorFactorisation):
    """features without an axis of their own"""

    def row_features(self, variables, name):
        return super().row_features(variables, name)[..., 0]


@wrong("row_features of block 'B' must be finite and of shape")
class UndefinedFeatures(TensorFactorisation):
    """features that are not a number"""

    def row_features(self, variables, name):
        features = super().row_features(variables, name)
        return features.log() if name == "B" else features


@wrong("project of block 'w1' moves what is already feasible")
class NotIdempotent(NonnegativeFactorisation):
    """project that shrinks what is feasible"""

    def project(self, name, block):
        return 0.99 * super().project(name, block)


@wrong("minimize_block of 'h1' leaves the feasible set that project describes")
class Infeasible(NonnegativeFactorisation):
    """a minimiser outside the feasible set"""

    def minimize_block(self, variables, name, controls=None):
        if name != "h1":
            return super().minimize_block(variables, name, controls)
        other, control = variables["w1"], torch.as_tensor((controls or {}).get("ridge", 0.0))
        curvature = other.square().sum((1, 2), keepdim=True) + self.alpha * control.exp()
        return self.misfit(variables, without="1").mT @ other / curvature


@wrong("block 'w1'")
class NotTheBestFeasible(NonnegativeFactorisation):
    """a minimiser that is feasible, but not the best"""

    def minimize_block(self, variables, name, controls=None):
        return super().minimize_block(variables, name, controls) + 1e-3


@wrong("error must not be negative")
class NegativeError(Completion):
    """a held-out error whose root is not a number"""

    def error(self, variables):
        return super().error(variables) - 10


@wrong("split gives a problem of other tasks")
class SplitTasks(Completion):
    """split that splits the tasks instead of their data"""

    def split(self, fraction, generator):
        return self.take(torch.tensor([0])), self.take(torch.tensor([1]))
