// The search for an order of operations in which the model says what was seen: see node_model.h.
//
// Requests and replies lie in a list in the order of time. A search takes operations out of it, one
// that may be next after the other: any request that stands before the first reply. When none fits
// it puts the last one back and tries another. What was taken out, in whatever order, and the state
// that this led to make a configuration; one that was tried before need not be tried again.
//
// Two things keep it short. What changed nothing, as its reply tells, and fits as things stand, is
// taken at once and for good: in any order that explains the rest it may stand here as well. And
// what was never answered is tried last: it has all the time there is to be needed, and tried first
// it would be in every configuration, or not, for as long as the history goes on.
#include "core/check.h"
#include "core/hash.h"
#include "core/random.h"
#include "tests/sim/node_model.h"
#include "tests/sim/sim_internal.h"

#include <string.h>

enum {
    BEFORE_MAX = MODEL_KEYS + 1,
    // Past them it is left undecided, as one operation in ten thousand is, which would take most of
    // the time.
    STEPS_MAX = 300 * 1000,
};

static const uint32_t NONE = UINT32_MAX;

struct search_op {
    struct model_op *op;
    uint32_t before[BEFORE_MAX]; // of its connection, that took effect before it
    uint32_t before_count;
    uint64_t mark[2]; // random, for the fingerprint of what was taken out
    bool taken;
};

// An entry of the list: entry 2i is the request of operation i, 2i + 1 its reply.
struct search_entry {
    uint32_t next;
    uint32_t previous;
};

struct search_step {
    uint32_t op;
    uint32_t choice;          // the next to try
    bool settled;             // nothing else need be tried in its place
    struct model_state state; // before it
};

// How far a configuration's operations have been tried: first those that were answered.
struct search_place {
    uint32_t at; // an entry of the list
    uint32_t choice;
    bool open; // among those without an answer
};

struct search {
    struct model_values *values;
    struct search_op *ops;
    uint32_t count;
    struct search_entry *entries; // the last is the head
    struct search_step *stack;
    uint32_t depth;
    uint32_t depth_max;
    uint32_t stuck;    // the operation whose reply ended the longest attempt
    uint32_t required; // with a reply, and not taken out
    const struct model_rules *rules;
    const struct model_state *start;
    uint64_t mark[2];
    uint64_t (*seen)[2]; // fingerprints of configurations, open addressing
    uint32_t seen_count;
    uint32_t seen_size;
};

// Configurations --------------------------------------------------------------------------------

static uint64_t (*seen_find(const struct search *search, const uint64_t print[2]))[2]
{
    for (uint64_t at = print[0];; at++) {
        uint64_t(*const place)[2] = &search->seen[at & (search->seen_size - 1)];

        if (((*place)[0] == 0 && (*place)[1] == 0) || memcmp(*place, print, sizeof *place) == 0) {
            return place;
        }
    }
}

static void seen_grow(struct search *search)
{
    uint64_t(*const old)[2] = search->seen;
    const uint32_t size = search->seen_size;

    search->seen_size = size == 0 ? 4096 : size * 2;
    search->seen = sim_allocate(search->seen_size * sizeof *search->seen);
    for (uint32_t i = 0; i < size; i++) {
        if (old[i][0] != 0 || old[i][1] != 0) {
            memcpy(*seen_find(search, old[i]), old[i], sizeof old[i]);
        }
    }
    free(old);
}

// Notes the configuration; false if it was tried before. 128 bits: two different ones do not meet.
static bool seen_add(struct search *search, const struct model_state *state)
{
    const struct slice bytes = slice_of(state, sizeof *state);
    const uint64_t print[2] = {hash_key(search->mark[0], bytes), hash_key(~search->mark[1], bytes)};

    if (search->seen_count * 2 >= search->seen_size) {
        seen_grow(search);
    }
    uint64_t(*const place)[2] = seen_find(search, print);

    if ((*place)[0] == print[0] && (*place)[1] == print[1]) {
        return false;
    }
    memcpy(*place, print, sizeof *place);
    search->seen_count++;
    return true;
}

