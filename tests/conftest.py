"""What every test stands on: a root of the tests' own, the command, and a host left as it was.

Containers of the tests live below a root that only this session has (`KERNELBOX_ROOT`), so that
running the tests neither sees nor removes the containers of whoever runs them. It has a bridge, a
table and control groups like any other root; they stay between tests, and `kernelbox reset` removes
them at the end. Everything else that a test makes must be gone when the test is over.

`make vm-test` runs inside the lab VM what can find something there that it cannot find outside: the
tests whose code touches control groups (version 2's there), a kernel's module, or AppArmor, but
those that say with `@pytest.mark.outside(why)` that they would find the same. See `inside`.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import tempfile
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from kernelbox import lab
from kernelbox.lab import Lab
from tests import budget, inside, looking, unsteady, workers
from tests.command import NOTEBOOKS_ROOT, Kernelbox, Running
from tests.engine import RUNTIME, Engine
from tests.scene import Scene
from tests.town import Town

OF_A_RUN = re.compile(r"^mount .* on .*/pytest-of-[^/]+/pytest-\d+/")  # of these tests, or others
# A group, or the cable to a machine next door, with the root's suffix.
OF_A_ROOT = re.compile(r"(?:/kernelbox/[a-z]+-|^link door)([0-9a-f]{5})(?:[/-]|$|\d+$)")
TEST_CGROUP = re.compile(r"^cgroup .*/kernelbox/(?:oci-)?(?:test|many)-(\d+)")  # the pid of a test
USUAL_ROOT = Path("/var/lib/kernelbox")
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
FORWARDING_BEFORE = FORWARDING.read_text()  # as it was before any worker has made a bridge
REGISTER = Path(f"/run/kernelbox-forwards-{os.stat('/proc/self/ns/net').st_ino}")  # for whom it is
OTHERS_BEFORE = REGISTER.exists()  # somebody else uses kernelbox on this host
HAS_FAILED = pytest.StashKey[bool]()
INSIDE = pytest.StashKey[dict[Path, dict[str, bool]]]()


def pytest_configure(config: pytest.Config) -> None:
    """Give the notebooks that nbval executes the root that their outputs were stored with.

    One of them shows what a reset does, and must not do it to a student's containers. And take
    SIGINT back, which a shell lets its background jobs ignore: some tests press Ctrl-C.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["KERNELBOX_ROOT"] = NOTEBOOKS_ROOT
    progress = tempfile.mkdtemp(prefix="kernelbox-progress-")  # nobody's own is to be written
    os.environ["KERNELBOX_PROGRESS"] = f"{progress}/progress.json"
    count, tries = config.getoption("workers"), config.getoption("second_tries")
    if count > 1 or tries:
        second_tries = unsteady.SecondTries(tries)
        config.pluginmanager.register(second_tries)
        config.pluginmanager.register(workers.Front(count, second_tries))
    if config.getoption("budget"):
        config.pluginmanager.register(budget.Bill())


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing of the notebooks' root, if this session is one that executes them."""
    shutil.rmtree(os.path.dirname(os.environ["KERNELBOX_PROGRESS"]), ignore_errors=True)
    if config.getoption("nbval", default=False):
        Kernelbox(Path(NOTEBOOKS_ROOT)).ok("reset")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take `--share K/N`, for several machines side by side, and what one may do to be quick."""
    parser.addoption("--share", metavar="K/N", help="run share K of N: so many of the files")
    parser.addoption(
        "--workers", type=int, default=1, metavar="N", help="run the tests in N processes at once"
    )
    parser.addoption(
        "--second-tries",
        type=int,
        default=0,
        metavar="N",
        help="run again, alone and last, up to N tests that failed",
    )
    parser.addoption(
        "--budget", action="store_true", help="end with what each file took, and what it may take"
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out a file that has none of the tests asked for: a VM takes long to load it."""
    if not _only_vm(config) or collection_path.suffix != ".py":
        return None
    return collection_path not in _inside(config) or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark as `vm` what `make vm-test` runs, where it is asked for: `inside` says what that is."""
    if (share := config.getoption("share")) and not _only_vm(config):
        files = inside.share({item.path for item in items}, *map(int, share.split("/")))
        config.hook.pytest_deselected(items=[one for one in items if one.path not in files])
        items[:] = [one for one in items if one.path in files]
    for item in items if _only_vm(config) else ():
        if isinstance(item, pytest.Function) and _inside(config)[item.path].get(item.originalname):
            item.add_marker("vm")


def _only_vm(config: pytest.Config) -> bool:
    return bool(config.getoption("markexpr", "") == "vm")


def _inside(config: pytest.Config) -> dict[Path, dict[str, bool]]:
    """Return the files whose tests the lab VM runs, of this share, and which tests those are."""
    if INSIDE not in config.stash:
        left_out = {Path(one).name for one in config.getoption("ignore") or ()}
        paths = [one for one in Path(__file__).parent.glob("test_*.py") if one.name not in left_out]
        found = inside.files(paths)
        if share := config.getoption("share"):
            files = inside.share(found, *map(int, share.split("/")))
            found = {path: tests for path, tests in found.items() if path in files}
        config.stash[INSIDE] = found
    return config.stash[INSIDE]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport]:
    """Reset the roots in the directory of a test that has failed, when it has cleaned up itself.

    It may be tried again, and the others go on: they share the host's switches with what it left.
    """
    report = yield
    if report.failed:
        item.stash[HAS_FAILED] = True
    directory = getattr(item, "funcargs", {}).get("tmp_path")
    if report.when == "teardown" and directory and item.stash.get(HAS_FAILED, False):
        for root in looking.roots_in(directory):
            Kernelbox(root)("reset")
    return report


@pytest.fixture(scope="session")
def tests_root(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Path]:
    """The tests' own KERNELBOX_ROOT. At the end it is reset, and the host must be as it was."""
    ours = tmp_path_factory.getbasetemp()
    path = tmp_path_factory.mktemp("kernelbox") / "root"
    before = looking.host({})
    with contextlib.ExitStack() as ending:  # whoever is interrupted meanwhile has begun it, too
        ending.callback(Kernelbox(path).ok, "reset")
        if pytestconfig.getoption("workers") > 1:
            # It makes its bridge now, and the host's switch for forwarding stays on until the end:
            # whoever finds it off turns it on, and off again, however many bridges there are.
            Kernelbox(path).ok("run", "--rm", "busybox", "true")
        yield path
    assert not path.exists()
    left = lasting_leaks(before, {}, ours)
    if left:
        pytest.fail("\n".join(["reset left these behind:", *left]), pytrace=False)
    if not workers.are_others_running(pytestconfig):
        if pytestconfig.getoption("nbval", default=False):  # a notebook's bridge needs it as well
            Kernelbox(Path(NOTEBOOKS_ROOT)).ok("reset")
        # What others need it for that a test has left is told where that test failed.
        base = ours.parent if ours.name.startswith("w") else ours
        for root in looking.roots_in(base):
            Kernelbox(root)("reset")
        now = FORWARDING.read_text()
        if now != FORWARDING_BEFORE and not (OTHERS_BEFORE or forwards_for_others(base)):
            pytest.fail(f"the host forwards: {now.strip()}", pytrace=False)


