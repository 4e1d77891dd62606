"""What other exporters of libvirt show and this one does not, with the reason. Data only."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NotExported:
    """`source` is where others have it from; `reason` is a sentence."""

    what: str
    source: str
    reason: str


NOT_EXPORTED: tuple[NotExported, ...] = (
    NotExported(
        "Cache hits and misses of the exporter, domains found by the last scrape",
        "the exporter itself",
        "libvirt_exporter_rpc_duration_seconds counts the calls by procedure, and "
        "libvirt_domains counts the domains.",
    ),
    NotExported(
        "Whether the connection is encrypted",
        "virConnectIsEncrypted",
        "It follows from the URI, which is in libvirt_connection_info.",
    ),
    NotExported(
        "Network counters of the host",
        "nothing in libvirt",
        "libvirt has no such call; node_exporter has them.",
    ),
    NotExported(
        "Use of the host's processors or of a domain's memory in percent",
        "computed",
        "PromQL computes it from what is exported, over any time and without an "
        "invented 0 where a value is missing.",
    ),
    NotExported(
        "Capabilities of domains, launch measurements of confidential guests",
        "virConnectGetDomainCapabilities, virDomainGetLaunchSecurityInfo",
        "Neither is a figure over time, and both need a connection that may write.",
    ),
    NotExported(
        "State of a domain's control interface",
        "virDomainGetControlInfo",
        "It is busy for moments whenever anything is asked, so a poll shows noise; a "
        "domain whose monitor hangs is in libvirt_domain_stats_timed_out.",
    ),
    NotExported(
        "Clock of the guest",
        "virDomainGetTime",
        "It is as old as the answer of the agent: no drift can be read from it.",
    ),
    NotExported(
        "Pinning of the emulator and of I/O threads",
        "virDomainGetEmulatorPinInfo, virDomainGetIOThreadInfo",
        "It is a setting that changes with the domain's definition, and asking for I/O "
        "threads waits for the monitor of each domain; that of vCPUs is exported.",
    ),
    NotExported(
        "NUMA tuning",
        "virDomainGetNumaParameters",
        "It is a setting without a figure; the memory of the host's cells is exported.",
    ),
    NotExported(
        "Which performance events are switched on",
        "virDomainGetPerfEvents",
        "Those that are on have a metric, the others have none.",
    ),
    NotExported(
        "Threads' time on the processors of a vCPU (steal) from /proc",
        "/proc of the hypervisor's machine",
        "libvirt tells the same as libvirt_domain_vcpu_delay_seconds_total since 7.2.",
    ),
    NotExported(
        "Processor time by each of the host's processors",
        "virDomainGetCPUStats",
        "It would be a series for each domain and each of the host's processors; on which of "
        "them vCPUs run is exported.",
    ),
    NotExported(
        "Layers of a disk's backing chain",
        "VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING",
        "Only allocation and requests of the layer that is written to change; asking for "
        "all of them makes the daemon open each.",
    ),
    NotExported(
        "Link state of interfaces",
        "the domain's XML",
        "It is a setting, on unless an administrator pulls the virtual plug.",
    ),
    NotExported(
        "Addresses from DHCP leases or the host's ARP table, by domain",
        "virDomainInterfaceAddresses",
        "It is a call for each domain; the guest agent tells of all addresses that a guest has, "
        "and leases are counted by network.",
    ),
    NotExported(
        "Each DHCP lease with its address and end",
        "virNetworkGetDHCPLeases",
        "Addresses as labels make a new series with every lease; their number is exported.",
    ),
    NotExported(
        "MTU and identity in Open vSwitch of an interface",
        "the domain's XML",
        "The names of other exporters have them (`metrics.profile`); nothing is computed "
        "from them.",
    ),
    NotExported(
        "Present size of memory devices (virtio-mem)",
        "the domain's XML",
        "libvirt_domain_memory_current_bytes is the sum that counts; libvirt has no figure "
        "for one device but in the document.",
    ),
    NotExported(
        "Steal, I/O wait, files and commands within the guest",
        "guest-exec and guest-file-read of the guest agent",
        "A monitoring system has no business in running commands in guests; steal is "
        "libvirt_domain_vcpu_delay_seconds_total.",
    ),
    NotExported(
        "Reachability of the guest by ping",
        "ICMP in a network namespace",
        "libvirt has no such call; blackbox_exporter does it.",
    ),
    NotExported(
        "Disks as the guest names them",
        "virDomainGetGuestInfo",
        "The filesystems carry the domain's disks as a label; names within the guest would "
        "be series without a figure.",
    ),
    NotExported(
        "Names of users that are logged in to the guest",
        "virDomainGetGuestInfo",
        "They are personal data; their number is exported.",
    ),
    NotExported(
        "Consoles, inputs, boot order, firmware, power actions, SMBIOS, locked memory of domains",
        "the domain's XML",
        "They never change while a domain runs and nothing is computed from them; any of "
        "them becomes a label by a row in `metadata.rules`.",
    ),
    NotExported(
        "Name and path of the current snapshot, of the oldest one",
        "virDomainSnapshotCurrent",
        "The number and the age of the newest are exported: a name in a label makes a new "
        "series with every snapshot.",
    ),
    NotExported(
        "Time of a pool's last refresh",
        "nothing in libvirt",
        "libvirt does not keep it, and a refresh is a change that this exporter never makes.",
    ),
    NotExported(
        "Values of secrets, rules of network filters",
        "virSecretGetValue, virNWFilterGetXMLDesc",
        "Numbers of both are exported; a value must not be read by a monitoring system.",
    ),
    NotExported(
        "A timestamp of the domain's creation as its age in a counter",
        "the metadata of OpenStack",
        "libvirt_domain_openstack_creation_timestamp_seconds is the time itself, of which "
        "PromQL computes the age.",
    ),
)
