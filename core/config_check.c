// Whether the values of a configuration fit together, and to the machine.
#include "core/config_value.h"

#include "core/check.h"
#include "core/file.h"
#include "core/io.h"

#include <errno.h>
#include <string.h>

enum {
    // Client listeners, peer, http, and one for the range of the shard ports.
    PORTS_MAX = LIMIT_CONFIG_LISTENERS + 3,
    PORT_MAX = 65535,
};

// Some ports in a row that the node will listen on.
struct port_range {
    const char *key;                      // of the configuration, for messages
    const struct config_address *address; // whose host it is
    uint32_t first;                       // 0: a unix socket
    uint32_t count;
};

static struct config_mark config_mark_of(const struct config *config, const char *path)
{
    const struct config_key *key = config_key_find(path);

    CHECK(key != NULL);
    return config->marks[key - config_keys];
}

// Begins the message about a key: where it was written; where it was not, where the other key was
// that it does not go with (NULL: there is none); or the file alone.
static void config_about(const struct config *config, const char *path, const char *other,
                         struct config_error *error, struct text *ret_text)
{
    struct config_mark mark = config_mark_of(config, path);

    if (mark.line == 0 && other != NULL) {
        mark = config_mark_of(config, other);
    }
    *error = (struct config_error){.line = mark.line, .column = mark.column};
    text_init_fixed(ret_text, error->text, sizeof(error->text));
    text_string(ret_text, config->file[0] == '\0' ? "defaults" : config->file);
    if (mark.line != 0) {
        text_printf(ret_text, ":%u:%u", mark.line, mark.column);
    }
    text_printf(ret_text, ": %s: ", path);
    error->reason = (uint32_t)text_slice(ret_text).size;
}

