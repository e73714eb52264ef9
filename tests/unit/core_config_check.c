// What no single value can say: whether they fit together, and to the machine.
#include "core/config.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

static const struct cpu_facts two_cpus = {
    .allowed = {.count = 2, .ids = {0, 1}},
    .memory_bytes = UINT64_C(8) << 30,
};

struct check {
    const char *yaml;
    const char *message; // NULL: it is fine
};

static void run(const struct check *check)
{
    struct config config;
    struct config_error error = {0};

    cr_assert_eq(config_parse("c.yaml", check->yaml, strlen(check->yaml), &config, &error), 0, "%s",
                 error.text);
    const int result = config_check(&config, &two_cpus, &error);
    if (check->message == NULL) {
        cr_expect_eq(result, 0, "\n  of    %s\n  said  %s", check->yaml, error.text);
        return;
    }
    cr_expect_eq(result, -EINVAL, "not refused: %s", check->yaml);
    cr_expect_str_eq(error.text, check->message, "\n  of       %s\n  said     %s\n  expected %s",
                     check->yaml, error.text, check->message);
}

static void run_all(const struct check *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        run(&table[i]);
    }
}

#define RUN_ALL(table) run_all(table, sizeof(table) / sizeof((table)[0]))

Test(core_config_check, ports_do_not_overlap)
{
    static const struct check table[] = {
        {"", NULL},
        {"listen: {client: [127.0.0.1:7379, 127.0.0.2:7379]}", NULL},
        {"listen: {client: [127.0.0.1:7379, 127.0.0.1:7379]}",
         "c.yaml:1:10: listen.client: 127.0.0.1:7379 overlaps 127.0.0.1:7379 of listen.client, "
         "expected ports of its own"},
        {"listen: {client: ['unix:/tmp/a', 'unix:/tmp/a']}",
         "c.yaml:1:10: listen.client: unix:/tmp/a overlaps unix:/tmp/a of listen.client, expected "
         "ports of its own"},
        {"listen: {client: ['unix:/tmp/a', 'unix:/tmp/b']}", NULL},
        {"listen: {peer: 127.0.0.1:7379}",
         "c.yaml:1:10: listen.peer: 127.0.0.1:7379 overlaps 127.0.0.1:7379 of listen.client, "
         "expected ports of its own"},
        {"listen: {client: 127.0.0.1:17379}", "c.yaml:1:10: listen.peer: 127.0.0.1:17379 overlaps "
                                              "127.0.0.1:17379 of listen.client, expected "
                                              "ports of its own"},
        {"listen: {http: 127.0.0.1:17379}",
         "c.yaml:1:10: listen.http: 127.0.0.1:17379 overlaps 127.0.0.1:17379 of listen.peer, "
         "expected ports of its own"},
        {"listen: {http: 0.0.0.0:7381}",
         "c.yaml:1:10: listen.shard_port_base: 127.0.0.1:7380-7381 overlaps 0.0.0.0:7381 of "
         "listen.http, expected ports of its own"},
        {"listen: {http: 0.0.0.0:7382}", NULL},
        {"listen: {http: '[::]:7380'}", "c.yaml:1:10: listen.shard_port_base: 127.0.0.1:7380-7381 "
                                        "overlaps [::]:7380 of listen.http, "
                                        "expected ports of its own"},
        {"listen: {http: '[::1]:7380'}", NULL},
        {"listen: {http: 127.0.0.1:7380, shard_ports: off}", NULL},
        {"listen: {shard_port_base: 7378}",
         "c.yaml:1:10: listen.shard_port_base: 127.0.0.1:7378-7379 overlaps 127.0.0.1:7379 of "
         "listen.client, expected ports of its own"},
        {"listen: {shard_port_base: 7377}", NULL},
        {"node: {shards: 8}\nlisten: {http: 127.0.0.1:7387}",
         "c.yaml:2:10: listen.shard_port_base: 127.0.0.1:7380-7387 overlaps 127.0.0.1:7387 of "
         "listen.http, expected ports of its own"},
        {"node: {shards: 7}\nlisten: {http: 127.0.0.1:7387}", NULL},
        {"listen: {client: 127.0.0.1:65535}", "c.yaml:1:10: listen.shard_port_base: the ports of 2 "
                                              "shards would end beyond 65535, expected a "
                                              "lower one"},
        {"listen: {client: 127.0.0.1:65534}", "c.yaml:1:10: listen.shard_port_base: the ports of 2 "
                                              "shards would end beyond 65535, expected a "
                                              "lower one"},
        {"listen: {client: 127.0.0.1:65533}", NULL},
    };

    RUN_ALL(table);
}

