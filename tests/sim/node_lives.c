// The lives of a node: how each ended, and what of it the next one began with.
//
// What a node of the memory engine held goes with its process. The log engine's is looked at, key
// by key, by a scan of every core that has recovered and serves nobody yet. What is found has to
// follow from the life before (node_judge.c), and is what the next one begins with.
#include "cluster/object.h"
#include "core/check.h"
#include "tests/sim/node_load.h"
#include "tests/sim/sim_internal.h"

#include <stdio.h>
#include <string.h>

enum { SCAN_BUCKETS = 64 };

static const uint64_t ns_per_ms = 1000 * 1000;

// Ends --------------------------------------------------------------------------------------------

static void note_clock(struct load *load, const struct shard *shard)
{
    if (shard->vnode_count != 0) {
        load->clocks[shard->index] = (struct load_clock){
            *actor_table_id(&shard->actors[0], shard->identity.actor), shard->clock.last};
    }
}

// A clock begins after all that it gave out before, as the same actor.
static bool check_clock(struct load *load, const struct shard *shard)
{
    const struct load_clock *const before = &load->clocks[shard->index];

    if (!load_is_damaged(load) && shard->vnode_count != 0 && before->last > shard->clock.last &&
        actor_id_compare(&before->actor,
                         actor_table_id(&shard->actors[0], shard->identity.actor)) == 0) {
        load_fail(load, SIM_ORACLE_CLOCK,
                  "after a start the clock of core %u is behind a stamp that it gave out",
                  shard->index);
        return false;
    }
    return true;
}

void load_life_over(struct load *load, bool clean)
{
    struct load_life *const life = sim_allocate(sizeof *life);

    CHECK(load->lost_count < LOAD_LIVES_MAX && sim_rldb_up(load->rldb));
    load_mark_all(load);
    for (uint32_t i = 0; i < load->cores && load->durable; i++) {
        note_clock(load, sim_rldb_shard(load->rldb, i));
    }
    load_mark(load, MARK_SNAPSHOT_KILLED, !clean && load_makes_snapshot(load));
    life->ended_ns = sim_world_now_ns(load->world);
    life->clean = clean;
    life->damages = sim_node_damages(sim_rldb_machine(load->rldb));
    life->shows = sim_node_damage_shows(sim_rldb_machine(load->rldb));
    load->lives[load->lost_count++] = life;
}

void load_forget_lives(struct load *load)
{
    load->life_first = load->lost_count;
}

void load_free_lives(struct load *load)
{
    for (uint32_t i = 0; i < load->lost_count; i++) {
        free(load->lives[i]);
    }
}

// What the node says in its log: of damage only where there is some.
void load_hear(void *context, enum log_level level, const char *line)
{
    struct load *const load = context;
    // The first frame of a segment may be the torn one, and is told of as damage.
    const bool torn = strstr(line, "torn by the stop") != NULL ||
                      strstr(line, "does not begin with a frame") != NULL;

    load_mark(load, MARK_TORN, torn);
    if (level == LOG_LEVEL_ERROR && load_is_damaged(load)) {
        load_told(load);
    } else if (level == LOG_LEVEL_ERROR && !torn && !load_disk_fails(load) && !load->start_fails) {
        load_fail(load, SIM_ORACLE_DAMAGE, "the node says: %s", line);
    }
}

// Looking -----------------------------------------------------------------------------------------

struct look {
    struct load *load;
    struct shard *shard;
    struct load_life *life;
    uint64_t unreadable;
    bool done; // what had to be read was read
};

static struct load_found *found_of(struct load *load, struct load_life *life, struct slice key,
                                   bool *ret_first)
{
    for (uint32_t i = 0; i < load->object_count; i++) {
        const struct load_object *const object = &load->objects[i];

        for (uint32_t j = 0; j < object->key_count * object->width; j++) {
            if (slice_equal(key, slice_from_text(object->names[j]))) {
                *ret_first = j % object->width == 0;
                return &life->found[i][j / object->width];
            }
        }
    }
    return NULL;
}