def forwards_for_others(base: Path) -> bool:
    """Whether a root that is not of these tests relies on the host's forwarding."""
    lines = REGISTER.read_text().splitlines()[1:] if REGISTER.exists() else []
    roots = [Path(line.partition(" ")[2]) for line in lines]
    return any(one.is_dir() and not one.is_relative_to(base) for one in roots)


@pytest.fixture(autouse=True)
def nothing_is_left_behind(
    tests_root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Compare what the host has before and after each test."""
    monkeypatch.setenv("KERNELBOX_ROOT", str(tests_root))
    monkeypatch.setenv(looking.MARK, str(os.getpid()))
    before = looking.host({"root": tests_root})
    yield
    ours = tmp_path_factory.getbasetemp()
    left = lasting_leaks(before | shared_things(tests_root), {"root": tests_root}, ours)
    assert not left, "\n".join(["the test left these behind:", *left])


def shared_things(root: Path) -> set[str]:
    """Return what a root has once, however many containers: it may appear in any test and stays."""
    suffix = suffix_of(root)
    tops = {path for path in looking.cgroups() if path.name == "kernelbox"}
    return {
        f"link kernelbox-{suffix}",
        f"table ip kernelbox_{suffix}",
        *(f"cgroup {path}" for path in tops),
        *(f"cgroup {path}/{kind}-{suffix}" for path in tops for kind in ("held", "lab")),
    }


def things_of_networks(root: Path) -> set[str]:
    """Return the bridges and tables of the networks that somebody has made under a root."""
    found = set()
    for definition in looking.entries(root / "networks"):
        name = os.fsencode(os.path.realpath(root)) + b"/" + os.fsencode(definition.name)
        digits = f"{zlib.crc32(name) >> 8:06x}"
        tables = {f"table {family} kernelbox_net_{digits}" for family in ("ip", "ip6")}
        found |= {f"link kernelbox{digits}", *tables}
    return found


def suffix_of(root: Path) -> str:
    """Return what the names of a root's shared things end with."""
    return f"{zlib.crc32(os.fsencode(os.path.realpath(root))) & 0xFFFFF:05x}"


def lasting_leaks(before: set[str], roots: dict[str, Path], ours: Path) -> list[str]:
    """Return what has come since `before` and does not go by itself.

    The kernel takes a moment to remove a network namespace and the links in it. And somebody may
    use kernelbox on this host meanwhile: what is theirs does not count.
    """
    left = looking.host(roots) - before

    def gone() -> bool:
        left.intersection_update(looking.host(roots))
        return not left

    if left:
        left.difference_update(others_things(left, ours))
        looking.soon(gone, 10.0)
    return sorted(left)


def others_things(found: set[str], ours: Path) -> set[str]:
    """Return what belongs to roots, or to a worker, that do not lie in the directory `ours`."""
    theirs = {"link kernelbox0", "table ip kernelbox"}
    marks = {"published port: kernelbox rule "}
    for root in {USUAL_ROOT, Path(NOTEBOOKS_ROOT), *looking.other_roots(ours)}:
        networks = things_of_networks(root)
        theirs |= shared_things(root) | networks
        marks |= {f"published port: {one.split()[-1]} " for one in networks if "table" in one}
        marks.add(f"published port: kernelbox_{suffix_of(root)} ")
        with contextlib.suppress(OSError):
            marks |= {name[:7] for name in os.listdir(root / "containers")}
    suffixes = {suffix_of(directory / "root") for directory in ours.iterdir()}
    theirs |= {one for one in found if (root := OF_A_ROOT.search(one)) and root[1] not in suffixes}
    theirs |= {one for one in found if OF_A_RUN.search(one) and f" on {ours}/" not in one}
    theirs |= {
        one for one in found if (made := TEST_CGROUP.search(one)) and made[1] != str(os.getpid())
    }
    return theirs | {one for one in found if any(mark in one for mark in marks)}


@pytest.fixture
def kernelbox(tests_root: Path) -> Iterator[Kernelbox]:
    """The command line; containers that `kernelbox.start` made are removed after the test."""
    command = Kernelbox(tests_root)
    yield command
    command.clean_up()


@pytest.fixture(scope="module")
def shared(tests_root: Path) -> Iterator[Kernelbox]:
    """The same for containers that several tests of a module look at, and none changes."""
    command = Kernelbox(tests_root)
    yield command
    command.clean_up()


@pytest.fixture(scope="module")
def plain(shared: Kernelbox) -> Running:
    """A container with no option at all, that nobody changes."""
    container = shared.start("busybox", "sleep", "infinity")
    return Running(container, shared.pid(container))


@pytest.fixture(scope="module")
def mapped(shared: Kernelbox) -> Running:
    """A container in a user namespace of its own, without a network, that nobody changes."""
    options = ("--userns", "auto", "--network", "none")
    container = shared.start(*options, "busybox", "sleep", "infinity")
    return Running(container, shared.pid(container))


@pytest.fixture(scope="module", params=["plain", "mapped"])
def either(request: pytest.FixtureRequest) -> Running:
    """A container with and one without a user namespace, that nobody changes."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Running)
    return found


@pytest.fixture
def box() -> Iterator[Lab]:
    """A lab of the test's own."""
    made = lab.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def environment(
    tests_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """What Jupyter kernels get: the tests' root and mark, and directories that are nobody's."""
    directory = tmp_path_factory.mktemp("jupyter")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_RUNTIME_DIR", str(directory / "runtime"))
        patch.setenv("IPYTHONDIR", str(directory / "ipython"))
        patch.setenv("KERNELBOX_ROOT", str(tests_root))
        patch.setenv(looking.MARK, str(os.getpid()))
        yield dict(os.environ)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """Namespaces that play a host and the world, and a root of their own."""
    monkeypatch.setenv("KERNELBOX_ROOT", str(tmp_path))
    made = Scene()
    yield made
    made.close()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The town of a module: see there."""
    made = Town(tmp_path_factory.mktemp("town") / "root")
    yield made
    made.close()


@pytest.fixture
def town(host: Town) -> Iterator[Town]:
    """The town, and after the test nobody in it and no network that somebody made."""
    yield host
    host.clean_up()
    host.ok("network", "prune", "--force")
    assert not list((host.root / "networks").glob("*/config.json"))
    assert not host.name_servers()


@pytest.fixture(scope="module")
def one_engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """What an OCI runtime is driven by: see there."""
    return Engine(tmp_path_factory.mktemp("engine"))


@pytest.fixture
def engine(one_engine: Engine) -> Iterator[Engine]:
    """The engine of a module, with the bundle as it was, and after the test no container."""
    one_engine.renew()
    one_engine.runtime = RUNTIME
    yield one_engine
    for container in one_engine.left():
        one_engine.ok("delete", "--force", container)