// The list --------------------------------------------------------------------------------------

static void entry_remove(struct search *search, uint32_t at)
{
    const struct search_entry entry = search->entries[at];

    search->entries[entry.previous].next = entry.next;
    search->entries[entry.next].previous = entry.previous;
}

static void entry_restore(struct search *search, uint32_t at)
{
    const struct search_entry entry = search->entries[at];

    search->entries[entry.previous].next = at;
    search->entries[entry.next].previous = at;
}

static bool op_answered(const struct search *search, uint32_t op)
{
    return search->ops[op].op->answered_ns != MODEL_NEVER;
}

static void op_mark(struct search *search, uint32_t op)
{
    search->ops[op].taken = !search->ops[op].taken;
    search->mark[0] ^= search->ops[op].mark[0];
    search->mark[1] ^= search->ops[op].mark[1];
}

static void op_take(struct search *search, uint32_t op)
{
    entry_remove(search, 2 * op);
    if (op_answered(search, op)) {
        entry_remove(search, 2 * op + 1);
        search->required--;
    }
}

static void op_put_back(struct search *search, uint32_t op)
{
    if (op_answered(search, op)) {
        entry_restore(search, 2 * op + 1);
        search->required++;
    }
    entry_restore(search, 2 * op);
    op_mark(search, op);
}

struct search_event {
    uint64_t at_ns;
    uint32_t entry;
};

// What begins in the very moment in which another ends may overlap with it.
static int event_compare(const void *a, const void *b)
{
    const struct search_event *const x = a;
    const struct search_event *const y = b;

    if (x->at_ns != y->at_ns) {
        return x->at_ns < y->at_ns ? -1 : 1;
    }
    if ((x->entry & 1) != (y->entry & 1)) {
        return x->entry & 1 ? 1 : -1;
    }
    return x->entry < y->entry ? -1 : x->entry > y->entry;
}

static void list_make(struct search *search)
{
    struct search_event *const events = sim_allocate(2 * search->count * sizeof *events);
    uint32_t count = 0;
    uint32_t last = 2 * search->count; // the head

    for (uint32_t i = 0; i < search->count; i++) {
        events[count++] = (struct search_event){search->ops[i].op->invoked_ns, 2 * i};
        if (op_answered(search, i)) {
            events[count++] = (struct search_event){search->ops[i].op->answered_ns, 2 * i + 1};
            search->required++;
        }
    }
    qsort(events, count, sizeof *events, event_compare);
    search->entries = sim_allocate((2 * search->count + 1) * sizeof *search->entries);
    for (uint32_t i = 0; i < count; i++) {
        search->entries[last].next = events[i].entry;
        search->entries[events[i].entry].previous = last;
        last = events[i].entry;
    }
    search->entries[last].next = 2 * search->count;
    search->entries[2 * search->count].previous = last;
    free(events);
}

// The order inside a connection -------------------------------------------------------------------

static void before_add(struct search_op *op, uint32_t other)
{
    if (other == NONE) {
        return;
    }
    for (uint32_t i = 0; i < op->before_count; i++) {
        if (op->before[i] == other) {
            return;
        }
    }
    CHECK(op->before_count < BEFORE_MAX);
    op->before[op->before_count++] = other;
}

struct before {
    uint32_t of_key[MODEL_KEYS]; // the connection's last on it
    uint32_t wide;               // its last on several
};

static void before_find(struct search_op *op, const struct before *before, bool in_order)
{
    const bool all = in_order || model_kind_is_wide(op->op->kind);

    before_add(op, before->wide);
    for (uint32_t key = 0; all && key < MODEL_KEYS; key++) {
        before_add(op, before->of_key[key]);
    }
    for (uint32_t i = 0; i < op->op->key_count; i++) {
        before_add(op, before->of_key[op->op->keys[i]]);
    }
}

