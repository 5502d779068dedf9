"""Many operations of an OCI runtime in random order, some of them killed: nothing is ever wrong.

What it says a container is has to be what the kernel says; and when all are deleted, nothing is
left. `python -m tests.test_oci_many COUNT WORKERS [SEED]` does more of it.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests import looking
from tests.engine import RUNTIME, Engine, gone

OPERATIONS = (
    "create",
    "start",
    "exec",
    "pause",
    "resume",
    "update",
    "kill",
    "delete",
    "cut",
    "end",
)
COUNT = 40


class Worker:
    """One who does things to its three containers, and knows nothing of how they went."""

    def __init__(self, engine: Engine, number: int, seed: int) -> None:
        self.engine = engine
        self.chance = random.Random(f"{seed}-{number}")
        self.names = [f"many-{os.getpid()}-{number}-{one}" for one in range(3)]
        self.complaints: list[str] = []
        self.place = engine.bundle.parent / f"worker{number}"
        self.place.mkdir()

    def runtime(self, *words: str, broken: str = "") -> subprocess.CompletedProcess[str]:
        """Run the runtime to its end; what it prints goes into files, which its heirs may keep."""
        out, err = self.place / "out", self.place / "err"
        with out.open("w") as to, err.open("w") as to_err:
            done = subprocess.run(
                [*RUNTIME, "--root", str(self.engine.root), *words],
                stdin=subprocess.DEVNULL, stdout=to, stderr=to_err,
                env={**os.environ, **({"KERNELBOX_BREAK": broken} if broken else {})},
                timeout=120, check=False,
            )  # fmt: skip
        said = (out.read_text(), err.read_text())
        return subprocess.CompletedProcess(words, done.returncode, *said)

    def work(self, count: int) -> None:
        for _ in range(count):
            name, what = self.chance.choice(self.names), self.chance.choice(OPERATIONS)
            done = self.do(what, name)
            if "bug" in done.stderr or "Traceback" in done.stderr:
                self.complaints.append(f"{what} {name}: {done.stderr}")
            self.compare(name)

    def do(self, what: str, name: str) -> subprocess.CompletedProcess[str]:
        bundle = ("--bundle", str(self.engine.bundle))
        if what == "cut":
            place = f"runtime:{self.chance.randrange(1, 60)}:SIGKILL"
            return self.runtime("run", "--detach", *bundle, name, broken=place)
        if what == "end":
            state = self.runtime("state", name)
            pid = json.loads(state.stdout)["pid"] if state.returncode == 0 else 0
            if pid:
                os.kill(pid, 9)
                looking.soon(lambda: gone(pid))
            return state
        more = {
            "create": (*bundle, name),
            "exec": (name, "true"),
            "update": ("--pids-limit", str(self.chance.randrange(20, 99)), name),
            "kill": (name, "KILL"),
            "delete": ("--force", name),
        }
        return self.runtime(what, *more.get(what, (name,)))

    def compare(self, name: str) -> None:
        """Hold what the runtime says against what /proc says."""
        state = self.runtime("state", name)
        if state.returncode != 0:
            return
        told = json.loads(state.stdout)
        lives = bool(told["pid"]) and not gone(told["pid"])
        if lives != (told["status"] in ("created", "running", "paused")):
            again = json.loads(self.runtime("state", name).stdout)  # it may have ended just then
            if again["status"] == told["status"]:
                self.complaints.append(f"{name} is said to be {told}")


def work(engine: Engine, count: int, workers: int, seed: int) -> list[str]:
    """Let some workers do so much in all; return what went wrong."""
    engine.config["process"]["args"] = ["sleep", "1000"]
    (engine.bundle / "config.json").write_text(json.dumps(engine.config))
    them = [Worker(engine, number, seed) for number in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda one: one.work(count // workers), them))
    complaints = [complaint for one in them for complaint in one.complaints]
    for one in them:
        for name in one.names:
            done = one.runtime("delete", "--force", name)
            if done.returncode != 0:
                complaints.append(f"delete {name}: {done.stderr}")
    complaints += [f"{name} is left" for name in engine.left()]
    groups = [path for path in looking.cgroups() if f"-many-{os.getpid()}" in path.name]
    return [*complaints, *(f"{path} is left" for path in groups)]


def test_whatever_is_done_in_whatever_order(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    complaints = work(Engine(tmp_path), COUNT, 2, seed)
    assert not complaints, f"seed {seed}: {complaints}"


if __name__ == "__main__":
    count, workers, *rest = map(int, sys.argv[1:])
    seed = rest[0] if rest else random.randrange(10**6)
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as place:
        found = work(Engine(Path(place)), count, workers, seed)
    print("\n".join(found) or f"{count} operations, nothing wrong, nothing left")
    sys.exit(bool(found))
