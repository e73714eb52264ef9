// Snapshots of a node under load: sessions ask for them and let some go, and at the node's end
// another one starts on some, with any number of cores.
//
// What it finds, whoever was killed and whatever the disk did, is a read of all keys at one moment
// between the request and its reply: in each object's history of that life (without what the next
// one found: what was not acknowledged may be in the snapshot, and then gone), and at the same
// moment in all of them. A snapshot that nobody was told of is whole too, or not there; one that
// was refused, or is gone, is not.
//
// On a damaged disk it may not start, or have less: each value is one that the key had.
#include "cluster/shard.h"
#include "core/check.h"
#include "tests/sim/node_load.h"
#include "tests/sim/sim_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STARTED_MAX = 2,        // of a node
    SPREAD_PER_MILLE = 400, // start with another number of cores
    SPREAD_CORES_MAX = 4,
    DELETED_PER_MILLE = 350,
    LONG_PER_MILLE = 10, // of what would be asked for in a short run
    START_S_MAX = 60,
};

static const uint64_t second_ns = UINT64_C(1000000000);

bool load_makes_snapshot(const struct load *load)
{
    return sim_rldb_up(load->rldb) && sim_rldb_shard(load->rldb, 0)->snapshot != NULL;
}

// Asking ------------------------------------------------------------------------------------------

static struct load_snapshot *snapshot_unused(struct load *load)
{
    for (uint32_t i = 0; i < LOAD_SNAPSHOTS_MAX; i++) {
        if (load->snapshots[i].state == LOAD_SNAPSHOT_NONE) {
            return &load->snapshots[i];
        }
    }
    return NULL;
}

// One that may be deleted: nobody waits for it any more.
static struct load_snapshot *snapshot_draw_old(struct session *session)
{
    struct load *const load = session->load;
    struct load_snapshot *const it =
        &load->snapshots[load_draw(&session->random, LOAD_SNAPSHOTS_MAX)];

    return it->state == LOAD_SNAPSHOT_MADE ||
                   (it->state == LOAD_SNAPSHOT_ASKED && it->round != load->round)
               ? it
               : NULL;
}

static void snapshot_name(const struct load_snapshot *it, char *ret_name, size_t size)
{
    (void)snprintf(ret_name, size, "snapshot-%u", it->number);
}

static void request_create(struct session *session, struct load_snapshot *it)
{
    struct load *const load = session->load;
    char name[LOAD_NAME_BYTES];
    char text[2 * LOAD_NAME_BYTES];

    *it = (struct load_snapshot){.state = LOAD_SNAPSHOT_ASKED,
                                 .number = load->snapshot_next++,
                                 .round = load->round,
                                 .op = load->op_count};
    snapshot_name(it, name, sizeof name);
    (void)snprintf(text, sizeof text, "RLDB.SNAPSHOT CREATE %s", name);
    struct request *const request = request_plain(session, text, EXPECT_CREATED, name);

    request->types = (uint32_t)(it - load->snapshots);
    request->op = it->op;
    request->op_count = 1;
    request_add_op(session, LOAD_NO_OBJECT)->kind = MODEL_MGET;
    session->sequence++;
}

static void request_delete(struct session *session, struct load_snapshot *it)
{
    char name[LOAD_NAME_BYTES];
    char text[2 * LOAD_NAME_BYTES];

    snapshot_name(it, name, sizeof name);
    (void)snprintf(text, sizeof text, "RLDB.SNAPSHOT DELETE %s", name);
    struct request *const request = request_plain(session, text, EXPECT_DELETED, name);

    request->types = (uint32_t)(it - session->load->snapshots);
    request->op = it->state; // what it was
    it->state = LOAD_SNAPSHOT_ASKED;
}

void request_snapshot(struct session *session)
{
    struct load *const load = session->load;
    struct load_snapshot *const unused = snapshot_unused(load);
    struct load_snapshot *const old = snapshot_draw_old(session);

    if (load->run->is_long && !load_chance(&session->random, LONG_PER_MILLE)) {
        (void)request_plain(session, "PING", EXPECT_TEXT, "PONG");
    } else if (old != NULL &&
               (unused == NULL || load_chance(&session->random, DELETED_PER_MILLE))) {
        request_delete(session, old);
    } else if (unused != NULL) {
        request_create(session, unused);
    } else {
        request_plain(session, "RLDB.SNAPSHOT LIST", EXPECT_TYPES, NULL)->types = 1 << SIM_ARRAY;
    }
}

