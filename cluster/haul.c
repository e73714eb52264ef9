#include "cluster/haul.h"

#include "cluster/hop.h"
#include "cluster/load.h"
#include "cluster/request.h"
#include "cluster/shard.h"
#include "core/check.h"
#include "core/limits.h"
#include "core/memory.h"

#include <string.h>

enum {
    HAUL_PIECE_BYTES = 16 * 1024,
    HAUL_ROOM_UNITS = 2000, // a slice of making room for a stage
};

static const char TEXT_LOADS[] = "OVERLOADED too many requests wait for the disk; retry";

// Asking ---------------------------------------------------------------------------------------

static bool is_within(struct slice part, struct slice whole)
{
    return part.bytes != NULL && whole.bytes != NULL && part.bytes >= whole.bytes &&
           part.bytes + part.size <= whole.bytes + whole.size;
}

// The object as this run sees it: its first bytes have the dot of its last write.
static void note_object(struct haul *haul, const struct item *item)
{
    const struct slice object = item->stored ? item->op.object : slice_of(NULL, 0);
    const size_t head = object.size < OBJECT_HEAD_SMALL ? object.size : OBJECT_HEAD_SMALL;

    haul->stored = item->stored;
    haul->object = object;
    if (head != 0) {
        memcpy(haul->object_head, object.bytes, head);
    }
}

static bool is_same_object(const struct haul *haul, struct slice object)
{
    const size_t head = object.size < OBJECT_HEAD_SMALL ? object.size : OBJECT_HEAD_SMALL;

    return haul->stored && object.size == haul->object.size &&
           (head == 0 || memcmp(object.bytes, haul->object_head, head) == 0);
}

static bool is_as_noted(const struct haul *haul, const struct item *item)
{
    return item->stored ? is_same_object(haul, item->op.object) : !haul->stored;
}

// The haul of this command, to which one more thing is asked. NULL: without one.
static struct haul *ask(struct exec *x, enum haul_kind kind, size_t size)
{
    struct haul *haul = x->haul;

    if (!x->may_haul || size <= LIMIT_HAUL_BYTES || (haul != NULL && haul->refused)) {
        return NULL;
    }
    if (haul == NULL) {
        haul = memory_allocate_zeroed(sizeof *haul);
        if (haul == NULL) {
            return NULL;
        }
        haul->began_ns = x->shard->io->now_ns;
        x->haul = haul;
    }
    if (!haul->pinned) {
        note_object(haul, x->item);
        haul->pinned = x->item->stored && engine_pin(x->shard->engine, &x->item->op, &haul->pin);
    }
    haul->kind = (uint8_t)kind;
    haul->asked = true;
    haul->commit = x->commit > haul->commit ? x->commit : haul->commit;
    haul->piece_count = haul->piece_at = 0;
    haul->piece_done = 0;
    return haul;
}

static void add_piece(struct haul *haul, const struct exec *x, struct slice part)
{
    struct haul_piece piece = {.size = part.size, .bytes = part.bytes};
    const uint32_t last = x->argc < x->item->argument + 4 ? x->argc : x->item->argument + 4;

    if (haul->stored && is_within(part, x->item->op.object)) {
        piece.object = true;
        piece.offset = (size_t)(part.bytes - x->item->op.object.bytes);
    }
    // A hop's arguments lie elsewhere than those of the request that it was.
    for (uint32_t i = x->item->argument + 1; i < last && !piece.object; i++) {
        if (is_within(part, x->argv[i])) {
            piece.argument = i;
            piece.offset = (size_t)(part.bytes - x->argv[i].bytes);
        }
    }
    // A counter's digits lie in the item.
    if (!piece.object && piece.argument == 0 && part.bytes != NULL && part.bytes != haul->head &&
        part.size <= sizeof haul->digits) {
        memcpy(haul->digits, part.bytes, part.size);
        piece.bytes = haul->digits;
    }
    if (part.size != 0) {
        CHECK(haul->piece_count < HAUL_PIECES);
        haul->pieces[haul->piece_count++] = piece;
    }
}

