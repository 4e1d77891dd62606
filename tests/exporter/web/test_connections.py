"""Who gives way to whom; time is a number that the test sets."""

from __future__ import annotations

from exporter.web.connections import PATIENCE_SECONDS, Connections


class Client:
    def __init__(self) -> None:
        self.is_dropped = False

    def drop(self) -> None:
        self.is_dropped = True


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def filled(count: int) -> tuple[Connections[Client], list[Client], Clock]:
    """As many connections as there may be; of none has anything been heard."""
    clock = Clock()
    connections: Connections[Client] = Connections(count, clock)
    clients = [Client() for _ in range(count)]
    for client in clients:
        assert connections.admit(client)
    return connections, clients, clock


def dropped(clients: list[Client]) -> list[int]:
    return [number for number, client in enumerate(clients) if client.is_dropped]


def test_there_is_room_up_to_the_bound_and_again_when_one_goes() -> None:
    connections, clients, _ = filled(3)
    assert not connections.admit(Client())
    connections.forget(clients[1])
    assert len(connections) == 2
    assert connections.admit(Client())
    assert dropped(clients) == []


def test_the_one_that_is_idle_longest_gives_way_first() -> None:
    connections, clients, clock = filled(3)
    clock.now += PATIENCE_SECONDS
    for number in (2, 1):
        connections.is_busy(clients[number])
        connections.is_idle(clients[number])
    assert connections.admit(Client())
    assert dropped(clients) == [2]
    assert connections.admit(Client())
    assert dropped(clients) == [1, 2]
    assert len(connections) == 3


def test_one_that_keeps_its_request_back_gives_way_after_a_while() -> None:
    connections, clients, clock = filled(2)
    clock.now += PATIENCE_SECONDS / 2
    assert not connections.admit(Client())
    connections.is_reading(clients[0])  # a byte more gives it no more time
    clock.now += PATIENCE_SECONDS / 2
    assert connections.admit(Client())
    assert dropped(clients) == [0]
    connections.is_idle(clients[0])  # it was on its way out
    assert len(connections) == 2


def test_a_later_request_has_its_own_time() -> None:
    connections, clients, clock = filled(1)
    connections.is_busy(clients[0])
    connections.is_idle(clients[0])
    clock.now += 2 * PATIENCE_SECONDS
    connections.is_reading(clients[0])
    assert not connections.admit(Client())
    clock.now += PATIENCE_SECONDS
    assert connections.admit(Client())


def test_one_that_is_being_answered_never_gives_way() -> None:
    connections, clients, clock = filled(2)
    for client in clients:
        connections.is_busy(client)
    clock.now += 1e6
    assert not connections.admit(Client())
    assert dropped(clients) == []


def test_at_the_end_those_go_of_which_nothing_was_heard() -> None:
    connections, clients, _ = filled(3)
    connections.is_busy(clients[0])
    connections.is_busy(clients[1])
    connections.is_idle(clients[1])
    connections.drop_unheard()
    assert dropped(clients) == [2]
