# Every command of the project; `make help` lists them.
#
# `setup` makes three things, each only if it is missing or out of date: the Debian packages, a
# Python environment (.venv) with exactly what requirements.lock pins, and kernelbox in it. What
# they were made from is noted in .venv/*.made, so a second run only compares.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.NOTPARALLEL:
.PHONY: help setup packages lab test bench notebooks pictures widgets lock clean

# A command (or file) that kernelbox uses, and the Debian package that brings it. The command is
# asked for, not the package: Docker brings a runc of its own, and Debian's would remove Docker.
NEEDS := nft:nftables dot:graphviz ip:iproute2 unshare:util-linux ps:procps tini:tini strace:strace
test bench: NEEDS += docker-registry:docker-registry skopeo:skopeo umoci:umoci podman:podman mmdebstrap:mmdebstrap
test bench: NEEDS += runc:runc gcc:gcc /usr/include/stdio.h:libc6-dev
test pictures: NEEDS += chromium:chromium

# The first of these that is 3.11 or newer. The system's own comes first: it starts quickly, and
# it does not move. Another one: make setup PYTHON=/path/to/python3
PYTHON ?= /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11

NOTEBOOKS := $(sort $(wildcard notebooks/*.ipynb))

# How every recipe begins. `as_root` goes before a command that needs privilege; bytecode is not
# written then, so no file of root's is left in a student's checkout.
define BEGIN
export PATH="$$PWD/.venv/bin:$$PATH:/usr/sbin:/sbin" JUPYTER_PREFER_ENV_PATH=1
fail() { printf 'kernelbox: %s\n' "$$*" >&2; exit 1; }
writable() { [ -w . ] || fail "$$(id -un) may not write to $$PWD. Run make as $$(stat -c %U .), or in a copy of your own"; }
cause() { grep -E '^(E|ERROR|sudo|OSError|Error):' .setup.log | tail -n 1 || true; }
as_root=()
[ "$$(id -u)" = 0 ] || as_root=(sudo -E -H env PATH="$$PATH" JUPYTER_PREFER_ENV_PATH=1 PYTHONDONTWRITEBYTECODE=1)
endef

# Sets `python`: not a virtual environment's, even if one is active.
define FIND_PYTHON
python=
for candidate in $(PYTHON); do
	python=$$("$$candidate" -c 'import sys; sys.version_info >= (3, 11) and print(sys._base_executable)' 2>/dev/null) || true
	[ -z "$$python" ] || break
done
[ -n "$$python" ] || fail 'no Python 3.11 or newer here. Install one' \
	'(apt-get install python3; on Ubuntu 22.04 python3.11), or name yours: make setup PYTHON=/path/to/python3'
endef

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

setup: packages ## install what is missing, leave the command at .venv/bin/kernelbox
	@$(BEGIN)
	$(FIND_PYTHON)
	locked=$$({ pwd; echo "$$python"; "$$python" -V; cat requirements.lock; } | sha256sum)
	project=$$({ echo "$$locked"; cat pyproject.toml kernelbox/lab/jupyter/*; } | sha256sum)
	# What root makes in somebody's checkout becomes theirs.
	hand_over() { [ "$$(id -u)" != 0 ] || chown -R -h --reference=. "$$@"; }
	stale() { [ "$$2" != "$$(cat ".venv/$$1.made" 2>/dev/null)" ]; }
	pip() { .venv/bin/python -m pip install --quiet --no-deps "$$@" >.setup.log 2>&1; }
	if stale project "$$project"; then
		writable
		if stale locked "$$locked"; then
			echo "kernelbox: installing $$(grep -c == requirements.lock) Python packages into .venv (a minute or so)"
			rm -rf .venv
			"$$python" -m venv .venv >.setup.log 2>&1 || fail "$$python cannot make .venv ($$(cause)). Look into .setup.log"
			pip --only-binary=:all: --require-hashes -r requirements.lock ||
				fail "pip could not install requirements.lock ($$(cause)). Check the network, then" \
					"run make again; .setup.log says more"
			echo "$$locked" >.venv/locked.made
		fi
		pip --no-build-isolation --no-index -e . ||
			fail "pip could not install kernelbox itself ($$(cause)). .setup.log says more"
		# pip's start script goes through all of `site`, a tenth of a start. Ours does not, where it can
		# be written: a `#!` line takes 255 bytes without a space. Source: execve(2).
		packages=$$(echo "$$PWD"/.venv/lib/python*/site-packages)
		if [[ "$$PWD" =~ ^[[:alnum:]/._-]{1,200}$$ ]]; then
			printf '%s\n' "#!$$PWD/.venv/bin/python -IS" 'import sys' '' "sys.path += ['$$PWD', '$$packages']" \
				'from kernelbox.cli import main' '' 'main()' >.venv/bin/kernelbox
		fi
		echo "$$project" >.venv/project.made
		rm -f .setup.log
		hand_over .venv
	fi
	# Every command starts faster from bytecode, and PYTHONDONTWRITEBYTECODE does not stop this.
	.venv/bin/python -m compileall -q kernelbox
	hand_over $$(find kernelbox -name __pycache__)

packages:
	@$(BEGIN)
	$(FIND_PYTHON)
	missing=()
	for need in $(NEEDS); do
		command -v "$${need%%:*}" >/dev/null || [ -e "$${need%%:*}" ] || missing+=("$${need##*:}")
	done
	# The embedded image is made of a busybox that needs no library.
	busybox=$$(command -v busybox) || true
	[ -n "$$busybox" ] && ! ldd "$$busybox" 2>/dev/null | grep -q '=>' || missing+=(busybox-static)
	"$$python" -c 'import ensurepip' 2>/dev/null ||
		missing+=("$$("$$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')")
	[ "$${#missing[@]}" != 0 ] || exit 0
	by_hand="apt-get install $${missing[*]}"
	command -v apt-get >/dev/null ||
		fail "this host lacks what Debian calls $${missing[*]}, and has no apt-get. Install them its own way"
	[ "$$(id -u)" = 0 ] || command -v sudo >/dev/null ||
		fail "this host lacks $${missing[*]}, and there is no sudo. As root: $$by_hand"
	writable
	echo "kernelbox: installing Debian packages: $${missing[*]}"
	install=("$${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120)
	{
		"$${install[@]}" update || true
		"$${install[@]}" install -y --no-install-recommends "$${missing[@]}"
	} >.setup.log 2>&1 || fail "the Debian packages could not be installed ($$(cause))." \
		"Check the network and sudo, or do it by hand: $$by_hand"
	rm -f .setup.log

lab: setup ## run one container as a proof, then serve the notebooks on 127.0.0.1
	@$(BEGIN)
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
	@$(BEGIN)
	exec "$${as_root[@]}" .venv/bin/python -m pytest -p no:cacheprovider --runxfail tests \
		$(if $(NOTEBOOKS),--nbval --nbval-cell-timeout=120 --nbval-sanitize-with=tests/nbval-sanitize.cfg $(NOTEBOOKS))

bench: setup ## measure kernelbox beside runc and a C program
	@$(BEGIN)
	exec "$${as_root[@]}" .venv/bin/python -m tests.bench

notebooks: setup ## run every notebook and store what it prints
	@$(BEGIN)
	exec "$${as_root[@]}" .venv/bin/python -m tests.store_notebooks

pictures: setup ## take the pictures of the views that README.md shows
	@$(BEGIN)
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
	@$(BEGIN)
	$(FIND_PYTHON)
	tools=$$(mktemp -d)
	trap 'rm -rf "$$tools"' EXIT
	"$$python" -m venv "$$tools"
	"$$tools/bin/pip" install --quiet uv
	"$$tools/bin/uv" pip compile --quiet --upgrade --universal --generate-hashes --extra lab --extra course --extra test --group build \
		--custom-compile-command 'make lock' -o requirements.lock pyproject.toml

clean: ## remove .venv and every cache (containers: kernelbox reset)
	@rm -rf .venv .setup.log .mypy_cache .pytest_cache .ruff_cache build dist
	find kernelbox labs-vm notebooks tests \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +
