"""What machine and which build a result belongs to, and where results are kept."""

import json
import os
import pathlib
import platform
import re
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "perf" / "results"


def output(argv):
    done = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT)
    return done.stdout.strip() if done.returncode == 0 else ""


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = re.search(r"^model name\s*: (.*)$", file.read(), re.MULTILINE)
    return found[1] if found else platform.machine()


def memory_gib():
    with open("/proc/meminfo", encoding="ascii") as file:
        return round(int(re.search(r"MemTotal:\s+(\d+)", file.read())[1]) / 1024 / 1024, 1)


def huge_pages():
    try:
        with open("/sys/kernel/mm/transparent_hugepage/enabled", encoding="ascii") as file:
            return re.search(r"\[(\w+)\]", file.read())[1]
    except OSError:
        return "none"


def facts():
    versions = {
        "redis": re.search(r"v=([\d.]+)", output(["redis-server", "--version"]) or "v=0"),
        "memcached": re.search(r"([\d.]+)$", output(["memcached", "--version"])),
    }
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": memory_gib(),
        "kernel": platform.release(),
        "huge_pages": huge_pages(),
        "load_average": round(os.getloadavg()[0], 1),
        **{name: found[1] if found else "absent" for name, found in versions.items()},
    }


def commit():
    """The commit measured, with + when the tree differs from it."""
    head = output(["git", "rev-parse", "--short=12", "HEAD"])
    changed = output(["git", "status", "--porcelain", "--untracked-files=no"])
    return (head or "unknown") + ("+" if changed else "")


def write(path, result):
    """Writes a result as JSON, with what it was measured on. No host name and no path is in it."""
    document = {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": commit(),
        "machine": facts(),
        **result,
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")


def save(name, result):
    """Writes perf/results/NAME.json."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    write(path, {"name": name, **result})
    return path
