"""The long-poll: the same channels and the same cursors, without a connection.

A poll reads what is after its cursor, else waits for the first publication
and is answered at the end of the loop's turn, together with all that stood at
the same place. It changes nothing on the server, so a lost reply is asked for
again with the same cursor. A newer poll of the same client ends the one
before. Who comes again within ``LINGER_SECONDS`` lingers for the rest of them:
a stream of publications comes in pieces of that length.
"""

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice

import structlog

from chatpush.domain import TenantId
from chatpush.errors import ChatpushError, InvalidInput, TooMany
from chatpush.realtime.node import Node
from chatpush.realtime.polls.admission import Admission
from chatpush.realtime.polls.answers import Answer, Place
from chatpush.realtime.polls.grants import Grant, Grants, decode_cursor
from chatpush.realtime.polls.looking import Looking, made, nothing
from chatpush.realtime.polls.stands import Poll, Resting, Spoken, Stand, Waiter, Wheel
from chatpush.realtime.polls.wanting import Asking, Wanted, wanted_of
from chatpush.realtime.protocol.codes import Disconnect
from chatpush.realtime.protocol.frames import FilterNode

LINGER_SECONDS = 0.005
POLLS_AT_ONCE = 256
# So long other work waits for polls that are being answered.
TURN_SECONDS = 0.01
DRAIN_SECONDS = 5.0
log = structlog.get_logger(__name__)


