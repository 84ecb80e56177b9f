# Every target is one task of .ci/tasks.py, which also installs what it needs. Without make: python3 .ci/tasks.py TASK, or nox -s TASK.
# make test ARGS="cbm_etl_assets_tests/unit -k naming"      make demo PYTHON=python3.12      make lint VENV=/path/of/an/environment
SHELL := /bin/bash
PYTHON ?= python3
ARGS ?=
export PYTHON VENV
TASK = @$(PYTHON) .ci/tasks.py $@ $(ARGS)

.PHONY: help env demo test lint bench ui clean
help:
	@printf '%s\n' 'make demo   see a French ERP replicated, end to end (installs what it needs, then under 3 minutes)' \
	  'make test   every check and test' 'make lint   the static checks alone' 'make ui     Dagster on this machine' \
	  'make bench  speed against other tools, into bench/results/latest.json' 'make env    environment and ODBC driver alone' \
	  'make clean  caches; ARGS=--all also environments and state'

env:
	$(TASK)
demo:
	$(TASK)
test:
	$(TASK)
lint:
	$(TASK)
bench:
	$(TASK)
ui:
	$(TASK)
clean:
	$(TASK)
