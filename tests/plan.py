"""The plan of the house: for each folder of the package its staircase, from the ground up.

A line is a step. Whatever stands on it, a file or a folder, may import what stands on lower steps
of the same folder, and what a folder may import its files may, too. On one step nobody knows the
others. An import for type checkers only counts like any other. A folder's `__init__.py` is its
doorway, above all in it.

A new file goes onto the lowest step that has all it imports beneath, into the contents page of its
folder (`__init__.py`), which has the same order, and a room of the first table into the README
too. What a chapter asks has no entry here: its page of contents is its staircase, a step a line.
"""

from __future__ import annotations

PLAN = {
    "kernelbox": """
        plumbing
        kernel
        namespaces sysctls root images overlay users cgroup network seccomp loads
        smallest container
        transfer build observe oci
        agent widgets
        lab
        cli
    """,
    "kernelbox/plumbing": """
        numbers records light
        documents sockets storage
        whole paths channel
        shelf
    """,
    "kernelbox/kernel": """
        flags errors c_types
        foreign
        explain mount_words stepping_stone
        door sleeper
        syscalls session netdevice packets trace
        bpf seccomp listening pages execution process mounts lookup watch loop netlink
        files aside links conntrack nft announcements
        lsm link_reader
        rtnetlink
        cabling stacking qdisc
    """,
    "kernelbox/root": """
        pivot targets
        furnishing masks
    """,
    "kernelbox/users": """
        id_maps accounts capabilities
        own_ids
    """,
    "kernelbox/cgroup": """
        hierarchy limit_values disks devices entrance translation tree
        reading stats interface limit_words
        members limits
        limited
        group
        events sampling v1 applying
    """,
    "kernelbox/seccomp": """
        machines
        profile default
        docker decision assembly
        filter listing
        kept recording verdict
    """,
    "kernelbox/loads": """
        sheet pace family
        disk memory processes processor
        kinds
        shell
    """,
    "kernelbox/network": """
        addresses port dns counters on_wire
        listeners notes link_names
        forwarding definition
        endpoints subnets nat
        ipv6 names ports
        parents link_inside shaping
        bridge veth macvlan
        joining creation
    """,
    "kernelbox/network/names": """
        upstream book inside
        answers
        server keeper
    """,
    "kernelbox/images": """
        bounds reference image elf writers filecap
        layout decompression
        manifests streams lock cache
        index nodes downloads containerfile
        entries metadata
        layers
        unpacked trees changeset
        garbage
        store
        assembly archive embedded registry
        import_tar
    """,
    "kernelbox/images/containerfile": """
        heredocs
        instructions words ignore
        run_mounts
        stages
    """,
    "kernelbox/images/registry": """
        failures helpers
        tokens
        transport credentials
        client
        fetch push
        pull
    """,
    "kernelbox/container": """
        option_types ledger deletion
        spec
        state conversation
        events names audit volumes streams
        monitor_lock options
        lifecycle
        birth
        networks
        monitor
        inspection
    """,
    "kernelbox/container/conversation": """
        messages
        monitor_messages
        reception orders front gate
    """,
    "kernelbox/container/volumes": """
        volumes
        volume_store
    """,
    "kernelbox/container/streams": """
        detach_keys log
        streams
        relay
    """,
    "kernelbox/container/options": """
        setting_options mount_values health_options restarting security_options
        host_devices option_values image_lookup network_options
        option_defaults mount_options
        process_options
        run_options
    """,
    "kernelbox/container/lifecycle": """
        pause renaming update
        cleanup
        lives stopping
    """,
    "kernelbox/container/birth": """
        own_files confinement
        host_mounts birth bearing
        becoming
        program stdio
        init enter
        runtime
    """,
    "kernelbox/container/monitor": """
        recording dozing health
        living
        monitor
        launch
    """,
    "kernelbox/transfer": """
        commit endpoints
        copy tar_out tar_in
    """,
    "kernelbox/build": """
        sources view stack run_step scratch modes
        remote placement brought
        copy_step
        stage
        builder
    """,
    "kernelbox/observe": """
        model procfs union routes nftables headers
        codec difference process_table mountinfo overlays usage packet_filter
        updates processes topology
        reach memory
        network
        survey
    """,
    "kernelbox/oci": """
        document checking config descriptors log mount_options copying console gate groups
        groupless agents foreground unprivileged
        places programs refusals resources devices hooks standing handing attaching
        in_place joining
        reading hiding
        features state init
        ending
        starting entering telling creation
    """,
    "kernelbox/agent": """
        guard whose forking disks monitors requests programs
        fork_limit
        groups next_door cabling
        networks loading remote
        calls
        agent
    """,
    "kernelbox/widgets": """
        palette patch sampler silence families whose
        effects still recordings player
        base
        foreign form process_tree capability_table mount_tree layer_stack
        graph journeys lanes resource_graph wiring
        network_map timeline
        stepper
    """,
    "kernelbox/lab": """
        conversation signatures traces traffic doctor
        connect
        agent_link
        cabling
        held started groups
        working measuring speed
        command_line live magics reading
        birth_view networked
        notebook
        neighbours surroundings exercises serving exporting attacks experiments lifecycle
        chapters hosts inventory
        course
        workbook
    """,
    "kernelbox/lab/experiments": """
        interval births memory page_cache calls noise initramfs
        machine
    """,
    "kernelbox/lab/lifecycle": """
        bundle remains beside
        engine
        walk wreck podman
    """,
    "kernelbox/lab/exercises": """
        verdict time_limit layouts elsewhere answers predictions progress clean curve plain hints
        bars ecdf grading
        outside packets tries exercise questions parsons loader
        keeper
        attempt
        benches catalogue forms pictures
        given
        judge
        guesses guess_first quiz recall score
        chart
        chapter
    """,
    "kernelbox/lab/attacks": """
        tries planted grid
        measure
    """,
    "kernelbox/lab/chapters": """
        chapter00 chapter01 chapter02 chapter03 chapter04 chapter05 chapter06 chapter07
        chapter08 chapter09 chapter10 chapter11 chapter12 chapter13 chapter14 chapter15
    """,
    "kernelbox/lab/hosts": """
        eye record
        world
        fault shelf pages
        mount_faults image_faults layer_faults user_faults time_faults limit_faults network_faults
        process_faults
        parts
        host
    """,
    "kernelbox/lab/inventory": """
        misconceptions
        items
        asking gains
        picture
    """,
    "kernelbox/lab/doctor": """
        findings host
        place features cgroups disk network tools
    """,
    "kernelbox/lab/course": """
        notebooks form kernel
        folder solutions timing report
        gain trial handouts repair
        check
    """,
    "kernelbox/lab/workbook": """
        release living box
        overview
        delivery
    """,
    "kernelbox/cli": """
        parser table actions template cidfile orderly each progress_bars terminal
        run_table starting listing inspecting
        containers update output stats events pull archives host course networks volumes
        seccomp audit oci
        run build images registries oci_making oci_living oci_more oci_told runtime
        system completion
    """,
}
