# "make demo" and "make test" each set up all they need in .venv first: the environment, the
# build, the packages. A second run does only what has changed since. What they need themselves
# is Python 3.11 or newer, a C compiler and make.
#
#   make demo PYTHON=python3.13     another Python than the first one found that is new enough
#   make test ARGS="-k manhattan"   arguments for pytest

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PYTHON ?=
ARGS ?=

# A file of tests to each core, as one gets free; threads of OpenMP that wait do not spin meanwhile.
PARALLEL := -n auto --maxprocesses=4 --dist=loadfile

# A change of any of these builds and installs again.
SOURCES := pyproject.toml setup.py src/knnc/_version.py \
	$(wildcard src/knnc/*/*.pyx src/knnc/*/*.pxd src/knnc/*/*/*.pyx src/knnc/*/*/*.px[di] \
		src/knnc/*/kernels/*.[ch] src/knnc/*/kernels/*/*.[ch])

# A universal Python would have every module built for both processors, and Homebrew's libomp
# is for one.
ifeq ($(shell uname -s),Darwin)
export ARCHFLAGS ?= -arch $(shell uname -m)
endif

# What developers and CI install has its versions in requirements/; "make demo" takes the newest.
LOCKED := --constraint requirements/dev.txt

.PHONY: help demo test soak docs lint format types wheel lock clean distclean

help:
	@echo "make demo    read handwritten digits, beside scikit-learn"
	@echo "make test    the tests"
	@echo "make soak    random calls for ten minutes; ARGS=\"--seconds 60\" for one"
	@echo "make docs    the documentation, in docs/_build/html"
	@echo "make lint    ruff, cython-lint, clang-format, biome; make format mends what can be mended"
	@echo "make types   mypy"
	@echo "make wheel   an sdist and a wheel in dist/"
	@echo "make lock    the versions of requirements/ anew"
	@echo "make bench   knnc beside its peers; ARGS=--quick for two minutes of it"
	@echo "make clean   remove what was built; make distclean removes .venv too"

demo: $(VENV)/.for-demo
	$(BIN)/knnc demo

test: $(VENV)/.for-test
	OMP_WAIT_POLICY=passive $(BIN)/python -m pytest $(PARALLEL) $(ARGS)

soak: $(VENV)/.for-test
	$(BIN)/python -m tests.soak $(ARGS)

docs: $(VENV)/.for-dev
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

C_SOURCES := src/knnc/*/kernels/*.[ch] src/knnc/*/kernels/*/*.[ch] benchmarks/*.c .ci/*.h \
	tests/engine/emulated/*.c tests/engine/emulated/*/*.h
SCHEMA := $(BIN)/check-jsonschema --builtin-schema

# actionlint is no Python: it is run where it is installed, and by the workflow "CI".
lint: $(VENV)/.for-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYTHONPATH=src $(BIN)/lint-imports --no-cache
	$(BIN)/python .ci/check_imports.py
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cython-lint src  # which runs pycodestyle by name
	$(BIN)/clang-format --dry-run -Werror $(C_SOURCES)
	$(BIN)/biome lint --error-on-warnings src/knnc/web/static
	$(SCHEMA) vendor.github-workflows .github/workflows/*.yml
	$(SCHEMA) vendor.dependabot .github/dependabot.yml
	$(SCHEMA) vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(SCHEMA) vendor.github-issue-forms .github/ISSUE_TEMPLATE/[!c]*.yml
	$(SCHEMA) vendor.citation-file-format CITATION.cff
	$(BIN)/zizmor --offline --quiet .github
	@if command -v actionlint; then actionlint; else echo "actionlint is not here"; fi

format: $(VENV)/.for-lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(C_SOURCES)

types: $(VENV)/.for-dev
	$(BIN)/mypy

wheel: $(VENV)/.for-dev
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*

# Newest versions for every platform and Python; those that a release is made with have hashes too.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url \
	--no-header --no-annotate --upgrade
lock: $(VENV)/.created
	@$(PIP) install $(LOCKED) uv
	$(COMPILE) --all-extras pyproject.toml --output-file requirements/dev.txt
	$(BIN)/python -c '$(EXTRA)' release | \
	    $(COMPILE) --generate-hashes - --output-file requirements/release.txt

# The stamps go too: the next "make test" has to build again.
clean:
	rm -rf build dist src/knnc.egg-info docs/_build docs/api docs/gallery
	find src -name '*.so' -exec rm -f {} +
	rm -f $(VENV)/.for-demo $(VENV)/.for-test $(VENV)/.for-dev

distclean: clean
	rm -rf $(VENV) .venv-bench .hypothesis .mypy_cache .pytest_cache .ruff_cache

IS_NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
NO_PYTHON := knnc needs Python 3.11 or newer, and none was found; install one, or name it: \
	make PYTHON=/path/to/python3
NO_VENV := has no venv module that works; on Debian or Ubuntu: sudo apt install python3-venv

# The stamp is written last, so that an environment left half made is made anew.
$(VENV)/.created:
	@for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python); do \
	    "$$python" -c "$(IS_NEW_ENOUGH)" 2>/dev/null || continue; \
	    "$$python" -c "import ensurepip, venv" 2>/dev/null || { \
	        echo "$$python $(NO_VENV)" >&2; exit 1; }; \
	    echo "Making $(VENV) with $$("$$python" --version)"; \
	    "$$python" -m venv --clear $(VENV) || exit 1; \
	    touch $@; exit 0; \
	done; \
	echo "$(NO_PYTHON)" >&2; exit 1

# $(1): the extras, $(2): further arguments. Of a failed build pip's last words are about pip: ours are said again.
define install
	@echo "Building knnc and installing what it needs [$(1)]"
	@$(PIP) install --editable ".[$(1)]" $(2) >$(VENV)/pip.log 2>&1 || { \
	    cat $(VENV)/pip.log >&2; echo >&2; \
	    grep -oE 'knnc (needs|cannot) .*' $(VENV)/pip.log >&2 || \
	        echo "knnc was not installed; pip says why, above" >&2; \
	    exit 1; }
endef

$(VENV)/.for-demo: $(VENV)/.created $(SOURCES)
	$(call install,all)
	@touch $@

$(VENV)/.for-test: $(VENV)/.created $(SOURCES) requirements/dev.txt
	$(call install,all$(,)test$(,)test-frames,$(LOCKED))
	@touch $@ $(VENV)/.for-demo

$(VENV)/.for-dev: $(VENV)/.created $(SOURCES) requirements/dev.txt
	$(call install,all$(,)test$(,)test-frames$(,)dev,$(LOCKED))
	@touch $@ $(VENV)/.for-test $(VENV)/.for-demo

# A comma that does not end an argument of $(call).
, := ,

# The benchmark has an environment of its own, because of the peers; knnc is installed there as
# anyone installs it, so that a change of the sources in the middle of it is not measured.
BENCH := .venv-bench
.PHONY: bench
bench: $(BENCH)/.for-bench
	$(BENCH)/bin/python benchmarks/run.py $(ARGS)

$(BENCH)/.for-bench: $(SOURCES) $(shell find src/knnc -name '*.py') benchmarks/peers.py
	@$(MAKE) --silent VENV=$(BENCH) $(BENCH)/.created
	@echo "Building knnc and installing it for the benchmark"
	@$(BENCH)/bin/python -m pip --disable-pip-version-check --quiet install ".[all]"
	@$(BENCH)/bin/python benchmarks/peers.py
	@touch $@

# Linting needs no build.
EXTRA := import sys, tomllib; \
	extras = tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]; \
	print(*extras[sys.argv[1]], sep="\n")
$(VENV)/.for-lint: $(VENV)/.created pyproject.toml requirements/dev.txt
	@echo "Installing what linting needs"
	@$(BIN)/python -c '$(EXTRA)' lint | $(PIP) install $(LOCKED) -r /dev/stdin
	@touch $@
