"""What all estimators share: checked parameters, and fits that change nothing if they fail."""

import numbers


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
