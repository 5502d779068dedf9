"""Wrong solutions to the exercises of chapter 00."""

from __future__ import annotations

from tests.exercises import Trial, Wrong

HELPERS = ("doctor", "predict-threads", "threads", "open")

TRIALS = {
    "an-island": Trial(
        {
            "nothing yet": Wrong("pass", "its net namespace is the host's"),
            "one kind too many": Wrong("island.unshare('network', 'uts')", "its own, too: uts"),
            "another kind": Wrong("island.unshare('uts')", "its net namespace is the host's"),
            "a container": Wrong(
                "island = box.start('busybox', 'sleep 1000', network='none')",
                "island is <a container>",
            ),
        },
        needs=HELPERS,
    ),
    "at-most-twenty": Trial(
        {
            "nothing yet": Wrong("pass", "capped is None"),
            "no limit": Wrong(
                "capped = box.start('busybox', 'sleep 1000', network='none')", "says max"
            ),
            "another limit": Wrong(
                "capped = box.start('busybox', 'sleep 1000', memory='20m', network='none')",
                "says max",
            ),
            "off by one": Wrong(
                "capped = box.start('busybox', 'sleep 1000', pids_limit=21, network='none')",
                "says 21",
            ),
            "over at once": Wrong(
                "capped = box.start('busybox', 'true', pids_limit=20, network='none')\n"
                "capped.wait()",
                "the container does not run",
            ),
        },
        needs=HELPERS,
    ),
    "this-one-not-that-one": Trial(
        {
            "nothing yet": Wrong("pass", "litter's process still runs"),
            "stopped only": Wrong("terminal('kill', 'litter')", "litter is still known"),
            "both": Wrong("terminal('rm', '--force', 'litter', 'keep')", "keep does not run"),
            "everything": Wrong("box.reset()", "keep does not run"),
        },
        needs=(*HELPERS, "forgotten"),
        again=("two",),
    ),
}
