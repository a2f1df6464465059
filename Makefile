# make example: set up and run the example project; make test: set up and pass the tests.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: example red test lint clean

example: .venv/ready
	cd example_project && ../$(BIN)/python -m pytest --edge-target=coral
	cd example_project && ../$(BIN)/python -m pytest --edge-target=onnx-cpu torch_model

# The same gates on mistakes that teams really make: every test here is meant to fail.
red: .venv/ready
	cd example_project && ! ../$(BIN)/python -m pytest --edge-target=coral broken

test: .venv/ready
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.venv/ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --upgrade pip setuptools
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[all]' --group test --group lint
	touch $@

clean:
	rm -rf .venv example_project/.edgegate_cache
