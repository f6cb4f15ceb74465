"""The rules that are learned: the paper's step and ours, which steers closed forms."""

import math
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from ..problems.base import Problem, new_generator
from ..problems.trees import point, with_point
from .base import UpdateRule, bent_minimiser, damped, register_rule
from .classical import ClosedForm, GradientDescent

# Networks run in single precision, the variables in double.
_NETWORK_DTYPE = torch.float32
# Items that the network looks at at once where no gradient is asked for: they stay in cache.
_ITEMS = 1 << 10


class Network(nn.Module):
    """A stack of LSTM cells with a linear output that starts at zero.

    The network works item by item (coordinate, row or move), so its weights fit problems of
    any size. A rule of your own derives from it and from `UpdateRule`, names its arguments,
    and is made known by `register_rule` so that files of it can be loaded.

    Parameters
    ----------
    n_inputs, n_outputs : int
    hidden_size, n_layers : int
    generator : torch.Generator, optional
        For the weights.

    Attributes
    ----------
    argument_names : tuple of str
        Arguments of the constructor, attributes of the same name, that rebuild the rule.
    """

    argument_names: tuple[str, ...] = ("hidden_size", "n_layers")

    def __init__(self, n_inputs, n_outputs, hidden_size, n_layers, generator=None):
        super().__init__()
        sizes = [n_inputs] + [hidden_size] * n_layers
        # Torch draws weights of its own, from the caller's generator. (`skip_init` would not,
        # but imports for half a second.)
        with torch.random.fork_rng(devices=[]):
            cells = [nn.LSTMCell(a, hidden_size, dtype=_NETWORK_DTYPE) for a in sizes[:-1]]
            self.output = nn.Linear(hidden_size, n_outputs, dtype=_NETWORK_DTYPE)
        self.cells = nn.ModuleList(cells)
        self.hidden_size, self.n_layers = hidden_size, n_layers
        self.reset_parameters(generator)

    @classmethod
    def for_problem(cls, problem: Problem, **arguments) -> Self:
        """A new network that fits a problem; arguments as for the constructor."""
        return cls(**arguments)

    @classmethod
    def untrained(cls):
        """The classical rule or judge that stands for it untrained; None if there is none."""
        return None

    def arguments(self) -> dict:
        """What rebuilds the rule, weights and generator aside."""
        return {name: getattr(self, name) for name in self.argument_names}

    def reset_parameters(self, generator=None):
        """Uniform in ±1/sqrt(hidden), zero output: training starts at a plain rule."""
        bound = 1 / math.sqrt(self.hidden_size)
        with torch.no_grad():
            for parameter in self.cells.parameters():
                parameter.uniform_(-bound, bound, generator=generator)
            self.output.weight.zero_()
            self.output.bias.zero_()

    def memory(self, *shape) -> tuple:
        """State of the cells before the first step, for items of this shape."""
        zeros = torch.zeros(*shape, self.hidden_size, dtype=_NETWORK_DTYPE)
        return tuple((zeros, zeros) for _ in self.cells)

    def think(self, inputs: Tensor, memory: tuple) -> tuple[Tensor, tuple]:
        """One step of the LSTM on ``(..., n_inputs)``; equation (6), standard form."""
        items = inputs.shape[:-1]

        def flat(tensor):
            return tensor.movedim(-1, 0).reshape(tensor.shape[-1], -1)

        def unflat(tensor):
            return tensor.view(-1, *items).movedim(0, -1)

        signal = flat(inputs.to(_NETWORK_DTYPE))
        new_memory = []
        for cell, (hidden, state) in zip(self.cells, memory, strict=True):
            signal, state = _lstm_cell(cell, signal, flat(hidden), flat(state))
            new_memory.append((unflat(signal), unflat(state)))
        output = torch.addmm(self.output.bias[:, None], self.output.weight, signal)
        return unflat(output), tuple(new_memory)


