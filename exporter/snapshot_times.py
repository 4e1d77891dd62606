"""When the newest snapshot, or checkpoint, of each domain was made: it is in each one's document alone."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from libvirt_rpc.errors import RemoteError
from libvirt_rpc.protocol.types import Domain

T = TypeVar("T")

KEPT_SECONDS = 300.0
"""A domain whose number of snapshots stays the same is asked anew so often."""

MOST_READ = 16
"""Documents that are read of one domain, the last listed ones."""

_CREATION_TIME = re.compile(r"<creationTime>\s*([0-9]{1,12})\s*</creationTime>", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Known:
    count: int | None
    at: float
    newest: int | None


class SnapshotTimes(Generic[T]):
    """Keeps what it learnt. `forget` it with the connection that it was learnt on."""

    def __init__(self) -> None:
        self._known: dict[uuid.UUID, _Known] = {}

    def forget(self) -> None:
        self._known.clear()

    async def newest(
        self,
        domains: Mapping[uuid.UUID, Domain],
        counts: Mapping[uuid.UUID, int | None],
        listed: Callable[[Domain], Awaitable[Sequence[T]]],
        document: Callable[[T], Awaitable[str]],
    ) -> dict[uuid.UUID, int]:
        """Unix time of the newest of each domain that has some; without those that do not tell."""
        now = asyncio.get_running_loop().time()
        self._known = {key: one for key, one in self._known.items() if key in domains}
        for key, domain in domains.items():
            known = self._known.get(key)
            count = counts.get(key)
            if known is None or known.count != count or now - known.at >= KEPT_SECONDS:
                self._known[key] = _Known(count, now, await _newest(domain, listed, document))
        return {key: one.newest for key, one in self._known.items() if one.newest is not None}


async def _newest(
    domain: Domain,
    listed: Callable[[Domain], Awaitable[Sequence[T]]],
    document: Callable[[T], Awaitable[str]],
) -> int | None:
    try:
        some = (await listed(domain))[-MOST_READ:]
        times = [creation_time(await document(one)) for one in some]
    except RemoteError:
        return None  # gone meanwhile, or it does not tell
    return max((time for time in times if time is not None), default=None)


def creation_time(xml: str) -> int | None:
    """What the document of a snapshot or a checkpoint says, before the domain's within it."""
    found = _CREATION_TIME.search(xml.partition("<domain>")[0].partition("<domain ")[0])
    return None if found is None else int(found[1])
