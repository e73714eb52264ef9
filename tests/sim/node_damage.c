// A node whose disk was damaged: what it may show then, and what it must say.
//
// Each life is held to what any is: what it began with, and then an order of all that was asked of
// it. A record that cannot be read is a value that nobody knows (MODEL_BAD): whoever asks for it
// gets an error. What a start finds may be less than was acknowledged. But it is a value that the
// key had at some time, or none; and where something is gone the node has said that its data is
// damaged, unless what was hit were the last frames of a log, of which nobody can know
// (sim_damage.h).
#include "cluster/object.h"
#include "cluster/shard.h"
#include "core/hash.h"
#include "tests/sim/node_load.h"
#include "tests/sim/sim_internal.h"

#include <string.h>

bool load_is_damaged(const struct load *load)
{
    return load->durable && sim_node_damages(sim_rldb_machine(load->rldb)) != 0;
}

// Whether what was acknowledged may be gone.
bool load_loses(const struct load *load)
{
    return (load->lost_count != 0 && (!load->durable || load->sync != CONFIG_SYNC_ALWAYS)) ||
           load_is_damaged(load);
}

void load_told(struct load *load)
{
    load->told_ns = sim_world_now_ns(load->world);
    load_mark(load, MARK_DAMAGE_TOLD, true);
}

// Starts --------------------------------------------------------------------------------------

// What is set aside takes room too.
void load_make_room(struct load *load)
{
    static const uint64_t room_mib = 16;

    load->disk_bytes += room_mib * load->cores << 20;
    sim_node_disk_max(sim_rldb_machine(load->rldb), load->disk_bytes);
}

// What cannot be started a second time is repaired, as its error says.
bool load_damaged_start(struct load *load, const char *error)
{
    enum { PATIENCE = 2 };
    static const uint32_t passing = UINT32_C(1) << SIM_FAULT_DISK_ERROR |
                                    UINT32_C(1) << SIM_FAULT_DISK_FULL |
                                    UINT32_C(1) << SIM_FAULT_DESCRIPTORS;

    if (!load_is_damaged(load)) {
        return false;
    }
    if (sim_rldb_beyond_repair(load->rldb)) { // all is lost, and that was told
        sim_node_wipe(sim_rldb_machine(load->rldb));
        load->starts_failed = 0;
        return true;
    }
    load->starts_failed++;
    if (load->starts_failed >= PATIENCE &&
        load->disk_fails_until_ns < sim_world_now_ns(load->world) &&
        (sim_faults_now(load->run->faults, load->index) & passing) == 0) {
        if (strstr(error, "No space left on device") != NULL) {
            load_make_room(load);
            return true;
        }
        if (strstr(error, "rldb repair") == NULL && strstr(error, "rldb check") == NULL) {
            // A fault that has just ended may have been what it met.
            if (load->starts_failed > 2 * PATIENCE) {
                load_fail(load, SIM_ORACLE_DAMAGE, "a damaged disk, and nothing to be done: %s",
                          error);
            }
            return true;
        }
        sim_rldb_repair(load->rldb);
        if (load->disk_bytes != 0) {
            load_make_room(load);
        }
        load->starts_failed = 0;
        load_told(load);
        load_mark(load, MARK_REPAIRED, true);
    }
    return true;
}

// Looking -------------------------------------------------------------------------------------

struct probe {
    struct engine_op op; // first
    bool done;
};

static void probe_done(struct engine_op *op)
{
    ((struct probe *)(void *)op)->done = true;
}

// 0 or -errno; whether it has a value.
static int probe_key(struct shard *shard, const char *name, bool *ret_live)
{
    const struct slice key = slice_from_text(name);
    struct probe probe = {
        .op = {.key = key,
               .hash = hash_key(shard->node->identity.hash_seed, key),
               .vnode = placement_of_slot(shard->node->placement, slot_of_key(key)).vnode,
               .done = probe_done}};
    struct engine_op *op = &probe.op;
    struct object_view view;

    engine_get(shard->engine, &op, 1);
    while (op->status == ENGINE_PENDING && !probe.done) {
        engine_commit(shard->engine);
        io_turn(shard->io, UINT64_MAX);
    }
    *ret_live = op->status == ENGINE_OK && object_open(op->object, &view) &&
                object_is_live(&view, shard->io->wall_ms);
    return op->status == ENGINE_ERROR ? op->error : 0;
}

// False: it may be read another time.
static bool probe_is_lost(const struct load *load, int error)
{
    return error == -EBADMSG ||
           (error == -EIO && sim_node_spoiled(sim_rldb_machine(load->rldb)) &&
            (load->run->faults == NULL || (sim_faults_now(load->run->faults, load->index) &
                                           UINT32_C(1) << SIM_FAULT_DISK_ERROR) == 0) &&
            load->disk_fails_until_ns < sim_world_now_ns(load->world));
}

// False: what cannot be read is to be read another time, or the scan has left out what can be.
static bool look_by_name(const struct load *load, struct shard *shard,
                         const struct load_object *object, uint32_t key, struct load_found *found)
{
    uint32_t live = 0;

    for (uint32_t i = 0; i < object->width; i++) {
        const char *const name = object->names[key * object->width + i];
        bool is_live = false;

        if (load_core_of(load, name) != shard->index) {
            continue;
        }
        const int error = probe_key(shard, name, &is_live);

        if (error != 0 && !probe_is_lost(load, error)) {
            return false;
        }
        found->bad |= error != 0;
        live += is_live ? 1 : 0;
    }
    return live <= found->names;
}

bool load_look_unreadable(struct load *load, struct shard *shard, struct load_life *life)
{
    if (!load_is_damaged(load)) {
        return false;
    }
    for (uint32_t i = 0; i < load->object_count; i++) {
        for (uint32_t key = 0; key < load->objects[i].key_count; key++) {
            if (!look_by_name(load, shard, &load->objects[i], key, &life->found[i][key])) {
                return false;
            }
        }
    }
    load_told(load);
    return true;
}

// Judging -------------------------------------------------------------------------------------

static bool explained(const struct load *load, uint32_t object, uint32_t key, uint32_t life,
                      struct history *history)
{
    const struct load_found *const found = &load->lives[life]->found[object][key];

    if (found->value == 0 || found->bad) {
        return true;
    }
    for (uint32_t at = life + 1; at-- > load->life_first;) {
        if (load_key_was(load, object, key, at, found, history)) {
            return true;
        }
    }
    return false;
}

void load_check_damaged(struct load *load, uint32_t object, uint32_t life, struct history *history)
{
    const struct load_life *const over = load->lives[life];

    for (uint32_t key = 0; key < load->objects[object].key_count; key++) {
        if (!explained(load, object, key, life, history)) {
            load_fail(
                load, SIM_ORACLE_DAMAGE,
                "after life %u, on a damaged disk, key %u of %s has a value that it never had",
                life, key, load->objects[object].names[0]);
            return;
        }
    }
    if (load->sync == CONFIG_SYNC_ALWAYS && !over->told && over->shows) {
        load_fail(load, SIM_ORACLE_DAMAGE,
                  "after life %u, on a damaged disk, something of %s and its kin is gone, and "
                  "nobody was told",
                  life, load->objects[object].names[0]);
    }
    load_mark(load, MARK_LOST_TOLD, over->told);
}
