"""The tools of perf/, as far as they do not measure: what they make of what perf(1) prints, their
help, their refusals, and that the tables of perf/README.md are those of the kept results."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import xml.dom.minidom

sys.path[0] = str(pathlib.Path(__file__).resolve().parent.parent)

# pylint: disable=wrong-import-position
from harness.cases import main
from harness.report import Skip, expect, expect_true
from harness.servers import ROOT, rldbd_path

PERF = ROOT / "perf"
sys.path.append(str(PERF))

import offcpu
import stacks

# What `perf script -F comm,tid,time,event,ip,sym,dso` prints, shortened.
SAMPLES = """rldbd  8094 11509.503582: cpu-clock:
               47604 memory_find (/opt/build/rldbd)
               5dba0 reactor_run (/opt/build/rldbd)
               891f5 start_thread+0x305 (/usr/lib/libc.so.6)

rldbd  8094 11509.504928: cpu-clock:
    ffffffff82010ddb tcp_sendmsg ([kernel.kallsyms])
    ffffffff81000130 entry_SYSCALL_64_after_hwframe ([kernel.kallsyms])
                29f7 [unknown] (/usr/lib/liburing.so.2.3)
        7f41d34ea004 [unknown] ([unknown])

a comm 12 8095/8096 [001] 11509.505: cpu-clock:
               47604 a<b>(int, char const*) (/opt/build/rldbd)
               5dba0 reactor_run (/opt/build/rldbd)
               891f5 start_thread+0x305 (/usr/lib/libc.so.6)

"""
FOLDED = """[liburing.so.2.3];entry_SYSCALL_64_after_hwframe_[k];tcp_sendmsg_[k] 1
start_thread;reactor_run;a<b>(int, char const*) 1
start_thread;reactor_run;memory_find 1
"""

# Thread 7 sleeps from 1.0 to 1.4, gets its core at 1.5, loses it at 2.0 and has it again at 2.25.
SWITCHES = """rldbd 7 1.0: sched:sched_switch: prev_comm=rldbd prev_pid=7 prev_prio=120 \
prev_state=S ==> next_comm=swapper/0 next_pid=0 next_prio=120
    ffffffff821facd8 __schedule ([kernel.kallsyms])
               5dba0 reactor_run (/opt/build/rldbd)

swapper 0 1.4: sched:sched_waking: comm=rldbd pid=7 prio=120 target_cpu=000

swapper 0 1.5: sched:sched_switch: prev_comm=swapper/0 prev_pid=0 prev_prio=120 prev_state=R ==> \
next_comm=rldbd next_pid=7 next_prio=120

rldbd 7 2.0: sched:sched_switch: prev_comm=rldbd prev_pid=7 prev_prio=120 prev_state=R+ ==> \
next_comm=other next_pid=9 next_prio=120
               5dba0 reactor_run (/opt/build/rldbd)

:-1 -1 2.25: sched:sched_switch: prev_comm=other prev_pid=9 prev_prio=120 prev_state=X ==> \
next_comm=rldbd next_pid=7 next_prio=120