class Polling:
    """Long-polls of this node."""

    def __init__(self, node: Node, grant_key: bytes = b"") -> None:
        self._node = node
        self._blocks = node.tokens.blocks
        self._looks = Looking(node.log)
        self.grants = Grants(grant_key or secrets.token_bytes(32))
        self.admission = Admission(node, self.grants)
        # The newest poll of each client.
        self._polls: dict[str, Poll] = {}
        self._stands: dict[tuple[TenantId, str, int, bytes], Stand] = {}
        # Stands that are about to be answered, or in the middle of it.
        self._queue: deque[Stand] = deque()
        self._resting = Resting(self._end)
        self._wheel = Wheel(self._release)
        self._looking: set[asyncio.Task[None]] = set()
        self._taking_back: asyncio.Task[None] | None = None
        self._blocks.on_change.append(self._taken_back)
        self._draining = False
        self._nobody: asyncio.Event | None = None

    # -- asking --------------------------------------------------------------

    async def poll(self, grant: Grant, asking: Asking) -> Answer:
        """Answer with what is new after the cursor, or after so many seconds with nothing.

        Raises:
            InvalidInput: the cursor is not one of ours, or there is nothing to poll.
            TooMany: this user polls and is connected too often.
        """
        given = decode_cursor(asking.cursor)
        names = list(dict.fromkeys([*grant.own, *asking.channels]))
        if not names:
            raise InvalidInput("name at least one channel", param="channels")
        cursors = {name: given.get(name) or await self._node.log.top(grant.tenant, name) for name in names}
        place = Place(grant.tenant, cursors, asking.limit, asking.wanted)
        if asking.seconds <= 0 or self._draining or not given.keys() >= set(names):
            answer = await self._looks.collect(place)
            self._note(answer, 1)
            return answer
        waiter = Waiter()
        poll = self.new(grant, waiter)
        self._ask(poll, place, asking.seconds)
        try:
            return await waiter.answer
        finally:
            self.leave(poll)

    def wanted(self, filters: Mapping[str, FilterNode]) -> Wanted:
        """Return what tag filters by channel leave; raises as ``wanted_of`` does."""
        return wanted_of(self._node.namespaces, filters)

    def new(self, grant: Grant, spoken: Spoken) -> Poll:
        """Return a poll with a grant that was just checked."""
        left = grant.expires_at - self._node.now()
        poll = Poll(grant, spoken, self._node.clock.monotonic() + left)
        poll.checked = self._blocks.changes
        return poll

    def ask(self, poll: Poll, asking: Asking) -> bool:
        """Let a poll wait without a task; ``poll.spoken`` hears the answer at the end of this turn or later.

        False is for ``poll`` to answer: what is no wait, and what is wrong with it.
        """
        try:
            given = decode_cursor(asking.cursor)
            names = list(dict.fromkeys([*poll.grant.own, *asking.channels]))
            if self._draining or asking.seconds <= 0 or not names or not given.keys() >= set(names):
                return False
            cursors = {name: given[name] for name in names}
            place = Place(poll.grant.tenant, cursors, asking.limit, asking.wanted)
            self._ask(poll, place, asking.seconds)
        except ChatpushError:
            return False
        return True

    def again(self, poll: Poll) -> bool:
        """Let a poll wait on after its last answer; False if that needs to be looked at more closely."""
        answer = poll.answer
        if answer is None or self._draining or not poll.current or poll.checked != self._blocks.changes:
            return False
        left = poll.until - self._node.clock.monotonic()
        if left <= 0.0:
            return False
        stand = self._stand(answer.place, answer.at + LINGER_SECONDS)
        self._join(poll, stand, min(left, poll.patience))
        return True

    def leave(self, poll: Poll) -> None:
        """The client is gone."""
        self._step_out(poll)
        self._end(poll)

    # -- leaving -------------------------------------------------------------

    async def dismiss(self, meant: Callable[[Grant], bool], why: Disconnect) -> int:
        """Answer the polls of some clients now and take their grants back; return how many."""
        dismissed = 0
        for number, poll in enumerate(list(self._polls.values()), start=1):
            if poll.current and meant(poll.grant):
                self.admission.dismiss(poll.grant, why)
                self._release(poll)
                self._end(poll)
                dismissed += 1
            if number % POLLS_AT_ONCE == 0:
                await asyncio.sleep(0)
        return dismissed

    def drain(self) -> list[Callable[[], None]]:
        """Answer the polls to come at once; return what answers each that waits now."""
        self._draining = True
        return [partial(self._release, poll) for poll in self._polls.values() if poll.stand is not None]

    async def all_answered(self) -> None:
        """Wait until every poll that was released has its answer."""
        if self._node.registry.holding:
            self._nobody = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._nobody.wait(), DRAIN_SECONDS)

    async def stop(self) -> None:
        """Look for nothing any more; the log is about to close."""
        tasks = [*self._looking, *([self._taking_back] if self._taking_back is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _release(self, poll: Poll) -> None:
        """Answer a poll now, with nothing."""
        stand = poll.stand
        if stand is not None:
            self._step_out(poll)
            self._resting.add([poll])
            self._speak(poll, nothing(stand.at))

    def _taken_back(self) -> None:
        """A permission was taken back: whoever may not wait any more is answered now; the next poll is told."""
        if self._polls and self._taking_back is None:
            self._taking_back = asyncio.get_running_loop().create_task(self._answer_who_may_not())

    async def _answer_who_may_not(self) -> None:
        seen = -1
        while seen != self._blocks.changes:
            seen = self._blocks.changes
            for number, poll in enumerate(list(self._polls.values()), start=1):
                if poll.stand is not None and not self._still_allowed(poll):
                    self._release(poll)
                if number % POLLS_AT_ONCE == 0:
                    await asyncio.sleep(0)
        self._taking_back = None

    def _step_out(self, poll: Poll) -> None:
        stand, poll.stand = poll.stand, None
        if stand is None:
            return
        stand.polls.discard(poll)
        self._count(stand, -1)
        if not stand.polls:
            self._close(stand)

    def _begin(self, poll: Poll) -> None:
        """Make a poll the one of its client.

        Raises:
            TooMany: this user polls and is connected too often.
        """
        if poll.current:
            return
        grant, node = poll.grant, self._node
        before = self._polls.get(grant.client)
        if before is not None:
            self._release(before)
            self._end(before)
        most = node.settings.max_connections_per_user
        if grant.user and node.registry.count(grant.tenant, grant.user) >= most:
            raise TooMany("this user has too many connections; close some", retry_after_seconds=5)
        self._polls[grant.client] = poll
        poll.current = True
        node.registry.hold(grant.tenant, grant.user)

    def _end(self, poll: Poll) -> None:
        self._wheel.drop(poll)
        if poll.current:
            poll.current = False
            del self._polls[poll.grant.client]
            self._node.registry.let_go(poll.grant.tenant, poll.grant.user)

    # -- waiting -------------------------------------------------------------

    def _ask(self, poll: Poll, place: Place, seconds: float) -> None:
        self._begin(poll)  # which may end the one that waits there
        poll.patience = seconds
        self._join(poll, self._stand(place, 0.0), min(seconds, poll.until - self._node.clock.monotonic()))

    def _join(self, poll: Poll, stand: Stand, seconds: float) -> None:
        poll.stand = stand
        stand.polls.add(poll)
        self._count(stand, 1)
        poll.due = asyncio.get_running_loop().time() + seconds
        if not poll.filed:
            self._wheel.file(poll)

    def _stand(self, place: Place, not_before: float) -> Stand:
        """Return the stand at a place; a new one listens first and looks then, so that it misses nothing."""
        stand = self._stands.get(place.key)
        if stand is None:
            channels = self._node.channels
            lives = [channels.live(place.tenant, name) for name in place.cursors]
            stand = self._stands[place.key] = Stand(place, lives, not_before, self._woken)
            for live in lives:
                channels.listen(live, stand)
            found = self._looks.at_hand(place)
            if found is None or found:
                stand.woken = True
                self._woken(stand)
        return stand

    def _close(self, stand: Stand) -> None:
        """Nobody comes to this stand any more."""
        if self._stands.get(stand.key) is stand:
            del self._stands[stand.key]
        lives, stand.lives = stand.lives, ()
        for live in lives:
            self._node.channels.stop_listening(live, stand)

    # -- answering -----------------------------------------------------------

    def _woken(self, stand: Stand) -> None:
        loop = asyncio.get_running_loop()
        early = stand.not_before - loop.time()
        if early > 0:
            loop.call_later(early, self._line_up, stand)
        else:
            self._line_up(stand)

    def _line_up(self, stand: Stand) -> None:
        if not self._queue:
            asyncio.get_running_loop().call_soon(self._answer_some)
        self._queue.append(stand)

    def _answer_some(self) -> None:
        """Answer those that wait for it, as many as a turn of the loop has time for."""
        clock, queue = self._node.clock, self._queue
        stop = clock.monotonic() + TURN_SECONDS
        while queue:
            try:
                done = self._answer(queue[0])
            except Exception:
                log.exception("answering polls failed")
                done = True
            if done:
                queue.popleft()
            if clock.monotonic() >= stop:
                break
        if queue:
            asyncio.get_running_loop().call_soon(self._answer_some)

    def _answer(self, stand: Stand) -> bool:
        """Answer some of those at a stand; return whether it needs no more."""
        if stand.lives and stand.answer is None:
            found = self._looks.at_hand(stand.at)
            if found is None:
                task = asyncio.get_running_loop().create_task(self._look(stand))
                self._looking.add(task)
                task.add_done_callback(self._looking.discard)
                return True
            if not stand.passing and not stand.at.wants(found):
                if found:  # more may follow what nobody wants
                    stand.at = stand.at.moved(found, {})
                    return False
                stand.woken = False
                return True
            stand.answer = made(stand.at, found, {}, stand.passing)
        answer = stand.answer
        if answer is None:
            return True
        if stand.lives:
            self._close(stand)
        polls = stand.polls
        if len(polls) <= POLLS_AT_ONCE:
            batch = list(polls)
            polls.clear()
        else:
            batch = list(islice(polls, POLLS_AT_ONCE))
            polls.difference_update(batch)
        self._tell(stand, answer, batch)
        return not polls

    def _tell(self, stand: Stand, answer: Answer, polls: list[Poll]) -> None:
        changes, now = self._blocks.changes, self._node.clock.monotonic()
        for poll in polls:
            poll.stand = None
            if poll.until > now and (poll.checked == changes or self._still_allowed(poll)):
                self._speak(poll, answer)
            else:  # the next poll is told
                self._speak(poll, nothing(stand.at))
        self._note(answer, len(polls))
        self._count(stand, -len(polls))
        self._resting.add(polls)

    def _speak(self, poll: Poll, answer: Answer) -> None:
        poll.answer = answer
        try:
            poll.spoken.poll_over(answer)
        except Exception:
            log.exception("a poll could not be answered")

    def _still_allowed(self, poll: Poll) -> bool:
        try:
            self.admission.check(poll.grant)
        except ChatpushError:
            return False
        poll.checked = self._blocks.changes
        return True

    async def _look(self, stand: Stand) -> None:
        """Read for a stand what memory does not hold."""
        stand.heard = False
        try:
            answer = await self._looks.collect(stand.at, stand.passing)
        except Exception:
            log.exception("reading for polls failed")
            answer = nothing(stand.at)
        else:
            if not answer.publications and not answer.gaps:
                moved, stand.at = answer.place.cursor != stand.at.cursor, answer.place
                stand.woken = False
                if (
                    moved or stand.heard
                ) and stand.lives:  # more may follow, or came after that channel was read
                    stand.woken = True
                    self._line_up(stand)
                return
        if stand.lives:
            stand.answer = answer
            self._line_up(stand)

    def _note(self, answer: Answer, times: int) -> None:
        """Count what so many polls were answered."""
        traffic = self._node.traffic[answer.place.tenant]
        kind = "publication" if answer.publications else "empty"
        traffic.way("poll").count(kind, times * len(answer.body), times * max(1, answer.publications))
        traffic.not_recovered += times * answer.gaps

    def _count(self, stand: Stand, change: int) -> None:
        registry = self._node.registry
        registry.holding += change
        registry.held[stand.at.tenant] += change
        if self._nobody is not None and not registry.holding:
            self._nobody.set()
