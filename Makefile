# Commands for readers, lecturers and authors. `make` alone lists them.
# Written for GNU make 3.81, the one that macOS has.

PYTHON ?= python3
VENV ?= .venv
NB ?= 02
WORKERS ?= 2

ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
RUN := $(BIN)/python
# One thread of linear algebra per process: small arrays are faster so, and the
# parallel test workers do not fight for the cores. What Python compiles is kept, also
# where containers say otherwise: some fifty kernels and servers load it.
TEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
	$(RUN) -m pytest
NBVAL := --nbval --nbval-cell-timeout=120 \
	--nbval-sanitize-with tests/nbval_sanitize.cfg
READY := $(VENV)/ready
LITE := .lite-venv

.PHONY: help setup lab lecture room test lint format test-code test-notebooks \
	test-browser site test-site lite test-lite smoke-lite bench images notebooks \
	lock clean

help:
	@echo "make lab        open JupyterLab on the first notebook"
	@echo "make lecture    show a notebook as slides with live sliders (NB=02)"
	@echo "make room       serve the site's page of it to phones in this network"
	@echo "make test       run every test: lint, code, notebooks, browser"
	@echo "make format     mend what the linter can, and lay out all code"
	@echo "make site       write all notebooks as a web site, into _site"
	@echo "make test-site  write it and test it in the browser"
	@echo "make lite       write a JupyterLab that runs in the page, into _site/lab"
	@echo "make test-lite  write it and test it without its Python"
	@echo "make bench      time the live figures"
	@echo "make images     write the pictures in images/ anew"
	@echo "make notebooks  run the notebooks and save them tidy (NB=02 for one)"
	@echo "make lock       renew requirements.lock"
	@echo "make clean      remove what the commands above left, but not $(VENV)"

# The environment: built when it is missing or older than the two files that
# describe it.
setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) tools/check_python.py
	@$(PYTHON) tools/setup.py "$(VENV)"

# Each message to the page leaves at once, see deploy/prompt.py. JupyterLab runs as
# root, in a container say, only when it is told that it may.
lab: $(READY)
	PYTHONPATH="$(CURDIR)/deploy" $(RUN) -m jupyterlab \
		--ServerApp.kernel_websocket_connection_class=prompt.PromptConnection \
		notebooks/00_start_here.ipynb \
		$(if $(filter 0,$(shell id -u)),--allow-root)

# ROOM=<address of the site> prints where the room can follow on phones.
lecture: $(READY)
	$(RUN) lecture/present.py $(NB) $(if $(ROOM),--room "$(ROOM)")

room: $(READY)
	$(RUN) lecture/room.py $(NB)

# All in one run, so that no core waits for the last test of one kind: the cells of a
# notebook stay together, browser tests come before the many short ones.
test: lint
	$(TEST) tests normlib notebooks --doctest-modules $(NBVAL) -rs \
		-n $(WORKERS) --dist loadscope

lint: $(READY)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

format: $(READY)
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

test-code: $(READY)
	$(TEST) tests normlib --doctest-modules -m "not browser" \
		-n $(WORKERS) --dist loadscope

test-notebooks: $(READY)
	$(TEST) notebooks $(NBVAL) -n $(WORKERS) --dist loadscope

test-browser: $(READY)
	$(TEST) tests -m browser -rs -n $(WORKERS) --dist loadscope

site: $(READY)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(RUN) site/build.py

test-site: site
	$(TEST) tests/site -rs -n $(WORKERS)

# JupyterLab with a Python that runs in the page; its builder has a venv of its own.
# `make site` empties _site, so it comes first.
lite: $(LITE)/ready
	$(LITE)/$(notdir $(BIN))/python deploy/lite/build.py

$(LITE)/ready: deploy/lite/requirements.lock
	rm -rf $(LITE)
	$(PYTHON) -m venv $(LITE)
	$(LITE)/$(notdir $(BIN))/python -m pip install --quiet --no-deps \
		--only-binary :all: --require-hashes -r $<
	touch $@

test-lite: $(READY) lite
	$(TEST) deploy/lite -rs

# Open, run all, move a slider, read: fetches Pyodide over the network.
smoke-lite: $(READY) lite
	$(RUN) deploy/lite/smoke.py _site

bench: $(READY)
	OMP_NUM_THREADS=1 $(RUN) -m benchmarks

images: $(READY)
	$(RUN) -m normlib.live.images

# Only one notebook if NB was given on the command line.
notebooks: $(READY)
	OMP_NUM_THREADS=1 $(RUN) tools/notebooks.py \
		$(if $(filter command line,$(origin NB)),$(NB))

# The resolver lives in a venv of its own: no reader needs it. Left out are packages with
# which jsonschema would check addresses in other alphabets: loading them takes a second
# at each start of JupyterLab, and of each test process, and nothing here has any.
LEFT_OUT := --no-emit-package rfc3987-syntax --no-emit-package lark

lock:
	$(PYTHON) -m venv .lock-venv
	.lock-venv/bin/python -m pip install --quiet uv==0.13.8
	.lock-venv/bin/uv pip compile pyproject.toml tools/lock_also.txt \
		--extra test --extra fast --extra room --extra site --universal --python-version 3.11 --only-binary :all: \
		--fork-strategy fewest --generate-hashes --upgrade \
		--no-annotate --custom-compile-command "make lock" --quiet $(LEFT_OUT) \
		-o requirements.lock
	.lock-venv/bin/uv pip compile deploy/lite/requirements.in \
		--constraints requirements.lock --universal --python-version 3.11 \
		--only-binary :all: --fork-strategy fewest --generate-hashes --upgrade \
		--no-annotate --custom-compile-command "make lock" --quiet $(LEFT_OUT) \
		-o deploy/lite/requirements.lock
	rm -rf .lock-venv

clean:
	rm -rf artefacts _site dist .lock-venv .lite-venv .pytest_cache .hypothesis .ruff_cache
	find . -name .venv -prune -o \
		\( -name __pycache__ -o -name .ipynb_checkpoints \) -print \
		| xargs rm -rf
