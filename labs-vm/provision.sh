#!/usr/bin/env bash
# Makes a checkout ready: what `make` does on a host, Vagrant in its machine, build in its image.
#
#     provision.sh [for PURPOSE ...]         Debian packages, .venv, the command at .venv/bin/kernelbox
#     provision.sh --vm [for PURPOSE ...]    the same, then the lab user and the services of a lab VM
#     provision.sh packages [for PURPOSE ...]    the Debian packages only
#     provision.sh names [for PURPOSE ...]       print the names of all of them
#
# Each thing is made only if it is missing or out of date. What .venv was made from is noted in
# .venv/*.made, so a second run only compares.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
# shellcheck source=labs-vm/begin.sh
. labs-vm/begin.sh

# A command (or file) that is used, and the Debian package that brings it. The command is asked
# for, not the package: Docker brings a runc of its own, and Debian's would remove Docker.
declare -A needs_for=(
	[lab]='nft:nftables dot:graphviz ip:iproute2 unshare:util-linux ps:procps tini:tini strace:strace'
	[test]='docker-registry:docker-registry skopeo:skopeo umoci:umoci podman:podman iptables:iptables
		mmdebstrap:mmdebstrap runc:runc zstd:zstd gcc:gcc /usr/include/stdio.h:libc6-dev
		newuidmap:uidmap'
	[bench]=iperf3:iperf3
	[browser]=chromium:chromium
	[vagrant]='vagrant:vagrant ruby:ruby'
	[style]=shellcheck:shellcheck
	[vm]='qemu-system-x86_64:qemu-system-x86 qemu-img:qemu-utils mmdebstrap:mmdebstrap mkfs.ext4:e2fsprogs
		sfdisk:fdisk cpio:cpio xz:xz-utils'
)

main() {
	local mode=setup
	case ${1:-} in --vm | packages | names) mode=${1#--} && shift ;; esac
	[ "${1:-}" != for ] || shift
	local purpose
	needs=()
	for purpose in lab "$@"; do
		[ -n "${needs_for[$purpose]:-}" ] || fail "provision.sh knows no purpose $purpose. There are: ${!needs_for[*]}"
		read -r -d '' -a needs <<<"${needs[*]} ${needs_for[$purpose]}" || true
	done
	if [ "$mode" = names ]; then
		printf '%s\n' "${needs[@]##*:}" busybox-static python3-venv
		return
	fi
	find_python
	packages
	case " $* " in *' test '*) docker ;; esac
	[ "$mode" != packages ] || return 0
	environment
	if [ "$mode" = vm ]; then
		# shellcheck source=labs-vm/services.sh
		. labs-vm/services.sh
		services
	fi
}

# --- Debian packages ------------------------------------------------------------------------------

packages() {
	local need busybox missing=()
	for need in "${needs[@]}"; do
		command -v "${need%%:*}" >/dev/null || [ -e "${need%%:*}" ] || missing+=("${need##*:}")
	done
	# The embedded image is made of a busybox that needs no library.
	busybox=$(command -v busybox) || true
	[ -n "$busybox" ] && ! ldd "$busybox" 2>/dev/null | grep -q '=>' || missing+=(busybox-static)
	# shellcheck disable=SC2154
	"$python" -c 'import ensurepip' 2>/dev/null ||
		missing+=("$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')")
	[ "${#missing[@]}" != 0 ] || return 0
	local by_hand="apt-get install ${missing[*]}"
	command -v apt-get >/dev/null ||
		fail "this host lacks what Debian calls ${missing[*]}, and has no apt-get. Install them its own way"
	[ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
		fail "this host lacks ${missing[*]}, and there is no sudo. As root: $by_hand"
	writable
	echo "kernelbox: installing Debian packages: ${missing[*]}"
	local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120)
	{
		"${install[@]}" update || true
		"${install[@]}" install -y --no-install-recommends "${missing[@]}"
	} >.setup.log 2>&1 || fail "the Debian packages could not be installed ($(cause))." \
		"Check the network and sudo, or do it by hand: $by_hand"
	rm -f .setup.log
}

