"""Users and passwords. Timing is tested by counting bcrypt's calls and looking at their costs."""

from __future__ import annotations

import asyncio
import base64
import gc
import threading

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.auth import REMEMBERED, WAITING_CHECKS, Authenticator, Verdict

ALICE = bcrypt.hashpw(b"wonderland", bcrypt.gensalt(4)).decode()
BOB = bcrypt.hashpw(b"builder", bcrypt.gensalt(5)).decode()
LONG = "x" * 100


def basic(user: str, password: str) -> bytes:
    return b"Basic " + base64.b64encode(f"{user}:{password}".encode())


class Counting:
    """bcrypt, counted; it can be held back."""

    def __init__(self) -> None:
        self.hashes: list[bytes] = []
        self.running = 0
        self.most_running = 0
        self.free = threading.Event()
        self.free.set()

    def __call__(self, password: bytes, hashed: bytes) -> bool:
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        assert self.free.wait(30)
        self.hashes.append(hashed)
        self.running -= 1
        return bcrypt.checkpw(password, hashed)

    @property
    def costs(self) -> list[bytes]:
        return [hashed[4:6] for hashed in self.hashes]


@pytest.fixture
def checks() -> Counting:
    return Counting()


@pytest.fixture
def users(checks: Counting) -> Authenticator:
    return Authenticator({"alice": ALICE, "bob": BOB, "ünï": ALICE}, checks)


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (basic("alice", "wonderland"), Verdict.ACCEPTED),
        (basic("alice", "wonderland").replace(b"Basic ", b"bAsIc   "), Verdict.ACCEPTED),
        (basic("ünï", "wonderland"), Verdict.ACCEPTED),
        (basic("bob", "builder"), Verdict.ACCEPTED),
        (basic("bob", "wonderland"), Verdict.REFUSED),
        (basic("alice", "Wonderland"), Verdict.REFUSED),
        (basic("alice", ""), Verdict.REFUSED),
        (basic("alice", "wonderland\0"), Verdict.REFUSED),
        (basic("alice", "\0"), Verdict.REFUSED),
        (basic("Alice", "wonderland"), Verdict.REFUSED),
        (basic("", ""), Verdict.REFUSED),
        (basic("alice", ALICE), Verdict.REFUSED),
        (b"Basic " + base64.b64encode(b"alice"), Verdict.REFUSED),
        (b"Basic !!!!", Verdict.REFUSED),
        (b"Basic", Verdict.REFUSED),
        (b"Bearer " + base64.b64encode(b"alice:wonderland"), Verdict.REFUSED),
        (b"", Verdict.REFUSED),
    ],
)
async def test_only_a_user_with_the_password_is_accepted(
    users: Authenticator, authorization: bytes, expected: Verdict
) -> None:
    assert await users.check(authorization) is expected
    assert await users.check(authorization) is expected  # remembered or not


async def test_a_long_password_counts_as_far_as_bcrypt_looks() -> None:
    hashed = bcrypt.hashpw(LONG[:72].encode(), bcrypt.gensalt(4)).decode()
    users = Authenticator({"alice": hashed}, bcrypt.checkpw)
    assert await users.check(basic("alice", LONG)) is Verdict.ACCEPTED
    assert await users.check(basic("alice", LONG[:71])) is Verdict.REFUSED


@given(st.binary())
def test_any_header_is_accepted_or_refused(authorization: bytes) -> None:
    async def check() -> Verdict:
        users = Authenticator({"alice": ALICE}, lambda _password, _hashed: False)
        try:
            return await users.check(authorization)
        finally:
            users.close()

    assert asyncio.run(check()) is Verdict.REFUSED


