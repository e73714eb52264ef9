// Every way in which a configuration is refused, with the exact message: it is what a person has to
// work with, and outside programs show it as it is.
#include "core/config.h"
#include "core/limits.h"
#include "core/memory.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct wrong {
    const char *yaml;
    const char *message;
};

static const struct wrong table[] = {
    {"nodes: {name: a}", "c.yaml:1:1: unknown section \"nodes\", did you mean node?"},
    {"node: {nmae: a}", "c.yaml:1:8: unknown key \"node.nmae\", did you mean node.name?"},
    {"node: {name: a}\nnode: {name: b}",
     "c.yaml:2:1: section node is given twice (first on line 1), expected once"},
    {"node:\n  name: a\n  name: b\n",
     "c.yaml:3:3: node.name is given twice (first on line 2), expected once"},
    {"shards: 2", "c.yaml:1:1: unknown section \"shards\", did you mean node.shards?"},
    {"storage: {memmax: 1}",
     "c.yaml:1:11: unknown key \"storage.memmax\", expected one of engine, sync, "
     "sync_interval, cache, segment, memory_max, eviction, disk_reserve, value_max"},
    {"storage: {xyzzy: 1}",
     "c.yaml:1:11: unknown key \"storage.xyzzy\", expected one of engine, sync, sync_interval, "
     "cache, segment, memory_max, eviction, disk_reserve, value_max"},
    {"frobnicate: 1",
     "c.yaml:1:1: unknown section \"frobnicate\", expected node, listen, storage, cluster, "
     "clients, auth, log"},
    {"node: 5", "c.yaml:1:7: section node is no mapping, expected keys: name, data_dir, shards"},
    {"node: [a]", "c.yaml:1:7: section node is no mapping, expected keys: name, data_dir, shards"},
    {"- a",
     "c.yaml:1:1: the file is no mapping, expected sections: node, listen, storage, cluster, "
     "clients, auth, log"},
    {"hello",
     "c.yaml:1:1: the file is no mapping, expected sections: node, listen, storage, cluster, "
     "clients, auth, log"},
    {"node: {name: [a]}",
     "c.yaml:1:14: node.name: this is a list, expected at most 63 letters, digits, '.', '_' "
     "and '-'"},
    {"node: {name: {a: b}}",
     "c.yaml:1:14: node.name: this is a mapping, expected at most 63 letters, digits, '.', '_' "
     "and '-'"},
    {"node: {shards: [[0]]}",
     "c.yaml:1:17: node.shards: this is no value of a list, expected auto or a number from 1 "
     "to 128, or a list of CPUs such as [0, 2]"},
    {"node: {shards: [{a: 1}]}",
     "c.yaml:1:17: node.shards: this is no value of a list, expected auto or a number from 1 "
     "to 128, or a list of CPUs such as [0, 2]"},
    {"node: &a {name: x}",
     "c.yaml:1:7: anchors (&), aliases (*) and tags (!) are not allowed, expected a plain value"},
    {"node: {name: *a}",
     "c.yaml:1:14: anchors (&), aliases (*) and tags (!) are not allowed, expected a plain "
     "value"},
    {"node: {name: &b x}",
     "c.yaml:1:14: anchors (&), aliases (*) and tags (!) are not allowed, expected a plain "
     "value"},
    {"node: {name: !!str x}",
     "c.yaml:1:14: anchors (&), aliases (*) and tags (!) are not allowed, expected a plain "
     "value"},
    {"--- {}\n--- {}\n", "c.yaml:2:1: a second document begins here, expected one"},
    {"node: {name: a",
     "c.yaml:2:1: this is no YAML: did not find expected ',' or '}' while parsing a flow "
     "mapping, expected sections of keys such as node: {name: n1}"},
    {"node: {name: 'a",
     "c.yaml:1:16: this is no YAML: found unexpected end of stream while scanning a quoted "
     "scalar, expected sections of keys such as node: {name: n1}"},
    {"\tnode: 1",
     "c.yaml:1:1: this is no YAML: found character that cannot start any token while scanning "
     "for the next token, expected sections of keys such as node: {name: n1}"},
    {"? [a]\n: b\n", "c.yaml:1:3: this is no section, expected a name such as node"},
    {"node: {? [a] : b}", "c.yaml:1:10: this is no key, expected a name"},
    {"node: {name: a}}\n",
     "c.yaml:1:16: this is no YAML: did not find expected key while parsing a block mapping, "
     "expected sections of keys such as node: {name: n1}"},
    {"%YAML 9.9\n---\n{}",
     "c.yaml:1:1: this is no YAML: found incompatible YAML document, expected sections of keys "
     "such as node: {name: n1}"},
    {"node: {\"na\\0me\": a}",
     "c.yaml:1:8: unknown key \"node.na?me\", expected one of name, data_dir, shards"},
    {"node: {name: \"a\\0b\"}",
     "c.yaml:1:14: node.name: \"a?b\" has a control character, expected at most 63 letters, "
     "digits, '.', '_' and '-'"},
    {"node: {name: \"a\\nb\"}",
     "c.yaml:1:14: node.name: \"a?b\" has a control character, expected at most 63 letters, "
     "digits, '.', '_' and '-'"},
    {"a: \x80",
     "c.yaml:1:4: this is no YAML: invalid leading UTF-8 octet, expected sections of keys such "
     "as node: {name: n1}"},
    {"node: {name: }",
     "c.yaml:1:14: node.name: the value is missing, expected at most 63 letters, digits, '.', "
     "'_' and '-'"},
    {"node: {name: \"\"}",
     "c.yaml:1:14: node.name: the value is empty, expected at most 63 letters, digits, '.', "
     "'_' and '-'"},
    {"node: {name: a b}",
     "c.yaml:1:14: node.name: \"a b\" has a character that is not allowed, expected at most 63 "
     "letters, digits, '.', '_' and '-'"},
    {"node: {name: aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg}",
     "c.yaml:1:14: node.name: \"aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd...\" is too long, "
     "expected at most 63 letters, digits, '.', '_' and '-'"},
    {"node: {shards: 0}",
     "c.yaml:1:16: node.shards: \"0\" is out of range, expected auto or a number from 1 to "
     "128, or a list of CPUs such as [0, 2]"},
    {"node: {shards: 129}",
     "c.yaml:1:16: node.shards: \"129\" is out of range, expected auto or a number from 1 to "
     "128, or a list of CPUs such as [0, 2]"},
    {"node: {shards: two}",
     "c.yaml:1:16: node.shards: \"two\" is not a number, expected auto or a number from 1 to "
     "128, or a list of CPUs such as [0, 2]"},
    {"node: {shards: [0, 0]}",
     "c.yaml:1:20: node.shards: \"0\" is given twice, expected auto or a number from 1 to 128, "
     "or a list of CPUs such as [0, 2]"},
    {"node: {shards: []}",
     "c.yaml:1:16: node.shards: the list is empty, expected auto or a number from 1 to 128, or "
     "a list of CPUs such as [0, 2]"},
    {"node: {shards: [x]}",
     "c.yaml:1:17: node.shards: \"x\" is not a number, expected auto or a number from 1 to "
     "128, or a list of CPUs such as [0, 2]"},
    {"node: {shards: [5000]}",
     "c.yaml:1:17: node.shards: \"5000\" is no CPU, expected auto or a number from 1 to 128, "
     "or a list of CPUs such as [0, 2]"},
    {"node: {shards: -1}",
     "c.yaml:1:16: node.shards: \"-1\" is not a number, expected auto or a number from 1 to "
     "128, or a list of CPUs such as [0, 2]"},
    {"node: {shards: 1.5}",
     "c.yaml:1:16: node.shards: \"1.5\" is not a number, expected auto or a number from 1 to "
     "128, or a list of CPUs such as [0, 2]"},
    {"node: {shards: '2'}",
     "c.yaml:1:16: node.shards: \"2\" is a text, expected auto or a number from 1 to 128, or a "
     "list of CPUs such as [0, 2]"},
    {"node: {shards: 99999999999999999999999}",
     "c.yaml:1:16: node.shards: \"99999999999999999999999\" is out of range, expected auto or "
     "a number from 1 to 128, or a list of CPUs such as [0, 2]"},
    {"listen: {client: 7379}",
     "c.yaml:1:18: listen.client: \"7379\" is not an address, expected up to 8 addresses such "
     "as 127.0.0.1:7379, [::1]:7379 or unix:PATH"},
    {"listen: {client: 127.0.0.1}",
     "c.yaml:1:18: listen.client: \"127.0.0.1\" is not an address, expected up to 8 addresses "
     "such as 127.0.0.1:7379, [::1]:7379 or unix:PATH"},
    {"listen: {client: 127.0.0.1:0}",
     "c.yaml:1:18: listen.client: \"127.0.0.1:0\" has no port, expected up to 8 addresses such "
     "as 127.0.0.1:7379, [::1]:7379 or unix:PATH"},
    {"listen: {client: 127.0.0.1:65536}",
     "c.yaml:1:18: listen.client: \"127.0.0.1:65536\" is not an address, expected up to 8 "
     "addresses such as 127.0.0.1:7379, [::1]:7379 or unix:PATH"},
    {"listen: {client: db1:7379}",
     "c.yaml:1:18: listen.client: \"db1:7379\" is not an address, expected up to 8 addresses "
     "such as 127.0.0.1:7379, [::1]:7379 or unix:PATH"},
    {"listen: {client: []}",
     "c.yaml:1:18: listen.client: the list is empty, expected up to 8 addresses such as "
     "127.0.0.1:7379, [::1]:7379 or unix:PATH"},
    {"listen: {client: [a]}",
     "c.yaml:1:19: listen.client: \"a\" is not an address, expected up to 8 addresses such as "
     "127.0.0.1:7379, [::1]:7379 or unix:PATH"},
    {"listen: {peer: 'unix:/x'}",
     "c.yaml:1:16: listen.peer: \"unix:/x\" is a unix socket, expected an address such as "
     "127.0.0.1:7380 or [::1]:7380"},
    {"listen: {http: on}",
     "c.yaml:1:16: listen.http: \"on\" is not an address, expected off or an address such as "
     "127.0.0.1:7380 or [::1]:7380"},
    {"listen: {shard_ports: maybe}",
     "c.yaml:1:23: listen.shard_ports: \"maybe\" is not a switch, expected on or off"},
    {"listen: {shard_ports: 'on'}",
     "c.yaml:1:23: listen.shard_ports: \"on\" is not a switch, expected on or off"},
    {"listen: {shard_port_base: 70000}",
     "c.yaml:1:27: listen.shard_port_base: \"70000\" is out of range, expected auto or a port "
     "from 1 to 65535"},
    {"listen: {advertise: 'a b'}",
     "c.yaml:1:21: listen.advertise: \"a b\" has a character that is not allowed, expected "
     "auto or the name or address of a host"},
    {"storage: {engine: rocksdb}",
     "c.yaml:1:19: storage.engine: \"rocksdb\" is unknown, expected log, memory or lsm"},
    {"storage: {sync: sometimes}",
     "c.yaml:1:17: storage.sync: \"sometimes\" is unknown, expected always, interval or never"},
    {"storage: {sync_interval: 5}",
     "c.yaml:1:26: storage.sync_interval: \"5\" has no unit (ns, us, ms, s, m or h), expected "
     "a time from 1ms to 1h"},
    {"storage: {sync_interval: 5sec}",
     "c.yaml:1:26: storage.sync_interval: \"5sec\" has an unknown unit (ns, us, ms, s, m or "
     "h), expected a time from 1ms to 1h"},
    {"storage: {sync_interval: 2h}",
     "c.yaml:1:26: storage.sync_interval: \"2h\" is out of range, expected a time from 1ms to "
     "1h"},
    {"storage: {segment: 64MB}",
     "c.yaml:1:20: storage.segment: \"64MB\" has an unknown unit (B, KiB, MiB, GiB or TiB), "
     "expected a size from 2MiB to 64MiB"},
    {"storage: {segment: 64 MiB}",
     "c.yaml:1:20: storage.segment: \"64 MiB\" has an unknown unit (B, KiB, MiB, GiB or TiB), "
     "expected a size from 2MiB to 64MiB"},
    {"storage: {segment: 1KiB}",
     "c.yaml:1:20: storage.segment: \"1KiB\" is out of range, expected a size from 2MiB to 64MiB"},
    {"storage: {segment: auto}",
     "c.yaml:1:20: storage.segment: \"auto\" is not a number, expected a size from 2MiB to 64MiB"},
    {"storage: {disk_reserve: 95%}",
     "c.yaml:1:25: storage.disk_reserve: \"95%\" is out of range, expected a part from 0% to "
     "90%"},
    {"storage: {disk_reserve: 5 percent}",
     "c.yaml:1:25: storage.disk_reserve: \"5 percent\" is not a number, expected a part from "
     "0% to 90%"},
    {"storage: {memory_max: lots}",
     "c.yaml:1:23: storage.memory_max: \"lots\" is not a number, expected auto, off or a size "
     "from 1MiB to 64TiB"},
    {"storage: {memory_max: -1}",
     "c.yaml:1:23: storage.memory_max: \"-1\" is not a number, expected auto, off or a size "
     "from 1MiB to 64TiB"},
    {"storage: {memory_max: 18446744073709551615TiB}",
     "c.yaml:1:23: storage.memory_max: \"18446744073709551615TiB\" is out of range, expected "
     "auto, off or a size from 1MiB to 64TiB"},
    {"cluster: {replicas: three}",
     "c.yaml:1:21: cluster.replicas: \"three\" is not a number, expected a whole number from 1 "
     "to 7"},
    {"cluster: {replicas: 8}", // LIMIT_RING_REPLICAS
     "c.yaml:1:21: cluster.replicas: \"8\" is out of range, expected a whole number from 1 to 7"},
    {"cluster: {replicas: '3'}",
     "c.yaml:1:21: cluster.replicas: \"3\" is a text, expected a whole number from 1 to 7"},
    {"cluster: {seeds: [a]}",
     "c.yaml:1:19: cluster.seeds: \"a\" has no port, expected up to 32 addresses such as "
     "db1.example.org:17379"},
    {"cluster: {seeds: ['a:0']}",
     "c.yaml:1:19: cluster.seeds: \"a:0\" has no port from 1 to 65535, expected up to 32 "
     "addresses such as db1.example.org:17379"},
    {"cluster: {seeds: {a: b}}",
     "c.yaml:1:18: cluster.seeds: this is a mapping, expected up to 32 addresses such as "
     "db1.example.org:17379"},
    {"clients: {max: 10_000}",
     "c.yaml:1:16: clients.max: \"10_000\" is not a number, expected a whole number from 1 to "
     "1000000"},
    {"clients: {max: 0x10}",
     "c.yaml:1:16: clients.max: \"0x10\" is not a number, expected a whole number from 1 to "
     "1000000"},
    {"clients: {max: 010}",
     "c.yaml:1:16: clients.max: \"010\" is not a number, expected a whole number from 1 to "
     "1000000"},
    {"clients: {idle_timeout: 1ms}",
     "c.yaml:1:25: clients.idle_timeout: \"1ms\" is out of range, expected 0 or a time from 1s "
     "to 8760h"},
    {"auth: {insecure: yes}",
     "c.yaml:1:18: auth.insecure: \"yes\" is not a switch, expected on or off"},
    {"log: {level: loud}",
     "c.yaml:1:14: log.level: \"loud\" is unknown, expected debug, info, warning or error"},
    {"log: {file: ''}",
     "c.yaml:1:13: log.file: the value is empty, expected a path of at most 1023 bytes"},
    {"a:\n  - b:\n    - c:\n       - d",
     "c.yaml:1:1: unknown section \"a\", expected node, listen, storage, cluster, clients, "
     "auth, log"},
    {"node: {name: a, shards: 2, shards: 3}",
     "c.yaml:1:28: node.shards is given twice (first on line 1), expected once"},
    {"Node: {name: a}", "c.yaml:1:1: unknown section \"Node\", did you mean node?"},
    {"node: {Name: a}", "c.yaml:1:8: unknown key \"node.Name\", did you mean node.name?"},
    {"storage:\n  sync_intervall: 1s\n",
     "c.yaml:2:3: unknown key \"storage.sync_intervall\", did you mean storage.sync_interval?"},
    {"listen: {port: 7379}",
     "c.yaml:1:10: unknown key \"listen.port\", expected one of client, peer, http, "
     "shard_ports, shard_port_base, advertise"},
    {"requirepass: x",
     "c.yaml:1:1: unknown section \"requirepass\", expected node, listen, storage, cluster, "
     "clients, auth, log"},
    {"maxmemory: 1",
     "c.yaml:1:1: unknown section \"maxmemory\", expected node, listen, storage, cluster, "
     "clients, auth, log"},
};

