# The project's commands. What they need is fetched into a cache outside the checkout (see scripts/env.sh).
#
#   PG=16                        another major version of PostgreSQL than the default
#   PG_CONFIG=/path/to/pg_config a server of your own instead of a fetched one
#   MARIADBD=/path/to/mariadbd   likewise
#   MYSQLD=/path/to/mysqld       likewise
#   RUNS=10000000                inputs for each target of make fuzz, instead of a million

.DEFAULT_GOAL := help
.PHONY: help demo demo-mysql picture test fuzz fuzz-parameters campaign bench lint build install package setup clean-cache

help: ## list these commands
	@echo 'make demo            is the place to start. All commands:'
	@echo
	@sed -n 's/^\([a-z-]*\):.*## /make \1|/p' Makefile | awk -F'|' '{ printf "  %-20s %s\n", $$1, $$2 }'
	@echo
	@sed -n 's/^#   /  /p' Makefile

demo: ## watch approved proposals change a private server (PostgreSQL 17, or PG=...)
	@scripts/demo.sh $(PG)

demo-mysql: ## the same with a private MariaDB and the companion program for MySQL
	@scripts/demo-mysql.sh

picture: ## draw docs/monitoring.svg from the metrics of a run of 16 minutes (PostgreSQL 17, or PG=...)
	@scripts/picture.sh $(PG)

test: ## format, lints, documentation, all tests (MariaDB, MySQL, PostgreSQL 15 and 17, or PG=...)
	@scripts/test.sh $(PG)

fuzz-parameters: ## values of every kind for columns of every type (PostgreSQL 17, or PG=...; CASES=..., SEED=...)
	@scripts/fuzz-parameters.sh $(PG)

campaign: ## attack it with crashes and faults (PostgreSQL 15 and 18 and MariaDB, or PG=...; MINUTES=30, or SEED=...)
	@scripts/campaign.sh $(PG)

bench: ## measure how fast it is (PostgreSQL 17 and MariaDB, or PG=...; ONLY="applying cycle", QUICK=1)
	@scripts/bench.sh $(PG)

lint: ## format, lints and documentation alone
	@scripts/lint.sh $(PG)

fuzz: ## look for answers of the control plane that break a promise (nightly Rust; RUNS=...)
	@scripts/fuzz.sh

build: ## build everything for development
	@scripts/build.sh $(PG)

install: ## build for production and install into your server: make install PG_CONFIG=...
	@scripts/install.sh

package: ## build for production and pack for Debian and Ubuntu, in target/package (PostgreSQL 17, or PG=...)
	@scripts/package.sh $(PG)

setup: ## fetch tools and servers, and nothing else (MariaDB, MySQL, PostgreSQL 15 and 17, or PG=...)
	@scripts/setup.sh $(or $(PG),$(if $(PG_CONFIG),,15 17)) mariadb mysql

clean-cache: ## remove the fetched tools and servers
	@scripts/clean-cache.sh
