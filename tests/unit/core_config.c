#include "core/config.h"

#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)
#define SECOND_NS UINT64_C(1000000000)

static struct config parse(const char *yaml)
{
    struct config config;
    struct config_error error;

    cr_assert_eq(config_parse("c.yaml", yaml, strlen(yaml), &config, &error), 0, "%s", error.text);
    return config;
}

static struct text value_of(const struct config *config, const char *path)
{
    struct text text;

    text_init(&text, 4096);
    config_value_text(config, config_key_find(path), &text);
    return text;
}

static void expect_value(const struct config *config, const char *path, const char *expected)
{
    struct text text = value_of(config, path);

    cr_expect_str_eq(text_c(&text), expected, "%s: %s, not %s", path, text_c(&text), expected);
    text_free(&text);
}

Test(core_config, an_empty_file_has_all_defaults)
{
    static const char *const empty[] = {
        "", "\n", "# nothing\n", "---\n", "---\n...\n", "{}", "node:\nlisten:\nstorage: {}\n"};

    for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
        const struct config config = parse(empty[i]);
        cr_expect_str_eq(config.node.name, "n1");
        cr_expect_str_eq(config.node.data_dir, "./data");
        cr_expect_eq(config.node.shards.count, 0);
        cr_expect_eq(config.listen.client.count, 1);
        cr_expect_str_eq(config.listen.client.at[0].text, "127.0.0.1:7379");
        cr_expect_eq(config.listen.client.at[0].port, 7379);
        cr_expect_str_eq(config.listen.peer.text, "127.0.0.1:17379");
        cr_expect_str_eq(config.listen.http.text, "");
        cr_expect(config.listen.shard_ports);
        cr_expect_eq(config.listen.shard_port_base, 0);
        cr_expect_str_eq(config.listen.advertise, "");
        cr_expect_eq(config.storage.engine, CONFIG_ENGINE_LOG);
        cr_expect_eq(config.storage.sync, CONFIG_SYNC_ALWAYS);
        cr_expect_eq(config.storage.sync_interval_ns, SECOND_NS);
        cr_expect_eq(config.storage.segment_bytes, 64 * MIB);
        cr_expect_eq(config.storage.memory_max_bytes, 0);
        cr_expect_eq(config.storage.eviction, CONFIG_EVICTION_REFUSE);
        cr_expect_eq(config.storage.disk_reserve_percent, 5);
        cr_expect_eq(config.storage.value_max_bytes, 64 * MIB);
        cr_expect_str_eq(config.cluster.name, "default");
        cr_expect_eq(config.cluster.partitions, 256);
        cr_expect_eq(config.cluster.replicas, 3);
        cr_expect_eq(config.cluster.read_quorum, 2);
        cr_expect_eq(config.cluster.write_quorum, 2);
        cr_expect_eq(config.cluster.seeds.count, 0);
        cr_expect_str_eq(config.cluster.zone, "");
        cr_expect_eq(config.cluster.weight, 1);
        cr_expect_str_eq(config.cluster.secret_file, "");
        cr_expect_eq(config.clients.max, 10000);
        cr_expect_eq(config.clients.idle_timeout_ns, 0);
        cr_expect_eq(config.clients.output_max_bytes, 128 * MIB);
        cr_expect_eq(config.clients.request_max_bytes, 128 * MIB);
        cr_expect_eq(config.clients.timeout_ns, 5 * SECOND_NS);
        cr_expect_str_eq(config.auth.users_file, "");
        cr_expect_not(config.auth.insecure);
        cr_expect_eq(config.log.level, LOG_LEVEL_INFO);
        cr_expect_eq(config.log.format, LOG_FORMAT_TEXT);
        cr_expect_str_eq(config.log.file, "-");
    }
}

