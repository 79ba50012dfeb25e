# Everything a newcomer needs: make demo, make test. Both make one .venv where it is missing or old.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help demo test fuzz chaos lint protos bench scan-deploy audit clean

help:
	@echo "make demo    explain real photographs through a local cluster; pictures into out/"
	@echo "make test    lint, then every test"
	@echo "make chaos   a cluster under faults at random, for SECONDS=600; SEED=... for the same ones again"
	@echo "make lint    ruff, mypy"
	@echo "make fuzz    60000 random inputs against the real servers (FUZZ_INPUTS for another number)"
	@echo "make protos  generate the stubs again"
	@echo "make scan-deploy  checkov over deploy/, in an environment of its own"
	@echo "make audit   pip-audit over constraints.txt, in an environment of its own; asks the network"
	@echo "make bench   the side-by-side measurements of docs/benchmarks.md"

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

.venv/protos/ready: protos/requirements.txt .venv/ready
	$(PYTHON) -m venv .venv/protos
	.venv/protos/bin/pip install --quiet --disable-pip-version-check -r protos/requirements.txt
	touch $@

.venv/deploy/ready: deploy/requirements.txt .venv/ready
	$(PYTHON) -m venv .venv/deploy
	.venv/deploy/bin/pip install --quiet --disable-pip-version-check -r deploy/requirements.txt
	touch $@

.venv/audit/ready: deploy/audit/requirements.txt .venv/ready
	$(PYTHON) -m venv .venv/audit
	.venv/audit/bin/pip install --quiet --disable-pip-version-check -r deploy/audit/requirements.txt
	touch $@

demo: .venv/ready
	$(BIN)/convscope demo --output out

test: lint .venv/protos/ready
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

chaos: SECONDS ?= 600
chaos: SEED ?= 0
chaos: .venv/ready
	CONVSCOPE_CHAOS_SECONDS=$(SECONDS) CONVSCOPE_CHAOS_SEED=$(SEED) $(BIN)/pytest -s tests/chaos

fuzz: .venv/ready
	FUZZ_INPUTS=$${FUZZ_INPUTS:-60000} $(BIN)/pytest tests/fuzz

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .typing/convscope tests benchmarks

protos: .venv/protos/ready
	.venv/protos/bin/python protos/generate.py

bench: .venv/ready
	$(BIN)/python -m benchmarks

scan-deploy: .venv/deploy/ready
	$(BIN)/pytest tests/deploy/test_scan.py

audit: .venv/audit/ready
	$(BIN)/python -m tests.deploy.audit

clean:
	rm -rf .venv out build *.egg-info