"""


def tool(*words, data="", code=0, env=None):
    """Standard output and error of a program of perf/."""
    done = subprocess.run(
        [str(PERF / words[0]), *words[1:]],
        input=data,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=env,
    )
    expect(done.returncode, code, f"{words}: {done.stdout[-500:]}{done.stderr[-500:]}")
    return done.stdout, done.stderr


def folded():
    expect(tool("flame.py", "--folded", data=SAMPLES)[0], FOLDED)


def flame_graph():
    """Well-formed, boxes as wide as their share, names escaped, nothing from elsewhere."""
    picture = tool("flame.py", "--title", "a <title>", data=SAMPLES)[0]
    document = xml.dom.minidom.parseString(picture)
    shares = {
        box.getAttribute("data-n"): float(box.getAttribute("data-w"))
        for box in document.getElementsByTagName("g")
    }
    expect(shares["all"], 1.0)
    expect(shares["reactor_run"], 0.666667)
    expect(shares["tcp_sendmsg"], 0.333333)
    expect(shares["a<b>(int, char const*)"], 0.333333)
    titles = [title.firstChild.data for title in document.getElementsByTagName("title")]
    expect_true("reactor_run (rldbd): 66.67%, 2 samples" in titles, titles)
    links = re.findall(r"https?://[^\"]*", picture)
    expect(links, ["http://www.w3.org/2000/svg"], "it stands alone")


def wrong_input():
    expect_true("no samples" in tool("flame.py", code=1)[1], "nothing in, nothing out")
    _, told = tool("flame.py", data="rubbish\n", code=1)
    expect_true("not a line of perf script: 'rubbish'" in told, told)
    tool("flame.py", "/nonexistent", code=1)


def off_cpu():
    found = offcpu.OffCpu([7, 8])
    for sample in stacks.samples(SWITCHES.splitlines()):
        found.add(sample)
    found.finish()
    thread = found.threads[7]
    expect(
        (round(thread.asleep_s, 6), round(thread.waiting_s, 6), thread.sleeps, thread.pushed_off),
        (0.4, 0.35, 1, 1),
        "asleep, without a core",
    )
    expect(found.wall_s, 1.25)
    names = [[frame.name for frame in frames] for frames in found.stacks]
    expect(names, [["reactor_run", "__schedule"]], "what it slept in")


def helps():
    names = ("compare", "profile", "idle", "engine", "disk", "stalls", "snapshots", "table")
    names += ("pauses", "flame.py")
    for name in names:
        text = tool(name, "--help")[0]
        expect_true(f"perf/{name}" in text, f"{name}: {text}")


def tables():
    """perf/README.md shows what perf/results holds."""
    tool("table", "--check")
    text = tool("table")[0]
    expect_true("| rldbd / redis |" in text, "the ratios are there")
    expect_true("| rldbd-always / redis-aof-always, of that |" in text, "and of throughput")


def refusals():
    for words in (
        ("profile", "--pid", "999999999"),
        ("profile", "--port", "1"),
        ("profile", "--parts", "everything"),
        ("profile", "--seconds", "0"),
        ("compare", "--shards", "3"),
        ("engine", "brakes"),
    ):
        expect_true("error: " in tool(*words, code=2)[1], f"{words}")


def without_perf():
    """A clear word when perf(1) is not installed."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("bash", "dirname", "readlink"):
            os.symlink(shutil.which(name), os.path.join(folder, name))
        os.symlink(sys.executable, os.path.join(folder, "python3"))
        _, told = tool("profile", code=1, env={**os.environ, "PATH": folder})
    expect_true("apt-get install linux-perf" in told, told)


def a_profile():
    """All of it, where perf(1) is there and may."""
    if shutil.which("perf") is None:
        raise Skip("perf is not installed")
    with tempfile.TemporaryDirectory() as folder:
        words = ("--seconds", "0.5", "--keys", "1000", "--out", folder)
        done = subprocess.run(
            [str(PERF / "profile"), *words],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
            env={**os.environ, "RLDB_BUILD": str(pathlib.Path(rldbd_path()).resolve().parent)},
        )
        if "cpu: not measured" in done.stdout:
            raise Skip("perf may not look at processes here")
        expect(done.returncode, 0, done.stdout + done.stderr)
        expect_true("io_uring_enter" in done.stdout, done.stdout)
        for name in ("flame.svg", "stacks.folded", "report.txt", "profile.json"):
            expect_true(os.path.getsize(os.path.join(folder, name)) > 100, name)
        text = pathlib.Path(folder, "stacks.folded").read_text(encoding="utf-8")
        expect_true("reactor_run" in text and "_[k]" in text, text[:2000])


CASES = [
    ("stacks are folded", folded),
    ("a flame graph", flame_graph),
    ("input that is none", wrong_input),
    ("time off the CPU", off_cpu),
    ("help", helps),
    ("the tables of the README", tables),
    ("refusals", refusals),
    ("without perf", without_perf),
    ("a profile", a_profile),
]

if __name__ == "__main__":
    main("perf tools", [(None, CASES)])
