"""Rows of the groups that are opt-in: perf events, iothreads, memory bandwidth, KVM's own figures.

Data only. What they hold depends on the hypervisor, its kernel and the domain's configuration.
"""

from exporter.metrics.rows import (
    COUNTER,
    GAUGE,
    MEBIBYTES,
    NANOSECONDS,
    UNTYPED,
    Group,
    Stat,
)
from libvirt_rpc.enums import DomainStatsTypes

GROUPS: tuple[Group, ...] = (
    Group(
        "domain.perf",
        DomainStatsTypes.PERF,
        (
            Stat(
                "perf.cmt",
                "libvirt_domain_perf_cmt_bytes",
                GAUGE,
                "Last-level cache occupied by the domain.",
            ),
            Stat(
                "perf.mbmt",
                "libvirt_domain_perf_mbmt_bytes_per_second",
                GAUGE,
                "Memory bandwidth of the domain to all NUMA nodes.",
            ),
            Stat(
                "perf.mbml",
                "libvirt_domain_perf_mbml_bytes_per_second",
                GAUGE,
                "Memory bandwidth of the domain to the local NUMA node.",
            ),
            Stat(
                "perf.cpu_cycles",
                "libvirt_domain_perf_cpu_cycles_total",
                COUNTER,
                "Processor cycles of the domain.",
            ),
            Stat(
                "perf.instructions",
                "libvirt_domain_perf_instructions_total",
                COUNTER,
                "Instructions that the domain executed.",
            ),
            Stat(
                "perf.cache_references",
                "libvirt_domain_perf_cache_references_total",
                COUNTER,
                "Cache accesses of the domain.",
            ),
            Stat(
                "perf.cache_misses",
                "libvirt_domain_perf_cache_misses_total",
                COUNTER,
                "Cache misses of the domain.",
            ),
            Stat(
                "perf.branch_instructions",
                "libvirt_domain_perf_branch_instructions_total",
                COUNTER,
                "Branch instructions that the domain executed.",
            ),
            Stat(
                "perf.branch_misses",
                "libvirt_domain_perf_branch_misses_total",
                COUNTER,
                "Branches of the domain that were predicted wrongly.",
            ),
            Stat(
                "perf.bus_cycles",
                "libvirt_domain_perf_bus_cycles_total",
                COUNTER,
                "Bus cycles of the domain.",
            ),
            Stat(
                "perf.stalled_cycles_frontend",
                "libvirt_domain_perf_stalled_cycles_frontend_total",
                COUNTER,
                "Processor cycles in which the domain's instruction fetch stalled.",
            ),
            Stat(
                "perf.stalled_cycles_backend",
                "libvirt_domain_perf_stalled_cycles_backend_total",
                COUNTER,
                "Processor cycles in which the domain's instruction execution stalled.",
            ),
            Stat(
                "perf.ref_cpu_cycles",
                "libvirt_domain_perf_ref_cpu_cycles_total",
                COUNTER,
                "Processor cycles of the domain at the reference frequency.",
            ),
            Stat(
                "perf.cpu_clock",
                "libvirt_domain_perf_cpu_clock_seconds_total",
                COUNTER,
                "Time by the processor's clock that the domain was measured for.",
                scale=NANOSECONDS,
            ),
            Stat(
                "perf.task_clock",
                "libvirt_domain_perf_task_clock_seconds_total",
                COUNTER,
                "Time by the clock of the domain's tasks that they ran.",
                scale=NANOSECONDS,
            ),
            Stat(
                "perf.page_faults",
                "libvirt_domain_perf_page_faults_total",
                COUNTER,
                "Page faults of the domain's process.",
            ),
            Stat(
                "perf.context_switches",
                "libvirt_domain_perf_context_switches_total",
                COUNTER,
                "Context switches of the domain's process.",
            ),
            Stat(
                "perf.cpu_migrations",
                "libvirt_domain_perf_cpu_migrations_total",
                COUNTER,
                "Moves of the domain's process from one processor to another.",
            ),
            Stat(
                "perf.page_faults_min",
                "libvirt_domain_perf_page_faults_min_total",
                COUNTER,
                "Page faults of the domain's process that needed no input or output.",
            ),
            Stat(
                "perf.page_faults_maj",
                "libvirt_domain_perf_page_faults_maj_total",
                COUNTER,
                "Page faults of the domain's process that needed input or output.",
            ),
            Stat(
                "perf.alignment_faults",
                "libvirt_domain_perf_alignment_faults_total",
                COUNTER,
                "Unaligned memory accesses of the domain that the kernel had to handle.",
            ),
            Stat(
                "perf.emulation_faults",
                "libvirt_domain_perf_emulation_faults_total",
                COUNTER,
                "Instructions of the domain that the kernel had to emulate.",
            ),
        ),
        opt_in=True,
    ),
    Group(
        "domain.iothread",
        DomainStatsTypes.IOTHREAD,
        (
            Stat(
                "iothread.<iothread>.poll-max-ns",
                "libvirt_domain_iothread_poll_max_seconds",
                GAUGE,
                "Longest time that the iothread polls before it sleeps, 0 for no polling.",
                scale=NANOSECONDS,
            ),
            Stat(
                "iothread.<iothread>.poll-grow",
                "libvirt_domain_iothread_poll_grow",
                GAUGE,
                "Factor by which the iothread's polling time grows, as configured.",
            ),
            Stat(
                "iothread.<iothread>.poll-shrink",
                "libvirt_domain_iothread_poll_shrink",
                GAUGE,
                "Divisor by which the iothread's polling time shrinks, as configured.",
            ),
            Stat(
                "iothread.<iothread>.poll-weight",
                "libvirt_domain_iothread_poll_weight",
                GAUGE,
                "Weight of the latest interval in the iothread's polling time, as configured.",
            ),
        ),
        opt_in=True,
    ),
    Group(
        "domain.memory_bandwidth",
        DomainStatsTypes.MEMORY,
        (
            Stat(
                "memory.bandwidth.monitor.<bandwidth_monitor>.node.<node>.bytes.local",
                "libvirt_domain_memory_bandwidth_local_bytes_total",
                COUNTER,
                "Bytes between the monitor's virtual CPUs on the node and the node's own memory.",
            ),
            Stat(
                "memory.bandwidth.monitor.<bandwidth_monitor>.node.<node>.bytes.total",
                "libvirt_domain_memory_bandwidth_total_bytes_total",
                COUNTER,
                "Bytes between the monitor's virtual CPUs on the node and the memory of all nodes.",
            ),
        ),
        opt_in=True,
    ),
    Group(
        "domain.dirtyrate",
        DomainStatsTypes.DIRTYRATE,
        (
            Stat(
                "dirtyrate.calc_status",
                "libvirt_domain_dirtyrate_status",
                GAUGE,
                "State of the measurement of the dirty rate: 0 unstarted, 1 measuring, 2 measured.",
            ),
            # QEMU's clock starts anywhere: two values can be compared, none is a date.
            Stat(
                "dirtyrate.calc_start_time",
                "libvirt_domain_dirtyrate_start_seconds",
                GAUGE,
                "Start of the dirty rate's measurement by QEMU's own clock, not by Unix time.",
                absent_if_zero=True,
            ),
            Stat(
                "dirtyrate.calc_period",
                "libvirt_domain_dirtyrate_period_seconds",
                GAUGE,
                "Length of the latest measurement of the dirty rate.",
                absent_if_zero=True,
            ),
            Stat(
                "dirtyrate.megabytes_per_second",
                "libvirt_domain_dirtyrate_bytes_per_second",
                GAUGE,
                "Memory that the guest dirtied per second in the latest measurement.",
                scale=MEBIBYTES,
            ),
            Stat(
                "dirtyrate.vcpu.<vcpu>.megabytes_per_second",
                "libvirt_domain_dirtyrate_vcpu_bytes_per_second",
                GAUGE,
                "Memory that the virtual CPU dirtied per second in the latest measurement.",
                scale=MEBIBYTES,
            ),
        ),
        opt_in=True,
    ),
    # The kernel names these statistics and may change them, so neither unit nor type is known.
    Group(
        "domain.vm",
        DomainStatsTypes.VM,
        (
            Stat(
                "vm.<stat>.<kind>",
                "libvirt_domain_vm_stat",
                UNTYPED,
                "Statistic of KVM about the domain in KVM's own unit: "
                "sum is cumulative, cur the present value, max the peak.",
            ),
        ),
        opt_in=True,
    ),
    Group(
        "domain.vcpu_stats",
        DomainStatsTypes.VCPU,
        (
            Stat(
                "vcpu.<vcpu>.<stat>.<kind>",
                "libvirt_domain_vcpu_stat",
                UNTYPED,
                "Statistic of KVM about the virtual CPU in KVM's own unit: "
                "sum is cumulative, cur the present value, max the peak.",
            ),
        ),
        opt_in=True,
    ),
)