// Of a kind that was asked for before: whether it is there, for this item.
static bool is_brought(const struct exec *x, enum haul_kind kind)
{
    return x->haul != NULL && (x->haul->brought & kind) != 0 && is_as_noted(x->haul, x->item);
}

bool haul_bulk(struct exec *x, struct outbuf *to, struct slice bytes)
{
    struct haul *haul = x->haul;

    if (is_brought(x, HAUL_BULK) && haul->out_size == bytes.size) {
        haul->brought &= (uint8_t)~HAUL_BULK;
        outbuf_splice(to, &haul->out, x->reply.cache);
        return true;
    }
    haul = ask(x, HAUL_BULK, bytes.size);
    if (haul == NULL) {
        struct reply reply = x->reply;
        reply.out = to;
        reply_bulk(&reply, bytes);
        return true;
    }
    struct reply reply = {.out = &haul->out, .cache = x->reply.cache};
    outbuf_clear(&haul->out, x->reply.cache);
    reply_header(&reply, '$', (int64_t)bytes.size);
    haul->out_size = bytes.size;
    add_piece(haul, x, bytes);
    return false;
}

void haul_bulk_return(struct exec *x, struct outbuf *from)
{
    outbuf_clear(&x->haul->out, x->reply.cache);
    outbuf_splice(&x->haul->out, from, x->reply.cache);
    if (x->haul->out_size != 0) { // it was hauled, and not short
        x->haul->brought |= HAUL_BULK;
    }
}

bool haul_block(struct exec *x, struct slice bytes, uint8_t **ret_bytes, size_t *ret_capacity)
{
    struct haul *haul = x->haul;
    size_t capacity = bytes.size;

    if (is_brought(x, HAUL_BLOCK) && haul->block_size == bytes.size) {
        haul->brought &= (uint8_t)~HAUL_BLOCK;
        *ret_bytes = haul->block;
        *ret_capacity = haul->block_capacity;
        haul->block = NULL;
        return true;
    }
    haul = bytes.size == 0 ? NULL : ask(x, HAUL_BLOCK, bytes.size);
    uint8_t *block =
        haul != NULL ? block_take(&x->shard->blocks, &capacity) : memory_allocate(bytes.size);
    if (block == NULL) {
        if (haul != NULL) {
            haul->asked = false;
        }
        exec_error_memory(x);
        return false;
    }
    if (haul == NULL) {
        if (bytes.size != 0) {
            memcpy(block, bytes.bytes, bytes.size);
        }
        work_spend(&x->shard->work, bytes.size / WORK_BYTES_A_UNIT);
        *ret_bytes = block;
        *ret_capacity = 0;
        return true;
    }
    if (haul->block != NULL) { // of a value that is not there any more
        haul_block_free(x->shard, haul->block, haul->block_size, haul->block_capacity);
    }
    haul->block = haul->to = block;
    haul->block_size = bytes.size;
    haul->block_capacity = capacity;
    add_piece(haul, x, bytes);
    return false;
}

void haul_block_free(struct shard *shard, uint8_t *bytes, size_t size, size_t capacity)
{
    if (capacity != 0) {
        block_give(&shard->blocks, bytes, capacity, size);
    } else {
        memory_free(bytes);
    }
}

bool haul_stage(struct exec *x, struct slice head, const struct slice *parts, uint32_t count,
                uint32_t flags, uint64_t expire_ms)
{
    size_t size = head.size;

    for (uint32_t i = 0; i < count; i++) {
        size += parts[i].size;
    }
    struct haul *haul = head.size > OBJECT_HEAD_SMALL ? NULL : ask(x, HAUL_STAGE, size);
    if (haul == NULL) {
        return false;
    }
    engine_stage_close(x->shard->engine, &haul->stage); // of an object that is not there any more
    memcpy(haul->head, head.bytes, head.size);
    add_piece(haul, x, slice_of(haul->head, head.size));
    for (uint32_t i = 0; i < count; i++) {
        add_piece(haul, x, parts[i]);
    }
    haul->stage = (struct engine_stage){.bytes = size};
    haul->stage_flags = flags;
    haul->stage_expire_ms = expire_ms;
    return true;
}