static bool look_each(void *context, const struct engine_record *record)
{
    const struct look *const look = context;
    struct load *const load = look->load;
    struct object_view view;
    char digits[32];
    bool first = false;
    struct load_found *const found = found_of(load, look->life, record->key, &first);

    if (record->vnode >= look->shard->vnode_count) {
        return true;
    }
    if (!object_open(record->object, &view)) {
        load_fail(load, SIM_ORACLE_DAMAGE, "after a start the object of %.*s is none",
                  (int)record->key.size, (const char *)record->key.bytes);
        return false;
    }
    // Where records were lost the table of actors may be one from before, and a record's index lead
    // to another than it meant: lives that are left out then (IDENTITY_LIVES_SKIPPED) make that
    // unlikely, and not impossible.
    if (!load_is_damaged(load) &&
        object_newest(&view, look->shard->identity.actor) > look->shard->clock.last) {
        load_fail(load, SIM_ORACLE_CLOCK, "after a start the clock is behind the stamp of %.*s",
                  (int)record->key.size, (const char *)record->key.bytes);
        return false;
    }
    if (found == NULL) {
        return true;
    }
    if (!object_is_live(&view, look->shard->io->wall_ms)) {
        return true;
    }
    // Virtual time in ms, as the model counts it.
    const uint64_t offset_ms = look->shard->io->wall_ms - look->shard->io->now_ns / ns_per_ms;
    const uint32_t value = model_value(load->values, object_value_bytes(&view.winner, digits));

    found->torn = found->torn || (found->names != 0 && found->value != value);
    found->names++;
    found->value = value;
    found->expire_ms = view.winner.expire_ms == 0 ? 0 : view.winner.expire_ms - offset_ms;
    return true;
}

static void look_read(struct engine_scan *scan)
{
    ((struct look *)scan->context)->done = true;
}

static bool look_at_vnode(struct look *look, uint32_t vnode)
{
    struct engine_scan scan = {
        .each = look_each, .context = look, .done = look_read, .vnode = vnode};

    do {
        enum engine_status status = ENGINE_PENDING;

        for (;;) {
            look->done = false;
            status = engine_scan(look->shard->engine, &scan, SCAN_BUCKETS);
            if (status != ENGINE_PENDING) {
                break;
            }
            while (!look->done) {
                io_turn(look->shard->io, UINT64_MAX);
            }
        }
        if (status != ENGINE_OK) {
            return false;
        }
        engine_commit(look->shard->engine); // lets go of what was read
    } while (scan.cursor != 0);
    look->unreadable += scan.unreadable;
    return true;
}

// What was found on this core before a start that failed is looked at anew. (Starts do not fail
// where there are keys of several names: load_make_objects().)
static void look_forget(struct load *load, struct load_life *life, uint32_t core)
{
    for (uint32_t i = 0; i < load->object_count; i++) {
        for (uint32_t key = 0; key < load->objects[i].key_count; key++) {
            const char *const name = load->objects[i].names[key * load->objects[i].width];

            if (load->objects[i].width == 1 && load_core_of(load, name) == core) {
                life->found[i][key] = (struct load_found){0};
            }
        }
    }
}

static void look_is_done(const struct load *load, struct load_life *life)
{
    const uint32_t before = load->lost_count - 1;
    const uint64_t began_ns = before == load->life_first ? 0 : load->lives[before - 1]->looked_ns;

    life->damaged = load_is_damaged(load);
    life->told = load->told_ns > began_ns;
    // What was hit meanwhile may have been the last frames.
    life->shows = life->shows && life->damages == sim_node_damages(sim_rldb_machine(load->rldb));
}

bool load_look(void *context, struct shard *shard)
{
    struct load *const load = context;

    if (!load->durable || load->lost_count == 0 || load->failed) {
        return true;
    }
    if (!check_clock(load, shard)) {
        return false;
    }
    struct look look = {.load = load, .shard = shard, .life = load->lives[load->lost_count - 1]};

    if (load->restored != NULL) { // forgotten by who starts on it
        look.life = &load->restored->look;
    } else {
        look_forget(load, look.life, shard->index);
    }
    for (uint32_t vnode = 0; vnode < shard->vnode_count; vnode++) {
        if (!look_at_vnode(&look, vnode)) {
            return false;
        }
    }
    if (look.unreadable != 0 && !load_look_unreadable(load, shard, look.life)) {
        return false;
    }
    if (load->restored == NULL) {
        look_is_done(load, look.life);
        load_list_snapshots(load);
    }
    look.life->looked |= UINT32_C(1) << shard->index;
    look.life->looked_ns = sim_world_now_ns(load->world);
    return true;
}

// What was found of an object, as the model says it.
void load_state_after(const struct load *load, uint32_t life, uint32_t object,
                      struct model_state *ret_state)
{
    *ret_state = (struct model_state){0};
    if (!load->durable || life < load->life_first) {
        return;
    }
    for (uint32_t key = 0; key < load->objects[object].key_count; key++) {
        const struct load_found *const found = &load->lives[life]->found[object][key];

        ret_state->values[key] = found->bad ? MODEL_BAD : found->value;
        ret_state->expire_from_ms[key] = found->expire_ms;
        ret_state->expire_to_ms[key] = found->expire_ms == 0 ? 0 : found->expire_ms + 1;
    }
}