static void before_note(struct before *before, const struct search_op *op, uint32_t index)
{
    for (uint32_t i = 0; i < op->op->key_count; i++) {
        before->of_key[op->op->keys[i]] = index;
    }
    if (model_kind_is_wide(op->op->kind)) {
        before->wide = index;
    }
}

// The operations are sorted by connection and sequence.
static void order_make(struct search *search)
{
    struct before before;

    for (uint32_t i = 0; i < search->count; i++) {
        if (i == 0 || search->ops[i - 1].op->connection != search->ops[i].op->connection) {
            memset(&before, 0xff, sizeof before);
        }
        before_find(&search->ops[i], &before, search->rules->in_order);
        before_note(&before, &search->ops[i], i);
    }
}

// The search ------------------------------------------------------------------------------------

static bool op_may_be_next(const struct search *search, uint32_t op)
{
    for (uint32_t i = 0; i < search->ops[op].before_count; i++) {
        const uint32_t before = search->ops[op].before[i];

        // One that may never have happened is not waited for.
        if (!search->ops[before].taken &&
            (op_answered(search, before) || !search->rules->refuses)) {
            return false;
        }
    }
    return true;
}

// The choice-th subset of `undecided`; false past the last.
static bool choice_of(unsigned undecided, uint32_t choice, unsigned *ret_alive)
{
    unsigned alive = 0;

    for (unsigned key = 0; key < MODEL_KEYS; key++) {
        if (undecided & (1U << key)) {
            alive |= (choice & 1) << key;
            choice >>= 1;
        }
    }
    *ret_alive = alive;
    return choice == 0;
}

// Takes the operation out, by its first choice from `choice` on that leads to something new.
static bool search_take(struct search *search, uint32_t op, uint32_t choice,
                        struct model_state *state)
{
    const unsigned undecided = model_undecided(state, search->ops[op].op);
    unsigned alive = 0;

    for (; choice_of(undecided, choice, &alive); choice++) {
        struct model_state after = *state;

        if (!model_apply(search->values, &after, search->ops[op].op, alive)) {
            continue;
        }
        op_mark(search, op);
        if (!seen_add(search, &after)) {
            op_mark(search, op);
            continue;
        }
        search->stack[search->depth++] =
            (struct search_step){.op = op, .choice = choice + 1, .state = *state};
        *state = after;
        op_take(search, op);
        return true;
    }
    return false;
}

// Whether the operation changed nothing, unless it was the first to find a key gone.
static bool op_changed_nothing(const struct model_op *op)
{
    switch ((enum model_kind)op->kind) {
    case MODEL_GET:
    case MODEL_STRLEN:
    case MODEL_EXISTS:
    case MODEL_MGET:
        return true;
    case MODEL_SETNX:
    case MODEL_DEL:
    case MODEL_MSETNX:
    case MODEL_RENAMENX:
    case MODEL_COPY:
    case MODEL_PEXPIRE:
    case MODEL_PERSIST:
        return op->reply.kind == MODEL_INTEGER && op->reply.number == 0;
    default:
        return false;
    }
}

// Takes out an operation that changes nothing, neither now nor when it took effect. Whoever comes
// after it in some order finds the same state without it: what it saw gone they may see gone too.
static bool search_settle(struct search *search, const struct model_state *state)
{
    const uint32_t head = 2 * search->count;

    for (uint32_t at = search->entries[head].next; at != head && at % 2 == 0;
         at = search->entries[at].next) {
        const struct model_op *const op = search->ops[at / 2].op;
        struct model_state after = *state;

        if (op_answered(search, at / 2) && op_changed_nothing(op) &&
            op_may_be_next(search, at / 2) &&
            model_apply(search->values, &after, op, model_undecided(state, op)) &&
            memcmp(&after, state, sizeof after) == 0) {
            search->stack[search->depth++] =
                (struct search_step){.op = at / 2, .settled = true, .state = after};
            op_mark(search, at / 2);
            op_take(search, at / 2);
            return true;
        }
    }
    return false;
}