static void expect_refused(const char *yaml, size_t size, const char *message)
{
    struct config config;
    struct config_error error = {0};
    char place[32];

    memset(&config, 'x', sizeof(config));
    cr_expect_eq(config_parse("c.yaml", yaml, size, &config, &error), -EINVAL, "not refused: %s",
                 yaml);
    cr_expect_str_eq(error.text, message, "\n  of       %s\n  said     %s\n  expected %s", yaml,
                     error.text, message);
    if (error.line != 0) {
        snprintf(place, sizeof(place), "c.yaml:%u:%u: ", error.line, error.column);
        cr_expect(strncmp(error.text, place, strlen(place)) == 0, "place: %s", error.text);
    }
    cr_expect_eq(config.node.name[0], 'x', "the output was touched");
}

Test(core_config_errors, each_is_refused_with_its_place_and_what_was_expected)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        expect_refused(table[i].yaml, strlen(table[i].yaml), table[i].message);
    }
}

Test(core_config_errors, a_byte_of_zero_ends_nothing)
{
    static const char yaml[] = "node: {name: a}\n\0storage: {engine: memory}\n";

    expect_refused(yaml, sizeof(yaml) - 1,
                   "c.yaml:2:1: this is no YAML: control characters are not allowed, expected "
                   "sections of keys such as node: {name: n1}");
}

