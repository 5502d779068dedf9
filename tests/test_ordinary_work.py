"""What people run in containers, behind the default profile: it works as without it.

The programs are the host's, so that it is those of a whole distribution and not busybox's.
"""

from __future__ import annotations

import os
import shutil

import pytest

from tests.command import Kernelbox
from tests.looking import status

TOOLS = [
    word
    for path in ("/usr/bin", "/usr/lib", "/usr/libexec", "/usr/share", "/lib", "/lib64")
    if os.path.isdir(path)
    for word in ("-v", f"{path}:{path}:ro")
]

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
SCRIPTED = """
use Socket;
socketpair(my $one, my $two, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die $!;
my $child = fork();
if (!$child) { $> = 1000; print $one "user $>\\n"; exec "true" }
print scalar <$two>;
waitpid $child, 0;
chroot "/" and chown 7, 7, "/etc/hostname" or print "no: $!\\n";
"""


@pytest.mark.parametrize(
    ("program", "words", "said"),
    [
        ("python3", ("python3", "-c", WEB), "20 pages\n"),
        ("python3", ("python3", "-c", DATABASE), "40 780\n"),
        ("gcc", ("sh", "-ec", COMPILED), "compiled\n"),
        ("dpkg", ("sh", "-ec", PACKAGED), "install ok installed installed\n"),
        ("perl", ("perl", "-e", SCRIPTED), "user 1000\n"),
        ("node", ("node", "-e", "fetch; setTimeout(() => console.log('later'), 10)"), "later\n"),
    ],
    ids=("web", "database", "gcc", "dpkg", "perl", "node"),
)
def test_it_works_behind_the_default_profile(
    kernelbox: Kernelbox, program: str, words: tuple[str, ...], said: str
) -> None:
    if shutil.which(program, path="/usr/bin") is None:
        pytest.skip(f"the host has no {program}")
    container = kernelbox.start("--network", "none", *TOOLS, "busybox", "sleep", "infinity")
    assert status(kernelbox.pid(container))["Seccomp"] == "2"
    done = kernelbox("exec", "-e", "PATH=/usr/bin:/usr/sbin:/bin:/sbin", container, *words)
    assert (done.returncode, done.stdout) == (0, said), done
