"""Where threads wait: from samples of sched:sched_switch and sched:sched_waking.

A thread is asleep from the switch away from it until somebody wakes it, and waits for a core from
then on, or from a switch that took the core from it while it was runnable, until the switch to it.
The stack at the switch away says what it waits for.
"""

import collections
import re

SWITCH = re.compile(
    r"prev_pid=(?P<out>\d+) .*prev_state=(?P<state>\S+) ==> .*next_pid=(?P<into>\d+)"
)
WAKING = re.compile(r"\bpid=(?P<tid>\d+)")


class Thread:
    def __init__(self):
        self.asleep_s = 0.0
        self.waiting_s = 0.0  # runnable, and another has the core
        self.sleeps = 0
        self.pushed_off = 0  # switches away while runnable
        self.left_s = None  # when it was switched away
        self.runnable_s = None
        self.frames = ()


class OffCpu:
    """Sums over one recording of all threads in `tids`."""

    def __init__(self, tids):
        self.threads = {tid: Thread() for tid in tids}
        self.stacks = collections.Counter()  # frames -> seconds asleep
        self.first_s = None
        self.last_s = None

    def add(self, sample):
        self.first_s = sample.time if self.first_s is None else self.first_s
        self.last_s = sample.time
        if sample.event.endswith("sched_waking"):
            found = WAKING.search(sample.trace)
            thread = self.threads.get(int(found["tid"])) if found else None
            if thread is not None and thread.runnable_s is None:
                thread.runnable_s = sample.time
            return
        found = SWITCH.search(sample.trace)
        if found is None:
            raise ValueError(f"not a switch of threads: {sample.trace[:100]!r}")
        if int(found["into"]) in self.threads:
            self.enter(self.threads[int(found["into"])], sample.time)
        if int(found["out"]) in self.threads:
            self.leave(self.threads[int(found["out"])], sample, found["state"].startswith("R"))

    def leave(self, thread, sample, runnable):
        thread.left_s = sample.time
        thread.runnable_s = sample.time if runnable else None
        thread.frames = sample.frames
        if runnable:
            thread.pushed_off += 1
        else:
            thread.sleeps += 1

    def enter(self, thread, now_s):
        if thread.left_s is None:
            return
        runnable_s = now_s if thread.runnable_s is None else thread.runnable_s
        thread.asleep_s += runnable_s - thread.left_s
        thread.waiting_s += now_s - runnable_s
        if runnable_s > thread.left_s:
            self.stacks[thread.frames] += runnable_s - thread.left_s
        thread.left_s = None

    def finish(self):
        """Ends what is still going on when the recording ends."""
        for thread in self.threads.values():
            if self.last_s is not None:
                self.enter(thread, self.last_s)

    @property
    def wall_s(self):
        return 0.0 if self.first_s is None else self.last_s - self.first_s
