#include "core/config_value.h"

#include "core/check.h"
#include "core/file.h"
#include "core/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    // auto takes this part of the memory: what is left is for buffers of clients, the kernel's
    // sockets
    // and page cache, and whatever else the machine does.
    MEMORY_MAX_DIVISOR = 2,
    CLIENTS_MEMORY_DIVISOR = 8,
    MEMORY_MAX_UNKNOWN_BYTES = 1 << 30, // where the system does not say how much there is
    FULL_COLUMNS = 96,                  // of conf/full.yaml
};

const struct config_key *config_key_find(const char *path)
{
    for (uint32_t i = 0; i < config_key_count; i++) {
        if (strcmp(config_keys[i].path, path) == 0) {
            return &config_keys[i];
        }
    }
    return NULL;
}

// Takes a text as it would be written in the file.
static int config_assign(struct config *config, const struct config_key *key, const char *written,
                         struct text *ret_problem)
{
    const size_t size = strlen(written);
    const bool quoted = size >= 2 && written[0] == '"' && written[size - 1] == '"';
    const struct config_scalar scalar = {
        .text = quoted ? slice_of(written + 1, size - 2) : slice_of(written, size),
        .quoted = quoted,
    };

    config_value_begin(config, key);
    if (strcmp(written, "[]") == 0) {
        return config_value_list_end(config, key, ret_problem);
    }
    return config_value_scalar(config, key, &scalar, false, ret_problem);
}

void config_defaults(struct config *ret_config)
{
    char problem[LIMIT_CONFIG_ERROR_BYTES];
    struct text text;

    memset(ret_config, 0, sizeof(*ret_config));
    text_init_fixed(&text, problem, sizeof(problem));
    for (uint32_t i = 0; i < config_key_count; i++) {
        CHECK(config_assign(ret_config, &config_keys[i], config_keys[i].fallback, &text) == 0);
    }
}

int config_load(const char *path, struct config *ret_config, struct config_error *ret_error)
{
    char *bytes;
    size_t size;

    int error = file_read(path, LIMIT_CONFIG_BYTES, &bytes, &size);
    if (error != 0) {
        *ret_error = (struct config_error){0};
        snprintf(ret_error->text, sizeof(ret_error->text),
                 "%s: %s, expected a file of at most %d bytes that can be read", path,
                 strerrordesc_np(-error), LIMIT_CONFIG_BYTES);
        return error;
    }
    error = config_parse(path, bytes, size, ret_config, ret_error);
    memory_free(bytes);
    return error;
}

uint32_t config_shard_count(const struct config *config, const struct cpu_facts *facts)
{
    const uint32_t count = config->node.shards.count;

    return count != 0 ? count : cpu_shards_auto(facts);
}

uint64_t config_memory_max_bytes(const struct config *config, const struct cpu_facts *facts)
{
    if (config->storage.memory_max_bytes == CONFIG_SIZE_OFF) {
        return 0;
    }
    if (config->storage.memory_max_bytes != 0) {
        return config->storage.memory_max_bytes;
    }
    if (facts->memory_bytes == 0) {
        return MEMORY_MAX_UNKNOWN_BYTES;
    }
    return facts->memory_bytes / MEMORY_MAX_DIVISOR;
}

uint64_t config_clients_memory_bytes(const struct config *config, const struct cpu_facts *facts,
                                     uint32_t shards)
{
    const uint64_t part = facts->memory_bytes / CLIENTS_MEMORY_DIVISOR;
    // One client alone may always send its longest request.
    const uint64_t least = shards * config->clients.request_max_bytes;

    if (config->clients.memory_max_bytes == CONFIG_SIZE_OFF) {
        return 0;
    }
    if (config->clients.memory_max_bytes != 0) {
        return config->clients.memory_max_bytes;
    }
    return part > least ? part : least;
}

int config_set(struct config *config, const struct config_key *key, const char *value,
               struct config_error *ret_error)
{
    struct config changed = *config;
    struct config_error error_text = {0};
    struct text text;

    text_init_fixed(&text, error_text.text, sizeof(error_text.text));
    if ((key->flags & CONFIG_RUNTIME) == 0) {
        text_printf(&text, "%s: cannot change while the node runs, expected in its file",
                    key->path);
        *ret_error = error_text;
        return -EPERM;
    }
    const int error = config_assign(&changed, key, value, &text);
    if (error != 0) {
        *ret_error = error_text;
        return error;
    }
    *config = changed;
    return 0;
}

// Appends words as a comment of lines up to FULL_COLUMNS wide.
static void config_comment(struct text *text, const char *words)
{
    size_t column = 0;

    while (*words != '\0') {
        const size_t size = strcspn(words, " ");
        if (column != 0 && column + 1 + size > FULL_COLUMNS) {
            text_string(text, "\n");
            column = 0;
        }
        if (column == 0) {
            text_string(text, "  #");
            column = 3;
        }
        text_printf(text, " %.*s", (int)size, words);
        column += size + 1;
        words += size;
        words += strspn(words, " ");
    }
    text_string(text, "\n");
}

void config_full_text(struct text *text)
{
    size_t section_size = 0;
    const char *section = "";

    text_string(
        text,
        "# Every key of the configuration with its default, what it takes and what it "
        "means. Sizes take\n"
        "# B KiB MiB GiB TiB, times ns us ms s m h. A file needs only what differs: try "
        "it with\n"
        "# rldbd --check --config FILE. Made from core/config_keys.c, and compared with "
        "it by a test.\n"
        "#\n"
        "# This version is a single node on the engines log and memory. What is for the engine "
        "lsm or\n"
        "# for a cluster (listen.peer, clients.timeout, and cluster but for its name and "
        "partitions)\n"
        "# is checked, and has no effect yet.\n");
    for (uint32_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        const char *name = strchr(key->path, '.') + 1;
        char expected[LIMIT_CONFIG_ERROR_BYTES];
        struct text takes;

        if (strncmp(key->path, section, section_size) != 0 || section_size == 0) {
            section = key->path;
            section_size = (size_t)(name - key->path);
            text_printf(text, "\n%.*s:\n", (int)section_size - 1, section);
        } else {
            text_string(text, "\n");
        }
        text_init_fixed(&takes, expected, sizeof(expected));
        text_string(&takes, "Takes ");
        config_value_expected(key, &takes);
        text_string(&takes, (key->flags & CONFIG_RUNTIME) != 0
                                ? ". CONFIG SET may change it while the node runs."
                                : ".");
        config_comment(text, key->help);
        config_comment(text, text_c(&takes));
        text_printf(text, "  %s: %s\n", name, key->fallback);
    }
}