struct haul *haul_staged(struct exec *x)
{
    if (!is_brought(x, HAUL_STAGE)) {
        return NULL;
    }
    x->haul->brought &= (uint8_t)~HAUL_STAGE;
    return x->haul;
}

// Copying --------------------------------------------------------------------------------------

// It is done at once in the next run.
static bool refuse(struct haul *haul, struct shard *shard)
{
    engine_stage_close(shard->engine, &haul->stage);
    haul->refused = true;
    haul->asked = false;
    return true;
}

static bool open_stage(struct haul *haul, struct exec *x)
{
    struct engine_op op = x->item->op;

    op.flags = haul->stage_flags;
    op.expire_ms = haul->stage_expire_ms;
    switch (engine_stage_open(x->shard->engine, &op, &haul->stage)) {
    case ENGINE_OK:
        haul->to = haul->stage.object;
        return true;
    case ENGINE_PENDING:
        work_spend(&x->shard->work, HAUL_ROOM_UNITS);
        return false;
    default:
        (void)refuse(haul, x->shard);
        return false;
    }
}

// The object as it is now. False: it is another, or gone.
static bool find_object(const struct haul *haul, struct exec *x, struct slice *ret_object)
{
    if (haul->pinned) {
        *ret_object = haul->object;
        return true;
    }
    x->no_touch = true; // it was touched when it was asked for
    item_load_at_hand(x, x->item);
    *ret_object = x->item->op.object;
    return x->item->op.status == ENGINE_OK && is_same_object(haul, *ret_object);
}

static bool needs_object(const struct haul *haul)
{
    for (uint32_t i = haul->piece_at; i < haul->piece_count; i++) {
        if (haul->pieces[i].object) {
            return true;
        }
    }
    return false;
}

static void copy_some(struct haul *haul, struct shard *shard, const uint8_t *from, size_t size)
{
    if (haul->kind == HAUL_BULK) {
        outbuf_append(&haul->out, &shard->outbufs, from, size);
    } else if (from == NULL) {
        memset(haul->to, 0, size);
        haul->to += size;
    } else {
        memcpy(haul->to, from, size);
        haul->to += size;
    }
    haul->piece_done += size;
    work_spend(&shard->work, size / WORK_FRESH_BYTES_A_UNIT);
}

bool haul_slice(struct haul *haul, struct exec *x)
{
    struct shard *shard = x->shard;
    struct slice object = {0};

    CHECK(haul->asked);
    if (haul->kind == HAUL_STAGE && haul->stage.object == NULL && !open_stage(haul, x)) {
        return haul->refused;
    }
    if (needs_object(haul) && !find_object(haul, x, &object)) {
        return refuse(haul, shard);
    }
    while (haul->piece_at < haul->piece_count) {
        const struct haul_piece *piece = &haul->pieces[haul->piece_at];
        const uint8_t *from = piece->object ? object.bytes + piece->offset
                              : piece->argument != 0
                                  ? x->argv[piece->argument].bytes + piece->offset
                                  : piece->bytes;
        const size_t rest = piece->size - haul->piece_done;

        if (rest == 0) {
            haul->piece_at++;
            haul->piece_done = 0;
            continue;
        }
        if (work_over(&shard->work)) {
            return false;
        }
        copy_some(haul, shard, from == NULL ? NULL : from + haul->piece_done,
                  rest < HAUL_PIECE_BYTES ? rest : HAUL_PIECE_BYTES);
    }
    if (haul->kind == HAUL_BULK) {
        outbuf_append(&haul->out, &shard->outbufs, "\r\n", 2);
    }
    haul->brought |= haul->kind;
    haul->asked = false;
    return true;
}