static int config_refuse(const struct config *config, const char *path, const char *other,
                         struct config_error *error, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static int config_refuse(const struct config *config, const char *path, const char *other,
                         struct config_error *error, const char *format, ...)
{
    struct text text;
    va_list arguments;

    config_about(config, path, other, error, &text);
    va_start(arguments, format);
    text_vprintf(&text, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

static const struct config_address *config_first_tcp(const struct config *config)
{
    for (uint32_t i = 0; i < config->listen.client.count; i++) {
        if (config->listen.client.at[i].port != 0) {
            return &config->listen.client.at[i];
        }
    }
    return NULL;
}

uint16_t config_shard_port_base(const struct config *config)
{
    const struct config_address *first = config_first_tcp(config);

    if (!config->listen.shard_ports || first == NULL) {
        return 0;
    }
    if (config->listen.shard_port_base != 0) {
        return config->listen.shard_port_base;
    }
    return first->port == PORT_MAX ? 0 : (uint16_t)(first->port + 1);
}

// The address without its port.
static struct slice config_host(const struct config_address *address)
{
    const char *end = strrchr(address->text, ':');

    CHECK(end != NULL);
    return slice_of(address->text, (size_t)(end - address->text));
}

static bool ports_overlap(const struct port_range *a, const struct port_range *b)
{
    if (a->first == 0 || b->first == 0) {
        return a->first == b->first && strcmp(a->address->text, b->address->text) == 0;
    }
    if (a->first >= b->first + b->count || b->first >= a->first + a->count) {
        return false;
    }
    return a->address->wildcard || b->address->wildcard ||
           slice_equal(config_host(a->address), config_host(b->address));
}

static void port_range_text(const struct port_range *range, struct text *text)
{
    if (range->count == 1) {
        text_string(text, range->address->text);
        return;
    }
    const struct slice host = config_host(range->address);
    text_append(text, host.bytes, host.size);
    text_printf(text, ":%u-%u", range->first, range->first + range->count - 1);
}

static int config_check_ports(const struct config *config, uint32_t shards,
                              struct config_error *ret_error)
{
    struct port_range ranges[PORTS_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < config->listen.client.count; i++) {
        const struct config_address *address = &config->listen.client.at[i];
        ranges[count++] = (struct port_range){"listen.client", address, address->port, 1};
    }
    const struct config_address *peer = &config->listen.peer;
    ranges[count++] = (struct port_range){"listen.peer", peer, peer->port, 1};
    if (config->listen.http.text[0] != '\0') {
        const struct config_address *http = &config->listen.http;
        ranges[count++] = (struct port_range){"listen.http", http, http->port, 1};
    }
    const uint32_t base = config_shard_port_base(config);
    if (base != 0) {
        ranges[count++] =
            (struct port_range){"listen.shard_port_base", config_first_tcp(config), base, shards};
    }
    CHECK(count <= PORTS_MAX);
    for (uint32_t i = 1; i < count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            struct text text;
            if (!ports_overlap(&ranges[i], &ranges[j])) {
                continue;
            }
            // Ports that follow from others were not written themselves.
            const bool written = config_mark_of(config, ranges[j].key).line != 0;
            config_about(config, ranges[i].key, written ? ranges[j].key : "listen.client",
                         ret_error, &text);
            port_range_text(&ranges[i], &text);
            text_string(&text, " overlaps ");
            port_range_text(&ranges[j], &text);
            text_printf(&text, " of %s, expected ports of its own", ranges[j].key);
            return -EINVAL;
        }
    }
    return 0;
}

static int config_check_shard_ports(const struct config *config, uint32_t shards,
                                    struct config_error *ret_error)
{
    const struct config_key *key = config_key_find("listen.shard_ports");
    const bool told = config->marks[key - config_keys].line != 0;
    const struct config_address *first = config_first_tcp(config);

    if (!config->listen.shard_ports) {
        return 0;
    }
    if (first == NULL) {
        return told ? config_refuse(config, "listen.shard_ports", NULL, ret_error,
                                    "shard ports take the host of listen.client, which has unix "
                                    "sockets alone, expected off, or an address with a port")
                    : 0;
    }
    const uint32_t base = config_shard_port_base(config);
    if (base == 0 || base + shards - 1 > PORT_MAX) {
        return config_refuse(config, "listen.shard_port_base", "listen.client", ret_error,
                             "the ports of %u shards would end beyond 65535, expected a lower one",
                             shards);
    }
    if (first->wildcard && config->listen.advertise[0] == '\0') {
        return config_refuse(config, "listen.advertise", "listen.client", ret_error,
                             "clients cannot connect to %s, which listen.client says, expected the "
                             "host that they reach this node by (or listen.shard_ports: off)",
                             first->text);
    }
    return 0;
}

static int config_check_reach(const struct config *config, struct config_error *ret_error)
{
    for (uint32_t i = 0; i < config->listen.client.count; i++) {
        const struct config_address *address = &config->listen.client.at[i];
        if (!address->loopback && config->auth.users_file[0] == '\0' && !config->auth.insecure) {
            return config_refuse(config, "listen.client", NULL, ret_error,
                                 "%s is beyond loopback and there are no users, expected "
                                 "auth.users_file, or auth.insecure: true to let everyone in",
                                 address->text);
        }
    }
    const struct config_address *peer = &config->listen.peer;
    if (!peer->loopback && config->cluster.secret_file[0] == '\0' && !config->auth.insecure) {
        return config_refuse(config, "listen.peer", NULL, ret_error,
                             "%s is beyond loopback and there is no secret, expected "
                             "cluster.secret_file, or auth.insecure: true to let everyone in",
                             peer->text);
    }
    const char *advertise = config->listen.advertise;
    if (strcmp(advertise, "0.0.0.0") == 0 || strcmp(advertise, "::") == 0) {
        return config_refuse(config, "listen.advertise", "listen.client", ret_error,
                             "nobody can connect to %s, expected the host that clients reach this "
                             "node by",
                             advertise);
    }
    return 0;
}

static int config_check_cluster(const struct config *config, struct config_error *ret_error)
{
    const struct config_cluster *cluster = &config->cluster;

    if ((cluster->partitions & (cluster->partitions - 1)) != 0) {
        return config_refuse(config, "cluster.partitions", NULL, ret_error,
                             "%u is no power of two, expected one such as 256",
                             cluster->partitions);
    }
    if (cluster->read_quorum > cluster->replicas) {
        return config_refuse(config, "cluster.read_quorum", "cluster.replicas", ret_error,
                             "%u is more than the %u of cluster.replicas, expected at most that",
                             cluster->read_quorum, cluster->replicas);
    }
    if (cluster->write_quorum > cluster->replicas) {
        return config_refuse(config, "cluster.write_quorum", "cluster.replicas", ret_error,
                             "%u is more than the %u of cluster.replicas, expected at most that",
                             cluster->write_quorum, cluster->replicas);
    }
    return 0;
}

static int config_check_sizes(const struct config *config, struct config_error *ret_error)
{
    // A value needs its key and command around it in a request, and its length in a reply.
    if (config->clients.request_max_bytes <= config->storage.value_max_bytes) {
        return config_refuse(config, "clients.request_max", "storage.value_max", ret_error,
                             "a request with a value of storage.value_max would not fit, expected "
                             "more than that");
    }
    if (config->clients.output_max_bytes <= config->storage.value_max_bytes) {
        return config_refuse(config, "clients.output_max", "storage.value_max", ret_error,
                             "a reply with a value of storage.value_max would not fit, expected "
                             "more than that");
    }
    if (config->storage.engine == CONFIG_ENGINE_LSM) {
        return config_refuse(config, "storage.engine", NULL, ret_error,
                             "this version has no such engine yet, expected log or memory");
    }
    return 0;
}

int config_check_memory(const struct config *config, const struct cpu_facts *facts, uint32_t shards,
                        struct config_error *ret_error)
{
    const uint64_t all = config_memory_max_bytes(config, facts);

    if (all == 0 || all / shards >= LIMIT_SHARD_MEMORY_BYTES_MIN) {
        return 0;
    }
    return config_refuse(config, "storage.memory_max", NULL, ret_error,
                         "%llu bytes are too few for %u shards to keep anything, expected %uMiB or "
                         "more",
                         (unsigned long long)all, shards,
                         shards * (LIMIT_SHARD_MEMORY_BYTES_MIN >> 20));
}

static int config_check_cpus(const struct config *config, const struct cpu_facts *facts,
                             struct config_error *ret_error)
{
    const struct config_shards *shards = &config->node.shards;

    for (uint32_t i = 0; shards->listed && i < shards->cpus.count; i++) {
        bool allowed = false;
        for (uint32_t j = 0; j < facts->allowed.count; j++) {
            allowed = allowed || facts->allowed.ids[j] == shards->cpus.ids[i];
        }
        if (!allowed) {
            return config_refuse(config, "node.shards", NULL, ret_error,
                                 "CPU %u is none that this process may use, expected some of the "
                                 "%u that taskset -p or nproc shows",
                                 shards->cpus.ids[i], facts->allowed.count);
        }
    }
    return 0;
}

static int config_check_file(const struct config *config, const char *key, const char *path,
                             struct config_error *ret_error)
{
    const int error = path[0] == '\0' ? 0 : file_readable(path);

    if (error == 0) {
        return 0;
    }
    return config_refuse(config, key, NULL, ret_error, "%s: %s, expected a file that can be read",
                         path, strerrordesc_np(-error));
}

static int config_check_files(const struct config *config, struct config_error *ret_error)
{
    int error = config_check_file(config, "auth.users_file", config->auth.users_file, ret_error);

    if (error == 0) {
        error = config_check_file(config, "cluster.secret_file", config->cluster.secret_file,
                                  ret_error);
    }
    if (error != 0) {
        return error;
    }
    error = strcmp(config->log.file, "-") == 0 ? 0 : file_appendable(config->log.file);
    if (error != 0) {
        return config_refuse(config, "log.file", NULL, ret_error,
                             "%s: %s, expected a file that can be written, or made in its folder",
                             config->log.file, strerrordesc_np(-error));
    }
    error = file_directory_usable(config->node.data_dir);
    if (error != 0) {
        return config_refuse(config, "node.data_dir", NULL, ret_error,
                             "%s: %s, expected a directory that can be written, or one that can "
                             "be made in its parent",
                             config->node.data_dir, strerrordesc_np(-error));
    }
    return 0;
}

int config_check(const struct config *config, const struct cpu_facts *facts,
                 struct config_error *ret_error)
{
    const uint32_t shards = config_shard_count(config, facts);
    int error = config_check_cpus(config, facts, ret_error);

    error = error != 0 ? error : config_check_cluster(config, ret_error);
    error = error != 0 ? error : config_check_sizes(config, ret_error);
    error = error != 0 ? error : config_check_memory(config, facts, shards, ret_error);
    error = error != 0 ? error : config_check_reach(config, ret_error);
    error = error != 0 ? error : config_check_shard_ports(config, shards, ret_error);
    error = error != 0 ? error : config_check_ports(config, shards, ret_error);
    error = error != 0 ? error : config_check_files(config, ret_error);
    return error;
}
