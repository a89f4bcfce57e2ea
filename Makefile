# The two commands: `make demo` and `make test`. Both install what is missing first; a second call installs nothing.
# The compilers, cmake and ninja come from apt where there is root or sudo, else from PyPI; everything else from PyPI into .venv.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
JOBS   ?= 2
PIP    := $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --quiet
TORCH  := torch==2.13.0

# A test has ten minutes, then its stack is shown. A worker that dies ends the session: pytest-xdist waits for its tests for ever.
BOUNDS := --timeout 600 --max-worker-restart 0

PROGRAMS := arm-none-eabi-gcc cmake ninja cc
PACKAGES := gcc-arm-none-eabi cmake ninja-build gcc libc6-dev

.PHONY: demo test bench docs docs-pictures lint install tools clean
.DEFAULT_GOAL := demo

demo: install
	$(BIN)/hil demo

test: lint
	COLUMNS=200 $(BIN)/python -m pytest -n $(JOBS) --dist loadgroup $(BOUNDS) tests hil --hil-target sim --hil-target native
	$(BIN)/robot --variable TARGET:native --outputdir build/robot/native robot_tests
	$(BIN)/robot --variable TARGET:sim --outputdir build/robot/sim robot_tests/cycles.robot robot_tests/watermarks.robot

bench: install
	$(BIN)/hil bench

# the site: a link that leads nowhere, a wrong anchor or a page without a place fails
docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

# the gallery's pictures, by headless Chromium
docs-pictures: install
	$(BIN)/python docs/pictures.py

lint: docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

install: tools $(VENV)/.installed

# Root or sudo installs the packages; without either they are left to PyPI, all but the venv module, which pip needs first.
tools:
	@missing=""; for program in $(PROGRAMS); do command -v $$program >/dev/null || missing="$$missing $$program"; done; \
	 $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || missing="$$missing python3-venv"; \
	 [ -z "$$missing" ] && exit 0; \
	 packages="$(PACKAGES)"; case "$$missing" in *python3-venv*) packages="$$packages python3-venv";; esac; \
	 if [ "$$(id -u)" = 0 ]; then sudo=""; elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo="sudo"; else \
	   case "$$missing" in *python3-venv*) echo "error: this needs root once, run: sudo apt-get install -y python3-venv"; exit 2;; esac; \
	   echo "no root and no sudo: PyPI's packages in the place of$$missing"; exit 0; fi; \
	 echo "installing (missing:$$missing) with apt-get: $$packages"; \
	 $$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$packages

# torch first and exactly: a plain `torch` would pull gigabytes of CUDA.
$(VENV)/.installed: pyproject.toml
	@[ -x $(BIN)/python ] || { echo "making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing $(TORCH) (the largest part: some minutes at first)"
	@$(BIN)/python -c 'import importlib.metadata as m, sys; sys.exit(not m.version("torch").startswith("2.13.0"))' 2>/dev/null \
	 || $(PIP) $(TORCH)
	@echo "installing rnnpool-hil and its libraries"
	@extras=dev; for program in arm-none-eabi-gcc cmake ninja; do command -v $$program >/dev/null || extras=dev,toolchain; done; \
	 $(PIP) --editable ".[$$extras]"
	@command -v cc >/dev/null || $(PIP) ziglang
	@touch $@

clean:
	rm -rf build
