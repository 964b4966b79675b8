# jemscript: `make` alone lists what there is.

.DEFAULT_GOAL := help
.PHONY: help setup build demo results results-fashion test test-cuda notebooks-check notebooks notebooks-check-rust fuzz bench bench-pytorch bench-scaling lint links doctor vscode wheel site recording nccl

# Set-up links `.libtorch` to the libtorch in use, an exported LIBTORCH included. Cargo then always sees that link:
# with the variable it would build the bindings a second time.
CARGO := env -u LIBTORCH -u LIBTORCH_INCLUDE -u LIBTORCH_LIB -u LIBTORCH_USE_PYTORCH cargo

# What `make demo` hands on to the script: make demo ARGS="iterations=500 --seed 3"
ARGS ?=

# Scripts for `make fuzz`, and the seed of the first.
COUNT ?= 100000
FROM ?= 0

# The address of the repository's page, for links of the site to files of the repository. Without one they are plain text.
REPOSITORY ?=

# A Python with nbclient, for `make notebooks-check-rust`: set-up's own, unless another is named.
NOTEBOOK_PYTHON ?= env PYTHONPATH=$(CURDIR)/.python-notebooks python3

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## find or install libtorch, outside the checkout; every other target does this first
	@scripts/setup.sh

build: setup ## build the program: target/release/jemscript
	$(CARGO) build --release

demo: setup ## train JEM on digits and show the five claims; options: ARGS="iterations=500 --seed 3"
	$(CARGO) run --release -- scripts/train.rhai $(ARGS)

results: setup ## repeat the trainings behind docs/results/digits.md: five seeds, half an hour on two cores
	rm -rf runs/results
	$(CARGO) run --release -- scripts/results.rhai --out runs/results $(ARGS)
	cp runs/results/results.md docs/results/digits.md

results-fashion: setup ## eight methods side by side on Fashion-MNIST, three seeds: a night on two cores; again goes on where it stopped
	$(CARGO) build --release
	target/release/jemscript $(if $(wildcard runs/results-fashion/run.json),resume runs/results-fashion,scripts/methods.rhai --out runs/results-fashion $(ARGS))
	cp runs/results-fashion/results.md docs/results/fashion_mnist.md

test: ## run all tests (sets up Python packages to compare with, too)
	@scripts/setup.sh --tests
	$(CARGO) test --release

test-cuda: setup ## run what needs a GPU, on one; says so where there is none
	$(CARGO) build --release
	@target/release/jemscript doctor | grep -q "cuda:0" || { echo "no usable GPU: nothing was tested"; exit 1; }
	$(CARGO) test --release --test program cuda:: -- --include-ignored

nccl: setup ## build with NCCL, which carries tensors from GPU to GPU; gets the headers that it needs
	@scripts/setup.sh --nccl
	$(CARGO) build --release --features nccl
	@target/release/jemscript doctor | grep -q "gloo, nccl" || { echo "NCCL is not in this build: cargo's warning above says why"; exit 1; }
	$(CARGO) test --release --features nccl --test program -- world::the_layout ranks::nccl

notebooks-check: ## run all notebooks headless with small numbers, each in its kernel
	@scripts/setup.sh --tests
	$(CARGO) test --release --test program kernel::the_notebooks_run -- --nocapture

fuzz: setup ## run hostile scripts: make fuzz COUNT=1000000 FROM=0
	FUZZ_COUNT=$(COUNT) FUZZ_FROM=$(FROM) $(CARGO) test --release --test fuzz -- --nocapture

bench: setup ## measure what checkpoints and the log cost in a training: make bench ROUNDS=15
	ROUNDS=$(or $(ROUNDS),15) $(CARGO) bench --bench checkpoint

bench-pytorch: setup ## measure chains, iterations and attacks beside PyTorch: make bench-pytorch ROUNDS=5 NETS="mlp digits"
	$(CARGO) bench --bench speed
	ROUNDS=$(or $(ROUNDS),3) NETS="$(NETS)" PYTHONPATH=$$(dirname $$(readlink -f .libtorch)) \
		python3 benches/speed.py $(CARGO) bench --quiet --bench speed --

bench-scaling: build ## measure two ranks beside one process, and beside PyTorch's DistributedDataParallel: make bench-scaling ROUNDS=5
	ROUNDS=$(or $(ROUNDS),5) benches/scaling.sh target/release/jemscript .libtorch

lint: links setup ## check format, lints, links of documents, and the library without the script layer
	cargo fmt --check
	$(CARGO) clippy --release --all-targets -- -D warnings
	$(CARGO) clippy --release --lib --no-default-features -- -D warnings

links: ## check that the links in all Markdown files lead somewhere; takes a second
	python3 scripts/site/links.py

site: ## make the documents and the gallery a site: target/site/index.html; runs each recipe, some minutes
	@scripts/setup.sh --site
	$(CARGO) build --release
	PYTHONPATH=.python-site python3 scripts/site/build.py target/release/jemscript --repository "$(REPOSITORY)"

recording: ## record the session in the README anew: docs/pictures/session.svg
	@scripts/setup.sh --site
	$(CARGO) build --release
	PYTHONPATH=.python-site python3 scripts/recording.py target/release/jemscript docs/pictures/session.svg

vscode: ## test and pack the extension for VS Code: editors/vscode/jemscript.vsix; needs node and npm
	cd editors/vscode && npm install --no-audit --no-fund && npm test && npm run package

wheel: build ## pack the program, the recipes and the kernel for pip: dist/jemscript-….whl
	python3 scripts/wheel.py $(ARGS)

doctor: setup ## print versions, devices and threads, and what is wrong
	$(CARGO) run --release -- doctor

notebooks: build ## Rust cells in Jupyter: install evcxr if it is missing, compile jemscript for it, write the kernel's entry
	target/release/jemscript kernel install --rust $(ARGS)

# Its kernel's entry lies in target/, so that it is this checkout's, and the user's own stays as it is.
notebooks-check-rust: ## install the kernel for Rust cells, and run notebooks/rust_cells.ipynb in it, headless; press Stop
	@scripts/setup.sh --tests
	$(CARGO) build --release
	target/release/jemscript kernel install --rust --prefix target/notebooks
	JUPYTER_PATH=$(CURDIR)/target/notebooks/share/jupyter $(NOTEBOOK_PYTHON) notebooks/check_rust.py