async def test_a_name_that_nobody_has_costs_one_check_as_a_known_one_does(
    users: Authenticator, checks: Counting
) -> None:
    await users.check(basic("alice", "guess"))
    assert len(checks.hashes) == 1
    for number in range(40):
        await users.check(basic(f"nobody-{number}", "guess"))
        assert len(checks.hashes) == number + 2
    # With users of several costs, names that nobody has have several costs, too.
    assert set(checks.costs) == {b"04", b"05"}
    # Never with a hash that somebody's password has.
    assert {ALICE.encode(), BOB.encode()}.isdisjoint(checks.hashes[1:])


async def test_a_name_that_nobody_has_always_has_the_same_cost(
    users: Authenticator, checks: Counting
) -> None:
    for number in range(20):
        await users.check(basic("nobody", f"guess-{number}"))
    assert len(set(checks.costs)) == 1


async def test_what_was_checked_is_remembered(users: Authenticator, checks: Counting) -> None:
    for _ in range(3):
        await users.check(basic("alice", "wonderland"))
        await users.check(basic("alice", "guess"))
        await users.check(basic("nobody", "guess"))
    assert len(checks.hashes) == 3


async def test_a_flood_of_guesses_does_not_drive_out_what_was_accepted(
    users: Authenticator, checks: Counting
) -> None:
    await users.check(basic("alice", "wonderland"))
    for number in range(REMEMBERED + 1):
        await users.check(basic("alice", f"guess-{number}"))
    done = len(checks.hashes)
    assert await users.check(basic("alice", "wonderland")) is Verdict.ACCEPTED
    assert len(checks.hashes) == done
    await users.check(basic("alice", "guess-0"))  # and of guesses only so many are remembered
    assert len(checks.hashes) == done + 1


async def test_many_requests_with_the_same_credentials_wait_for_one_check(
    users: Authenticator, checks: Counting
) -> None:
    asked = [users.check(basic("alice", "wonderland")) for _ in range(200)]
    assert set(await asyncio.gather(*asked)) == {Verdict.ACCEPTED}
    assert len(checks.hashes) == 1


async def test_one_that_goes_away_takes_the_check_from_nobody(
    users: Authenticator, checks: Counting
) -> None:
    checks.free.clear()
    first = asyncio.ensure_future(users.check(basic("alice", "wonderland")))
    second = asyncio.ensure_future(users.check(basic("alice", "wonderland")))
    await asyncio.sleep(0)
    first.cancel()
    checks.free.set()
    assert await second is Verdict.ACCEPTED
    assert len(checks.hashes) == 1


async def test_a_flood_waits_in_one_line_and_is_turned_away_beyond_it(
    users: Authenticator, checks: Counting
) -> None:
    assert await users.check(basic("alice", "wonderland")) is Verdict.ACCEPTED
    checks.free.clear()
    guesses = [
        asyncio.ensure_future(users.check(basic("alice", f"guess-{number}")))
        for number in range(100)
    ]
    done, waiting = await asyncio.wait(guesses, timeout=0.1)
    assert len(waiting) == WAITING_CHECKS
    assert {guess.result() for guess in done} == {Verdict.BUSY}
    # Who was accepted before is not kept waiting.
    assert await users.check(basic("alice", "wonderland")) is Verdict.ACCEPTED
    checks.free.set()
    assert {await guess for guess in waiting} == {Verdict.REFUSED}
    assert checks.most_running == 1


async def test_no_password_is_kept(users: Authenticator) -> None:
    password = "a password that stands nowhere else"
    await users.check(basic("alice", password))
    await users.check(basic("nobody-at-all", password))
    gc.collect()
    kept = repr(vars(users))
    assert password not in kept
    assert "nobody-at-all" not in kept


async def test_checks_that_wait_are_answered_when_the_users_change(
    users: Authenticator, checks: Counting
) -> None:
    checks.free.clear()
    asked = [
        asyncio.ensure_future(users.check(basic("alice", word))) for word in ("wonderland", "guess")
    ]
    await asyncio.sleep(0)
    users.close()
    checks.free.set()
    assert [await one for one in asked] == [Verdict.ACCEPTED, Verdict.REFUSED]
