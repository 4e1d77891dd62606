"""Questions about domains: which there are, their state, XML, snapshots and other properties."""

from __future__ import annotations

from libvirt_rpc.api.caller import Caller
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import (
    ConnectListAllDomainsFlags,
    DomainCheckpointListFlags,
    DomainMessageType,
    DomainMetadataType,
    DomainModificationImpact,
    DomainSnapshotListFlags,
    DomainVcpuFlags,
    DomainXMLFlags,
)
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t


class DomainCalls(Caller):
    """virDomain*, but for figures and settings."""

    async def list_all_domains(
        self,
        flags: ConnectListAllDomainsFlags = ConnectListAllDomainsFlags(0),
        *,
        deadline: Deadline | None = None,
    ) -> tuple[t.Domain, ...]:
        """Every domain, active or not, that the filter `flags` let through; 0 lets all."""
        args = t.ConnectListAllDomainsArgs(need_results=1, flags=int(flags))
        return (await self._call(p.CONNECT_LIST_ALL_DOMAINS, args, deadline)).domains

    async def count_all_domains(
        self,
        flags: ConnectListAllDomainsFlags = ConnectListAllDomainsFlags(0),
        *,
        deadline: Deadline | None = None,
    ) -> int:
        """How many domains `list_all_domains` would give."""
        args = t.ConnectListAllDomainsArgs(need_results=0, flags=int(flags))
        return (await self._call(p.CONNECT_LIST_ALL_DOMAINS, args, deadline)).ret

    async def domain_get_xml_desc(
        self,
        domain: t.Domain,
        flags: DomainXMLFlags = DomainXMLFlags(0),
        *,
        deadline: Deadline | None = None,
    ) -> str:
        """The domain's XML document."""
        args = t.DomainFlagsArgs(domain, int(flags))
        return (await self._call(p.DOMAIN_GET_XML_DESC, args, deadline)).value

    async def domain_get_state(
        self, domain: t.Domain, *, deadline: Deadline | None = None
    ) -> t.DomainState:
        """State and reason; answered without waiting for the domain's monitor."""
        return await self._call(p.DOMAIN_GET_STATE, t.DomainFlagsArgs(domain, 0), deadline)

    async def domain_get_control_info(
        self, domain: t.Domain, *, deadline: Deadline | None = None
    ) -> t.DomainControlInfo:
        """Whether the domain's monitor is busy, and for how long; never waits for the monitor."""
        return await self._call(p.DOMAIN_GET_CONTROL_INFO, t.DomainFlagsArgs(domain, 0), deadline)

    async def domain_is_active(self, domain: t.Domain, *, deadline: Deadline | None = None) -> bool:
        """Whether the domain runs, paused or not."""
        return (await self._call(p.DOMAIN_IS_ACTIVE, t.DomainArgs(domain), deadline)).value != 0

    async def domain_is_persistent(
        self, domain: t.Domain, *, deadline: Deadline | None = None
    ) -> bool:
        """Whether the domain outlives its end."""
        return (await self._call(p.DOMAIN_IS_PERSISTENT, t.DomainArgs(domain), deadline)).value != 0

    async def domain_is_updated(
        self, domain: t.Domain, *, deadline: Deadline | None = None
    ) -> bool:
        """Whether the running domain was changed since its start."""
        return (await self._call(p.DOMAIN_IS_UPDATED, t.DomainArgs(domain), deadline)).value != 0

    async def domain_get_autostart(
        self, domain: t.Domain, *, deadline: Deadline | None = None
    ) -> bool:
        """Whether the domain starts with the host."""
        return (await self._call(p.DOMAIN_GET_AUTOSTART, t.DomainArgs(domain), deadline)).value != 0

    async def domain_has_managed_save_image(
        self, domain: t.Domain, *, deadline: Deadline | None = None
    ) -> bool:
        """Whether the domain's next start goes on from a saved state."""
        args = t.DomainFlagsArgs(domain, 0)
        return (await self._call(p.DOMAIN_HAS_MANAGED_SAVE_IMAGE, args, deadline)).value != 0

    async def domain_get_metadata(
        self,
        domain: t.Domain,
        kind: DomainMetadataType,
        uri: str | None = None,
        flags: DomainModificationImpact = DomainModificationImpact(0),
        *,
        deadline: Deadline | None = None,
    ) -> str:
        """Title, description, or the ELEMENT of the namespace `uri`. Raises NoDomainMetadata without one."""
        args = t.DomainGetMetadataArgs(domain, int(kind), uri, int(flags))
        return (await self._call(p.DOMAIN_GET_METADATA, args, deadline)).value

    async def domain_get_messages(
        self,
        domain: t.Domain,
        flags: DomainMessageType = DomainMessageType(0),
        *,
        deadline: Deadline | None = None,
    ) -> tuple[str, ...]:
        """What libvirt has against the running domain: taints, deprecated parts; 0 is every kind."""
        args = t.DomainFlagsArgs(domain, int(flags))
        return (await self._call(p.DOMAIN_GET_MESSAGES, args, deadline)).msgs

    async def domain_get_vcpus_flags(
        self,
        domain: t.Domain,
        flags: DomainVcpuFlags = DomainVcpuFlags(0),
        *,
        deadline: Deadline | None = None,
    ) -> int:
        """How many virtual CPUs the domain has, or can have with MAXIMUM."""
        args = t.DomainFlagsArgs(domain, int(flags))
        return (await self._call(p.DOMAIN_GET_VCPUS_FLAGS, args, deadline)).value

    async def domain_snapshot_num(
        self,
        domain: t.Domain,
        flags: DomainSnapshotListFlags = DomainSnapshotListFlags(0),
        *,
        deadline: Deadline | None = None,
    ) -> int:
        """How many snapshots the domain has."""
        args = t.DomainFlagsArgs(domain, int(flags))
        return (await self._call(p.DOMAIN_SNAPSHOT_NUM, args, deadline)).value

    async def domain_list_all_snapshots(
        self,
        domain: t.Domain,
        flags: DomainSnapshotListFlags = DomainSnapshotListFlags(0),
        *,
        deadline: Deadline | None = None,
    ) -> tuple[t.DomainSnapshot, ...]:
        """The domain's snapshots that the filter `flags` let through; 0 lets all."""
        args = t.DomainListAllArgs(domain, 1, int(flags))
        return (await self._call(p.DOMAIN_LIST_ALL_SNAPSHOTS, args, deadline)).snapshots

    async def domain_snapshot_get_xml_desc(
        self, snapshot: t.DomainSnapshot, *, deadline: Deadline | None = None
    ) -> str:
        """The snapshot's XML document."""
        args = t.DomainSnapshotFlagsArgs(snapshot, 0)
        return (await self._call(p.DOMAIN_SNAPSHOT_GET_XML_DESC, args, deadline)).value

    async def domain_list_all_checkpoints(
        self,
        domain: t.Domain,
        flags: DomainCheckpointListFlags = DomainCheckpointListFlags(0),
        *,
        deadline: Deadline | None = None,
    ) -> tuple[t.DomainCheckpoint, ...]:
        """The domain's checkpoints that the filter `flags` let through; 0 lets all."""
        args = t.DomainListAllArgs(domain, 1, int(flags))
        return (await self._call(p.DOMAIN_LIST_ALL_CHECKPOINTS, args, deadline)).checkpoints

    async def domain_checkpoint_get_xml_desc(
        self, checkpoint: t.DomainCheckpoint, *, deadline: Deadline | None = None
    ) -> str:
        """The checkpoint's XML document."""
        args = t.DomainCheckpointFlagsArgs(checkpoint, 0)
        return (await self._call(p.DOMAIN_CHECKPOINT_GET_XML_DESC, args, deadline)).value

    async def domain_count_all_checkpoints(
        self,
        domain: t.Domain,
        flags: DomainCheckpointListFlags = DomainCheckpointListFlags(0),
        *,
        deadline: Deadline | None = None,
    ) -> int:
        """How many checkpoints `domain_list_all_checkpoints` would give."""
        args = t.DomainListAllArgs(domain, 0, int(flags))
        return (await self._call(p.DOMAIN_LIST_ALL_CHECKPOINTS, args, deadline)).ret
