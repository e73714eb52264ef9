"""The pairs of servers that are compared: started when first asked for, stopped together."""

import os
import shutil
import tempfile

from harness.servers import Redis, Rldbd

from . import cluster, names, users

# What rldb keeps by default: values up to 64 MiB, one database. A CONFIG or DEBUG that Redis
# refuses by default is allowed, so that it is the same request on both sides.
MAIN_CONFIG = [
    "databases 1",
    "proto-max-bulk-len 64mb",
    "enable-debug-command yes",
    *(f'rename-command {name.decode()} ""' for name in names.NOT_OFFERED),
]


class Targets:
    """main(): one database each, two shards, no shard ports. users(): the same with a users file
    whose default user has a password. cluster(): shard ports on, beside a Redis cluster of one."""

    def __init__(self, against="rldbd"):
        self.against = against
        self._pairs = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pair in self._pairs.values():
            for server in pair:
                server.stop()

    def _start(self, name, redis_config, rldbd_config):
        pair = self._pairs.get(name)
        if pair and not all(server.alive() for server in pair):
            print(f"a server had ended, and is started again. Its last words:\n{self.last_words()}")
            del self._pairs[name]
            for server in pair:
                server.stop()
        if name not in self._pairs:
            reference = Redis(redis_config)
            try:
                other = Redis(redis_config) if self.against == "redis" else Rldbd(rldbd_config)
            except Exception:
                reference.stop()
                raise
            self._pairs[name] = (reference, other)
        return self._pairs[name]

    def main(self):
        return self._start("main", MAIN_CONFIG, {"listen": {"shard_ports": False}})

    def users(self):
        folder = tempfile.mkdtemp(prefix="rldb-test-")
        path = os.path.join(folder, "users.acl")
        with open(path, "w", encoding="utf-8") as file:
            file.write(users.FILE)
        config = {"listen": {"shard_ports": False}, "auth": {"users_file": path}}
        try:
            return self._start("users", MAIN_CONFIG + [f"aclfile {path}"], config)
        finally:
            shutil.rmtree(folder)

    def cluster(self):
        fresh = "cluster" not in self._pairs
        pair = self._start("cluster", ["cluster-enabled yes"], {"listen": {"shard_ports": True}})
        if fresh:
            cluster.prepare(pair[0])
            if self.against == "redis":
                cluster.prepare(pair[1])
        return pair

    def dead(self):
        return any(not server.alive() for pair in self._pairs.values() for server in pair)

    def last_words(self):
        return "\n".join(
            f"exit status {server.process.returncode}\n{server.log()[-3000:]}"
            for pair in self._pairs.values()
            for server in pair
            if not server.alive()
        )