Test(core_config, every_key_can_be_set)
{
    const struct config config = parse(
        "node: {name: db-2, data_dir: /var/lib/rldb, shards: [3, 1]}\n"
        "listen:\n"
        "  client: [127.0.0.1:7000, '[::1]:7000', 'unix:/run/rldb.sock', localhost:7001]\n"
        "  peer: 10.0.0.2:17000\n"
        "  http: 0.0.0.0:9100\n"
        "  shard_ports: off\n"
        "  shard_port_base: 7100\n"
        "  advertise: db2.example.org\n"
        "storage: {engine: log, sync: interval, sync_interval: 250ms, cache: 1GiB, segment: "
        "16MiB,\n"
        "  memory_max: 1536MiB, eviction: ttl, disk_reserve: 12%, value_max: 1MiB}\n"
        "cluster: {name: shop, partitions: 1024, replicas: 5, read_quorum: 1, write_quorum: 5,\n"
        "  seeds: [db1:17000, '[fe80::1]:17001'], zone: a, weight: 2, secret_file: \"/etc/x y\"}\n"
        "clients: {max: 7, idle_timeout: 5m, output_max: 1GiB, request_max: 2GiB, timeout: "
        "1500ms}\n"
        "auth: {users_file: users.txt, insecure: true}\n"
        "log: {level: debug, format: json, file: /var/log/rldb.log}\n");

    expect_value(&config, "node.name", "db-2");
    expect_value(&config, "node.data_dir", "/var/lib/rldb");
    expect_value(&config, "node.shards", "[3, 1]");
    expect_value(&config, "listen.client",
                 "[127.0.0.1:7000, \"[::1]:7000\", unix:/run/rldb.sock, 127.0.0.1:7001]");
    expect_value(&config, "listen.http", "0.0.0.0:9100");
    expect_value(&config, "listen.shard_ports", "off");
    expect_value(&config, "listen.shard_port_base", "7100");
    expect_value(&config, "listen.advertise", "db2.example.org");
    expect_value(&config, "storage.engine", "log");
    expect_value(&config, "storage.sync", "interval");
    expect_value(&config, "storage.sync_interval", "250ms");
    expect_value(&config, "storage.cache", "1GiB");
    expect_value(&config, "storage.segment", "16MiB");
    expect_value(&config, "storage.memory_max", "1536MiB");
    expect_value(&config, "storage.eviction", "ttl");
    expect_value(&config, "storage.disk_reserve", "12%");
    expect_value(&config, "cluster.seeds", "[\"db1:17000\", \"[fe80::1]:17001\"]");
    expect_value(&config, "cluster.secret_file", "\"/etc/x y\"");
    expect_value(&config, "clients.idle_timeout", "5m");
    expect_value(&config, "clients.timeout", "1500ms");
    expect_value(&config, "auth.insecure", "on");
    expect_value(&config, "log.level", "debug");
    cr_expect_eq(config.clients.request_max_bytes, 2048 * MIB);
    cr_expect(config.node.shards.listed);
    cr_expect_eq(config.node.shards.count, 2);
    cr_expect_eq(config.node.shards.cpus.ids[0], 3);
    cr_expect(config.listen.http.wildcard);
    cr_expect(config.listen.client.at[1].loopback);
    cr_expect(config.listen.client.at[2].loopback);
    cr_expect_eq(config.listen.client.at[2].port, 0);
    cr_expect_not(config.listen.peer.loopback);
    cr_expect_eq(config.log.format, LOG_FORMAT_JSON);
}