// Puts back the last operation that something else can be tried for. False: there is none.
static bool search_put_back(struct search *search, struct model_state *state,
                            struct search_place *place)
{
    while (search->depth != 0) {
        const struct search_step *const step = &search->stack[--search->depth];

        op_put_back(search, step->op);
        if (!step->settled) {
            *state = step->state;
            *place = (struct search_place){
                .at = 2 * step->op, .choice = step->choice, .open = !op_answered(search, step->op)};
            return true;
        }
    }
    return false;
}

static enum model_verdict search_run(struct search *search)
{
    const uint32_t head = 2 * search->count;
    struct model_state state = search->start != NULL ? *search->start : (struct model_state){0};
    struct search_place place = {0};
    bool forward = true; // to a configuration of which nothing has been tried

    state.evicts = search->rules->evicts;
    for (uint32_t steps = 0; search->required != 0; steps++) {
        if (steps == STEPS_MAX) {
            return MODEL_UNDECIDED;
        }
        if (forward) {
            forward = search_settle(search, &state);
            place = (struct search_place){.at = search->entries[head].next};
            continue;
        }
        const uint32_t op = place.at / 2;

        if (place.at != head && place.at % 2 == 0) {
            forward = op_answered(search, op) != place.open && op_may_be_next(search, op) &&
                      search_take(search, op, place.choice, &state);
            place = (struct search_place){.at = search->entries[place.at].next, .open = place.open};
        } else if (!place.open) {
            place = (struct search_place){.at = search->entries[head].next, .open = true};
        } else {
            if (place.at != head && search->depth > search->depth_max) {
                search->depth_max = search->depth;
                search->stuck = op;
            }
            if (!search_put_back(search, &state, &place)) {
                return MODEL_WRONG;
            }
        }
    }
    return MODEL_FINE;
}

static int op_compare(const void *a, const void *b)
{
    const struct model_op *const x = a;
    const struct model_op *const y = b;

    if (x->connection != y->connection) {
        return x->connection < y->connection ? -1 : 1;
    }
    if (x->sequence != y->sequence) {
        return x->sequence < y->sequence ? -1 : 1;
    }
    return x->keys[0] < y->keys[0] ? -1 : x->keys[0] > y->keys[0];
}

// What nobody saw and what changes nothing need not be placed.
static bool op_matters(const struct model_op *op)
{
    const bool reads = op->kind == MODEL_GET || op->kind == MODEL_STRLEN ||
                       op->kind == MODEL_EXISTS || op->kind == MODEL_MGET;

    return op->reply.kind != MODEL_REFUSED && !(reads && op->reply.kind == MODEL_NO_REPLY);
}

enum model_verdict model_check(struct model_values *values, const struct model_state *start,
                               struct model_op *ops, uint32_t count,
                               const struct model_rules *rules)
{
    struct search search = {.values = values, .rules = rules, .start = start};
    struct random random;

    random_seed(&random, count);
    qsort(ops, count, sizeof *ops, op_compare);
    search.ops = sim_allocate(count * sizeof *search.ops);
    search.stack = sim_allocate(count * sizeof *search.stack);
    for (uint32_t i = 0; i < count; i++) {
        if (op_matters(&ops[i])) {
            search.ops[search.count++] = (struct search_op){
                .op = &ops[i], .mark = {random_u64(&random), random_u64(&random)}};
        }
    }
    order_make(&search);
    list_make(&search);
    const enum model_verdict verdict = search_run(&search);

    if (verdict == MODEL_WRONG) {
        search.ops[search.stuck].op->stuck = true;
    }

    free(search.ops);
    free(search.stack);
    free(search.entries);
    free(search.seen);
    return verdict;
}