Test(core_config_errors, a_huge_file_is_refused)
{
    const size_t size = LIMIT_CONFIG_BYTES + 1;
    char *yaml = memory_allocate(size);

    memset(yaml, '#', size);
    expect_refused(yaml, size, "c.yaml: the file is too large, expected at most 65536 bytes");
    memory_free(yaml);
}

// The largest file of the deepest nesting: refused at the first level, whatever follows.
Test(core_config_errors, deep_nesting_is_not_followed)
{
    static const char openings[] = "[{";

    for (size_t o = 0; openings[o] != '\0'; o++) {
        char *yaml = memory_allocate(LIMIT_CONFIG_BYTES);
        memset(yaml, openings[o], LIMIT_CONFIG_BYTES);
        memcpy(yaml, "node: ", 6);
        struct config config;
        struct config_error error;
        cr_expect_eq(config_parse("c.yaml", yaml, LIMIT_CONFIG_BYTES, &config, &error), -EINVAL);
        memory_free(yaml);
    }
}

// Anchors are refused where they are defined, so that none can be multiplied.
Test(core_config_errors, a_billion_laughs_stay_one)
{
    expect_refused("a: &a [x,x]\nb: &b [*a,*a]\nnode: {shards: [*b,*b]}\n",
                   strlen("a: &a [x,x]\nb: &b [*a,*a]\nnode: {shards: [*b,*b]}\n"),
                   "c.yaml:1:1: unknown section \"a\", expected node, listen, storage, cluster, "
                   "clients, auth, log");
}

