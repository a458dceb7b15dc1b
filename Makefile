# make help lists what can be made. Everything below sets up .venv first, once.

CORPUS ?= auto
MODELS ?= gru gru_attention transformer
RECIPE ?=
SEED ?= 1
ARGS ?=
CLAIMS ?=
PROFILE ?= quick
JOBS ?=
TEXT ?=
RETRAIN ?=
FAST ?=
RUNS ?= runs
PORT ?= 6006
EXAMPLES ?= 1000

# Not every shell replaces a ~ behind the =, and none in quotes.
override RUNS := $(patsubst ~/%,$(HOME)/%,$(RUNS))

PYTHON ?= python3
TORCH ?= 2.13.0
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.complete

# Whether a switch is on: RETRAIN=0 is off, as is RETRAIN=.
is_on = $(filter-out 0 no No NO off Off OFF false False FALSE,$(1))

# The folder with the finished runs of CORPUS, or of all corpora.
FINISHED = $(RUNS)$(if $(filter-out auto,$(CORPUS)),/$(shell basename -- "$$(cd -- '$(CORPUS)' 2>/dev/null && pwd || echo '$(CORPUS)')"))

.DEFAULT_GOAL := help
.PHONY: help setup train evaluate claims bench report translate test soak fuzz lint tensorboard clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1 — /'
	@echo
	@echo '  make train takes CORPUS=auto|toy|multi30k|FOLDER|OWNER/NAME[:CONFIG]  MODELS="gru gru_attention transformer"'
	@echo '                   RECIPE=multi30k (settings of that corpus for a FOLDER)'
	@echo '                   SEED=1  RUNS=runs  RETRAIN=1 (train anew, keep the old run)  FAST=1 (fast paths)'
	@echo '                   JOBS=3 (models at once: on a GPU, or with many cores)  ARGS="--trainer.max_epochs 5"'
	@echo '  make evaluate, make translate and make report take CORPUS, RUNS and ARGS, the first two also FAST=1;'
	@echo '                   for instance make evaluate ARGS="--beam 10", make report ARGS=--bertviz; ARGS="--help" says what else'
	@echo '  make claims and make bench take RUNS, where they write too, and ARGS'
	@echo '  every one takes  PYTHON=python3.12 (what the first call makes .venv with); make tensorboard PORT=6006'
	@echo '  make soak takes ARGS="--kills 50 --minutes 60 --models gru transformer --processes 1 2"'

setup: $(STAMP) ## make .venv and install everything into it

# Where torch comes from: if PYTHON can already import one in range, the virtual environment sees it; else, with an NVIDIA
# driver, the CUDA build; else the CPU build, by a name that can never bring gigabytes of CUDA along.
HAS_TORCH := -c 'import sys, torch; sys.exit(not (2, 11) <= tuple(map(int, torch.__version__.split(".")[:2])) < (2, 16))' 2>/dev/null

$(STAMP): pyproject.toml requirements.lock
	@case "$$(uname -sm)" in "Darwin x86_64") echo "error: there is no torch $(TORCH) for Macs with Intel processors (on Apple silicon: this terminal runs under Rosetta; open one that does not)"; exit 1;; esac
	@test -x $(BIN)/pip || $(PYTHON) -c 'import sys, bz2, ctypes, lzma, ssl; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is not there, older than Python 3.11 or incomplete; give another one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/pip || { \
		echo "making $(VENV) …"; \
		sees=$$($(PYTHON) $(HAS_TORCH) && echo --system-site-packages); \
		$(PYTHON) -m venv $$sees $(VENV) >/dev/null || \
		{ $(PYTHON) -m venv --clear --without-pip $$sees $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install -qI pip; } || \
		{ echo "error: $(PYTHON) cannot make a virtual environment here; on Debian and Ubuntu: apt install $$($(PYTHON) -c 'import sys; print("python%d.%d" % sys.version_info[:2])')-venv"; exit 1; }; \
	}
	@if $(BIN)/python $(HAS_TORCH); then \
		echo "torch is there"; \
	elif nvidia-smi >/dev/null 2>&1; then \
		echo "installing torch $(TORCH) with CUDA …"; $(BIN)/python -m pip install -q "torch==$(TORCH)" && \
		{ $(BIN)/python -c 'import torch; torch.zeros(1, device="cuda")' 2>/dev/null || \
		echo "note: torch $(TORCH) cannot use the GPU here: its driver, or the GPU itself, is older than this torch asks for. \
	CUDA_VISIBLE_DEVICES= before make keeps all on the CPU; or install a torch that can into $(VENV)"; }; \
	elif [ "$$(uname -s)" = Linux ]; then \
		echo "installing torch $(TORCH) for the CPU …"; \
		$(BIN)/python -m pip install -q --retries 1 --no-deps "torch==$(TORCH)+cpu" --extra-index-url https://download.pytorch.org/whl/cpu; \
	else \
		echo "installing torch $(TORCH) …"; $(BIN)/python -m pip install -q "torch==$(TORCH)"; \
	fi || { echo "error: no torch $(TORCH) could be installed (above: why). Where pip found none: it asks for glibc 2.28 or newer,"; \
		echo "for a Python of 3.11 to 3.14 and of the machine's own kind, and for download.pytorch.org; or install torch for $(PYTHON) yourself, and run make again"; exit 1; }
	@echo "installing the rest …"; $(BIN)/python -m pip install -q -c requirements.lock -e '.[dev]'
	@touch $@

