// RENAME, RENAMENX and COPY: a value moves between two keys, which may live on two cores.
#include "cluster/haul.h"
#include "cluster/multi.h"
#include "cluster/shard.h"
#include "core/check.h"
#include "core/memory.h"
#include "core/number.h"

#include <stddef.h>
#include <string.h>

enum { TRANSFER_SOURCE = 1, TRANSFER_DESTINATION = 2 };

static bool transfer_is_copy(const struct exec *x)
{
    return x->command->name[0] == 'c';
}

static bool transfer_is_nx(const struct exec *x)
{
    return x->command->name[strlen("rename")] == 'n';
}

static bool transfer_same_key(const struct exec *x)
{
    return slice_equal(x->argv[TRANSFER_SOURCE], x->argv[TRANSFER_DESTINATION]);
}

static bool transfer_replaces(const struct exec *x)
{
    for (uint32_t i = 3; i < x->argc; i++) {
        if (exec_word(x, i, "replace")) {
            return true;
        }
    }
    return false;
}

bool transfer_valid(struct exec *x)
{
    if (!transfer_is_copy(x)) {
        return true;
    }
    for (uint32_t i = 3; i < x->argc; i++) {
        int64_t database;
        if (exec_word(x, i, "replace")) {
            continue;
        }
        if (!exec_word(x, i, "db") || i + 1 == x->argc) {
            exec_error_syntax(x);
            return false;
        }
        i++;
        if (!exec_integer_32(x, i, &database)) {
            return false;
        }
        if (database != 0) {
            exec_error(x, x->shard->node->shard_port_base != 0
                              ? "ERR Copying to another database is not allowed in cluster mode"
                              : "ERR DB index is out of range");
            return false;
        }
    }
    if (transfer_same_key(x)) {
        exec_error(x, "ERR source and destination objects are the same");
        return false;
    }
    return true;
}

static struct multi *transfer_multi(const struct exec *x)
{
    const struct multi_part *part =
        (const struct multi_part *)((const uint8_t *)x->part - offsetof(struct multi_part, result));
    return part->multi;
}

void transfer_read(struct exec *x)
{
    struct transfer *transfer = &transfer_multi(x)->transfer;
    if (x->item->argument == TRANSFER_DESTINATION) {
        transfer->destination_exists = x->item->exists;
        return;
    }
    if (!x->item->exists) {
        return;
    }
    struct slice value = item_value(x->item);
    if (haul_block(x, value, &transfer->bytes, &transfer->capacity)) {
        transfer->found = true;
        transfer->size = value.size;
        transfer->expire_ms = item_expire_ms(x->item);
    }
}

void transfer_free(struct shard *shard, struct transfer *transfer)
{
    if (transfer->bytes != NULL) {
        haul_block_free(shard, transfer->bytes, transfer->size, transfer->capacity);
    }
}

bool transfer_decide(struct exec *x, struct multi *multi)
{
    const struct transfer *transfer = &multi->transfer;
    bool copy = transfer_is_copy(x);
    if (!transfer->found) {
        if (copy) {
            reply_integer(&x->reply, 0);
        } else {
            exec_error(x, "ERR no such key");
        }
        return false;
    }
    bool keeps = copy ? !transfer_replaces(x) : transfer_is_nx(x);
    if (keeps && transfer->destination_exists) {
        reply_integer(&x->reply, 0);
        return false;
    }
    if (transfer_same_key(x)) {
        reply_ok(&x->reply);
        return false;
    }
    return true;
}

void transfer_reply(struct exec *x)
{
    if (transfer_is_copy(x) || transfer_is_nx(x)) {
        reply_integer(&x->reply, 1);
    } else {
        reply_ok(&x->reply);
    }
}

bool transfer_holds_destination(const struct multi_part *part)
{
    return part->multi->keys[part->key_first].argument == TRANSFER_DESTINATION;
}

// The destination first: should it fail, the source is still there. multi.c sees to the same where
// two cores hold them.
void transfer_apply(struct exec *x)
{
    const struct transfer *transfer = &transfer_multi(x)->transfer;
    if (x->item->argument == TRANSFER_DESTINATION) {
        (void)item_set(x, x->item, slice_of(transfer->bytes, transfer->size), transfer->expire_ms);
    } else if (!transfer_is_copy(x) && x->item->stored) {
        (void)item_delete(x, x->item);
    }
}
