# make example: set up and run the example project; make test: set up and pass the tests;
# make dist: build and check the wheel and the sdist (make dist INSTALL=all: each extra alone, too);
# make docs: build the site of the documentation in .docs/site (make reference: its pages about the code);
# make fuzz: break 20,000 files of each format (make fuzz FUZZ='--formats onnx,npz --minutes 10').
PYTHON ?= python3
BIN := .venv/bin
# onnx2tf makes LiteRT files of ONNX files; it needs Python 3.12 and an environment of its own
PYTHON312 ?= $(firstword $(foreach each,python3.12 $(wildcard ~/.pyenv/versions/3.12.*/bin/python),\
	$(shell $(each) -c 'import sys; print(sys.executable)' 2>/dev/null)))

.PHONY: example red test fuzz lint dist docs reference onnx2tf clean

example: .venv/ready
	cd example_project && ../$(BIN)/python -m pytest --edge-target=coral
	cd example_project && ../$(BIN)/python -m pytest --edge-target=onnx-cpu torch_model
	cd example_project && ../$(BIN)/python -m pytest --edge-target=coral recipes

# The same gates on mistakes that teams really make, and on changes that are worse than what was
# accepted: every test here is meant to fail.
red: .venv/ready
	cd example_project && ! ../$(BIN)/python -m pytest --edge-target=coral broken
	cd example_project && ! ../$(BIN)/python -m pytest --edge-target=coral regressed

# The suite starts hundreds of processes: none of them compiles the package again
test: .venv/ready onnx2tf
	EDGEGATE_ONNX2TF=$$(test -e .onnx2tf/ready && echo $(CURDIR)/.onnx2tf/bin/onnx2tf) \
	PYTHONDONTWRITEBYTECODE= \
	$(BIN)/python -m pytest -n 2 --dist loadfile

fuzz: .venv/ready
	$(BIN)/python tests/fuzz $(FUZZ)

# Once for this user, on Debian 12: without it the tests that run ARM kernels in an emulator are skipped
.PHONY: sysroot
sysroot: .venv/ready
	$(BIN)/python -m pytest_edgegate sysroot || echo "the tests that run ARM kernels are skipped"

# Without it the tests that run the program itself are skipped
onnx2tf: $(if $(PYTHON312),.onnx2tf/ready)

.onnx2tf/ready: constraints-onnx2tf.txt
	$(PYTHON312) -m venv .onnx2tf \
	&& .onnx2tf/bin/pip install --quiet --constraint constraints-onnx2tf.txt onnx2tf \
	&& touch $@ || echo "onnx2tf can't be installed here"

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	MYPYPATH=tests/fuzz $(BIN)/mypy --strict tests/fuzz/__main__.py
	MYPYPATH=example_project $(BIN)/mypy --strict benchmarks
	$(BIN)/mypy --strict tests/kills/kill.py tests/release/check_dist.py
	$(BIN)/mypy --strict docs/check_site.py docs/conf.py docs/make_reference.py docs/make_site.py
	$(BIN)/lint-imports
	$(BIN)/python tests/backends/keras/vetting/make_lists.py 2>/dev/null

# What is uploaded: nothing here uploads. The wheel is built from the sdist.
INSTALL ?= ,litert,onnx
dist: .dist/ready
	rm -rf dist build
	PIP_CONSTRAINT=$(CURDIR)/constraints.txt .dist/bin/python -m build --outdir dist
	.dist/bin/twine check --strict dist/*
	.dist/bin/python tests/release/check_dist.py dist --install "$(INSTALL)"

.dist/ready: pyproject.toml constraints.txt
	test -x .dist/bin/python || $(PYTHON) -m venv .dist
	.dist/bin/pip install --quiet --constraint constraints.txt --upgrade pip
	.dist/bin/pip install --quiet --constraint constraints.txt --group dist
	touch $@

# Warnings are errors, and nothing is fetched: the pages refer to files of their own only
docs: .docs/ready
	rm -rf .docs/site
	.docs/bin/python docs/make_site.py .docs/source
	.docs/bin/sphinx-build --fail-on-warning --keep-going --quiet -c docs -d .docs/doctrees .docs/source .docs/site
	.docs/bin/python docs/check_site.py .docs/site

# What the pages say of options, budgets, the JSON report and the Python names, from the code
reference: .venv/ready
	$(BIN)/python docs/make_reference.py

.docs/ready: pyproject.toml constraints.txt
	test -x .docs/bin/python || $(PYTHON) -m venv .docs
	.docs/bin/pip install --quiet --constraint constraints.txt --upgrade pip
	.docs/bin/pip install --quiet --constraint constraints.txt --group docs
	touch $@

.venv/ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --upgrade pip setuptools
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[all]' --group test --group lint
	touch $@

.PHONY: kills
# pytest, killed 60 times at random moments; goes on where it was stopped
kills: .venv/ready
	$(BIN)/python tests/kills/kill.py --folder .kills

.PHONY: mutants
# Whether the tests see 120 faults in the gate's own logic; goes on where it was stopped
mutants: .venv/ready
	$(BIN)/pip install --quiet --constraint constraints.txt --group mutants
	test -e .mutants/covering.json || $(BIN)/python tests/mutants/mutants.py cover --folder .mutants
	test -e .mutants/session.sqlite || $(BIN)/python tests/mutants/mutants.py draw --folder .mutants
	$(BIN)/python tests/mutants/mutants.py run --folder .mutants
	$(BIN)/python tests/mutants/mutants.py tell --folder .mutants

clean:
	rm -rf .venv .dist .docs .onnx2tf .kills .mutants dist build example_project/.edgegate_cache
