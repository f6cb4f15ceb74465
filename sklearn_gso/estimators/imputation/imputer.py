"""An imputer of tables: factors, nearest rows and mixtures, weighted by hidden entries."""

import numbers

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ...rules.accepts import Accepts
from ..completion import GSOMatrixCompleter
from ..fitting import become, column_names, fitted_on_one, of_collection
from ..lazy import mapped
from ..parameters import COMMON, NONE, MetaTraining, check_table, choice, instance, integer, keep
from ..tasks import as_tasks, draw_seed
from .blend import PARTS, Blend, are_parts, are_weights, made_parts
from .columns import describe, starts, to_numbers, warn_of_many_categories
from .tables import Fitted, Tables


class GSOImputer(Tables, TransformerMixin, BaseEstimator):
    """Imputer of tables that needs no tuning.

    Fits several models of what is observed and fills in their weighted mean: a factor model
    steered by the shipped learned optimizer, what the nearest rows add to it, Gaussian
    mixtures over the incomplete rows, and trees on top of these. The weights come from entries
    that are hidden from the models for the purpose; columns' means are one of the parts, and take
    the weight where no model does better. Columns may have any units, be skewed, or hold
    categories.

    Parameters
    ----------
    parts : sequence of str, default=("factors", "neighbours", "mixture", "pooled", "trees")
        Models beside columns' means. "factors": `GSOMatrixCompleter`, a learned and a classical run
        of eight sweeps; "neighbours": on top of it, the mean residual of the ten nearest rows;
        "mixture": the mean of Gaussian mixtures of two, three and five components, by a few sweeps
        of EM, with a weak prior as that of `GSOGaussianMixture`; "pooled": such whose covariances
        are drawn to a common one; "trees": twenty extra trees for each column that has holes, of
        all others as the parts before complete them. Mixtures and trees are left out of tables
        with less rows than columns, or than ten, and of more than 150 columns or so.
        ``parts=["factors", "mixture"], weights="equal"`` is the fastest that is still good.
    weights : {"heldout", "equal"} or dict, default="heldout"
        "heldout": by errors on a hidden share of the observed entries, the models being fitted
        twice. "equal": the models weigh the same, and means nothing. Or numbers by part, "means"
        among them.
    optimizer : LearnedOptimizer, str, path-like or None, default="pretrained"
        Of the factor model, see `GSOMatrixCompleter`.
    n_components : int, default=None
        Factors at most; 10 by default.
    categorical_features : {"from_dtype"}, None or array-like, default="from_dtype"
        Columns that are completed with their own values: names, numbers or flags. "from_dtype":
        strings, flags, pandas' and polars' categories and other objects that are no numbers. The
        models see an indicator for each of the fifty most frequent categories; the likeliest
        is filled in.
    handle_unknown : {"keep", "error"}, default="keep"
        Categories of new rows that ``fit`` did not see: they stay, and tell nothing of other
        columns; or raise a ValueError.
    integer_features : {"from_dtype"}, None or array-like, default=None
        Columns that are filled in with integers; "from_dtype": those whose type is one.
    n_epochs : int, default=10
        Passes of training, in a fit on a collection of tables.
    training : MetaTraining, default=None
        Further settings of that training.
    random_state : int, RandomState instance or None, default=None
    verbose : int, default=0
        1 shows bars of training and of the factor model.
    missing_values : float, None or pandas.NA, default=np.nan
        What marks a missing entry; NaN, None and pandas.NA all stand for any of the three, and
        always do so.
    min_value, max_value : float, array-like of shape (n_features,), dict or None, default=-inf, inf
        Bounds of what is filled in, for all columns, for each or by name.
    keep_empty_features : bool, default=False
        Whether columns without an observed entry in ``fit`` stay, filled with 0; such of strings
        or categories stay empty.
    add_indicator : bool, default=False
        Whether a column of 0 and 1 is appended for each that had missing entries in ``fit``.

    Attributes
    ----------
    weights_ : dict
        Of each part in what is filled in; they sum to 1. After a fit on one table.
    learned_optimizer_ : LearnedOptimizer or None
        Of the factor model: pass it on as ``optimizer``.
    history_ : History
        Of the training, after a fit on a collection.
    n_tasks_in_ : int
        Number of tables of that fit.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        Where the columns of X have names that are strings.
    indicator_ : MissingIndicator or None

    See Also
    --------
    GSOMatrixCompleter : For matrices of low rank, sparse ones, and ratings.
    MixtureImputer : A mixture alone.

    Notes
    -----
    With errors e of hidden entries, in units of each column's standard deviation, part p weighs
    as the fourth power of 1 / mean e², all parts together beside the means as 1 / (1 + r⁴⁰), r
    being their mean e² over .95 of that of the means; both the less the fewer entries could be
    hidden.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_gso import GSOImputer
    >>> X = np.outer(np.arange(1.0, 41), [1.0, 2, 3, 4])
    >>> X[1, 2] = np.nan
    >>> GSOImputer(random_state=0).fit_transform(X)[1].round()
    array([2., 4., 6., 8.])
    """

    accepts = {
        **Tables.accepts,
        **{name: COMMON[name] for name in ("random_state", "verbose")},
        "parts": Accepts(f"some of {PARTS}, 'neighbours' with 'factors'", are_parts),
        "weights": Accepts("'heldout', 'equal' or numbers >= 0 by part, not all 0", are_weights),
        "n_components": NONE | integer(),
        "handle_unknown": choice("keep", "error"),
        "n_epochs": integer(0),
        "training": NONE | instance(MetaTraining),
    }

    def __init__(
        self,
        *,
        parts=PARTS,
        weights="heldout",
        optimizer="pretrained",
        n_components=None,
        categorical_features="from_dtype",
        handle_unknown="keep",
        integer_features=None,
        n_epochs=10,
        training=None,
        random_state=None,
        verbose=0,
        missing_values=np.nan,
        min_value=-np.inf,
        max_value=np.inf,
        keep_empty_features=False,
        add_indicator=False,
    ):
        keep(self, locals())

    # Fitting --------------------------------------------------------------------------

    def fit(self, X, y=None):
        """Fit the models to a table, or train the factor model's optimizer on a collection.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features), or list of these
            NaN, None or NA marks what is missing.
        y : Ignored

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If X is no table or has no observed entry, or a column is neither of numbers nor of
            categories.
        """
        check_table(self, self.accepts)
        tasks = as_tasks(X)
        fitted, attributes = self._fit_table(X) if tasks is None else self._fit_collection(tasks)
        become(self, fitted, attributes)
        return self

    def _fit_table(self, X):
        """What a fit on one table leaves behind, and public attributes."""
        if self.training and self.training.checkpoint and self.training.instance_epochs:
            raise ValueError(
                "checkpoint is for a fit on a collection: on one table the factor model is fitted "
                "several times, and instance_epochs would train as often."
            )
        table, read = self._checked(X)
        columns = describe(read, self.categorical_features, self.integer_features)
        array, first = to_numbers(columns, read), starts(columns)
        known = ~np.isnan(array).all(0)
        if not known.any():
            raise ValueError("X has no observed entry.")
        self._limits(columns)
        warn_of_many_categories(columns)
        has_some = [known[first[j] : first[j + 1]].any() for j in range(len(columns))]
        kept = np.ones(len(columns), bool) if self.keep_empty_features else np.array(has_some)
        completer = self._completer()
        blend = Blend.fit(
            array[:, known],
            lambda part: made_parts(self.parts, completer, part),
            self.weights,
            draw_seed(self.random_state),
        )
        return Fitted(blend, columns, np.flatnonzero(kept), known), {
            **column_names(table),
            "weights_": blend.weights,
            "indicator_": self._indicator_of(read),
            "learned_optimizer_": blend.learned_optimizer,
        }

    def _completer(self) -> GSOMatrixCompleter:
        names = ("n_components", "optimizer", "n_epochs", "training", "random_state", "verbose")
        return GSOMatrixCompleter(**{name: getattr(self, name) for name in names})

    def _fit_collection(self, tasks):
        """The same of a collection, whose tables are solved anew by `transform`."""
        if "factors" not in self.parts:
            raise ValueError("A collection trains the factor model: parts must have 'factors'.")
        settings = self.categorical_features, self.integer_features

        def as_numbers(task):
            _, read = self._checked(task)
            return to_numbers(describe(read, *settings), read)

        completer = self._completer().fit(mapped(as_numbers, tasks))
        names = ("learned_optimizer_", "history_", "n_tasks_in_")
        return None, {name: getattr(completer, name) for name in names}

    # Using what was fitted --------------------------------------------------------------

    def transform(self, X):
        """Fill missing entries; observed ones are as they were.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features), or collection
            After a fit on one table rows are completed one by one, given the fitted models;
            after a fit on a collection every table is fitted anew.

        Returns
        -------
        filled : DataFrame or ndarray of shape (n_samples, n_features_out), or list
            A DataFrame for a DataFrame, unless `set_output` asks for something else; otherwise
            an array, of objects where there are categories.
        """
        check_is_fitted(self)
        if of_collection(self):
            tasks = as_tasks(X)
            if tasks is None:
                raise ValueError("Fitted on a collection: transform takes a list of tables, too.")
            own = {"optimizer": self.learned_optimizer_, "n_epochs": 0, "training": None}
            return [clone(self).set_params(**own).fit_transform(task) for task in tasks]
        table, read, array = self._numbers(X)
        return self._completed(table, read, self._fitted.blend.told(array).estimates)

    @available_if(fitted_on_one)
    def transform_std(self, X):
        """Standard deviations of what `transform` fills in.

        Of entries as they would be measured: 1.645 of them to either side cover about 90 %, by
        the entries that ``fit`` had hidden. Bounds do not change them.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)

        Returns
        -------
        deviations : ndarray of shape (n_samples, n_kept_features)
            In the units of X; 0 where X is observed. Of a category the estimated probability
            that another one is right.
        """
        check_is_fitted(self)
        _, read, array = self._numbers(X)
        return self._deviations(read, *self._fitted.blend.told(array))

    @available_if(fitted_on_one)
    def sample_missing(self, X, n_samples=1, *, random_state=None):
        """Complete a table several times, what is missing being drawn: multiple imputation.

        Draws vary about what `transform` fills in with the deviations of `transform_std`; missing
        entries of one row go together as a mixture has them. What is computed from each
        completed table varies by what the missing entries leave open, the models being taken for
        known.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
        n_samples : int, default=1
        random_state : int, RandomState instance or None, default=None
            By default the imputer's own.

        Returns
        -------
        tables : list of DataFrame or ndarray
            As `transform` returns them.
        """
        check_is_fitted(self)
        if not isinstance(n_samples, numbers.Integral) or n_samples < 1:
            raise ValueError(f"n_samples must be an integer >= 1, got {n_samples!r}.")
        table, read, array = self._numbers(X)
        seed = draw_seed(self.random_state if random_state is None else random_state)
        draws = self._fitted.blend.drawn(array, int(n_samples), seed)
        return [self._completed(table, read, one) for one in draws]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
