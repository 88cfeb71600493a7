# make play   makes .venv when it is missing, installs what is needed, and plays
# make test   the same, with the tools for testing: style, types, tests
#
# A second run installs nothing, unless pyproject.toml or constraints.txt changed. Options go into ARGS:
#   make play ARGS="undertow --audio song.ogg"      make test ARGS="-k osc"

PYTHON ?= python3
EXTRAS ?= dev,cpu
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: play test clean

play: .venv/.play
	@$(BIN)/phosphene play $(ARGS)

test: .venv/.$(EXTRAS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/pytest $(ARGS)

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Phosphene needs Python 3.11 or later; set PYTHON=…")'
	@$(PYTHON) -m venv .venv

.venv/.play: .venv/bin/python pyproject.toml constraints.txt
	@echo "Installing into .venv (a few minutes, once) ..."
	@$(PIP) --editable '.[cpu,analyse]'
	@touch $@

.venv/.$(EXTRAS): .venv/bin/python pyproject.toml constraints.txt
	@echo "Installing with $(EXTRAS) into .venv (a few minutes, once) ..."
	@$(PIP) --editable '.[$(EXTRAS)]'
	@touch $@ .venv/.play

clean:
	rm -rf .venv