Test(core_config_check, nobody_is_let_in_by_accident)
{
    static const struct check table[] = {
        {"listen: {client: 192.168.1.2:7379}",
         "c.yaml:1:10: listen.client: 192.168.1.2:7379 is beyond loopback and there are no users, "
         "expected auth.users_file, or auth.insecure: true to let everyone in"},
        {"listen: {client: [127.0.0.1:7379, '[fe80::1]:7379']}",
         "c.yaml:1:10: listen.client: [fe80::1]:7379 is beyond loopback and there are no users, "
         "expected auth.users_file, or auth.insecure: true to let everyone in"},
        {"listen: {client: 192.168.1.2:7379}\nauth: {insecure: true}", NULL},
        {"listen: {client: 192.168.1.2:7379}\nauth: {users_file: /etc/passwd}", NULL},
        {"listen: {client: 127.9.9.9:7379}", NULL},
        {"listen: {client: 'unix:/tmp/x'}", NULL},
        {"listen: {peer: 0.0.0.0:17379}",
         "c.yaml:1:10: listen.peer: 0.0.0.0:17379 is beyond loopback and there is no secret, "
         "expected cluster.secret_file, or auth.insecure: true to let everyone in"},
        {"listen: {peer: 0.0.0.0:17379}\ncluster: {secret_file: /etc/passwd}", NULL},
    };

    RUN_ALL(table);
}

Test(core_config_check, clients_are_told_a_host_they_can_reach)
{
    static const struct check table[] = {
        {"listen: {client: 0.0.0.0:7379}\nauth: {insecure: true}",
         "c.yaml:1:10: listen.advertise: clients cannot connect to 0.0.0.0:7379, which "
         "listen.client "
         "says, expected the host that they reach this node by (or listen.shard_ports: off)"},
        {"listen: {client: '[::]:7379'}\nauth: {insecure: true}",
         "c.yaml:1:10: listen.advertise: clients cannot connect to [::]:7379, which listen.client "
         "says, "
         "expected the host that they reach this node by (or listen.shard_ports: off)"},
        {"listen: {client: 0.0.0.0:7379, advertise: db1}\nauth: {insecure: true}", NULL},
        {"listen: {client: 0.0.0.0:7379, shard_ports: off}\nauth: {insecure: true}", NULL},
        {"listen: {advertise: 0.0.0.0}",
         "c.yaml:1:10: listen.advertise: nobody can connect to 0.0.0.0, expected the host that "
         "clients reach this node by"},
        {"listen: {client: 'unix:/tmp/x', shard_ports: on}",
         "c.yaml:1:33: listen.shard_ports: shard ports take the host of listen.client, which has "
         "unix sockets alone, expected off, or an address with a port"},
    };

    RUN_ALL(table);
}

Test(core_config_check, numbers_fit_together)
{
    static const struct check table[] = {
        {"cluster: {partitions: 100}",
         "c.yaml:1:11: cluster.partitions: 100 is no power of two, expected one such as 256"},
        {"cluster: {partitions: 16384}", NULL},
        {"cluster: {replicas: 7}", NULL}, // LIMIT_RING_REPLICAS: what a ring takes
        {"cluster: {replicas: 1}", "c.yaml:1:11: cluster.read_quorum: 2 is more than the 1 of "
                                   "cluster.replicas, expected at most that"},
        {"cluster: {replicas: 1, read_quorum: 1}",
         "c.yaml:1:11: cluster.write_quorum: 2 is more than the 1 of cluster.replicas, expected at "
         "most "
         "that"},
        {"cluster: {write_quorum: 4}", "c.yaml:1:11: cluster.write_quorum: 4 is more than the 3 of "
                                       "cluster.replicas, expected at most that"},
        {"cluster: {replicas: 1, read_quorum: 1, write_quorum: 1}", NULL},
        {"clients: {request_max: 64MiB}",
         "c.yaml:1:11: clients.request_max: a request with a value of storage.value_max would not "
         "fit, expected more than that"},
        {"storage: {value_max: 254MiB}", "c.yaml:1:11: clients.request_max: a request with a value "
                                         "of storage.value_max would not fit, "
                                         "expected more than that"},
        {"clients: {output_max: 1MiB}",
         "c.yaml:1:11: clients.output_max: a reply with a value of storage.value_max would not "
         "fit, expected more than that"},
        {"storage: {value_max: 1MiB}\nclients: {output_max: 2MiB, request_max: 2MiB}", NULL},
        {"storage: {engine: lsm}", "c.yaml:1:11: storage.engine: this version has no such engine "
                                   "yet, expected log or memory"},
    };

    RUN_ALL(table);
}