# Docker is unpacked, not installed: installed it would start, and let this host forward nothing but
# what is its own. Without it, its tests say so.
docker() {
	! { command -v dockerd && command -v containerd; } >/dev/null || return 0
	[ ! -x .docker/usr/sbin/dockerd ] || return 0
	command -v apt-get >/dev/null || return 0
	writable
	echo 'kernelbox: unpacking the Debian packages docker.io and containerd into .docker'
	local parts=(docker.io containerd)
	! apt-cache show docker-cli >/dev/null 2>&1 || parts+=(docker-cli)
	rm -rf .docker.new
	mkdir .docker.new
	if (cd .docker.new && apt-get download "${parts[@]}") >.setup.log 2>&1; then
		local part
		for part in .docker.new/*.deb; do
			dpkg -x "$part" .docker.new
			rm "$part"
		done
		mv .docker.new .docker
		hand_over .docker
	else
		echo "kernelbox: it could not be had ($(cause)), so the tests of Docker are left out"
		rm -rf .docker.new
	fi
	rm -f .setup.log
}

# --- the Python environment -----------------------------------------------------------------------

environment() {
	local locked project
	locked=$({ pwd; echo "$python"; "$python" -V; cat requirements.lock; } | sha256sum)
	project=$({ echo "$locked"; declare -f start_script; cat pyproject.toml kernelbox/lab/jupyter/*; } | sha256sum)
	if stale project "$project"; then
		writable
		if stale locked "$locked"; then
			echo "kernelbox: installing $(grep -c == requirements.lock) Python packages into .venv (a minute or so)"
			rm -rf .venv
			"$python" -m venv .venv >.setup.log 2>&1 || fail "$python cannot make .venv ($(cause)). Look into .setup.log"
			locked_packages || pip "${locked_only[@]}" -r requirements.lock ||
				fail "pip could not install requirements.lock ($(cause)). Check the network, then" \
					"run make again; .setup.log says more"
			echo "$locked" >.venv/locked.made
		fi
		pip --no-build-isolation --no-index -e . ||
			fail "pip could not install kernelbox itself ($(cause)). .setup.log says more"
		start_script
		echo "$project" >.venv/project.made
		rm -f .setup.log
		hand_over .venv
	fi
	# Every command starts faster from bytecode, and PYTHONDONTWRITEBYTECODE does not stop this.
	.venv/bin/python -m compileall -q kernelbox
	.venv/bin/python -m kernelbox.plumbing.shelf
	find kernelbox -name __pycache__ | while IFS= read -r directory; do hand_over "$directory"; done
}

# pip's start script goes through all of `site`, a tenth of a start, and looks for each room. Ours
# does not, where it can be written: a `#!` line takes 255 bytes without a space. Source: execve(2).
start_script() {
	[[ "$PWD" =~ ^[[:alnum:]/._-]{1,200}$ ]] || return 0
	local packages
	packages=$(echo "$PWD"/.venv/lib/python*/site-packages)
	local name room
	while read -r name room; do
		printf '%s\n' "#!$PWD/.venv/bin/python -IS" 'import sys' '' \
			"sys.path += ['$PWD', '$packages']" 'from kernelbox.plumbing import shelf' '' 'shelf.use()' \
			"from $room import main" '' 'main()' \
			>".venv/bin/$name"
		chmod +x ".venv/bin/$name"
	done <<<'kernelbox kernelbox.cli
kernelbox-runtime kernelbox.cli.runtime'
}

# uv installs in a quarter of the time; but an index that only pip's settings name it does not know.
locked_packages() {
	pip "${locked_only[@]}" -r <(sed -n '/^uv==/,/[^\\]$/p' requirements.lock) &&
		.venv/bin/uv pip install --quiet --no-cache --compile-bytecode --no-deps \
			--python .venv/bin/python "${locked_only[@]}" -r requirements.lock >.setup.log 2>&1
}

locked_only=(--only-binary=:all: --require-hashes)

pip() { .venv/bin/python -m pip install --quiet --no-deps "$@" >.setup.log 2>&1; }

stale() { [ "$2" != "$(cat ".venv/$1.made" 2>/dev/null)" ]; }

# What root makes in somebody's checkout becomes theirs.
hand_over() { [ "$(id -u)" != 0 ] || chown -R -h --reference=. "$@"; }

writable() { [ -w . ] || fail "$(id -un) may not write to $PWD. Run make as $(stat -c %U .), or in a copy of your own"; }

cause() { grep -E '^(E|ERROR|sudo|OSError|Error):' .setup.log | tail -n 1 || true; }

main "$@"
