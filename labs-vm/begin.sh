# How every recipe of the Makefile and every script of labs-vm begins: sourced, at the checkout's top.
# shellcheck shell=bash disable=SC2034
#
# `as_root` goes before a command that needs privilege; bytecode is not written then, so no file of
# root's is left in a student's checkout.

export PATH="$PWD/.venv/bin:$PATH:/usr/sbin:/sbin" JUPYTER_PREFER_ENV_PATH=1
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -E -H env PATH="$PATH" JUPYTER_PREFER_ENV_PATH=1 PYTHONDONTWRITEBYTECODE=1)

# End with one line that names the cause and the cure.
fail() {
	printf 'kernelbox: %s\n' "$*" >&2
	exit 1
}

# Find the first of $PYTHON that is 3.11 or newer; sets `python`: not a virtual environment's, even
# if one is active. The system's own comes first: it starts quickly, and it does not move.
find_python() {
	local candidate
	python=
	for candidate in ${PYTHON:-/usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11}; do
		python=$("$candidate" -c 'import sys; sys.version_info >= (3, 11) and print(sys._base_executable)' 2>/dev/null) || true
		[ -z "$python" ] || return 0
	done
	fail 'no Python 3.11 or newer here. Install one' \
		'(apt-get install python3; on Ubuntu 22.04 python3.11), or name yours: make setup PYTHON=/path/to/python3'
}