Test(core_config_check, what_is_named_is_there)
{
    static const struct check table[] = {
        {"node: {shards: [1, 0]}", NULL},
        {"node: {shards: [1, 2]}",
         "c.yaml:1:8: node.shards: CPU 2 is none that this process may use, expected some of the 2 "
         "that taskset -p or nproc shows"},
        {"auth: {users_file: /nonexistent/users}",
         "c.yaml:1:8: auth.users_file: /nonexistent/users: No such file or directory, expected a "
         "file that can be read"},
        {"auth: {users_file: /}",
         "c.yaml:1:8: auth.users_file: /: Is a directory, expected a file that can be read"},
        {"cluster: {secret_file: /nonexistent/secret}",
         "c.yaml:1:11: cluster.secret_file: /nonexistent/secret: No such file or directory, "
         "expected a file that can be read"},
        {"storage: {memory_max: 4MiB}", NULL},
        {"storage: {memory_max: off}", NULL},
        {"storage: {memory_max: 4194303}", "c.yaml:1:11: storage.memory_max: 4194303 bytes are too "
                                           "few for 2 shards to keep anything, "
                                           "expected 4MiB or more"},
        {"log: {file: /tmp/rldb-that-is-not-there}", NULL},
        {"log: {file: /nonexistent/log}",
         "c.yaml:1:7: log.file: /nonexistent/log: No such file or directory, expected a file that "
         "can be written, or made in its folder"},
        {"log: {file: /tmp}", "c.yaml:1:7: log.file: /tmp: Is a directory, expected a file that "
                              "can be written, or made in its folder"},
        {"node: {data_dir: /tmp}", NULL},
        {"node: {data_dir: /tmp/rldb-that-is-not-there/}", NULL},
        {"node: {data_dir: /nonexistent/a/b}",
         "c.yaml:1:8: node.data_dir: /nonexistent/a/b: No such file or directory, expected a "
         "directory that can be written, or one that can be made in its parent"},
        {"node: {data_dir: /etc/passwd}",
         "c.yaml:1:8: node.data_dir: /etc/passwd: Not a directory, expected a directory that can "
         "be written, or one that can be made in its parent"},
    };

    RUN_ALL(table);
}

Test(core_config_check, the_defaults_are_named_where_there_is_no_file)
{
    struct config config;
    struct config_error error;

    config_defaults(&config);
    config.cluster.read_quorum = 9;
    cr_expect_eq(config_check(&config, &two_cpus, &error), -EINVAL);
    cr_expect_str_eq(error.text, "defaults: cluster.read_quorum: 9 is more than the 3 of "
                                 "cluster.replicas, expected at most that");
}

Test(core_config_check, auto_comes_to_something)
{
    struct config config;

    config_defaults(&config);
    cr_expect_eq(config_shard_count(&config, &two_cpus), 2);
    cr_expect_eq(config_memory_max_bytes(&config, &two_cpus), UINT64_C(4) << 30);
    cr_expect_eq(config_shard_port_base(&config), 7380);
    config.node.shards.count = 5;
    config.storage.memory_max_bytes = 123;
    config.listen.shard_port_base = 9000;
    cr_expect_eq(config_shard_count(&config, &two_cpus), 5);
    cr_expect_eq(config_memory_max_bytes(&config, &two_cpus), 123);
    config.storage.memory_max_bytes = CONFIG_SIZE_OFF;
    cr_expect_eq(config_memory_max_bytes(&config, &two_cpus), 0);
    cr_expect_eq(config_shard_port_base(&config), 9000);
    config.listen.shard_ports = false;
    cr_expect_eq(config_shard_port_base(&config), 0);
}
