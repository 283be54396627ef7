# The two commands of the README: make demo, make test.
PYTHON ?= python3
BIN := .venv/bin
# The default editable mode would map twisted.plugins to this folder alone, and twistd would not find the plugin.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat
PURE := ccproxy/aead.py,ccproxy/aliases.py,ccproxy/blocks.py,ccproxy/codecs.py,ccproxy/codings.py,ccproxy/config.py,ccproxy/dialogue.py,ccproxy/doors.py,ccproxy/envelopes.py,ccproxy/errors.py,ccproxy/estimate.py,ccproxy/events.py,ccproxy/fields.py,ccproxy/framing.py,ccproxy/keys.py,ccproxy/loading.py,ccproxy/openai.py,ccproxy/patterns.py,ccproxy/prompt.py,ccproxy/schemas.py,ccproxy/seal.py,ccproxy/shapes.py,ccproxy/shares.py,ccproxy/store/base.py,ccproxy/store/vault.py,ccproxy/structured.py,ccproxy/tools.py,ccproxy/translator.py,ccproxy/dialects/*,ccproxy/stages/*,ccproxy/upstreams/*

.PHONY: demo test serve dev lint clients fuzz soak bench package clean

demo: .venv/installed
	$(BIN)/ccproxy demo

test: .venv/installed-test
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m twisted.trial -j2 tests
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report --include='$(PURE)' --fail-under=95

serve: .venv/installed
	$(BIN)/twistd -n --pidfile= ccproxy

dev: .venv/installed-dev
	$(BIN)/watchfiles --filter python '$(BIN)/twistd -n --pidfile= ccproxy' ccproxy

lint: .venv/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# Real clients, installed into a cache of their own, against the daemon on its simulator; some of them come by WebSocket, which is an extra.
clients: .venv/installed-test
	$(PYTHON) clients/run.py

# Longer than the suite: twenty thousand requests that are nearly right, and a while of atheris for each target.
fuzz: .venv/installed-fuzz
	FUZZ_REQUESTS=20000 FUZZ_SEED=$$(date +%s) $(BIN)/python -m twisted.trial --reporter=text tests.fuzz.test_requests
	$(BIN)/python -m tests.fuzz framing -max_total_time=180
	$(BIN)/python -m tests.fuzz records -max_total_time=180

# Load, aborts, faults and restarts against the daemon on its simulator, and a table of what was promised and what was seen.
MINUTES ?= 10
soak: .venv/installed-test
	$(BIN)/python -m tests.soak --minutes $(MINUTES)

# The daemon side by side with itself on its own reactor, and with other proxies: BENCH="--target 'name=command {port}'".
bench: .venv/installed-test
	mkdir -p build
	$(BIN)/python -m benchmarks --svg build/bench.svg $(BENCH)

# The wheel, in an environment of its own: is everything in it, and does twistd find the plugins?
package: .venv/created
	rm -rf build/package
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir build/package .
	$(PYTHON) -m venv build/package/venv
	build/package/venv/bin/pip install --quiet --disable-pip-version-check build/package/*.whl
	cd build/package && venv/bin/twistd --help | grep -E '^ +ccproxy(-simulator)? '
	cd build/package && venv/bin/ccproxy demo >demo.txt && venv/bin/ccproxy --version

clean:
	rm -rf .venv build *.egg-info .coverage .mypy_cache .ruff_cache _trial_temp

.venv/created:
	$(PYTHON) -m venv .venv
	touch $@

.venv/installed: .venv/created pyproject.toml setup.cfg
	$(INSTALL) -e .
	touch $@

.venv/installed-test: .venv/created pyproject.toml setup.cfg
	$(INSTALL) -e '.[test]'
	touch $@ .venv/installed

.venv/installed-dev: .venv/created pyproject.toml setup.cfg
	$(INSTALL) -e '.[dev]'
	touch $@ .venv/installed .venv/installed-test

.venv/installed-fuzz: .venv/installed-test
	$(INSTALL) -e '.[fuzz]'
	touch $@