// What is written for a value is read back as the same value, for every key.
Test(core_config, values_survive_being_written_and_read)
{
    static const char *const files[] = {
        "",
        "node: {shards: 4, data_dir: 'a \"b\" \\ # c'}\nlisten: {client: '[::1]:1'}\n"
        "storage: {memory_max: 1025KiB, sync_interval: 90s}\nclients: {timeout: 1000001ns}\n",
        "storage: {memory_max: off}\nlisten: {http: off}\n",
        "listen: {client: [1.2.3.4:5, 'unix:/a b'], http: '[::]:80', advertise: '::1'}\n"
        "cluster: {seeds: [a:1, b:2]}\nlog: {file: '-x'}\nauth: {users_file: ../u}\n",
    };

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        const struct config config = parse(files[i]);
        for (uint32_t k = 0; k < config_key_count; k++) {
            char yaml[2048];
            const char *path = config_keys[k].path;
            const int section = (int)(strchr(path, '.') - path);
            struct text before = value_of(&config, path);
            snprintf(yaml, sizeof(yaml), "%.*s:\n  %s: %s\n", section, path, path + section + 1,
                     text_c(&before));
            const struct config again = parse(yaml);
            expect_value(&again, path, text_c(&before));
            text_free(&before);
        }
    }
}

// Defaults are parsed from the table like a file, and the table fits its own ranges.
Test(core_config, the_table_is_sound)
{
    for (uint32_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        cr_expect_eq(config_key_find(key->path), key);
        cr_expect_not_null(strchr(key->path, '.'));
        cr_expect_gt(strlen(key->help), 8, "%s", key->path);
        cr_expect_leq(key->min, key->max);
        cr_expect((key->type == CONFIG_CHOICE) == (key->choices != NULL), "%s", key->path);
    }
    cr_expect_null(config_key_find("node"));
    cr_expect_null(config_key_find("node.nam"));
}

// RLDB_WRITE=1 makes the file anew.
Test(core_config, conf_full_yaml_is_what_the_table_says)
{
    const char *path = RLDB_SOURCE_ROOT "/conf/full.yaml";
    struct text text;
    char *bytes;
    size_t size;

    text_init(&text, LIMIT_CONFIG_BYTES);
    config_full_text(&text);
    cr_assert_eq(text_error(&text), 0);
    if (getenv("RLDB_WRITE") != NULL) {
        FILE *file = fopen(path, "w");
        cr_assert_not_null(file);
        cr_assert_eq(fwrite(text_c(&text), 1, text.size, file), text.size);
        fclose(file);
    }
    cr_assert_eq(file_read(path, LIMIT_CONFIG_BYTES, &bytes, &size), 0, "no %s", path);
    cr_expect(strcmp(bytes, text_c(&text)) == 0,
              "%s is not what core/config_keys.c says; RLDB_WRITE=1 %s makes it anew", path,
              "build/tests/unit/unit_core_config");
    memory_free(bytes);

    struct config config = parse(text_c(&text));
    for (uint32_t i = 0; i < config_key_count; i++) {
        cr_expect_neq(config.marks[i].line, 0, "%s is missing", config_keys[i].path);
    }
    text_free(&text);
}

Test(core_config, the_examples_in_conf_are_valid)
{
    static const char *const examples[] = {"standalone.yaml", "full.yaml"};

    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        char path[1024];
        struct config config;
        struct config_error error;
        snprintf(path, sizeof(path), "%s/conf/%s", RLDB_SOURCE_ROOT, examples[i]);
        cr_expect_eq(config_load(path, &config, &error), 0, "%s", error.text);
    }
}

Test(core_config, places_of_values_are_known)
{
    const struct config config = parse("# c\nnode:\n  name: a\nlog: {level: debug}\n");
    const uint32_t name = (uint32_t)(config_key_find("node.name") - config_keys);
    const uint32_t level = (uint32_t)(config_key_find("log.level") - config_keys);
    const uint32_t format = (uint32_t)(config_key_find("log.format") - config_keys);

    cr_expect_eq(config.marks[name].line, 3);
    cr_expect_eq(config.marks[name].column, 3);
    cr_expect_eq(config.marks[level].line, 4);
    cr_expect_eq(config.marks[level].column, 7);
    cr_expect_eq(config.marks[format].line, 0);
    cr_expect_str_eq(config.file, "c.yaml");
}