void haul_free(struct shard *shard, struct haul *haul)
{
    if (haul == NULL) {
        return;
    }
    if (haul->pinned) {
        engine_unpin(shard->engine, haul->pin);
    }
    engine_stage_close(shard->engine, &haul->stage);
    outbuf_clear(&haul->out, &shard->outbufs);
    if (haul->block != NULL) {
        haul_block_free(shard, haul->block, haul->block_size, haul->block_capacity);
    }
    memory_free(haul);
}

// Of hops --------------------------------------------------------------------------------------

static void haul_work(struct shard *shard, struct work *work);

static void line_add(struct shard *shard, struct haul *haul)
{
    haul->next = NULL;
    if (shard->haul_last != NULL) {
        shard->haul_last->next = haul;
    } else {
        shard->haul_first = haul;
        work_add(&shard->work, &haul->work);
    }
    shard->haul_last = haul;
}

static void line_leave(struct shard *shard)
{
    struct haul *next = shard->haul_first->next;

    shard->haul_first = next;
    if (next == NULL) {
        shard->haul_last = NULL;
    } else {
        work_add(&shard->work, &next->work);
    }
}

// It asked: the hop waits behind its gate. False: there is no room for that.
static bool begin(struct exec *x, struct hop *hop)
{
    struct shard *shard = x->shard;
    struct haul *haul = x->haul;

    if ((hop == NULL || !hop->gated) && !gate_room(shard->gates, 1)) {
        return false;
    }
    hop = hop != NULL ? hop : hop_haul(x);
    if (hop == NULL) {
        return false;
    }
    if (!hop->gated) {
        hop_hold_gate(shard, hop);
    }
    hop->haul = haul;
    haul->hop = hop;
    haul->work.run = haul_work;
    line_add(shard, haul);
    return true;
}

bool haul_run(struct exec *x, struct hop *hop)
{
    x->haul = hop != NULL && hop->gated ? hop->haul : NULL;
    x->may_haul = true;
    if (x->haul != NULL && x->haul->commit > x->commit) {
        x->commit = x->haul->commit;
    }
    x->command->run(x);
    if (x->haul == NULL) {
        return true;
    }
    if (x->haul->asked && begin(x, hop)) {
        return false;
    }
    const bool again = x->haul->asked;

    haul_free(x->shard, x->haul);
    x->haul = NULL;
    if (hop != NULL && hop->gated) {
        hop->haul = NULL;
    }
    if (again) {
        x->may_haul = false;
        x->command->run(x);
    }
    return true;
}

// All was copied: the handler runs anew. False: it goes on later.
static bool run_anew(struct exec *x, struct hop *hop)
{
    switch (item_load(x, x->item)) {
    case ITEM_LOADED:
        return haul_run(x, hop);
    case ITEM_REFUSED:
        break;
    case ITEM_WAITS:
        if (load_for_hop(x, hop)) {
            return false;
        }
        exec_error(x, TEXT_LOADS);
    }
    haul_free(x->shard, hop->haul);
    hop->haul = NULL;
    return true;
}

static void haul_work(struct shard *shard, struct work *work)
{
    struct haul *haul = (struct haul *)(void *)work;
    struct hop *hop = haul->hop;
    const uint64_t began_ns = haul->began_ns;
    struct slice spans[HOP_ARGUMENTS];
    struct item item = {0};
    struct exec x = {0};

    CHECK(shard->haul_first == haul);
    hop_exec(shard, hop, spans, &x);
    hop_item(hop_first(hop), x.argv, &item);
    x.item = &item;
    if (!haul_slice(haul, &x)) {
        work_add(&shard->work, &haul->work);
        return;
    }
    line_leave(shard);
    if (run_anew(&x, hop)) {
        request_count_late(&x, shard->io->now_ns - began_ns);
        hop_done(shard, hop, &shard->hop_reply, x.commit);
    }
}
