#include "cluster/command.h"

#include "cluster/commands.h"
#include "core/check.h"
#include "core/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

// Open addressing over a power of two that leaves three of four places empty.
enum { COMMAND_SLOTS = 512, COMMAND_NAME_MAX = 32 };

struct command_slot {
    const struct command *command; // NULL: none
    size_t name_size;
};

struct command_index {
    struct command_slot slots[COMMAND_SLOTS];
    const struct command *by_index[COMMAND_INDEX_MAX + 1]; // ends with NULL
    struct command *rows;                                  // copies, with their indexes
    struct command *subcommands;
};

// FNV-1a over the lower-cased bytes: names are short, and no attacker picks what is in the table.
static uint32_t command_hash(struct slice name)
{
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < name.size; i++) {
        hash = (hash ^ (name.bytes[i] | 0x20U)) * 16777619U;
    }
    return hash ^ hash >> 15;
}

static void command_index_enter(struct command_index *index, struct command *command,
                                uint32_t *count)
{
    CHECK(*count < COMMAND_INDEX_MAX);
    command->index = (uint16_t)*count;
    index->by_index[(*count)++] = command;
}

static void command_index_hash(struct command_index *index, const struct command *command)
{
    uint32_t at = command_hash(slice_from_text(command->name)) % COMMAND_SLOTS;
    while (index->slots[at].command != NULL) {
        CHECK(strcmp(index->slots[at].command->name, command->name) != 0);
        at = (at + 1) % COMMAND_SLOTS;
    }
    index->slots[at] = (struct command_slot){command, strlen(command->name)};
}

int command_index_open(struct command_index **ret_index)
{
    uint32_t modules;
    const struct command_module *const *module = command_modules(&modules);
    struct command_index *index = memory_allocate_zeroed(sizeof *index);
    struct command *rows = memory_allocate_zeroed(COMMAND_INDEX_MAX * sizeof *rows);
    struct command *subcommands = memory_allocate_zeroed(COMMAND_INDEX_MAX * sizeof *subcommands);
    if (index == NULL || rows == NULL || subcommands == NULL) {
        memory_free(index);
        memory_free(rows);
        memory_free(subcommands);
        return -ENOMEM;
    }
    index->rows = rows;
    index->subcommands = subcommands;
    uint32_t count = 0;
    for (uint32_t m = 0; m < modules; m++) {
        for (uint32_t i = 0; i < module[m]->count; i++) {
            struct command *command = rows++;
            *command = module[m]->rows[i];
            command_index_enter(index, command, &count);
            command_index_hash(index, command);
            for (uint32_t s = 0; s < command->subcommand_count; s++) {
                subcommands[s] = command->subcommands[s];
                subcommands[s].parent = command->name;
                command_index_enter(index, &subcommands[s], &count);
            }
            command->subcommands = subcommands;
            subcommands += command->subcommand_count;
        }
    }
    CHECK(count <= COMMAND_SLOTS / 2);
    *ret_index = index;
    return 0;
}

void command_index_close(struct command_index *index)
{
    if (index != NULL) {
        memory_free(index->rows);
        memory_free(index->subcommands);
        memory_free(index);
    }
}

const struct command *command_at(const struct command_index *index, uint32_t at)
{
    return at < COMMAND_INDEX_MAX ? index->by_index[at] : NULL;
}

const char *command_name_of_index(uint32_t at)
{
    uint32_t modules;
    const struct command_module *const *module = command_modules(&modules);
    for (uint32_t m = 0; m < modules; m++) {
        for (uint32_t i = 0; i < module[m]->count; i++) {
            const struct command *command = &module[m]->rows[i];
            if (at == 0) {
                return command->name;
            }
            at--;
            if (at < command->subcommand_count) {
                return command->subcommands[at].label;
            }
            at -= command->subcommand_count;
        }
    }
    return NULL;
}

// Whether the name is this one of the tables, in any case. The length first: a name from outside
// may hold a NUL. Each request comes by here, and calls of libc took 5% of a pipelined SET.
static inline bool command_is(const char *own, size_t own_size, struct slice name)
{
    if (own_size != name.size) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        const uint8_t byte = name.bytes[i];
        const bool upper = (uint8_t)(byte - 'A') < 26;

        if ((upper ? byte | 0x20 : byte) != (uint8_t)own[i]) {
            return false;
        }
    }
    return true;
}

const struct command *command_find(const struct command_index *index, struct slice name)
{
    if (name.size == 0 || name.size > COMMAND_NAME_MAX) {
        return NULL;
    }
    uint32_t at = command_hash(name) % COMMAND_SLOTS;
    while (index->slots[at].command != NULL) {
        const struct command_slot *const slot = &index->slots[at];

        if (command_is(slot->command->name, slot->name_size, name)) {
            return slot->command;
        }
        at = (at + 1) % COMMAND_SLOTS;
    }
    return NULL;
}

const struct command *command_find_sub(const struct command *container, struct slice name)
{
    if (name.size == 0 || name.size > COMMAND_NAME_MAX) {
        return NULL;
    }
    for (uint32_t i = 0; i < container->subcommand_count; i++) {
        const char *const own = container->subcommands[i].name;

        if (command_is(own, strlen(own), name)) {
            return &container->subcommands[i];
        }
    }
    return NULL;
}

bool command_keys(const struct command *command, uint32_t argc, uint32_t *ret_first,
                  uint32_t *ret_end, uint32_t *ret_step)
{
    if (command->key_first == 0) {
        return false;
    }
    int64_t last = command->key_last >= 0 ? command->key_last : (int64_t)argc + command->key_last;
    if (last >= argc) {
        last = (int64_t)argc - 1;
    }
    *ret_first = (uint32_t)command->key_first;
    *ret_end = (uint32_t)(last + 1);
    *ret_step = (uint32_t)command->key_step;
    return *ret_first < *ret_end;
}

void command_full_name(const struct command *command, char *text, size_t size)
{
    if (command->parent != NULL) {
        (void)snprintf(text, size, "%s|%s", command->parent, command->name);
    } else {
        (void)snprintf(text, size, "%s", command->name);
    }
}
