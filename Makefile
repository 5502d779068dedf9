# Every command of the project; `make help` lists them.
#
# `setup` makes three things, each only if it is missing or out of date: the Debian packages, a
# Python environment (.venv) with exactly what requirements.lock pins, and kernelbox in it. All of it
# is done by labs-vm/provision.sh, as in the lab VM.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.NOTPARALLEL:
.PHONY: help setup lab test vm vm-test vagrant-test bench notebooks pictures widgets lock clean

# For what else packages are needed: see labs-vm/provision.sh.
test: FOR := test browser style vagrant
bench: FOR := test
vagrant-test: FOR := vm
pictures: FOR := browser

NOTEBOOKS := $(sort $(wildcard notebooks/*.ipynb))
COMPARED := --nbval-sanitize-with=tests/nbval-sanitize.cfg $(NOTEBOOKS)

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

setup: ## install what is missing, leave the command at .venv/bin/kernelbox
	@labs-vm/provision.sh for $(FOR)

lab: setup ## run one container as a proof, then serve the notebooks on 127.0.0.1
	@. labs-vm/begin.sh
	"$${as_root[@]}" .venv/bin/kernelbox run --rm --trace busybox echo 'hello from a container'
	jupyter=(.venv/bin/jupyter-lab -y --log-level=WARN --ServerApp.ip=127.0.0.1)
	jupyter+=(--ServerApp.root_dir=notebooks --LabApp.default_url=/lab/tree/00-start-here.ipynb)
	[ -n "$${DISPLAY:-}$${WAYLAND_DISPLAY:-}" ] && [ -z "$${CI:-}" ] || jupyter+=(--no-browser)
	[ "$$(id -u)" != 0 ] || jupyter+=(--allow-root)
	# A notebook has no terminal: where sudo wants a password there, all of JupyterLab gets it here.
	if [ "$$(id -u)" != 0 ] && ! setsid --wait sudo -n true 2>/dev/null; then
		echo 'kernelbox: sudo asks for a password, which no notebook can give: JupyterLab runs as root'
		jupyter=("$${as_root[@]}" "$${jupyter[@]}" --allow-root --no-browser)
	fi
	echo 'kernelbox: starting JupyterLab; Ctrl-C ends it'
	exec "$${jupyter[@]}"

# A time-out makes nbval expect the later cells to fail (xfail); --runxfail lets them fail.
test: setup ## run every test and every notebook
	@. labs-vm/begin.sh
	exec "$${as_root[@]}" .venv/bin/python -m pytest -p no:cacheprovider --runxfail tests \
		$(if $(NOTEBOOKS),--nbval --nbval-cell-timeout=120 $(COMPARED))

vm: ## start the lab VM with QEMU: JupyterLab on cgroup v2, until Ctrl-C
	@labs-vm/provision.sh packages for vm
	exec labs-vm/run

# A marker says which tests: see tests/conftest.py. Without KVM a program takes 10 to 30 times as long.
# The browser draws on the student's own computer, and a lab VM starts no lab VM: those stay outside.
vm-test: ## run what touches control groups, and every notebook, in the lab VM (ALL=1: every test)
	@labs-vm/provision.sh packages for vm
	exec labs-vm/run $(if $(ALL),--machines 2 --limit 5000) --test --runxfail $(if $(ALL),,-m vm) --ignore=tests/test_browser.py --ignore=tests/test_vm.py --ignore=tests/test_vagrant.py tests \
		$(if $(NOTEBOOKS),--nbval --nbval-cell-timeout=1200 $(COMPARED))

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
		tests/test_browser.py -k pictures_for_the_readme
	for name in processes birth; do
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
