# Every verb works inside an activated virtual environment.
PYTHON ?= python3
PYTEST = $(PYTHON) -m pytest

.PHONY: install rig check fix generate test test-fast test-real bench demo pictures

install:            ## the package, editable, with the tools of development
	$(PYTHON) -m pip install --quiet --editable '.[dev]'

check:              ## formatting, lint, types, import contracts, generated files
	ruff format --check .
	ruff check .
	mypy
	lint-imports --no-cache
	$(PYTHON) -m pentameter.generate --check
	PYTHONPATH=dashboards $(PYTHON) -m boards.generate --check
	$(PYTHON) deploy/rules/alert_table.py --check
	PYTHONPATH=helm:exporter $(PYTHON) -m chart.generate --check

fix:                ## what the tools can mend by themselves
	ruff format .
	ruff check --fix .

generate:           ## the documents that derive from the code
	$(PYTHON) -m pentameter.generate
	PYTHONPATH=dashboards $(PYTHON) -m boards.generate
	$(PYTHON) deploy/rules/alert_table.py
	PYTHONPATH=helm:exporter $(PYTHON) -m chart.generate

rig:                ## a real vLLM, Prometheus, Alertmanager, Chromium, Helm and kubectl, installed if they are not there
	$(PYTHON) tests/e2e/rig/install.py

test: install rig check test-fast test-real   ## everything: what CI runs

test-fast:          ## the everyday tests
	$(PYTEST)

test-real: rig      ## against a real vLLM, Prometheus, Alertmanager, Chromium, Helm
	PENTAMETER_E2E_REQUIRED=1 $(PYTEST) -m real tests/e2e

bench:              ## measurements beside peers; asserts nothing
	$(PYTEST) -m bench -s tests/bench

pictures:           ## docs/images/boards, on simulated days and on a real vLLM; needs a quiet machine
	PYTHONPATH=tests:exporter $(PYTHON) -m render.screenshots
	PYTHONPATH=tests:exporter $(PYTHON) -m render.screenshots --real

demo: install       ## the main job on a simulated vLLM
	pentameter demo
