"""What people run in containers, behind the default profile: it works as without it.

The programs are the host's, so that it is those of a whole distribution and not busybox's.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess

import pytest

from tests.command import Kernelbox
from tests.looking import status

TOOLS = [
    word
    for path in (
        "/usr/bin",
        "/usr/lib",
        "/usr/libexec",
        "/usr/share",
        "/lib",
        "/lib64",
    )
    if os.path.isdir(path)
    for word in ("-v", f"{path}:{path}:ro")
]
# Debian has the programs of a database's server where each version has its own.
PATH = ":".join(
    ["/usr/bin", "/usr/sbin", "/bin", "/sbin", *sorted(glob.glob("/usr/lib/postgresql/*/bin"))]
)

WEB = """
import threading, urllib.request
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_): pass

server = ThreadingHTTPServer(("127.0.0.1", 8000), Quiet)
threading.Thread(target=server.serve_forever, daemon=True).start()
asked = [urllib.request.urlopen("http://127.0.0.1:8000/etc/hostname") for _ in range(20)]
print(sum(one.status == 200 for one in asked), "pages")
"""
DATABASE = """
import multiprocessing, sqlite3

def add(number):
    with sqlite3.connect("/base", timeout=60) as base:
        base.execute("insert into things values (?)", (number,))

with sqlite3.connect("/base") as base:
    base.execute("pragma journal_mode=wal")
    base.execute("create table things (number integer)")
with multiprocessing.Pool(4) as pool:
    pool.map(add, range(40))
with sqlite3.connect("/base") as base:
    print(*base.execute("select count(*), sum(number) from things").fetchone())
"""
COMPILED = """
echo 'int puts(const char *); int main(void) { return puts("compiled") < 0; }' >/one.c
gcc -O2 -o /one /one.c && /one
"""
PACKAGED = """
mkdir -p /made/DEBIAN /made/usr/share/thing /target/var/lib/dpkg/info /target/var/lib/dpkg/updates
touch /target/var/lib/dpkg/status /target/var/lib/dpkg/available
echo installed >/made/usr/share/thing/file
printf 'Package: thing\\nVersion: 1\\nArchitecture: all\\nMaintainer: x\\nDescription: x\\n' \\
    >/made/DEBIAN/control
dpkg-deb --build /made /thing.deb >/dev/null
dpkg --root=/target --force-bad-path --install /thing.deb >/dev/null
dpkg-query --admindir=/target/var/lib/dpkg --show --showformat='${Status} ' thing
cat /target/usr/share/thing/file
"""
# What apt downloads with is a user of its own, of whom the host's /etc is not asked.
UPGRADED = """
echo '_apt:x:42:65534::/nonexistent:/usr/sbin/nologin' >>/etc/passwd
mkdir -p /made/DEBIAN /made/opt/thing /repository /etc/apt /var/lib/dpkg /var/cache/apt /var/log/apt
mkdir -p /etc/apt/apt.conf.d /etc/apt/preferences.d /var/lib/apt/lists/partial /tmp
touch /var/lib/dpkg/status && chmod 1777 /tmp
printf '#!/bin/sh\necho configured as $(id -u) >/opt/thing/file\n' >/made/DEBIAN/postinst
chmod 755 /made/DEBIAN/postinst
for version in 1 2; do
    printf 'Package: thing\nVersion: %s\nArchitecture: all\nMaintainer: x\nDescription: x\n' \
        $version >/made/DEBIAN/control
    package=/repository/thing_$version.deb
    dpkg-deb --build /made $package >/dev/null
    dpkg-deb --field $package
    echo "Filename: ./thing_$version.deb"
    echo "Size: $(stat -c %s $package)"
    echo "SHA256: $(sha256sum $package | cut -d ' ' -f 1)"
    echo
done >/repository/Packages
echo 'deb [trusted=yes] file:/repository ./' >/etc/apt/sources.list
export DEBIAN_FRONTEND=noninteractive
echo "DPkg::Path \\"$PATH:/host/sbin\\";" >/etc/apt/apt.conf
apt-get -q update >/dev/null
apt-get -q install -y thing=1 >/dev/null
apt-get -q upgrade -y >/dev/null
dpkg-query --show --showformat='${Status} ${Version} ' thing
cat /opt/thing/file
apt-get -q purge -y thing >/dev/null && test ! -e /var/lib/dpkg/info/thing.list
"""
QUERIED = """
echo 'postgres:x:70:70::/data:/bin/sh' >>/etc/passwd
mkdir /data && chown 70:70 /data
exec setpriv --reuid 70 --regid 70 --clear-groups --bounding-set -all sh -ec '
    initdb -D /data/base -A trust >/dev/null
    options="-k /data -c listen_addresses= -c min_parallel_table_scan_size=0"
    pg_ctl -D /data/base -o "$options" -w -l /data/log start >/dev/null
    ask() { psql -h /data -d postgres -qAtc "$1"; }
    ask "create table things as select generate_series(1, 100000) as number"
    ask "set parallel_setup_cost = 0; set parallel_tuple_cost = 0;
        select count(*), sum(number) from things"
    pg_ctl -D /data/base -w stop >/dev/null
    id -u
'
"""
SCRIPTED = """
use Socket;
socketpair(my $one, my $two, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die $!;
my $child = fork();
if (!$child) { $> = 1000; print $one "user $>\\n"; exec "true" }
print scalar <$two>;
waitpid $child, 0;
chroot "/" and chown 7, 7, "/etc/hostname" or print "no: $!\\n";
"""


def is_there(program: str) -> bool:
    """Whether the host has a program; of gcc, the lab VM has only what calls the others."""
    if shutil.which(program, path=PATH) is None:
        return False
    compiler = ("gcc", "-print-prog-name=cc1")  # a name alone, if there is none
    return program != "gcc" or subprocess.check_output(compiler, text=True).startswith("/")


@pytest.mark.parametrize(
    ("program", "words", "said"),
    [
        ("python3", ("python3", "-c", WEB), "20 pages\n"),
        ("python3", ("python3", "-c", DATABASE), "40 780\n"),
        ("gcc", ("sh", "-ec", COMPILED), "compiled\n"),
        ("dpkg", ("sh", "-ec", PACKAGED), "install ok installed installed\n"),
        ("apt-get", ("sh", "-ec", UPGRADED), "install ok installed 2 configured as 0\n"),
        ("postgres", ("sh", "-ec", QUERIED), "100000|5000050000\n70\n"),
        ("perl", ("perl", "-e", SCRIPTED), "user 1000\n"),
        ("node", ("node", "-e", "fetch; setTimeout(() => console.log('later'), 10)"), "later\n"),
    ],
    ids=("web", "database", "gcc", "dpkg", "apt", "postgres", "perl", "node"),
)
def test_it_works_behind_the_default_profile(
    kernelbox: Kernelbox, program: str, words: tuple[str, ...], said: str
) -> None:
    if not is_there(program):
        pytest.skip(f"the host has no {program}")
    tools = (*TOOLS, "-v", "/usr/sbin:/host/sbin:ro")  # at its own place busybox has its programs
    container = kernelbox.start("--network", "none", *tools, "busybox", "sleep", "infinity")
    assert status(kernelbox.pid(container))["Seccomp"] == "2"
    done = kernelbox("exec", "-e", f"PATH={PATH}", container, *words)
    assert (done.returncode, done.stdout) == (0, said), done
