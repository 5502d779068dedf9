"""How a container is asked whether it does its work: what options and its image say of it."""

from __future__ import annotations

import re

from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.container.option_types import Healthcheck, RunOptions

# Source: moby, daemon/health.go.
_INTERVAL, _TIMEOUT, _START_INTERVAL, _RETRIES = 30.0, 30.0, 5.0, 3
_SHORTEST = 0.001  # seconds: as Docker's
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = r"(\d+(?:\.\d*)?)(h|ms|m|s|us|µs|ns)"


def check(given: RunOptions, of_image: object) -> Healthcheck | None:
    """Return what is to be asked, and how often; None if nothing is.

    Args:
        given: The options, which count more.
        of_image: The image's HEALTHCHECK; one that means nothing counts as none.

    Raises:
        UsageError: An option cannot be, or is of no use with another.

    Source: Docker, "docker run", "Healthchecks"; OCI image-spec extension, `Healthcheck`.
    """
    said = of_image if isinstance(of_image, dict) else {}
    wishes = [name for name in given if name.startswith("health_") and given.get(name)]
    if given["no_healthcheck"]:
        if wishes:
            raise UsageError("--no-healthcheck goes with no other --health option", "Choose one")
        return None
    test = said.get("Test") or ["NONE"]
    if given["health_cmd"]:
        test = ["CMD-SHELL", given["health_cmd"]]
    # An option that cannot be is wrong also where nothing is asked.
    retries = given["health_retries"]
    if retries is not None and retries < 0:
        raise UsageError(f"--health-retries {retries} is below 0", "Write it like 3")
    own = said.get("Retries")
    found: Healthcheck = {
        "test": test,
        "interval": _seconds(given["health_interval"], said.get("Interval")) or _INTERVAL,
        "timeout": _seconds(given["health_timeout"], said.get("Timeout")) or _TIMEOUT,
        "start_period": _seconds(given["health_start_period"], said.get("StartPeriod")),
        "start_interval": _seconds(given["health_start_interval"], said.get("StartInterval"))
        or _START_INTERVAL,
        "retries": retries or (own if isinstance(own, int) and own > 0 else _RETRIES),
    }
    known = isinstance(test, list) and test[0] in ("CMD", "CMD-SHELL") and len(test) > 1
    if not known or not all(isinstance(one, str) for one in test):
        return None
    return found


def _seconds(text: str, nanoseconds: object) -> float:
    """Return a duration as Go writes it, `1m30s`; without one, the image's. 0 stands for neither.

    Raises:
        UsageError: It is none, or below a millisecond.

    Source: Go, time.ParseDuration.
    """
    if not text:
        return nanoseconds / 1e9 if isinstance(nanoseconds, int) and nanoseconds > 0 else 0.0
    if text == "0":
        return 0.0
    if not re.fullmatch(f"({_PART})+", text, re.ASCII):
        raise UsageError(f"{text!r:.40} is no duration", "Write it like 30s, 1m30s or 500ms")
    found = sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, text))
    if 0 < found < _SHORTEST:
        raise UsageError(f"{text!r:.40} is too short", "Write 1ms, or more")
    return float(found)
