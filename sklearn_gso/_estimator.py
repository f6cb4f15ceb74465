"""What all estimators share: checked parameters, and fits that change nothing if they fail."""

import numbers
import os

from .checkpoints import Checkpoint, data_digest


class FittedInPlaceOf:
    """A refit happens on a twin, whose attributes replace the old ones at the end."""

    _private_state: tuple[str, ...] = ("_seed",)

    def _twin(self):
        """The same parameters, objects included, and nothing fitted."""
        twin = object.__new__(type(self))
        vars(twin).update(self.get_params(deep=False))
        return twin

    def _forget(self):
        for name in [n for n in vars(self) if n.endswith("_") or n in self._private_state]:
            delattr(self, name)

    def _become(self, attributes):
        """Drop what was fitted before and take these attributes."""
        self._forget()
        vars(self).update(attributes)

    def _check_integers(self, names, optional=(), least=1):
        """Raise unless the parameters of these names are integers, or None where optional."""
        for name in names:
            value = getattr(self, name, None)
            if value is None and (name in optional or not hasattr(self, name)):
                continue
            if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
                raise ValueError(
                    f"{name} of {type(self).__name__} must be an integer >= {least}, got {value!r}."
                )

    def _check_number(self, name, wanted, accepts, optional=False):
        """Raise unless a parameter is a real number that ``accepts`` says yes to."""
        value = getattr(self, name)
        if value is None and optional:
            return
        is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if not is_number or not accepts(value):
            raise ValueError(f"{name} must {wanted}, got {value!r}.")

    def _check_choice(self, name, choices):
        """Raise unless a parameter is one of some strings (it need not be hashable)."""
        value = getattr(self, name)
        if not isinstance(value, str) or value not in choices:
            raise ValueError(f"{name} must be one of {sorted(choices)}, got {value!r}.")

    def _check_checkpoint(self):
        """Raise unless training can be written to a path, and repeated."""
        if self.checkpoint is None:
            return
        if not isinstance(self.checkpoint, str | os.PathLike):
            raise ValueError(f"checkpoint must be a path or None, got {self.checkpoint!r}.")
        if self.random_state is None:
            raise ValueError("checkpoint needs a random_state, or no fit could go on from it.")

    def _open_checkpoint(self, trained_by, data, **settings) -> Checkpoint | None:
        """Where a training with these parameters, on these arrays, goes on."""
        if self.checkpoint is None:
            return None
        settings |= {name: getattr(self, name) for name in trained_by}
        settings |= {"estimator": type(self).__name__, "data": data_digest(data)}
        return Checkpoint(self.checkpoint, settings)
