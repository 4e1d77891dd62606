"""What is refused for good is asked for once a connection, and the page says why."""

from __future__ import annotations

import pytest

from exporter.availability import Availability, reason_of
from exporter.exposition import Sample
from exporter.metrics.own import COLLECTOR_AVAILABLE
from libvirt_rpc.errors import CallTimeout, LibvirtRPCError, RemoteError, remote_error


def refused(code: int, message: str = "no") -> RemoteError:
    return remote_error(code, 20, 2, message, int1=-1, procedure="SOME_CALL")


class Asked:
    def __init__(self, *answers: object) -> None:
        self._answers = list(answers)
        self.count = 0

    async def __call__(self) -> object:
        self.count += 1
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (refused(3), "unsupported"),
        (refused(29), "denied"),
        (refused(88), "denied"),
        (refused(39, "unknown procedure: 456"), "too_old"),
        (refused(39, "Unable to encode message payload"), ""),
        (refused(1), ""),
        (refused(42), ""),
        (CallTimeout("SOME_CALL", 1.0), ""),
    ],
)
def test_only_what_would_be_refused_again_is_a_reason(error: LibvirtRPCError, reason: str) -> None:
    assert reason_of(error) == reason


async def test_what_is_refused_for_good_is_asked_for_once() -> None:
    availability, asked = Availability(), Asked(refused(3), 7)
    for _ in range(3):
        assert await availability.ask("host.pages", asked) is None
    assert asked.count == 1
    assert availability.is_off("host.pages")
    assert list(availability.samples((("host", "a"),), without=())) == [
        Sample(
            COLLECTOR_AVAILABLE,
            0,
            (("collector", "host.pages"), ("host", "a"), ("reason", "unsupported")),
        )
    ]
    availability.reset()
    assert await availability.ask("host.pages", asked) == 7
    assert availability.reasons == {"host.pages": ""}


async def test_another_error_is_the_callers_and_asked_again() -> None:
    availability, asked = Availability(), Asked(refused(1), 7)
    with pytest.raises(RemoteError):
        await availability.ask("host.pages", asked)
    assert await availability.ask("host.pages", asked) == 7


async def test_one_part_costs_no_other() -> None:
    availability = Availability()
    assert await availability.ask("a.x", Asked(refused(29))) is None
    assert await availability.ask("a.y", Asked(5)) == 5
    shown = {
        dict(sample.labels)["collector"]: sample.value
        for sample in availability.samples((), without=("a.y",))
    }
    assert shown == {"a.x": 0}


async def test_the_refusal_is_logged_once_a_connection(caplog: pytest.LogCaptureFixture) -> None:
    availability = Availability()
    with caplog.at_level("INFO"):
        for _ in range(2):
            await availability.ask("a.x", Asked(refused(29)))
            availability.switch_off("a.x", "denied")
    assert caplog.messages == ["not available"]