train: $(STAMP) ## train the three models side by side and compare them (CORPUS=toy: minutes; without, Multi30k where the Hub answers: hours on a CPU)
	@$(BIN)/python -m scripts.train_all --corpus '$(CORPUS)' --models '$(MODELS)' $(if $(RECIPE),--recipe '$(RECIPE)') --seed '$(SEED)' --runs_dir '$(RUNS)' $(if $(JOBS),--jobs '$(JOBS)') $(if $(call is_on,$(RETRAIN)),--retrain) -- $(if $(call is_on,$(FAST)),--model.fast true) $(ARGS)

evaluate: $(STAMP) ## score all finished runs: intervals, p-values, lengths, alignments
	@$(BIN)/python -m scripts.evaluate '$(FINISHED)' $(if $(call is_on,$(FAST)),--fast) $(ARGS)

claims: $(STAMP) ## test the claims: CLAIMS="C1 C5" PROFILE=quick|full JOBS=n TEXT=multi30k
	@$(BIN)/python -m scripts.claims $(CLAIMS) --profile $(PROFILE) $(if $(JOBS),--jobs $(JOBS)) $(if $(TEXT),--text '$(TEXT)') --runs_dir '$(RUNS)' $(ARGS)

bench: $(STAMP) ## measure how fast training and search are here: CORPUS=path/to/multi30k (ARGS=--gpu: on a GPU)
	@$(BIN)/python -m scripts.bench --corpus '$(if $(filter auto,$(CORPUS)),toy,$(CORPUS))' --out '$(RUNS)/bench' $(ARGS)

translate: $(STAMP) ## type sentences and see what each model makes of them
	@$(BIN)/python -m scripts.translate '$(FINISHED)' $(if $(call is_on,$(FAST)),--fast) $(ARGS)

report: $(STAMP) ## one HTML file with everything that was trained and measured: report/index.html
	@$(BIN)/python -m scripts.report '$(FINISHED)' $(if $(wildcard $(RUNS)/claims),--claims '$(RUNS)/claims') $(ARGS)

test: $(STAMP) ## run the tests (no network, no GPU)
	@OMP_NUM_THREADS=1 MPLBACKEND=agg $(BIN)/python -m pytest -n 2 --dist loadfile

fuzz: $(STAMP) ## look for input that breaks something: new random text, some minutes (EXAMPLES=1000 per property)
	@MPLBACKEND=agg HYPOTHESIS_PROFILE=fuzz EXAMPLES='$(EXAMPLES)' $(BIN)/python -m pytest -n 2 tests/*hostile*.py tests/*/*hostile*.py

soak: $(STAMP) ## kill trainings again and again and see that nothing is lost (some twenty minutes)
	@$(BIN)/python -m tests.soak $(ARGS)

lint: $(STAMP) ## check style
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

tensorboard: $(STAMP) ## show curves and maps of all runs on http://localhost:6006 (ARGS=--bind_all: to other machines)
	@$(BIN)/python -m tensorboard.main --logdir '$(RUNS)' --port $(PORT) $(ARGS)

clean: ## remove .venv and caches; runs are kept
	rm -rf $(VENV) *.egg-info .pytest_cache .ruff_cache .hypothesis data/cache
	find . -name __pycache__ -prune -exec rm -rf {} +