def _lstm_cell(cell, signal, hidden, state):
    """An `nn.LSTMCell` with the items last: its gates are then contiguous, twice as fast."""
    n_items = signal.shape[1]
    if n_items > _ITEMS and not torch.is_grad_enabled():
        parts = zip(*(part.split(_ITEMS, 1) for part in (signal, hidden, state)), strict=True)
        moved = zip(*(_lstm_cell(cell, *part) for part in parts), strict=True)
        return tuple(torch.cat(parts, 1) for parts in moved)
    bias = (cell.bias_ih + cell.bias_hh)[:, None]
    gates = torch.addmm(bias, cell.weight_ih, signal).addmm_(cell.weight_hh, hidden)
    enter, keep, candidate, leave = gates.unflatten(0, (4, -1)).unbind()
    if torch.is_grad_enabled():
        state = torch.sigmoid(keep) * state + torch.sigmoid(enter) * torch.tanh(candidate)
        return torch.sigmoid(leave) * torch.tanh(state), state
    gates[: 2 * len(enter)].sigmoid_()
    state = (keep * state).add_(candidate.tanh_().mul_(enter))
    return torch.tanh(state).mul_(leave.sigmoid_()), state


@register_rule
class LSTMStep(Network, UpdateRule):
    """The paper's rule: a coordinate-wise LSTM reads the gradient, emits the step.

    Equations (7), (8), (12) and (16). The gradient enters detached, as sign and
    log-magnitude (Andrychowicz et al., 2016); the output is scaled.

    Parameters
    ----------
    hidden_size : int, default=20
        500 in the paper, see `LSTMStep.paper`.
    n_layers : int, default=2
    scale : float, default=0.1
        Factor of the network's output, in units of the variables.
    restart_iterate : bool, default=False
        Start each inner loop at random (section 3.3) instead of where the last
        one ended (Algorithm 2). The guard of outer steps refuses what loses the
        descent so far, as restarts do: use it with ``safeguard="none"``.
    reset_state : bool, default=False
        Forget the LSTM state at the start of each inner loop.
    generator : torch.Generator, optional
        For the weights and for the random restarts.
    """

    t_l = 10
    argument_names = ("hidden_size", "n_layers", "scale", "restart_iterate", "reset_state")

    def __init__(
        self,
        hidden_size=20,
        n_layers=2,
        scale=0.1,
        restart_iterate=False,
        reset_state=False,
        generator=None,
    ):
        super().__init__(2, 1, hidden_size, n_layers, generator)
        self.scale = scale
        self.restart_iterate, self.reset_state = restart_iterate, reset_state
        self.generator = generator
        with torch.no_grad():
            # Not zero: the gradient with respect to the cells would vanish.
            self.output.weight.uniform_(-0.1, 0.1, generator=generator)

    @classmethod
    def paper(cls, **options) -> "LSTMStep":
        """The size of the paper's networks, 500 units: slow on a CPU."""
        return cls(hidden_size=500, **options)

    def init_state(self, block):
        return self.memory(*point(block).shape)

    def step(self, problem, variables, name, state, clock):
        if clock.inner == 0:
            if self.restart_iterate:
                variables = {**variables, name: problem.init(self.generator)[name]}
            if self.reset_state:
                state = self.init_state(variables[name])
        gradient = problem.gradient(variables, name).detach()
        output, state = self.think(_sign_and_log(gradient), state)
        block = variables[name]
        move = self.scale * output[..., 0].to(gradient.dtype)
        return problem.project(name, with_point(block, point(block) + move)), state

    def fallback(self):
        return GradientDescent(backtrack=True)


def _sign_and_log(gradient: Tensor, p: float = 10.0) -> Tensor:
    """Appendix A of Andrychowicz et al. (2016)."""
    size = gradient.abs()
    large = size >= math.exp(-p)
    logs = torch.where(large, size.clamp(min=math.exp(-p)).log() / p, -1.0)
    signs = torch.where(large, gradient.sign(), math.exp(p) * gradient)
    return torch.stack([logs, signs], dim=-1)


def _inner(left, right) -> np.ndarray:
    """Inner products of rows; torch is slow along a short axis."""
    return np.einsum("tik,tik->ti", left, right)


