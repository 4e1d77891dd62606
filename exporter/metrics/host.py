"""Metrics of the host: processors, memory, NUMA cells, versions, and what else it has. Data only."""

from exporter.metrics.rows import COUNTER, GAUGE, INFO, Family

HOST_INFO = Family(
    "libvirt_host_info",
    INFO,
    "The host as libvirt knows it, always 1.",
    ("hostname", "model", "cpu_model", "cpu_vendor", "uuid"),
)

HOST_CPUS = Family("libvirt_host_cpus", GAUGE, "Logical processors of the host that are on.")

HOST_CPU_SOCKETS = Family(
    "libvirt_host_cpu_sockets", GAUGE, "Processor sockets of one NUMA cell of the host."
)

HOST_CPU_CORES = Family("libvirt_host_cpu_cores_per_socket", GAUGE, "Cores of one processor.")

HOST_CPU_THREADS = Family("libvirt_host_cpu_threads_per_core", GAUGE, "Threads of one core.")

HOST_CPU_FREQUENCY = Family(
    "libvirt_host_cpu_frequency_hertz", GAUGE, "Clock frequency of the host's processors."
)

HOST_CPU_SECONDS = Family(
    "libvirt_host_cpu_seconds_total",
    COUNTER,
    "Time that the host's processors spent in each mode, all together.",
    ("mode",),
)

HOST_MEMORY_TOTAL = Family("libvirt_host_memory_total_bytes", GAUGE, "Memory of the host.")

HOST_MEMORY_FREE = Family("libvirt_host_memory_free_bytes", GAUGE, "Memory that is not in use.")

HOST_MEMORY_AVAILABLE = Family(
    "libvirt_host_memory_available_bytes",
    GAUGE,
    "Memory that could be had without swapping, where the daemon tells.",
)

HOST_MEMORY_BUFFERS = Family(
    "libvirt_host_memory_buffers_bytes", GAUGE, "Memory in the kernel's buffers."
)

HOST_MEMORY_CACHED = Family("libvirt_host_memory_cached_bytes", GAUGE, "Memory in the page cache.")

HOST_NODES = Family("libvirt_host_numa_nodes", GAUGE, "NUMA cells of the host.")

HOST_NODE_MEMORY = Family(
    "libvirt_host_memory_node_total_bytes", GAUGE, "Memory of a NUMA cell.", ("node",)
)

HOST_NODE_MEMORY_FREE = Family(
    "libvirt_host_memory_node_free_bytes",
    GAUGE,
    "Memory of a NUMA cell that is not in use.",
    ("node",),
)

HOST_NODE_CPUS = Family(
    "libvirt_host_node_cpus", GAUGE, "Logical processors of a NUMA cell.", ("node",)
)

HOST_PAGES = Family(
    "libvirt_host_pages",
    GAUGE,
    "Memory pages of a NUMA cell by their size in bytes, used or not.",
    ("node", "page_size"),
)

HOST_FREE_PAGES = Family(
    "libvirt_host_free_pages",
    GAUGE,
    "Memory pages of a NUMA cell that are not in use, by their size in bytes.",
    ("node", "page_size"),
)

KSM_PAGES = Family(
    "libvirt_host_ksm_pages",
    GAUGE,
    "Pages of kernel same-page merging by their state: shared, sharing, unshared, volatile.",
    ("state",),
)

KSM_FULL_SCANS = Family(
    "libvirt_host_ksm_full_scans_total",
    COUNTER,
    "Times that kernel same-page merging went through all mergeable memory.",
)

VERSIONS_INFO = Family(
    "libvirt_versions_info",
    INFO,
    "Versions of the hypervisor and of libvirt, always 1.",
    ("hypervisor", "libvirt", "driver"),
)

MAX_VCPUS = Family(
    "libvirt_host_domain_max_vcpus", GAUGE, "Virtual processors that one domain can have at most."
)

NODE_DEVICES = Family(
    "libvirt_host_node_devices",
    GAUGE,
    "Devices of the host with this capability; one device can have several.",
    ("capability",),
)

INTERFACES = Family(
    "libvirt_host_interfaces",
    GAUGE,
    "Network interfaces of the host, by whether they are active.",
    ("state",),
)

SECRETS = Family("libvirt_host_secrets", GAUGE, "Secrets that libvirt keeps.")

NWFILTERS = Family("libvirt_host_nwfilters", GAUGE, "Network filters that are defined.")

NWFILTER_BINDINGS = Family(
    "libvirt_host_nwfilter_bindings", GAUGE, "Interfaces that a network filter is in force on."
)

FAMILIES: tuple[Family, ...] = (
    HOST_INFO,
    HOST_CPUS,
    HOST_CPU_SOCKETS,
    HOST_CPU_CORES,
    HOST_CPU_THREADS,
    HOST_CPU_FREQUENCY,
    HOST_CPU_SECONDS,
    HOST_MEMORY_TOTAL,
    HOST_MEMORY_FREE,
    HOST_MEMORY_AVAILABLE,
    HOST_MEMORY_BUFFERS,
    HOST_MEMORY_CACHED,
    HOST_NODES,
    HOST_NODE_MEMORY,
    HOST_NODE_MEMORY_FREE,
    HOST_NODE_CPUS,
    HOST_PAGES,
    HOST_FREE_PAGES,
    KSM_PAGES,
    KSM_FULL_SCANS,
    VERSIONS_INFO,
    MAX_VCPUS,
)

DEVICE_FAMILIES: tuple[Family, ...] = (
    NODE_DEVICES,
    INTERFACES,
    SECRETS,
    NWFILTERS,
    NWFILTER_BINDINGS,
)
