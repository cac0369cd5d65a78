"""Part of supervisord 4.2, which loads it as an interface without calls: what died is started anew at once.

Left alone supervisord looks once a second, or when a child writes: one look finds a child that ended, the next starts
it, one or two seconds later. Here SIGCHLD has it look, and what that look found has it look again. A child that dies in
its first second (startsecs) is tried again at once as well, but only once: after the second such death in a row it
waits as ever, longer each time, so that a build that does not come up keeps no core busy; but never for longer than
LONGEST, for whatever keeps it from starting may have gone by then.
"""

import os
import signal
import time

from supervisor import events
from supervisor.medusa import asyncore_25 as asyncore

LONGEST = 10  # seconds


class Bell:
    """Ends supervisord's wait: it reads this pipe as it reads its sockets."""

    def __init__(self):
        self.end, self.rope = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        asyncore.socket_map[self.end] = self
        signal.set_wakeup_fd(self.rope, warn_on_full_buffer=False)

    def ring(self):
        try:
            os.write(self.rope, b"!")
        except BlockingIOError:
            pass  # it rings already

    def readable(self):
        return True

    def writable(self):
        return False

    def handle_read_event(self):
        os.read(self.end, 4096)

    def handle_error(self):
        raise  # supervisord ends, and whoever keeps it starts it: better than a loop that never waits


def make(_supervisord):
    bell = Bell()

    def ended(_event):
        bell.ring()

    def ended_early(event):
        if event.process.backoff == 1:
            event.process.delay = 0
            bell.ring()
        event.process.backoff = min(event.process.backoff, LONGEST)
        event.process.delay = min(event.process.delay, time.time() + LONGEST)

    events.subscribe(events.ProcessStateExitedEvent, ended)
    events.subscribe(events.ProcessStateBackoffEvent, ended_early)
