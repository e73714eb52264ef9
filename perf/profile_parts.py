"""The parts of a profile. Each is one recording of a process by perf while it is under load.

A part takes (options, pid, out, data): out is the folder for what it draws, data a file for what
perf records. It returns what it found as a dictionary, or raises Unavailable with what it would
need.
"""

import collections
import os
import re
import subprocess

import flame
import offcpu
import stacks

FREQUENCY_HZ = 997  # no divisor of a timer's frequency: samples do not fall in step with it
TOP = 15
# perf trace would name all of them, and loses a good part of 100,000 events a second.
CALLS = (
    *("io_uring_enter", "epoll_wait", "epoll_pwait", "epoll_ctl", "poll", "select", "futex"),
    *("read", "write", "readv", "writev", "pread64", "pwrite64", "fdatasync", "fsync"),
    *("recvfrom", "sendto", "recvmsg", "sendmsg", "accept4", "close", "mmap", "munmap", "madvise"),
)
ALL_CALLS = "raw_syscalls:sys_enter"
SOFTWARE = ("context-switches", "cpu-migrations", "page-faults")
HARDWARE = (
    *("cycles", "instructions", "cache-misses"),
    *("L1-dcache-load-misses", "dTLB-load-misses", "branch-misses"),
)
OTHERS = SOFTWARE + HARDWARE
# What a part needs of the kernel.
OWN_PROCESS = "root, or kernel.perf_event_paranoid at most 1 and a process of one's own"
TRACEPOINTS = (
    "root (kernel.perf_event_paranoid at most -1) and tracepoints (mount -t tracefs tracefs "
    "/sys/kernel/tracing)"
)
# A sample belongs to the first line that names a function of its stack.
WHERE = (
    ("loopback: the receiver's TCP, and waking it", ("net_rx_action",)),
    ("send", ("tcp_sendmsg",)),
    ("receive", ("tcp_recvmsg", "io_recv", "sock_recvmsg")),
    ("going to sleep", ("schedule",)),
    ("io_uring, the rest", ("__do_sys_io_uring_enter",)),
    ("other system calls", ("do_syscall_64", "entry_SYSCALL_64_after_hwframe")),
)


class Unavailable(RuntimeError):
    """Something that this kernel, or this user, does not grant."""


def run_perf(words, needs):
    """Runs perf; what it prints on both its ends."""
    done = subprocess.run(["perf", *words], capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        says = " ".join(lines[:3])
        raise Unavailable(f"perf {words[0]} failed, it needs {needs}. perf says: {says}")
    return done.stdout, done.stderr


def read_samples(data, fields):
    """The samples of a recording; perf reads names of functions from the programs' files."""
    words = ["perf", "script", "--no-inline", "-F", fields, "-i", str(data)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace"
    ) as process:
        yield from stacks.samples(process.stdout)


def sleep_words(options):
    return ["--", "sleep", str(options.seconds)]


def threads_of(pid):
    names = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/comm", encoding="utf-8") as file:
            names[int(task)] = file.read().strip()
    return names


def where_of(frames):
    names = {frame.name for frame in frames}
    for where, functions in WHERE:
        if names.intersection(functions):
            return where
    if not frames:
        return "no stack"
    last = frames[-1]
    if last.kernel:
        return "interrupts, and the rest of the kernel"
    return f"the program ({last.module})" if ".so" not in last.module else last.module


def cpu_part(options, pid, out, data):
    words = ["record", "-q", "-F", str(FREQUENCY_HZ), "-e", "cpu-clock", "-g", "-p", str(pid)]
    run_perf(words + ["-o", str(data)] + sleep_words(options), OWN_PROCESS)
    sums = stacks.fold((sample.frames, 1) for sample in read_samples(data, stacks.FIELDS))
    total = sum(sums.values())
    if total == 0:
        raise Unavailable("the process used no CPU: there was nothing to sample")
    title = f"{options.title}: on CPU, {FREQUENCY_HZ} Hz"
    (out / "flame.svg").write_text(flame.svg(sums, title), encoding="utf-8")
    lines = "".join(f"{line}\n" for line in stacks.folded_lines(sums))
    (out / "stacks.folded").write_text(lines, encoding="utf-8")
    own, inclusive = stacks.by_symbol(sums)
    places = collections.Counter()
    for frames, weight in sums.items():
        places[where_of(frames)] += weight
    return {
        "samples": total,
        "where": {place: round(n / total, 4) for place, n in places.most_common()},
        "top": [
            {
                "symbol": frame.name,
                "module": frame.module,
                "self": round(n / total, 4),
                "with_callees": round(inclusive[frame] / total, 4),
            }
            for frame, n in own.most_common(TOP)
        ],
    }


def counter_part(options, pid, _out, _data):
    words = ["stat", "-x", ",", "-p", str(pid), "-e"]
    try:
        events = (ALL_CALLS, *(f"syscalls:sys_enter_{call}" for call in CALLS))
        _, text = run_perf(words + [",".join(events + OTHERS)] + sleep_words(options), TRACEPOINTS)
        calls = None
    except Unavailable as error:
        calls = str(error)
        _, text = run_perf(words + [",".join(OTHERS)] + sleep_words(options), OWN_PROCESS)
    counts, missing = {}, []
    for line in text.splitlines():
        fields = line.split(",")
        if len(fields) < 3:
            continue
        if fields[0].isdigit():
            counts[fields[2]] = int(fields[0]) / options.seconds
        else:
            missing.append(fields[2])
    by_name = {call: counts.pop(f"syscalls:sys_enter_{call}", 0) for call in CALLS}
    total = counts.pop(ALL_CALLS, 0)
    by_name["others"] = max(0, total - sum(by_name.values()))
    found = {"counters_per_second": counts, "not_counted_here": missing}
    if calls is None:
        found["calls_per_second"] = {name: n for name, n in by_name.items() if n}
    else:
        found["calls_unavailable"] = calls
    return found


def offcpu_part(options, pid, out, data):
    threads = threads_of(pid)
    switches = "||".join(f"prev_pid=={tid}||next_pid=={tid}" for tid in threads)
    wakings = "||".join(f"pid=={tid}" for tid in threads)
    words = ["record", "-q", "-a", "-g"]
    words += ["-e", "sched:sched_switch", "--filter", switches]
    words += ["-e", "sched:sched_waking", "--filter", wakings, "-o", str(data)]
    run_perf(words + sleep_words(options), TRACEPOINTS)
    found = offcpu.OffCpu(threads)
    for sample in read_samples(data, stacks.TRACE_FIELDS):
        found.add(sample)
    found.finish()
    if found.stacks:
        title = f"{options.title}: asleep, by what was waited for"
        microseconds = {frames: round(s * 1e6) for frames, s in found.stacks.items()}
        picture = flame.svg(microseconds, title, "us")
        (out / "offcpu.svg").write_text(picture, encoding="utf-8")
    return {
        "seconds": round(found.wall_s, 3),
        "threads": [
            {
                "name": threads[tid],
                "tid": tid,
                "asleep": round(thread.asleep_s / found.wall_s, 4),
                "without_a_core": round(thread.waiting_s / found.wall_s, 4),
                "sleeps_per_second": round(thread.sleeps / found.wall_s, 1),
                "pushed_off_per_second": round(thread.pushed_off / found.wall_s, 1),
            }
            for tid, thread in sorted(found.threads.items())
            if thread.sleeps + thread.pushed_off > 0
        ],
    }


PARTS = {
    "cpu": cpu_part,
    "counters": counter_part,
    "offcpu": offcpu_part,
}
