# The part of provision.sh that only a lab VM has: sourced. The lab user, and JupyterLab and the
# agent as services. In a chroot they are only enabled; on a running system they are started, too.
# shellcheck shell=bash

services() {
	[ "$(id -u)" = 0 ] || fail 'the lab user and its services are made by root: sudo labs-vm/provision.sh --vm'
	[ -d /usr/lib/systemd/system ] || fail 'the services of a lab VM need systemd'
	lab_user
	local file changed=
	for file in labs-vm/units/*; do
		put "/etc/systemd/system/${file##*/}" 644 <<<"$(sed "s|/opt/kernelbox|$PWD|g" "$file")"
	done
	# One person's machine: notebooks, `kernelbox` and `sudo kernelbox` work on the same root.
	put /usr/local/bin/kernelbox 755 <<<"#!/bin/sh
export KERNELBOX_ROOT=\"\${KERNELBOX_ROOT:-/var/lib/kernelbox}\"
exec $(printf %q "$PWD/.venv/bin/kernelbox") \"\$@\""
	gateway
	systemctl --quiet enable kernelbox-checkout.service kernelbox-agent.socket kernelbox-lab.service kernelbox-door.socket
	[ -d /run/systemd/system ] || return 0
	[ -z "$changed" ] || systemctl daemon-reload
	echo 'kernelbox: starting JupyterLab'
	systemctl start kernelbox-agent.socket
	if [ -n "$changed" ]; then
		systemctl restart kernelbox-door.socket kernelbox-lab.service
	else
		systemctl start kernelbox-door.socket kernelbox-lab.service
		# Its start has delivered the notebooks; if it has been running, newer ones are still to come.
		runuser -u lab -- labs-vm/guest/deliver
	fi
}

# In the group: who may have an agent. With sudo: whoever holds the lab VM owns it.
lab_user() {
	getent group kernelbox >/dev/null || groupadd --system kernelbox
	id lab >/dev/null 2>&1 || useradd --create-home --shell /bin/bash --comment 'the lab' lab
	usermod --append --groups kernelbox lab
	put /etc/sudoers.d/kernelbox 440 <<<'lab ALL=(ALL) NOPASSWD: ALL'
}

# Whoever forwards the host's port is seen with the address of this machine's gateway.
gateway() {
	local address
	address=$(ip -4 route show default 2>/dev/null | awk '{ print $3; exit }')
	[ -n "$address" ] || return 0
	put /etc/systemd/system/kernelbox-door.socket.d/gateway.conf 644 <<<"[Socket]
IPAddressAllow=$address"
}

# Write standard input to a file with a mode, unless it is there already; sets `changed`.
put() {
	local text
	text=$(cat)
	[ "$text" != "$(cat "$1" 2>/dev/null)" ] || return 0
	mkdir -p "$(dirname "$1")"
	printf '%s\n' "$text" >"$1"
	chmod "$2" "$1"
	changed=yes
}
