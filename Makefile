# `make demo` and `make test` are all a newcomer needs: each sets up .venv when that is missing or out of date.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test quick lint bench gpu docs dist clean

demo:
	@$(PYTHON) scripts/bootstrap.py demo
	@$(BIN)/python examples/demo.py

# Ordered so that the cheapest check that can fail comes first.
test:
	@$(PYTHON) scripts/bootstrap.py all,test,lint
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 --dist worksteal

quick:
	@$(PYTHON) scripts/bootstrap.py all,test,lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 --dist worksteal -m "not slow"

lint:
	@$(PYTHON) scripts/bootstrap.py all,test,lint
	$(BIN)/ruff format
	$(BIN)/ruff check --fix
	$(BIN)/mypy

bench:
	@$(PYTHON) scripts/bootstrap.py all,test,lint,bench
	$(BIN)/python benchmarks/transforms.py --compile --plot runs/bench/transforms.png --out benchmarks/results/transforms.json
	$(BIN)/python benchmarks/small_transforms.py --compile --out benchmarks/results/small_transforms.json
	$(BIN)/python benchmarks/video_models.py --out benchmarks/results/video_models.json
	$(BIN)/python benchmarks/restoration.py --out benchmarks/results/restoration.json
	$(BIN)/python benchmarks/restoration.py --command --out benchmarks/results/restoration_command.json
	$(BIN)/python benchmarks/super_resolution.py --out benchmarks/results/super_resolution.json
	$(BIN)/python benchmarks/classification.py --out benchmarks/results/classification.json
	$(BIN)/python benchmarks/pose.py --out benchmarks/results/pose_speed.json
	$(BIN)/python benchmarks/moving_mnist.py --out benchmarks/results/moving_mnist.json
	$(BIN)/python benchmarks/media.py --out benchmarks/results/media.json
	$(BIN)/python benchmarks/results.py

# Nine minutes on one card at most; what is installed is enough: `python benchmarks/gpu.py --out FILE` is all there is.
gpu:
	@$(PYTHON) scripts/bootstrap.py all,test,lint
	$(BIN)/python benchmarks/gpu.py --out runs/gpu/check.json

docs:
	@$(PYTHON) scripts/bootstrap.py all,docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Wheel and sdist, what is in them, and every command from an installed wheel, without extras and with all of them.
dist:
	@$(PYTHON) scripts/bootstrap.py dist
	$(BIN)/python scripts/dist.py

clean:
	rm -rf .venv runs site dist build .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
