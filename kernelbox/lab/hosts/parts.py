"""Which kinds of faults each broken host is drawn from, by the chapter it comes after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelbox.lab.hosts import (
    image_faults,
    layer_faults,
    limit_faults,
    mount_faults,
    network_faults,
    process_faults,
    time_faults,
    user_faults,
)

if TYPE_CHECKING:
    from kernelbox.lab.hosts.fault import Fault

KINDS: dict[str, tuple[type[Fault], ...]] = {
    "04": (
        mount_faults.StaleProc,
        mount_faults.LeakingMount,
        mount_faults.NotReadOnly,
        mount_faults.HiddenDirectory,
        mount_faults.OldRoot,
        process_faults.Zombies,
        process_faults.Deaf,
        process_faults.Stopped,
        process_faults.NeighboursName,
        process_faults.PinnedNamespace,
        process_faults.StrayDescriptor,
    ),
    "07": (
        image_faults.FlippedBit,
        image_faults.WrongTag,
        image_faults.WrongDiffId,
        layer_faults.MissingWhiteout,
        layer_faults.LostOpaque,
        layer_faults.LayerOrder,
        user_faults.OffByOne,
        user_faults.WrongOwner,
        user_faults.ExtraCapability,
        user_faults.SetUserId,
    ),
    "10": (
        time_faults.Runaway,
        time_faults.Frozen,
        time_faults.OneProcessor,
        time_faults.SwappedWeights,
        limit_faults.TightMemory,
        limit_faults.FewProcesses,
        limit_faults.SlowDisk,
        limit_faults.WrongGroup,
    ),
    "12": (
        network_faults.PortDown,
        network_faults.WrongPrefix,
        network_faults.NoWayOut,
        network_faults.WrongGateway,
        network_faults.NotForwarding,
        network_faults.DropRule,
        network_faults.DeadRoute,
        network_faults.WrongNeighbour,
        network_faults.WrongSize,
    ),
}

# Of the services; no one of them says what is wrong with it.
NAMES = "anchor bollard capstan davit ensign ferry galley hawser jetty keel lantern mizzen".split()
