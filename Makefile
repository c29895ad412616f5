# One verb for each thing a person does here. The build itself is CMake's (CMakePresets.json).
.PHONY: serve demo-models build test test-full test-asan test-tsan goldens bench lint format clean setup
PRESET ?= release
ARGS   ?=
JOBS   ?= $(shell nproc)
BIN    := build/release/millrace
# WITH_TORCH=1 with build, serve or test: PyTorch programs too (scripts/fetch-torch).
WITH_TORCH ?=
TORCH  := $(if $(WITH_TORCH),ON,OFF)
export WITH_TORCH

serve: build  ## install what is missing, build, fetch the default model, serve it
	@scripts/fetch-model
	@[ -f models/demo-classify/model.onnx ] || echo "make serve: 'make demo-models' trains two small image models for models/ (about three minutes)"
	@exec $(BIN) serve models $(ARGS)

demo-models:  ## train the demo image models into models/ (tools/demo_models), unless they are there
	@scripts/demo-models

setup:
	@scripts/setup build
	@scripts/fetch-openvino
	@$(if $(WITH_TORCH),scripts/fetch-torch,:)

build: setup  ## build/release/millrace
	@cmake --preset release -DMILLRACE_TESTS=OFF -DMILLRACE_TORCH=$(TORCH) >build.log 2>&1 || { cat build.log; rm -f build.log; exit 1; }; rm -f build.log
	@cmake --build build/release -j $(JOBS) --target millrace

test:  ## everything that must pass before a change lands
	@scripts/test

test-full:  ## the same, then the sanitizers, slow checks and lint
	@scripts/test
	@scripts/test-full

goldens:  ## regenerate the expected numbers from the independent implementations (needs the network)
	@scripts/goldens

bench:  ## side by side with the peers, ratios printed
	@bench/run

lint:  ## clang-format and clang-tidy, no changes made
	@scripts/setup lint
	@scripts/lint

format:
	@scripts/setup lint
	@git ls-files 'src/*.h' 'src/*.cc' 'tests/*.cc' 'bench/*.cc' | xargs clang-format-19 -i

clean:
	@rm -rf build
