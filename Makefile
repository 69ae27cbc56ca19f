# Everything runs in .venv, which these targets make; nothing is installed on the system.
PYTHON ?= python3
ENGINE ?= docker
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: help setup demo serve test test-service test-heavy test-cameras soak-cameras lint bench openapi clean

help:  ## List the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: .venv/.runtime  ## Make .venv with the command .venv/bin/gleaner.

demo: .venv/.runtime  ## Run the service on a synthetic clip; results in demo-output/.
	$(BIN)/python demo.py

serve: .venv/.runtime  ## Run the service until stopped.
	$(BIN)/gleaner serve

test: .venv/.dev  ## Run the tests.
	$(BIN)/python -m pytest -m "not heavy" -n 3 --dist loadgroup

test-service: .venv-service/.ready  ## Run the API's tests where torch is not installed.
	! .venv-service/bin/python -c 'import torch' 2> /dev/null
	.venv-service/bin/python -m pytest tests/service -n 2

test-heavy: .venv/.dev  ## Run the long tests too.
	$(BIN)/python -m pytest

test-cameras: .venv/.dev  ## Run the service on cameras that lie, die and overload it; some minutes.
	-$(BIN)/python -m tests.cameras.hls_js  # without it (npm, network) the test in a browser is skipped
	$(BIN)/python -m pytest -rP tests/cameras

MINUTES ?= 30
soak-cameras: .venv/.dev  ## Disturb a camera at random for MINUTES=30; figures and plot in build/soak-cameras.
	$(BIN)/python -m tests.cameras.soak --minutes $(MINUTES) --out build/soak-cameras

lint: .venv/.dev  ## Run the linters and the type checker.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.dev  ## Measure speed; docs/benchmarks.md explains the figures.
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.queue

openapi: .venv/.runtime  ## Export the API's OpenAPI document.
	$(BIN)/gleaner openapi > docs/openapi.json

images:  ## Build the container images; ENGINE=podman and IMAGE_FLAGS=... if need be.
	$(ENGINE) build $(IMAGE_FLAGS) -f docker/service.Dockerfile -t gleaner-service .
	$(ENGINE) build $(IMAGE_FLAGS) -f docker/worker.Dockerfile -t gleaner-worker .

CONFINED = $(ENGINE) run --rm --network none --read-only --tmpfs /tmp --cap-drop ALL --entrypoint python
images-check:  ## Look into the images: no root, no torch in the API's, and the weights load.
	$(CONFINED) gleaner-service -c 'import os, importlib.util as u, service.app, media.probe_child; assert os.getuid() == 10001; assert not (u.find_spec("torch") or u.find_spec("cv2"))'
	$(CONFINED) gleaner-worker -c 'import os, workers.clip; from models.catalog import MODELS; from models.registry import load; assert os.getuid() == 10001; [load(m.name, s, "cpu") for m in MODELS.values() for s in m.scales]'

clean:  ## Remove what these targets made.
	rm -rf .venv .venv-service demo-output build *.egg-info

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or 3.12 is needed, this is %d.%d: make PYTHON=python3.11 ..." % sys.version_info[:2] if not (3, 11) <= sys.version_info[:2] < (3, 13) else 0)'
	$(PYTHON) -m venv .venv

.venv/.runtime: .venv/bin/python requirements/service.txt requirements/worker.txt requirements/standalone.txt pyproject.toml
	$(PIP) -r requirements/standalone.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	touch $@

.venv/.dev: .venv/.runtime requirements/dev.txt requirements/test.txt
	$(PIP) -r requirements/dev.txt
	touch $@

.venv-service/.ready: requirements/service.txt requirements/test.txt
	$(PYTHON) -m venv .venv-service
	.venv-service/bin/python -m pip --disable-pip-version-check install --quiet -r requirements/service.txt -r requirements/test.txt
	touch $@
