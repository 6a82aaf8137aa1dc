# Thin on purpose: every target but `clean` hands on to `python3 book <command>`.
PYTHON ?= python3
PROFILE ?= standard

.DEFAULT_GOAL := help
.PHONY: help book pdf slides test test-long spark outputs student lab tune reproduce leaderboard bench lint lock clean

BUILD = --profile "$(PROFILE)" $(if $(DATASET),--dataset "$(DATASET)") $(if $(ONLY),--only "$(ONLY)")

help:
	@echo "make book     run the chapters and build the book at _build/html/index.html"
	@echo "              PROFILE=quick|standard|full   how much to compute (standard)"
	@echo "              DATASET=auto|synthetic|ml-latest-small|...|ml-32m   instead of the profile's"
	@echo "              DATASET=path/to/folder   on ratings of your own: see README.md"
	@echo "              ONLY=03-als   run this one chapter and build no site"
	@echo "make pdf      the book, one PDF of it at _build/book.pdf, and its slides; needs Chromium"
	@echo "make slides   the same: a deck for each part is at _build/html/slides"
	@echo "make test     run all tests: unit, notebooks, the built site"
	@echo "              ARGS='tests/recsys_lib/test_splits.py -k temporal'   for pytest"
	@echo "              ARGS='-m \"not slow\"'   what starts no program: no notebook, browser, build"
	@echo "make test-long  run what takes an hour: kills, damaged files, every index checked"
	@echo "make spark    run the tests and the chapter that need Spark, and bring it; needs Java 17"
	@echo "make lab      open JupyterLab in notebooks/"
	@echo "make student  write the chapters without solutions to _build/student, to hand out"
	@echo "make reproduce  measure the models by a published protocol, a line each"
	@echo "              DATASET=auto|ml-100k|...   SEED=0"
	@echo "              PROTOCOL=5-fold|80-20|u1-u5|cold-items|...   of ratings: models of ratings"
	@echo "              PROTOCOL=mult-vae|leave-one-out   of lists: models of likes"
	@echo "              MODEL=ALS,BayesianALS   TRIALS=20 of each fold's search (0: the defaults)"
	@echo "make leaderboard  tune and test every model, and store the record that chapter 11 reads"
	@echo "              DATASET=auto|ml-latest-small|...   TRIALS=8   SEED=0"
	@echo "              MODEL=ALS,BPR   measure these anew and keep the others"
	@echo "make tune MODEL=als   search its parameters, and write them where the chapters read"
	@echo "              DATASET=auto|ml-latest-small|...   TRIALS=30   SEED=0"
	@echo "make bench    measure the library beside its peers, each in a process of its own"
	@echo "              ONLY=als,bpr,topn,...   SIZE=1m,32m   K=16,32,64   THREADS=2"
	@echo "              WITH=ours,implicit,cmfrec-cg,...   all of it takes about an hour"
	@echo "make lint     style, types and the directions of imports"
	@echo "make outputs  renew the notebooks' checked outputs, clear all others   ONLY=03-als"
	@echo "make lock     resolve the dependencies anew"
	@echo "make clean    remove what was built, and what Python and Numba cached"
	@echo ""
	@echo "Each installs what it needs by itself, once, into .venv and _build."
	@echo "PYTHON=python3.12 names the Python to begin with: 3.11 or newer."

book:
	@$(PYTHON) book build $(BUILD)

pdf slides:
	@$(PYTHON) book build $(BUILD) --press

test-long:
	@$(PYTHON) book test -- -m long tests $(ARGS)

outputs:
	@$(PYTHON) book outputs $(if $(ONLY),--only "$(ONLY)")

test spark:
	@$(PYTHON) book $@ $(if $(ARGS),-- $(ARGS))

# Its settings: it asks nobody for news.
lab:
	@$(PYTHON) book run jupyterlab --notebook-dir=notebooks \
		--LabApp.app_settings_dir="$(CURDIR)/book/lab" $(ARGS)

STUDY = $(if $(DATASET),--dataset "$(DATASET)") $(if $(MODEL),--model "$(MODEL)") \
	$(if $(SEED),--seed "$(SEED)") $(if $(TRIALS),--trials "$(TRIALS)")

tune leaderboard:
	@$(PYTHON) book run benchmarks.study $@ $(STUDY)

reproduce:
	@$(PYTHON) book run benchmarks.study $@ $(STUDY) $(if $(PROTOCOL),--protocol "$(PROTOCOL)")

bench:
	@$(PYTHON) book run --tools benchmarks $(if $(ONLY),--only "$(ONLY)") $(if $(SIZE),--size "$(SIZE)") \
		$(if $(K),--k "$(K)") $(if $(WITH),--with "$(WITH)") $(if $(THREADS),--threads "$(THREADS)")

student lint:
	@$(PYTHON) book $@

# PyTorch is locked apart, at the version that torch.in names, and its small dependencies with the rest.
SMALL = --constraints book/locks/torch.in --no-emit-package torch --excludes book/locks/torch-without.txt

lock:
	$(PYTHON) book lock pyproject.toml --extra book --extra nets $(SMALL) -o requirements.lock
	$(PYTHON) book lock pyproject.toml --extra ann --extra dev $(SMALL) -c requirements.lock -o book/locks/tools.txt
	$(PYTHON) book lock book/locks/torch.in -c requirements.lock -o book/locks/torch.txt
	$(PYTHON) book lock book/locks/torch.in --no-deps --torch-backend cpu -o book/locks/torch-cpu.txt
	$(PYTHON) book lock --group peers --excludes book/locks/peers-without.txt -o book/locks/peers.txt
	for name in uv node spark; do $(PYTHON) book lock book/locks/$$name.in -o book/locks/$$name.txt || exit; done

clean:
	rm -rf _build
	find benchmarks book course recsys_lib tests -name __pycache__ -prune -exec rm -rf {} +