Test(core_config_errors, lists_that_are_too_long)
{
    char yaml[8192];
    int size = snprintf(yaml, sizeof(yaml), "listen: {client: [");

    for (int i = 0; i <= LIMIT_CONFIG_LISTENERS; i++) {
        size += snprintf(yaml + size, sizeof(yaml) - (size_t)size, "127.0.0.1:%d, ", 7000 + i);
    }
    snprintf(yaml + size, sizeof(yaml) - (size_t)size, "]}");
    expect_refused(yaml, strlen(yaml),
                   "c.yaml:1:147: listen.client: \"127.0.0.1:7008\" is one address too many, "
                   "expected up to 8 addresses such as 127.0.0.1:7379, [::1]:7379 or unix:PATH");
    size = snprintf(yaml, sizeof(yaml), "node: {shards: [");
    for (int i = 0; i <= LIMIT_SHARDS; i++) {
        size += snprintf(yaml + size, sizeof(yaml) - (size_t)size, "%d,\n", i);
    }
    snprintf(yaml + size, sizeof(yaml) - (size_t)size, "]}");
    expect_refused(yaml, strlen(yaml),
                   "c.yaml:129:1: node.shards: \"128\" is one CPU too many, expected auto or a "
                   "number from 1 to 128, or a list of CPUs such as [0, 2]");
}

