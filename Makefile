# Every target is one script in scripts/, which says at its top what it does.
# ROWS, FILE, REPEATS, PG_CONFIG and PG_MAJOR may be given behind the target: make bench ROWS=10000000
# So may PYTHON behind bench and bench-area, GIST, SMALL_LOADS and SETTINGS behind bench-area, and RIVAL behind bench-groups.

.DEFAULT_GOAL := help
.PHONY: help all demo demo-stop test lint fuzz valgrind sanitize systems containers cloud deb dist install install-client bench bench-area bench-client bench-groups proof sample clean
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:

export PREFIX PG_CONFIG PG_MAJOR ROWS REPEATS GIST SMALL_LOADS SETTINGS PYTHON RIVAL FILES RUNS TARGETS FULL SYSTEMS PG_IMAGE

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: ## loads ROWS=1000000 invented trips, or FILE=/path/trips.csv, and shows status and answers
	@scripts/demo.sh $(if $(FILE),"$(FILE)")

demo-stop: ## stops the demonstration's server
	@scripts/cluster.sh stop target/demo

test: ## every test; the last line counts them
	@scripts/test.sh

lint: ## format, clippy, licences of dependencies, rustdoc, shell scripts
	@scripts/lint.sh

fuzz: ## RUNS=200000 executions of each fuzz target, or of TARGETS='node leaf', as Markdown
	@scripts/fuzz.sh

valgrind: ## a load of ROWS=50000 rows, questions, groups and changes on a server under memcheck
	@scripts/valgrind.sh

sanitize: ## the core's unit tests, with FULL=1 all its tests, under Miri or the sanitizers
	@scripts/sanitize.sh

systems: ## packages, the SQL suite and pg_upgrade on SYSTEMS='17 18', in bare Debian systems; FULL=1 all tests with sessions
	@scripts/systems.sh $(SYSTEMS)

containers: ## the image of PG_IMAGE=17 and compose.yaml, in a Docker engine of its own
	@scripts/containers.sh

cloud: ## checks docs/cloud: manifests, Terraform, figures
	@scripts/cloud.sh

deb: ## Debian packages of the extension and the client, in target/deb
	@scripts/deb.sh

dist: ## the source as PGXN takes it, target/trips_ext-VERSION.zip
	@scripts/dist.sh

all: ## builds the extension for PG_CONFIG=/path/pg_config
	@scripts/setup.sh
	@scripts/build.sh

install: ## builds and installs into the PostgreSQL of PG_CONFIG=/path/pg_config
	@scripts/setup.sh
	@scripts/install.sh

install-client: ## builds the client, trips, and installs it below PREFIX=/usr/local
	@scripts/install-client.sh

bench: ## trips_ingest against other ways to load ROWS=5000000 rows, as Markdown
	@scripts/bench.sh

bench-area: ## questions about areas and what their trees cost, on ROWS=20000000 rows, as Markdown
	@scripts/bench-area.sh

bench-groups: ## groups of similar trips, from ROWS=1000000 rows up to twenty times as many, as Markdown
	@scripts/bench-groups.sh

bench-client: ## trips load and \copy of ROWS=1000000 rows over a connection against \copy into plain columns, as Markdown
	@scripts/bench-client.sh

proof: ## FILES=10 loads of ROWS=10000000 trips into one table: speed, questions, groups, recount, as Markdown
	@scripts/proof.sh

sample: ## writes samples/trips.csv again: 1,000 rows, seed 1
	@cargo run --quiet -p trips_tools --bin trips-generate -- 1000 --seed 1 --output samples/trips.csv

clean: ## stops the private servers, deletes them and all that was built
	@for directory in demo test bench bench-area bench-client bench-groups proof; do scripts/cluster.sh destroy target/$$directory || exit; done
	@rm -rf target