static bool snapshot_has_begun(void *context)
{
    struct session *const session = context;

    if (session->client != NULL && !session->load->failed) {
        session_send(session);
    }
    return session->client == NULL || session->load->failed || load_makes_snapshot(session->load) ||
           session->request_answered != 0;
}

void load_begin_snapshot(struct load *load, struct session *session)
{
    struct load_snapshot *const unused = snapshot_unused(load);

    session_open(load, session, LOAD_SESSIONS_MAX + 2);
    if (unused == NULL) {
        return;
    }
    session_connect_plain(session);
    session->may_end = true;
    request_create(session, unused);
    (void)sim_world_run(load->world, sim_world_now_ns(load->world) + second_ns, snapshot_has_begun,
                        session);
    // From half a microsecond to eight milliseconds, each power of two as likely.
    const uint64_t time_ns = load_draw_bits(&load->random, 9, 23);

    sim_world_run_until(load->world, sim_world_now_ns(load->world) + time_ns);
}

// Answers -----------------------------------------------------------------------------------------

static bool begins(const struct sim_reply *reply, const char *with)
{
    return reply->type == SIM_ERROR && strncmp(reply->text, with, strlen(with)) == 0;
}

// Another is under way, or none was found in time: nothing was done.
static bool is_refused(const struct sim_reply *reply)
{
    return begins(reply, "OVERLOADED ");
}

static bool is_absent(const struct sim_reply *reply)
{
    return begins(reply, "ERR there is no snapshot");
}

bool snapshot_may_fail(struct load *load, const struct request *request,
                       const struct sim_reply *reply)
{
    const bool busy = begins(reply, "OVERLOADED another snapshot ");
    const bool lacks = load_lacks_descriptors(load) && begins(reply, "OVERLOADED snapshot ");
    const bool no_space =
        begins(reply, "NOSPACE ") && (load->features.limited || load_disk_fills(load));
    const bool failed = begins(reply, "IOERR ") && (load_disk_fails(load) || load_is_damaged(load));
    const bool absent =
        request->expect == EXPECT_DELETED && is_absent(reply) && request->op != LOAD_SNAPSHOT_MADE;

    load_mark(load, MARK_SNAPSHOT_BUSY, busy);
    load_mark(load, MARK_SNAPSHOT_FAILED, no_space || failed);
    return busy || lacks || no_space || failed || absent || begins(reply, "OVERLOADED no moment ");
}

void snapshot_answered(struct session *session, const struct request *request,
                       const struct sim_reply *reply)
{
    struct load *const load = session->load;
    struct load_snapshot *const it = &load->snapshots[request->types];
    const bool create = request->expect == EXPECT_CREATED;
    const bool done = reply->type == SIM_STATUS;
    char name[LOAD_NAME_BYTES];

    snapshot_name(it, name, sizeof name);
    if (it->state == LOAD_SNAPSHOT_NONE || strcmp(name, request->text) != 0) {
        return; // two asked that it goes
    }
    load_mark(load, MARK_SNAPSHOT, create && done);
    load_mark(load, MARK_SNAPSHOT_DELETED, !create && done);
    if (create) {
        const bool none =
            is_refused(reply) || (begins(reply, "NOSPACE ") && !load_disk_fails(load));

        load->ops[it->op].op.answered_ns = done ? sim_world_now_ns(load->world) : MODEL_NEVER;
        it->state = done ? LOAD_SNAPSHOT_MADE : none ? LOAD_SNAPSHOT_NONE : LOAD_SNAPSHOT_ASKED;
    } else if (done || is_absent(reply)) {
        it->state = LOAD_SNAPSHOT_NONE;
    } else if (is_refused(reply)) {
        it->state = (uint8_t)request->op;
    }
}

// What is on the disk -----------------------------------------------------------------------------

struct listing {
    struct load *load;
    bool serves; // the node: a start has cleared what was half made
};