@register_rule
class LSTMControl(Network, UpdateRule):
    """Ours: a row-wise LSTM that bends the closed-form step of each row.

    It reads the problem's row features, their mean over the task and how the row moved last, and
    emits the problem's controls, a relaxation and a momentum. With zero output it is `ClosedForm`.
    Meta-gradients flow through the closed-form solve; features enter detached.

    Parameters
    ----------
    n_features : int
        Of the problem's ``row_features``.
    control_names : sequence of str
        Of the problem.
    hidden_size : int, default=24
    n_layers : int, default=2
    generator : torch.Generator, optional
        For the weights.
    """

    argument_names = ("n_features", "control_names", "hidden_size", "n_layers")
    reach = 3.0  # a control moves by at most exp(±3)

    def __init__(self, n_features, control_names, hidden_size=24, n_layers=2, generator=None):
        n_inputs = 2 * (n_features + 2) + 2
        super().__init__(n_inputs, len(control_names) + 2, hidden_size, n_layers, generator)
        self.n_features, self.control_names = n_features, tuple(control_names)

    @classmethod
    def for_problem(cls, problem, **arguments):
        variables, name = problem.init(new_generator(0)), problem.moved_names[0]
        n_features = problem.row_features(variables, name).shape[2]
        return cls(n_features, problem.control_names, **arguments)

    @classmethod
    def untrained(cls):
        return ClosedForm()

    def init_state(self, block):
        still = torch.zeros_like(point(block))
        return self.memory(*still.shape[:2]), (still, still)

    @np.errstate(all="ignore")
    def inputs(self, problem, variables, name, motion, clock) -> Tensor:
        """What the network reads, (T, rows, n_inputs)."""
        with torch.no_grad():
            features = problem.row_features(variables, name).detach().numpy()
        last, before, own = (t.detach().numpy() for t in (*motion, point(variables[name])))
        length, size, before_length = (np.sqrt(_inner(a, a)) for a in (last, own, before))
        n = features.shape[2] + 2
        # The inputs first, as the network takes them.
        inputs = np.empty((2 * n + 2, *length.shape))
        inputs[: n - 2] = np.moveaxis(features, 2, 0)
        inputs[n - 2] = np.log(length / (size + 1e-12) + 1e-6) / 4
        inputs[n - 1] = _inner(last, before) / (length * before_length + 1e-300)
        inputs[n:-2] = inputs[:n].mean(2, keepdims=True)
        inputs[-2], inputs[-1] = clock.fraction, math.log(clock.n_sweeps - clock.sweep) / 4
        return torch.from_numpy(inputs).movedim(0, -1)

    def decide(self, problem, variables, name, state, clock) -> tuple[dict[str, Tensor], tuple]:
        """What the network wants of each row, (T, rows, 1) by name, and its new memory.

        The problem's controls, 0 being neutral, ``relaxation`` (1) and ``momentum`` (0).
        """
        memory, motion = state
        inputs = self.inputs(problem, variables, name, motion, clock)
        output, memory = self.think(inputs, memory)
        signals = torch.tanh(output.to(inputs.dtype))
        decided = {
            control: self.reach * signals[..., i, None]
            for i, control in enumerate(self.control_names)
        }
        relaxation, momentum = 1 + signals[..., -2, None], signals[..., -1, None]
        return {**decided, "relaxation": relaxation, "momentum": momentum}, memory

    def step(self, problem, variables, name, state, clock):
        decided, memory = self.decide(problem, variables, name, state, clock)
        if clock.record:
            clock.record(name, decided)
        controls = {control: decided[control] for control in self.control_names}
        target = bent_minimiser(problem, variables, name, controls)
        old, last = point(variables[name]), state[1][0]
        new = damped(old, point(target), decided["relaxation"], last, decided["momentum"])
        block = problem.project(name, with_point(target, new))
        return block, (memory, (point(block) - old, last))

    def fallback(self):
        return ClosedForm()
