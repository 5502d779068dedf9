"""How long the rooms of the tests may take, and the chapters: one table, for whoever adds to them.

The figures are seconds on the machine where kernelbox is made, three workers side by side, with
some air. A run ends with what was used beside them. Nothing fails because of it: a machine may be
slow. Whoever is over makes the room quicker, or writes the new figure here and says why in the
commit. The longest is begun first: see `workers`.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

USUAL = 30.0  # of a file that the table does not name

BUDGET: dict[str, float] = {
    "test_agent.py": 50,
    "test_asking.py": 10,
    "test_attacks.py": 30,
    "test_audit.py": 15,
    "test_bad_input.py": 70,
    "test_browser.py": 430,
    "test_build.py": 160,
    "test_cabling.py": 15,
    "test_cgroup.py": 10,
    "test_chapters.py": 590,
    "test_ci.py": 15,
    "test_cli.py": 45,
    "test_confined.py": 20,
    "test_container.py": 45,
    "test_containerfile.py": 15,
    "test_course.py": 170,
    "test_crash.py": 395,
    "test_disks.py": 15,
    "test_docker_runtime.py": 45,
    "test_doctor.py": 10,
    "test_dozing.py": 180,
    "test_events.py": 25,
    "test_exercises.py": 1090,
    "test_experiments.py": 20,
    "test_groups.py": 50,
    "test_guard.py": 20,
    "test_handouts.py": 40,
    "test_headers.py": 10,
    "test_hostile_images.py": 70,
    "test_hostile_programs.py": 30,
    "test_hosts.py": 210,
    "test_image_commands.py": 215,
    "test_inside.py": 5,
    "test_images.py": 10,
    "test_inventory.py": 30,
    "test_ipv6.py": 70,
    "test_isolation.py": 55,
    "test_joining.py": 85,
    "test_lab.py": 65,
    "test_light.py": 35,
    "test_lifecycle.py": 30,
    "test_limits.py": 60,
    "test_listing.py": 20,
    "test_lives.py": 45,
    "test_loads.py": 25,
    "test_many.py": 50,
    "test_machine.py": 40,
    "test_macvlan.py": 75,
    "test_names.py": 70,
    "test_network.py": 40,
    "test_networked.py": 35,
    "test_networks.py": 85,
    "test_notebooks.py": 25,
    "test_observe.py": 40,
    "test_oci.py": 60,
    "test_oci_groups.py": 25,
    "test_oci_damage.py": 40,
    "test_oci_linux.py": 40,
    "test_oci_many.py": 25,
    "test_oci_more.py": 20,
    "test_oci_rootless.py": 45,
    "test_oom.py": 20,
    "test_ordinary_work.py": 30,
    "test_paths.py": 10,
    "test_pause.py": 50,
    "test_plain.py": 10,
    "test_plan.py": 15,
    "test_podman_runtime.py": 60,
    "test_power_cut.py": 15,
    "test_questions.py": 5,
    "test_quick.py": 5,
    "test_reaching.py": 5,
    "test_records.py": 5,
    "test_recording.py": 20,
    "test_registry.py": 60,
    "test_restarting.py": 45,
    "test_rtnetlink.py": 20,
    "test_seccomp.py": 40,
    "test_shaping.py": 15,
    "test_shelf.py": 15,
    "test_smallest.py": 5,
    "test_spec.py": 10,
    "test_students.py": 175,
    "test_style.py": 45,
    "test_sysctls.py": 5,
    "test_systemd.py": 5,
    "test_system.py": 20,
    "test_teachers.py": 115,
    "test_terminal.py": 20,
    "test_trace.py": 5,
    "test_update.py": 20,
    "test_vagrant.py": 40,
    "test_vm.py": 265,
    "test_volumes.py": 25,
    "test_watched_entry.py": 25,
    "test_watching.py": 95,
    "test_widgets.py": 25,
    "test_wishes.py": 25,
    "test_workbook.py": 450,
    "test_workers.py": 120,
    "00-start-here.ipynb": 20,
    "01-a-container-is-a-process.ipynb": 20,
    "02-pid-namespaces.ipynb": 25,
    "03-mount-namespaces.ipynb": 10,
    "04-from-chroot-to-pivot-root.ipynb": 10,
    "05-images.ipynb": 25,
    "06-overlayfs.ipynb": 20,
    "07-user-namespaces.ipynb": 15,
    "08-cpu.ipynb": 75,
    "09-memory.ipynb": 20,
    "10-disk-io.ipynb": 50,
    "11-network-by-hand.ipynb": 45,
    "12-user-defined-networks.ipynb": 35,
    "13-life-cycle.ipynb": 75,
    "14-light-and-efficient.ipynb": 90,
    "15-secure.ipynb": 60,
    "README.ipynb": 5,
    "broken-host-04.ipynb": 5,
    "broken-host-07.ipynb": 5,
    "broken-host-10.ipynb": 5,
    "broken-host-12.ipynb": 15,
    "playground.ipynb": 5,
    "what-do-you-believe.ipynb": 5,
}

# Of the tests that the lab VM runs: seconds of a processor that QEMU imitates, on the same machine.
USUAL_INSIDE = 15.0
INSIDE: dict[str, float] = {}


def seconds(path: Path) -> float:
    """Return how many seconds the tests in a file, or a notebook, may take."""
    return BUDGET.get(path.name, USUAL)


def seconds_inside(path: Path) -> float:
    """Return how many seconds of a processor the tests of a file take in the lab VM."""
    return INSIDE.get(path.name, USUAL_INSIDE)


class Bill:
    """A plugin that ends a run with what each file took beside what it may take."""

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the table, the ten slowest tests, and loudly whoever is over."""
        took: Counter[str] = Counter()
        slowest: Counter[str] = Counter()
        for reports in terminalreporter.stats.values():
            for report in reports:
                if isinstance(report, pytest.TestReport):
                    took[Path(report.fspath).name] += report.duration
                    slowest[report.nodeid] += report.duration
        write = terminalreporter.write_line
        terminalreporter.section("seconds used, of those there are", sep="-")
        over = []
        for name, used in sorted(took.items()):
            allowed = seconds(Path(name))
            write(f"{used:7.1f} of {allowed:5.0f}  {name}")
            if used > allowed:
                over.append(f"OVER BUDGET: {name} took {used:.0f} s and has {allowed:.0f} s")
        write(f"{sum(took.values()):7.1f} of {sum(map(seconds, map(Path, took))):5.0f}  in all")
        terminalreporter.section("the ten slowest tests", sep="-")
        for name, used in slowest.most_common(10):
            write(f"{used:7.1f}  {name}")
        for line in over:
            write(line, red=True, bold=True)