static bool list_each(void *context, const char *name)
{
    const struct listing *const listing = context;
    struct load *const load = listing->load;
    char known[LOAD_NAME_BYTES];

    for (uint32_t i = 0; i < LOAD_SNAPSHOTS_MAX; i++) {
        struct load_snapshot *const it = &load->snapshots[i];

        snapshot_name(it, known, sizeof known);
        if (it->state != LOAD_SNAPSHOT_NONE && strcmp(known, name) == 0) {
            it->listed = true;
            return true;
        }
    }
    if (name[0] == '.' && listing->serves) {
        load_fail(load, SIM_ORACLE_SNAPSHOT, "after a start there is still %s", name);
    } else if (name[0] != '.') {
        load_fail(load, SIM_ORACLE_SNAPSHOT, "there is a snapshot that was refused or deleted: %s",
                  name);
    }
    return !load->failed;
}

static void list_snapshots(struct load *load, bool serves)
{
    struct listing listing = {.load = load, .serves = serves};

    for (uint32_t i = 0; i < LOAD_SNAPSHOTS_MAX; i++) {
        load->snapshots[i].listed = false;
    }
    // Where none was ever asked for there is no directory.
    (void)sim_node_list(sim_rldb_machine(load->rldb), "/data/snapshots", list_each, &listing);
    for (uint32_t i = 0; i < LOAD_SNAPSHOTS_MAX && !load_is_damaged(load); i++) {
        const struct load_snapshot *const it = &load->snapshots[i];

        if (it->state == LOAD_SNAPSHOT_MADE && !it->listed) {
            load_fail(load, SIM_ORACLE_SNAPSHOT, "a snapshot that was made is not there: %u",
                      it->number);
        }
    }
}

void load_list_snapshots(struct load *load)
{
    list_snapshots(load, true);
}

// Starting on it ----------------------------------------------------------------------------------

bool load_snapshot_start(struct load *load, const char *error)
{
    if (!load_is_damaged(load)) {
        load_fail(load, SIM_ORACLE_SNAPSHOT, "a node does not start on snapshot %u: %s",
                  load->restored->number, error);
    }
    load->restored->core_count = 0;
    return false;
}

static bool start_is_over(void *context)
{
    const struct load *const load = context;

    return load->failed || load->restored->core_count == 0 || sim_rldb_up(load->rldb);
}

static void snapshot_configure(struct load *load, const char *data_dir, uint32_t cores)
{
    char config[1024];

    load_configure(load, data_dir, config, sizeof config);
    sim_rldb_configure(load->rldb, config);
    sim_rldb_resize(load->rldb, cores);
}

static void start_on(struct load *load, struct load_snapshot *it)
{
    const bool spread = !load_is_damaged(load) && load_chance(&load->random, SPREAD_PER_MILLE);
    const uint32_t cores = spread ? 1 + load_draw(&load->random, SPREAD_CORES_MAX) : load->cores;
    const uint64_t told_ns = load->told_ns; // of the node's own data
    char path[2 * LOAD_NAME_BYTES];

    (void)snprintf(path, sizeof path, "/data/snapshots/snapshot-%u", it->number);
    it->look = (struct load_life){0};
    it->core_count = cores;
    load->restored = it;
    snapshot_configure(load, path, cores);
    sim_rldb_restart(load->rldb);
    if (!sim_world_run(load->world, sim_world_now_ns(load->world) + START_S_MAX * second_ns,
                       start_is_over, load)) {
        load_fail(load, SIM_ORACLE_PROGRESS, "no start on a snapshot after a minute");
    }
    if (!load->failed && it->core_count != 0) {
        it->seen = it->look.looked == (UINT32_C(1) << cores) - 1;
        load_mark(load, MARK_SNAPSHOT_SPREAD, cores != load->cores);
        load_stop_now(load);
    }
    if (!load->failed) {
        if (it->core_count != 0) {
            sim_rldb_end(load->rldb);
        }
        snapshot_configure(load, "/data", load->cores);
    }
    load->restored = NULL;
    load->told_ns = told_ns;
}

void load_start_on_snapshots(struct load *load)
{
    uint32_t started = 0;

    if (!load->features.snapshots) {
        return;
    }
    list_snapshots(load, false);
    const uint32_t first = load_draw(&load->random, LOAD_SNAPSHOTS_MAX);

    for (uint32_t i = 0; i < LOAD_SNAPSHOTS_MAX && started < STARTED_MAX && !load->failed; i++) {
        struct load_snapshot *const it = &load->snapshots[(first + i) % LOAD_SNAPSHOTS_MAX];

        if (it->listed && it->round == load->round) {
            // A node of its own, with segments of its own.
            load->disk_bytes = 0;
            sim_node_disk_max(sim_rldb_machine(load->rldb), 0);
            start_on(load, it);
            started++;
        }
    }
}

// Judging -----------------------------------------------------------------------------------------

struct verdict {
    struct load *load;
    const struct load_snapshot *it;
    const struct model_op *asked;
    uint32_t life;
    uint64_t from_ns;
    uint64_t to_ns;
    struct history history;
    uint64_t *times; // of what happened meanwhile, in order
    uint32_t count;
};

// What was found of an object, as a read of all of it. What may have expired since says nothing.
static void add_read(struct verdict *verdict, uint32_t object, uint64_t from_ns, uint64_t to_ns)
{
    const struct load_object *const of = &verdict->load->objects[object];
    struct history *const history = &verdict->history;
    struct model_op read = *verdict->asked;

    read.kind = MODEL_MGET;
    read.invoked_ns = from_ns;
    read.answered_ns = to_ns;
    read.reply.kind = MODEL_ARRAY;
    for (uint32_t key = 0; key < of->key_count; key++) {
        const struct load_found *const found = &verdict->it->look.found[object][key];
        const struct model_op look = {.kind = MODEL_GET,
                                      .flags = MODEL_LOOK,
                                      .connection = UINT32_MAX - key,
                                      .key_count = 1,
                                      .keys = {(uint8_t)key},
                                      .number = (int64_t)found->expire_ms,
                                      .invoked_ns = from_ns,
                                      .answered_ns = to_ns,
                                      .reply = {.kind = MODEL_VALUE, .values = {found->value}}};

        if (found->value == 0 && of->expires) {
            continue;
        }
        if (of->expires) {
            history->ops[history->count++] = look;
        }
        read.reply.values[read.key_count] = found->value;
        read.keys[read.key_count++] = (uint8_t)key;
    }
    if (read.key_count != 0) {
        history->ops[history->count++] = read;
    }
}

static bool explains(struct verdict *verdict, uint32_t object, uint64_t from_ns, uint64_t to_ns)
{
    struct load *const load = verdict->load;

    load_history_of_life(load, object, verdict->life, load_tears(load), &verdict->history);
    add_read(verdict, object, from_ns, to_ns);
    return load_verdict(load, object, verdict->life, &verdict->history) != MODEL_WRONG;
}

// The first moment that explains the object beside the moments before times[at]; `count`: none.
static uint32_t first_moment(struct verdict *verdict, uint32_t object, uint32_t at)
{
    uint32_t low = at;
    uint32_t high = verdict->count - 1;

    if (explains(verdict, object, verdict->times[at], verdict->times[at])) {
        return at;
    }
    if (!explains(verdict, object, verdict->times[at], verdict->times[high])) {
        return verdict->count;
    }
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;

        if (explains(verdict, object, verdict->times[at], verdict->times[middle])) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

// Between two of these moments nothing begins or ends, so that either is as good as any between.
static void gather_times(struct verdict *verdict)
{
    const struct load *const load = verdict->load;
    uint32_t kept = 0;

    verdict->times = sim_allocate((2 * load->op_count + 2) * sizeof *verdict->times);
    verdict->times[verdict->count++] = verdict->from_ns;
    verdict->times[verdict->count++] = verdict->to_ns;
    for (uint32_t i = 0; i < load->op_count; i++) {
        const uint64_t times[] = {load->ops[i].op.invoked_ns, load->ops[i].op.answered_ns};

        for (uint32_t j = 0; j < 2; j++) {
            if (times[j] > verdict->from_ns && times[j] < verdict->to_ns) {
                verdict->times[verdict->count++] = times[j];
            }
        }
    }
    qsort(verdict->times, verdict->count, sizeof *verdict->times, by_number);
    for (uint32_t i = 1; i < verdict->count; i++) {
        if (verdict->times[i] != verdict->times[kept]) {
            verdict->times[++kept] = verdict->times[i];
        }
    }
    verdict->count = kept + 1;
}

static void check_objects(struct verdict *verdict)
{
    struct load *const load = verdict->load;

    for (uint32_t object = 0; object < load->object_count && !load->failed; object++) {
        for (uint32_t key = 0; key < load->objects[object].key_count; key++) {
            const struct load_found *const found = &verdict->it->look.found[object][key];

            if (found->torn || (found->names != 0 && found->names != load->objects[object].width)) {
                load_fail(load, SIM_ORACLE_SNAPSHOT, "snapshot %u has %u of %u names of %s%s",
                          verdict->it->number, found->names, load->objects[object].width,
                          load->objects[object].names[0], found->torn ? ", with other values" : "");
            }
        }
        if (!load->failed && !explains(verdict, object, verdict->from_ns, verdict->to_ns)) {
            load_fail(load, SIM_ORACLE_SNAPSHOT,
                      "no order explains what snapshot %u, of life %u, has of %s and its kin",
                      verdict->it->number, verdict->life, load->objects[object].names[0]);
            load_print_history(load, verdict->history.ops, verdict->history.count);
        }
    }
}

// Each object pushes the moment on to the first that explains it, until none does.
static void check_moment(struct verdict *verdict)
{
    struct load *const load = verdict->load;
    uint32_t at = 0;
    uint32_t agreed = 0;

    gather_times(verdict);
    for (uint32_t object = 0; agreed < load->object_count;
         object = (object + 1) % load->object_count) {
        const uint32_t moment = first_moment(verdict, object, at);

        if (moment == verdict->count) {
            load_fail(load, SIM_ORACLE_SNAPSHOT,
                      "snapshot %u, of life %u, is not one moment of all keys: %s and its kin are "
                      "as before %" PRIu64 " ns, and others are not",
                      verdict->it->number, verdict->life, load->objects[object].names[0],
                      verdict->times[at]);
            return;
        }
        agreed = moment == at ? agreed + 1 : 1;
        at = moment;
    }
    load_mark(load, MARK_SNAPSHOT_STARTED, true);
}

// On a damaged disk.
static void check_damaged(struct verdict *verdict)
{
    struct load *const load = verdict->load;

    for (uint32_t object = 0; object < load->object_count && !load->failed; object++) {
        for (uint32_t key = 0; key < load->objects[object].key_count && !load->failed; key++) {
            const struct load_found *const found = &verdict->it->look.found[object][key];
            bool was = found->value == 0 || found->bad;

            for (uint32_t life = load->life_first; life <= verdict->life && !was; life++) {
                was = load_key_was(load, object, key, life, found, &verdict->history);
            }
            if (!was) {
                load_fail(load, SIM_ORACLE_SNAPSHOT,
                          "on a damaged disk key %u of %s has a value in snapshot %u that it never "
                          "had",
                          key, load->objects[object].names[0], verdict->it->number);
            }
        }
    }
}

static void check_snapshot(struct load *load, const struct load_snapshot *it)
{
    enum { PARTS_MAX = MODEL_KEYS, READS_MAX = MODEL_KEYS + 1 };
    const struct model_op *const asked = &load->ops[it->op].op;
    struct verdict verdict = {.load = load,
                              .it = it,
                              .asked = asked,
                              .life = load->life_first,
                              .from_ns = asked->invoked_ns};

    while (verdict.life < load->lost_count &&
           load->lives[verdict.life]->ended_ns < asked->invoked_ns) {
        verdict.life++;
    }
    if (verdict.life == load->lost_count) {
        load_fail(load, SIM_ORACLE_SNAPSHOT, "nobody can have asked for snapshot %u", it->number);
        return;
    }
    const uint64_t ended_ns = load->lives[verdict.life]->ended_ns;

    verdict.to_ns = asked->answered_ns < ended_ns ? asked->answered_ns : ended_ns;
    verdict.history.ops =
        sim_allocate((load->op_count * PARTS_MAX + READS_MAX) * sizeof *verdict.history.ops);
    if (load_is_damaged(load)) {
        check_damaged(&verdict);
    } else {
        check_objects(&verdict);
    }
    if (!load_is_damaged(load) && !load->failed) {
        check_moment(&verdict);
    }
    free(verdict.history.ops);
    free(verdict.times);
}

void load_check_snapshots(struct load *load)
{
    for (uint32_t i = 0; i < LOAD_SNAPSHOTS_MAX && !load->failed; i++) {
        if (load->snapshots[i].seen) {
            check_snapshot(load, &load->snapshots[i]);
        }
    }
}