Test(core_config_errors, a_file_that_cannot_be_read)
{
    struct config config;
    struct config_error error;

    cr_expect_eq(config_load("/nonexistent/c.yaml", &config, &error), -ENOENT);
    cr_expect_str_eq(error.text, "/nonexistent/c.yaml: No such file or directory, expected a file "
                                 "of at most 65536 bytes that can be read");
    cr_expect_eq(config_load("/", &config, &error), -EISDIR);
    cr_expect_eq(config_load("/dev/zero", &config, &error), -EFBIG);
}

Test(core_config_errors, config_set_changes_what_may_change_and_nothing_else)
{
    struct config config;
    struct config before;
    struct config_error error;

    config_defaults(&config);
    before = config;
    cr_expect_eq(config_set(&config, config_key_find("storage.engine"), "log", &error), -EPERM);
    cr_expect_str_eq(error.text,
                     "storage.engine: cannot change while the node runs, expected in its file");
    cr_expect_eq(config_set(&config, config_key_find("storage.sync"), "often", &error), -EINVAL);
    cr_expect_str_eq(error.text, "storage.sync: \"often\" is unknown, expected always, interval or "
                                 "never");
    cr_expect_eq(memcmp(&config, &before, sizeof(config)), 0);
    cr_expect_eq(config_set(&config, config_key_find("storage.sync"), "never", &error), 0);
    cr_expect_eq(config.storage.sync, CONFIG_SYNC_NEVER);
    cr_expect_eq(config_set(&config, config_key_find("storage.memory_max"), "2GiB", &error), 0);
    cr_expect_eq(config.storage.memory_max_bytes, UINT64_C(2) << 30);
    cr_expect_eq(config_set(&config, config_key_find("storage.memory_max"), "auto", &error), 0);
    cr_expect_eq(config.storage.memory_max_bytes, 0);
    cr_expect_eq(config_set(&config, config_key_find("storage.memory_max"), "off", &error), 0);
    cr_expect_eq(config.storage.memory_max_bytes, CONFIG_SIZE_OFF);
}
