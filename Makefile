# Every command of the project; `make help` lists them.
#
# `setup` makes three things, each only if it is missing or out of date: the Debian packages, a
# Python environment (.venv) with exactly what requirements.lock pins, and kernelbox in it. All of it
# is done by labs-vm/provision.sh, as in the lab VM.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.NOTPARALLEL:
.PHONY: help setup lab solutions test quick vm machine vm-test vagrant-test bench notebooks pictures widgets lock clean

# For what else packages are needed: see labs-vm/provision.sh.
test quick: FOR := test browser style vagrant
bench: FOR := test bench
vagrant-test: FOR := vm
pictures: FOR := browser

NICE := 0 # of the lab VM that runs tests

NOTEBOOKS := $(sort $(wildcard notebooks/*.ipynb notebooks/workbook/*.ipynb))
COMPARED := --nbval-sanitize-with=tests/nbval-sanitize.cfg $(NOTEBOOKS)

# A notebook has no terminal: where sudo wants a password there, all of JupyterLab gets it here, and
# the workbook stays where the student's is.
define OPEN
lab=(.venv/bin/kernelbox lab $(if $(PORT),--port $(PORT)) $(if $(filter solutions,$@),--solutions))
if [ "$$(id -u)" != 0 ] && ! setsid --wait sudo -n true 2>/dev/null; then
	echo 'kernelbox: sudo asks for a password, which no notebook can give: JupyterLab runs as root'
	lab=("$${as_root[@]}" KERNELBOX_WORKBOOK="$${KERNELBOX_WORKBOOK:-$$HOME/kernelbox-lab}" "$${lab[@]}")
fi
exec "$${lab[@]}"
endef

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

setup: ## install what is missing, leave the command at .venv/bin/kernelbox
	@labs-vm/provision.sh for $(FOR)

# TRACE=1 shows what that container asks the kernel for; PORT=9000 is another port than the first free.
lab: setup ## run one container as a proof, then open your workbook in JupyterLab
	@. labs-vm/begin.sh
	echo 'kernelbox: everything is installed. One real container, as a proof:'
	"$${as_root[@]}" .venv/bin/kernelbox run --rm $(if $(TRACE),--trace) busybox echo 'hello from a container'
	$(if $(TRACE),,echo 'kernelbox: what the kernel was asked for it: make lab TRACE=1')
	$(OPEN)

solutions: setup ## open the solved chapters in JupyterLab
	@. labs-vm/begin.sh
	$(OPEN)

# A time-out makes nbval expect the later cells to fail (xfail); --runxfail lets them fail.
# One of four thousand tests fails now and then by its neighbours: see tests/unsteady.py.
test: setup $(if $(filter x86_64,$(shell uname -m)),machine) ## run every test and every notebook, three side by side
	@. labs-vm/begin.sh
	exec "$${as_root[@]}" .venv/bin/python -m pytest -p no:cacheprovider --runxfail --workers 3 --second-tries 10 --budget tests \
		$(if $(NOTEBOOKS),--nbval --nbval-cell-timeout=120 $(COMPARED))

# What a change needs is worked out in tests/quick.py, whose words are pytest's arguments.
quick: setup ## style, types, and the tests of what has changed since HEAD (or in it): two minutes
	@. labs-vm/begin.sh
	chosen=$$(.venv/bin/python -m tests.quick)
	exec "$${as_root[@]}" .venv/bin/python -m pytest -p no:cacheprovider --runxfail --workers 3 --budget $$chosen

vm: ## start the lab VM with QEMU: JupyterLab on cgroup v2, until Ctrl-C
	@labs-vm/provision.sh packages for vm
	exec labs-vm/run

# Not part of `lab`: one section of one chapter needs it, and says so.
machine: setup ## get QEMU, and a kernel for the virtual machine that chapter 14 boots
	@labs-vm/provision.sh packages for vm
	labs-vm/kernel

# Which tests those are: see tests/inside.py. Without KVM a program takes 10 to 30 times as long.
# The browser draws on the student's own computer, a lab VM starts no lab VM, and how tests are chosen
# and handed out is no matter of the kernel's: those stay outside.
# So do the notebooks, but with ALL=1: `make test` runs each of them, ten times as fast.
OUTSIDE := browser ci quick vagrant vm workers
vm-test: ## run what touches control groups, or modules, in the lab VM (ALL=1: every test and every notebook)
	@labs-vm/provision.sh packages for vm
	labs-vm/build >/dev/null
	exec nice -n $(NICE) labs-vm/run --machines 2 --test --runxfail --second-tries 5 --durations 20 $(if $(ALL),,-m vm) $(OUTSIDE:%=--ignore=tests/test_%.py) tests \
		$(if $(ALL),$(if $(NOTEBOOKS),--nbval --nbval-cell-timeout=1200 $(COMPARED)))

vagrant-test: setup ## do with Vagrant what a student does, for real, in a root and namespaces of its own
	@labs-vm/vagrant-test

bench: setup ## measure kernelbox beside runc and a C program
	@. labs-vm/begin.sh
	exec "$${as_root[@]}" .venv/bin/python -m tests.bench

notebooks: setup ## run every notebook and store what it prints
	@. labs-vm/begin.sh
	exec "$${as_root[@]}" .venv/bin/python -m tests.store_notebooks

pictures: setup ## take the pictures of the views that README.md shows
	@. labs-vm/begin.sh
	taken=$$(mktemp -d)
	trap '"$${as_root[@]}" rm -rf "$$taken"' EXIT
	"$${as_root[@]}" env KERNELBOX_ARTEFACTS="$$taken" .venv/bin/python -m pytest -q -p no:cacheprovider \
		tests/test_browser.py -k for_the_readme
	for name in processes birth ping; do
		cat "$$taken/readme-$$name.png" >"notebooks/pictures/$$name.png"
	done

widgets: ## bundle the views' JavaScript again, into what is committed and shipped (needs npm)
	@command -v npm >/dev/null || { echo 'kernelbox: this needs npm: apt-get install npm' >&2; exit 1; }
	# In a copy: nothing of npm's stays in the checkout.
	build=$$(mktemp -d)
	trap 'rm -rf "$$build"' EXIT
	cp -R kernelbox/widgets/src kernelbox/widgets/package*.json "$$build"
	(cd "$$build" && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build)
	rm -rf kernelbox/widgets/static
	cp -R "$$build/static" kernelbox/widgets/static
	cp "$$build/node_modules/axe-core/axe.min.js" tests/axe.min.js # which judges the views

lock: ## pin the newest versions that fit together in requirements.lock
	@. labs-vm/begin.sh
	find_python
	tools=$$(mktemp -d)
	trap 'rm -rf "$$tools"' EXIT
	"$$python" -m venv "$$tools"
	"$$tools/bin/pip" install --quiet uv
	"$$tools/bin/uv" pip compile --quiet --upgrade --universal --generate-hashes --extra lab --extra course --extra test --group build \
		--custom-compile-command 'make lock' -o requirements.lock pyproject.toml

clean: ## remove .venv and every cache (containers: kernelbox reset)
	@rm -rf .venv .setup.log .mypy_cache .pytest_cache .ruff_cache build dist
	find kernelbox labs-vm notebooks tests \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +
