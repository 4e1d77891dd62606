"""A page of ours, made by hand: what the profiles' tables translate.

`page_of` takes lines as they stand on a page; `FLEET` is an OpenStack instance with everything, a plain
domain that is paused, and one that is shut off.
"""

from __future__ import annotations

from collections.abc import Iterable

from exporter.catalogue import entries
from exporter.exposition import Page
from exporter.metrics.rows import GAUGE, Family
from exporter.page_reader import read_line

FAMILIES = {
    entry.name: Family(entry.name, entry.type, entry.help, entry.labels) for entry in entries()
}


def page_of(lines: str | Iterable[str]) -> Page:
    """Lines of any order; a family that is not in the catalogue is a gauge."""
    page = Page()
    for line in lines.strip().split("\n") if isinstance(lines, str) else lines:
        name = read_line(line).name
        family = FAMILIES.get(name) or Family(name, GAUGE, "Something of a plugin.")
        page.add_lines(family, f"{line}\n".encode())
    return page


WEB = 'domain="web",uuid="u-web"'
DB = 'domain="db",uuid="u-db"'
OLD = 'domain="old",uuid="u-old"'

FLEET = f"""
libvirt_exporter_connected 1
libvirt_exporter_scrapes_total 7
libvirt_exporter_last_scrape_duration_seconds 0.25
libvirt_connection_info{{uri="qemu:///system",connected="true"}} 1
libvirt_exporter_collector_success{{collector="domain_jobs"}} 1
plugin_answer 42
libvirt_domains{{state="running"}} 1
libvirt_domains{{state="paused"}} 1
libvirt_domains{{state="shutoff"}} 1
libvirt_versions_info{{hypervisor="7.2.22",libvirt="9.0.1",driver="QEMU"}} 1
libvirt_host_info{{hostname="hv-1",model="x86_64",cpu_model="",cpu_vendor="",uuid=""}} 1
libvirt_host_cpus 16
libvirt_host_memory_total_bytes 34359738368
libvirt_host_memory_free_bytes 1073741824
libvirt_domain_state{{{WEB},hypervisor="QEMU"}} 1
libvirt_domain_state{{{DB},hypervisor="QEMU"}} 3
libvirt_domain_state{{{OLD},hypervisor="QEMU"}} 5
libvirt_domain_state_reason{{{WEB},hypervisor="QEMU"}} 1
libvirt_domain_stats_timed_out{{{WEB}}} 0
libvirt_domain_stats_timed_out{{{DB}}} 1
libvirt_domain_stats_timed_out{{{OLD}}} 0
libvirt_domain_uptime_seconds{{{WEB},hypervisor="QEMU"}} 3600.5
libvirt_domain_info{{{WEB},hypervisor="QEMU",os_type="hvm",arch="x86_64",machine="pc",type="kvm",title=""}} 1
libvirt_domain_info{{{DB},hypervisor="QEMU",os_type="hvm",arch="x86_64",machine="q35",type="kvm",title="DB"}} 1
libvirt_domain_info{{{OLD},hypervisor="QEMU",os_type="hvm",arch="x86_64",machine="pc",type="kvm",title=""}} 1
libvirt_domain_openstack_info{{{WEB},hypervisor="QEMU",instance_name="shop",instance_id="u-web",flavor="m1.big",user_name="alice",user_id="a1",project_name="sales",project_id="p1"}} 1
libvirt_domain_openstack_root_info{{{WEB},hypervisor="QEMU",type="image",root_id="i1"}} 1
libvirt_domain_openstack_creation_timestamp_seconds{{{WEB},hypervisor="QEMU"}} 1700000000.0
libvirt_domain_tpm_info{{{WEB},model="tpm-crb",type="emulator",version="2.0"}} 1
libvirt_domain_autostart{{{WEB},hypervisor="QEMU"}} 1
libvirt_domain_persistent{{{WEB},hypervisor="QEMU"}} 1
libvirt_domain_has_managed_save{{{WEB},hypervisor="QEMU"}} 0
libvirt_domain_snapshots{{{WEB},hypervisor="QEMU"}} 3
libvirt_domain_cpu_time_seconds_total{{{WEB},hypervisor="QEMU"}} 18446744073.709551615
libvirt_domain_cpu_time_seconds_total{{{DB},hypervisor="QEMU"}} 0.000000001
libvirt_domain_cpu_user_seconds_total{{{WEB},hypervisor="QEMU"}} 12.340000000
libvirt_domain_cpu_system_seconds_total{{{WEB},hypervisor="QEMU"}} 3.000000000
libvirt_domain_vcpu_count{{{WEB},hypervisor="QEMU"}} 2
libvirt_domain_vcpu_count{{{OLD},hypervisor="QEMU"}} 1
libvirt_domain_vcpu_maximum{{{WEB},hypervisor="QEMU"}} 4
libvirt_domain_vcpu_state{{{WEB},vcpu="0"}} 1
libvirt_domain_vcpu_state{{{WEB},vcpu="1"}} 0
libvirt_domain_vcpu_time_seconds_total{{{WEB},vcpu="0"}} 1.500000000
libvirt_domain_vcpu_time_seconds_total{{{WEB},vcpu="1"}} 0.250000000
libvirt_domain_vcpu_wait_seconds_total{{{WEB},vcpu="0"}} 0.000000007
libvirt_domain_vcpu_delay_seconds_total{{{WEB},vcpu="0"}} 0.100000001
libvirt_domain_vcpu_delay_seconds_total{{{WEB},vcpu="1"}} 0.200000002
libvirt_domain_memory_max_bytes{{{WEB},hypervisor="QEMU"}} 4294967296
libvirt_domain_memory_max_bytes{{{OLD},hypervisor="QEMU"}} 1024
libvirt_domain_memory_current_bytes{{{WEB},hypervisor="QEMU"}} 2147483648
libvirt_domain_memory_current_bytes{{{OLD},hypervisor="QEMU"}} 1024
libvirt_domain_memory_unused_bytes{{{WEB},hypervisor="QEMU"}} 1048576
libvirt_domain_memory_available_bytes{{{WEB},hypervisor="QEMU"}} 4096000
libvirt_domain_memory_usable_bytes{{{WEB},hypervisor="QEMU"}} 1024000
libvirt_domain_memory_rss_bytes{{{WEB},hypervisor="QEMU"}} 1536
libvirt_domain_memory_disk_caches_bytes{{{WEB},hypervisor="QEMU"}} 2048
libvirt_domain_memory_swap_in_bytes_total{{{WEB},hypervisor="QEMU"}} 3072
libvirt_domain_memory_swap_out_bytes_total{{{WEB},hypervisor="QEMU"}} 4096
libvirt_domain_memory_major_faults_total{{{WEB},hypervisor="QEMU"}} 11
libvirt_domain_memory_minor_faults_total{{{WEB},hypervisor="QEMU"}} 12
libvirt_domain_memory_hugetlb_pgalloc_total{{{WEB},hypervisor="QEMU"}} 13
libvirt_domain_memory_hugetlb_pgfail_total{{{WEB},hypervisor="QEMU"}} 14
libvirt_domain_memory_last_update_timestamp_seconds{{{WEB},hypervisor="QEMU"}} 1700000100
libvirt_domain_disk_info{{{WEB},disk="vda",device="disk",bus="virtio",type="file",source="/vm/web.qcow2",format="qcow2",cache="none",discard="unmap",io="native",serial="S1"}} 1
libvirt_domain_disk_info{{{WEB},disk="hdc",device="cdrom",bus="ide",type="file",source="",format="raw",cache="",discard="",io="",serial=""}} 1
libvirt_domain_disk_info{{{WEB},disk="vdb",device="disk",bus="virtio",type="network",source="rbd:vms/web-1",format="raw",cache="",discard="",io="",serial=""}} 1
libvirt_domain_disk_info{{{OLD},disk="vda",device="disk",bus="virtio",type="block",source="/dev/vg/old",format="raw",cache="",discard="",io="",serial=""}} 1
libvirt_domain_disk_read_bytes_total{{{WEB},disk="vda"}} 1001
libvirt_domain_disk_read_bytes_total{{{WEB},disk="hdc"}} 1002
libvirt_domain_disk_read_bytes_total{{{WEB},disk="vdb"}} 1003
libvirt_domain_disk_write_bytes_total{{{WEB},disk="vda"}} 1004
libvirt_domain_disk_read_requests_total{{{WEB},disk="vda"}} 1005
libvirt_domain_disk_write_requests_total{{{WEB},disk="vda"}} 1006
libvirt_domain_disk_read_time_seconds_total{{{WEB},disk="vda"}} 1.000000007
libvirt_domain_disk_write_time_seconds_total{{{WEB},disk="vda"}} 1.000000008
libvirt_domain_disk_flush_requests_total{{{WEB},disk="vda"}} 1009
libvirt_domain_disk_flush_time_seconds_total{{{WEB},disk="vda"}} 1.000000010
libvirt_domain_disk_capacity_bytes{{{WEB},disk="vda"}} 10737418240
libvirt_domain_disk_capacity_bytes{{{OLD},disk="vda"}} 5368709120
libvirt_domain_disk_allocation_bytes{{{WEB},disk="vda"}} 196616
libvirt_domain_disk_physical_bytes{{{WEB},disk="vda"}} 196617
libvirt_domain_interface_info{{{WEB},interface="vnet0",type="bridge",source="br-int",mac="52:54:00:00:00:01",model="virtio",alias="net0"}} 1
libvirt_domain_interface_info{{{WEB},interface="vnet1",type="network",source="default",mac="52:54:00:00:00:02",model="virtio",alias="net1"}} 1
libvirt_domain_interface_info{{{DB},interface="vnet2",type="ethernet",source="",mac="52:54:00:00:00:03",model="e1000",alias="net0"}} 1
libvirt_domain_interface_info{{{OLD},interface="",type="bridge",source="br-int",mac="52:54:00:00:00:04",model="virtio",alias=""}} 1
libvirt_domain_network_receive_bytes_total{{{WEB},interface="vnet0"}} 2001
libvirt_domain_network_receive_bytes_total{{{WEB},interface="vnet1"}} 2002
libvirt_domain_network_receive_packets_total{{{WEB},interface="vnet0"}} 2003
libvirt_domain_network_receive_errors_total{{{WEB},interface="vnet0"}} 2004
libvirt_domain_network_receive_drops_total{{{WEB},interface="vnet0"}} 2005
libvirt_domain_network_transmit_bytes_total{{{WEB},interface="vnet0"}} 2006
libvirt_domain_network_transmit_packets_total{{{WEB},interface="vnet0"}} 2007
libvirt_domain_network_transmit_errors_total{{{WEB},interface="vnet0"}} 2008
libvirt_domain_network_transmit_drops_total{{{WEB},interface="vnet0"}} 2009
libvirt_domain_job_active{{{WEB},operation="migration_out"}} 1
libvirt_domain_job_elapsed_seconds{{{WEB},operation="migration_out"}} 1.5
libvirt_domain_job_remaining_seconds{{{WEB},operation="migration_out"}} 0.25
libvirt_domain_job_data_total_bytes{{{WEB},operation="migration_out"}} 3001
libvirt_domain_job_memory_processed_bytes{{{WEB},operation="migration_out"}} 3002
libvirt_domain_job_disk_remaining_bytes{{{WEB},operation="migration_out"}} 3003
libvirt_storage_pool_state{{pool="fast",uuid="u-fast"}} 2
libvirt_storage_pool_state{{pool="cold",uuid="u-cold"}} 0
libvirt_storage_pool_info{{pool="fast",uuid="u-fast",type="dir",path="/vm"}} 1
libvirt_storage_pool_info{{pool="cold",uuid="u-cold",type="logical",path="/dev/cold"}} 1
libvirt_storage_pool_capacity_bytes{{pool="fast",uuid="u-fast"}} 4001
libvirt_storage_pool_allocation_bytes{{pool="fast",uuid="u-fast"}} 4002
libvirt_storage_pool_available_bytes{{pool="fast",uuid="u-fast"}} 4003
libvirt_storage_pool_volumes{{pool="fast",uuid="u-fast"}} 5
libvirt_network_info{{network="default",uuid="u-net",bridge="virbr0",forward="nat",domain_name=""}} 1
libvirt_network_active{{network="default",uuid="u-net"}} 1
"""
