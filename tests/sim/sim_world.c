// The simulated world: events in virtual time, drawn choices, the trace's hash; nodes.
#include "tests/sim/sim_world.h"

#include "core/hash.h"
#include "tests/sim/sim_internal.h"

#include <arpa/inet.h>
#include <string.h>

enum { STANDARD_DESCRIPTORS = 3 }; // input, output, error

// 2026-01-01 00:00:00 UTC, when the world's monotonic clock shows 0.
static const uint64_t wall_start_ms = UINT64_C(1767225600000);
static const uint64_t ns_per_ms = 1000 * 1000;
static const uint64_t start_ns = UINT64_C(1000000000000); // monotonic clocks do not begin at 0

void *sim_allocate(size_t size)
{
    void *const memory = calloc(1, size != 0 ? size : 1);

    CHECK(memory != NULL);
    return memory;
}

void *sim_allocate_plain(size_t size)
{
    void *const memory = malloc(size != 0 ? size : 1);

    CHECK(memory != NULL);
    return memory;
}

// Events --------------------------------------------------------------------------------------

static bool entry_before(const struct sim_entry *a, const struct sim_entry *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void heap_put(struct sim_world *world, uint32_t place, struct sim_entry entry)
{
    world->heap[place] = entry;
    entry.event->place = place;
}

static void heap_up(struct sim_world *world, uint32_t place, struct sim_entry entry)
{
    while (place > 1 && entry_before(&entry, &world->heap[place / 2])) {
        heap_put(world, place, world->heap[place / 2]);
        place /= 2;
    }
    heap_put(world, place, entry);
}

static void heap_down(struct sim_world *world, uint32_t place, struct sim_entry entry)
{
    for (;;) {
        uint32_t child = place * 2;

        if (child > world->heap_count) {
            break;
        }
        if (child < world->heap_count &&
            entry_before(&world->heap[child + 1], &world->heap[child])) {
            child++;
        }
        if (!entry_before(&world->heap[child], &entry)) {
            break;
        }
        heap_put(world, place, world->heap[child]);
        place = child;
    }
    heap_put(world, place, entry);
}

void sim_unschedule(struct sim_world *world, struct sim_event *event)
{
    const uint32_t place = event->place;

    if (place == 0) {
        return;
    }
    CHECK(world->heap[place].event == event);
    event->place = 0;
    const struct sim_entry last = world->heap[world->heap_count--];

    if (last.event != event) {
        if (place > 1 && entry_before(&last, &world->heap[place / 2])) {
            heap_up(world, place, last);
        } else {
            heap_down(world, place, last);
        }
    }
}

void sim_schedule(struct sim_world *world, struct sim_event *event, uint64_t at_ns)
{
    CHECK(event->run != NULL && at_ns != SIM_NEVER);
    sim_unschedule(world, event);
    event->at_ns = at_ns > world->now_ns ? at_ns : world->now_ns;
    // The sequence makes it unique, the draw makes it any order.
    uint64_t order = (uint32_t)world->sequence++;

    if (!world->profile.in_order) {
        order |= random_u64(&world->random) << 32;
    }
    if (world->heap_count + 2 > world->heap_capacity) {
        world->heap_capacity = world->heap_capacity == 0 ? 256 : world->heap_capacity * 2;
        world->heap = realloc(world->heap, world->heap_capacity * sizeof world->heap[0]);
        CHECK(world->heap != NULL);
    }
    heap_up(world, ++world->heap_count, (struct sim_entry){event->at_ns, order, event});
}

uint64_t sim_between(struct sim_world *world, uint64_t min, uint64_t max)
{
    CHECK(min <= max);
    if (world->profile.in_order) {
        return min;
    }
    return min + random_below(&world->random, max - min + 1);
}

bool sim_chance(struct sim_world *world, uint32_t per_mille)
{
    if (world->profile.in_order) {
        return per_mille >= 1000;
    }
    return random_below(&world->random, 1000) < per_mille;
}

uint32_t sim_cut(struct sim_world *world, uint32_t size)
{
    if (size <= 1 || !sim_chance(world, world->profile.cut_per_mille)) {
        return size;
    }
    return (uint32_t)sim_between(world, 1, size - 1);
}

void sim_trace_bytes(struct sim_world *world, const void *bytes, size_t size)
{
    world->hash = hash_key(world->hash, slice_of(bytes, size));
}

void sim_trace(struct sim_world *world, const char *what, uint64_t who, uint64_t a, uint64_t b)
{
    uint64_t effect[] = {0, world->now_ns, who, a, b};

    memcpy(effect, what, strnlen(what, sizeof effect[0])); // tells them apart
    sim_trace_bytes(world, effect, sizeof effect);
    if (world->told != NULL) {
        sim_tell(world, what, who, a, b);
    }
}

void sim_world_tell(struct sim_world *world, FILE *to)
{
    world->told = to;
}

// Running ---------------------------------------------------------------------------------------

struct sim_profile sim_profile_default(void)
{
    return (struct sim_profile){
        .network_ns_min = 20 * 1000,
        .network_ns_max = 500 * 1000,
        .socket_bytes_min = 4 * 1024,
        .socket_bytes_max = 256 * 1024,
        .cut_per_mille = 200,
        .disk_ns_min = 20 * 1000,
        .disk_ns_max = 400 * 1000,
        .step_ns_min = 200,
        .step_ns_max = 20 * 1000,
        .wake_ns_max = 50 * 1000,
        .interleave_per_mille = 100,
        .descriptors_max = 65536,
        .disk_bytes_max = UINT64_C(1) << 40,
    };
}

struct sim_world *sim_world_open(uint64_t seed, const struct sim_profile *profile)
{
    struct sim_world *const world = sim_allocate(sizeof *world);

    random_seed(&world->random, seed);
    world->profile = profile != NULL ? *profile : sim_profile_default();
    world->now_ns = start_ns;
    world->port_next = 32768; // as Linux: net.ipv4.ip_local_port_range
    return world;
}

struct sim_profile *sim_world_profile(struct sim_world *world)
{
    return &world->profile;
}

uint64_t sim_world_now_ns(const struct sim_world *world)
{
    return world->now_ns;
}

const struct sim_counts *sim_world_counts(const struct sim_world *world)
{
    return &world->counts;
}

uint64_t sim_world_hash(const struct sim_world *world)
{
    return world->hash;
}

struct sim_call {
    struct sim_event event;
    sim_event_fn *function;
    void *context;
};

static void call_run(void *owner)
{
    const struct sim_call call = *(struct sim_call *)owner;

    free(owner);
    call.function(call.context);
}

void sim_world_at(struct sim_world *world, uint64_t at_ns, sim_event_fn *function, void *context)
{
    struct sim_call *const call = sim_allocate(sizeof *call);

    call->function = function;
    call->context = context;
    call->event.run = call_run;
    call->event.owner = call;
    sim_schedule(world, &call->event, at_ns);
}

bool sim_world_step(struct sim_world *world)
{
    if (world->heap_count == 0) {
        return false;
    }
    struct sim_event *const event = world->heap[1].event;

    sim_unschedule(world, event);
    CHECK(event->at_ns >= world->now_ns);
    world->now_ns = event->at_ns;
    event->run(event->owner);
    return true;
}

void sim_world_run_until(struct sim_world *world, uint64_t at_ns)
{
    while (world->heap_count != 0 && world->heap[1].at_ns <= at_ns) {
        sim_world_step(world);
    }
    world->now_ns = at_ns > world->now_ns ? at_ns : world->now_ns;
}

bool sim_world_run(struct sim_world *world, uint64_t at_ns, sim_done_fn *done, void *context)
{
    while (!done(context)) {
        if (world->heap_count == 0 || world->heap[1].at_ns > at_ns) {
            return false;
        }
        sim_world_step(world);
    }
    return true;
}

// Nodes -----------------------------------------------------------------------------------------

struct sim_node *sim_node_add(struct sim_world *world, const char *ip)
{
    struct sim_node *const node = sim_allocate(sizeof *node);
    struct sim_node **end = &world->nodes;

    CHECK(inet_pton(AF_INET, ip, &node->ip) == 1);
    while (*end != NULL) {
        CHECK((*end)->ip.s_addr != node->ip.s_addr);
        end = &(*end)->next;
    }
    *end = node;
    node->world = world;
    node->index = world->node_count++;
    node->drift_ns = world->now_ns;
    node->disk = sim_disk_open();
    return node;
}

int64_t sim_node_wall_offset(const struct sim_node *node)
{
    const int64_t passed_ms = (int64_t)((node->world->now_ns - node->drift_ns) / ns_per_ms);

    return node->wall_offset_ms + passed_ms * node->drift_ppm / 1000000;
}

uint64_t sim_node_wall_ms(const struct sim_node *node)
{
    return wall_start_ms + node->world->now_ns / ns_per_ms + (uint64_t)sim_node_wall_offset(node);
}

void sim_node_set_wall_offset(struct sim_node *node, int64_t offset_ms)
{
    node->wall_offset_ms = offset_ms;
    node->drift_ns = node->world->now_ns;
}

void sim_node_set_drift(struct sim_node *node, int32_t ppm)
{
    sim_node_set_wall_offset(node, sim_node_wall_offset(node));
    node->drift_ppm = ppm;
}

void sim_node_reset_connections(struct sim_node *node)
{
    for (uint32_t fd = 0; fd < node->descriptor_count; fd++) {
        if (node->descriptors[fd].kind == SIM_SOCKET) {
            sim_socket_break(node->descriptors[fd].u.socket);
        }
    }
}

struct sim_descriptor *sim_descriptor_get(struct sim_node *node, int fd)
{
    if (fd < 0 || (uint32_t)fd >= node->descriptor_count ||
        node->descriptors[fd].kind == SIM_FREE) {
        return NULL;
    }
    return &node->descriptors[fd];
}

int sim_descriptor_add(struct sim_node *node, enum sim_kind kind, void *object)
{
    uint32_t fd = STANDARD_DESCRIPTORS;

    while (fd < node->descriptor_count && node->descriptors[fd].kind != SIM_FREE) {
        fd++;
    }
    if (fd >= node->world->profile.descriptors_max) {
        return -EMFILE;
    }
    if (fd >= node->descriptor_count) {
        const uint32_t count = fd < 32 ? 64 : fd * 2;

        node->descriptors = realloc(node->descriptors, count * sizeof *node->descriptors);
        CHECK(node->descriptors != NULL);
        memset(node->descriptors + node->descriptor_count, 0,
               (count - node->descriptor_count) * sizeof *node->descriptors);
        node->descriptor_count = count;
    }
    struct sim_descriptor *const descriptor = &node->descriptors[fd];

    descriptor->kind = kind;
    if (kind == SIM_SOCKET) {
        descriptor->u.socket = object;
    } else if (kind == SIM_LISTENER) {
        descriptor->u.listener = object;
    } else {
        descriptor->u.file = object;
    }
    return (int)fd;
}

static void node_close_descriptor(struct sim_node *node, struct sim_descriptor *descriptor,
                                  enum sim_stop how)
{
    const bool silent = how == SIM_POWER_LOSS;

    switch (descriptor->kind) {
    case SIM_SOCKET:
        if (silent) {
            sim_socket_silence(descriptor->u.socket);
        }
        sim_socket_close(descriptor->u.socket, true, node->world->now_ns);
        break;
    case SIM_LISTENER:
        sim_listener_close(descriptor->u.listener, silent);
        break;
    case SIM_FILE:
        sim_file_close(node, descriptor->u.file);
        break;
    case SIM_FREE:
        break;
    }
    descriptor->kind = SIM_FREE;
}

void sim_node_stop(struct sim_node *node, enum sim_stop how)
{
    sim_trace(node->world, "stop", node->index, (uint64_t)how, 0);
    for (struct sim_core *core = node->cores, *next = NULL; core != NULL; core = next) {
        next = core->next;
        sim_core_abandon(core);
    }
    node->cores = NULL;
    for (uint32_t fd = 0; fd < node->descriptor_count; fd++) {
        node_close_descriptor(node, &node->descriptors[fd], how);
    }
    if (how == SIM_POWER_LOSS) {
        sim_disk_crash(node->disk, node->world->profile.loss, &node->world->random);
        node->off = true;
    }
}

int sim_node_descriptors(const struct sim_node *node)
{
    int count = STANDARD_DESCRIPTORS;

    for (uint32_t fd = 0; fd < node->descriptor_count; fd++) {
        count += node->descriptors[fd].kind != SIM_FREE;
    }
    return count;
}

uint8_t *sim_node_file(struct sim_node *node, const char *path, size_t *ret_size)
{
    struct sim_inode *inode = NULL;
    struct io_stat status;
    uint8_t *bytes = NULL;

    if (sim_disk_find(node->disk, path, &inode) != 0) {
        return NULL;
    }
    if (sim_inode_kind(inode) == SIM_INODE_FILE) {
        sim_inode_stat(inode, &status);
        CHECK(status.size_bytes <= UINT32_MAX);
        bytes = sim_allocate(status.size_bytes);
        *ret_size = sim_inode_read(inode, bytes, (uint32_t)status.size_bytes, 0);
    }
    sim_inode_put(inode);
    return bytes;
}

static void make_durable(struct sim_inode *inode)
{
    sim_snapshot_commit(sim_snapshot_take(inode, 0, UINT64_MAX));
}

void sim_node_put_file(struct sim_node *node, const char *path, const uint8_t *bytes, size_t size)
{
    char directory[SIM_NAME_BYTES_MAX + 1] = "/";
    const size_t parent = (size_t)(strrchr(path, '/') - path);
    struct sim_inode *inode = NULL;

    CHECK(parent < sizeof directory && size <= UINT32_MAX);
    memcpy(directory, path, parent);
    if (sim_disk_find(node->disk, directory, &inode) != 0) {
        CHECK(sim_disk_create(node->disk, directory, SIM_INODE_DIRECTORY, &inode) == 0);
    }
    struct sim_inode *const parent_inode = inode;

    if (sim_disk_find(node->disk, path, &inode) != 0) {
        CHECK(sim_disk_create(node->disk, path, SIM_INODE_FILE, &inode) == 0);
    }
    sim_inode_truncate(inode, 0);
    sim_inode_write(inode, bytes, (uint32_t)size, 0);
    make_durable(inode);
    make_durable(parent_inode);
    sim_inode_put(inode);
    sim_inode_put(parent_inode);
}

int sim_node_list(struct sim_node *node, const char *path, io_list_fn *each, void *context)
{
    return sim_disk_list(node->disk, path, each, context);
}

void sim_node_disk_max(struct sim_node *node, uint64_t bytes)
{
    node->disk_bytes_max = bytes;
}

void sim_node_rot(struct sim_node *node, const char *path, uint64_t bit)
{
    struct sim_inode *inode = NULL;
    uint8_t byte = 0;

    if (sim_disk_find(node->disk, path, &inode) != 0) {
        return;
    }
    if (sim_inode_kind(inode) == SIM_INODE_FILE && sim_inode_read(inode, &byte, 1, bit / 8) == 1) {
        byte = (uint8_t)(byte ^ 1U << bit % 8);
        sim_inode_write(inode, &byte, 1, bit / 8);
        make_durable(inode);
    }
    sim_inode_put(inode);
}

void sim_node_spoil(struct sim_node *node, const char *path, uint64_t offset)
{
    struct sim_inode *inode = NULL;

    if (sim_disk_find(node->disk, path, &inode) == 0) {
        sim_inode_spoil(inode, offset);
        node->damage.spoiled = true;
        sim_inode_put(inode);
    }
}

bool sim_node_damage(struct sim_node *node, uint64_t number, bool spoil, const char *but)
{
    enum { BITS = 8, PAGE_BITS = 8 * SIM_PAGE_BYTES };
    char path[SIM_PATH_BYTES_MAX];
    uint64_t offset = 0;
    struct sim_inode *const inode =
        sim_disk_pick(node->disk, number >> 32, path, sizeof path, &offset);

    if (inode == NULL || strncmp(strrchr(path, '/') + 1, but, strlen(but)) == 0) {
        return false;
    }
    const struct sim_place place = sim_place_of(path, offset, SIM_PAGE_BYTES);

    if (spoil) {
        sim_node_spoil(node, path, offset);
    }
    for (uint32_t i = 0; i < BITS && !spoil; i++) {
        number = number * 6364136223846793005U + 1442695040888963407U;
        (void)sim_inode_rot(inode, offset * 8 + (number >> 33) % PAGE_BITS);
    }
    sim_damage_hit(&node->damage, &place);
    sim_trace(node->world, spoil ? "spoiled" : "rotted", node->index, place.file, offset);
    return true;
}

void sim_node_wipe(struct sim_node *node)
{
    CHECK(node->cores == NULL);
    sim_trace(node->world, "wiped", node->index, 0, 0);
    sim_disk_close(node->disk);
    node->disk = sim_disk_open();
}

uint32_t sim_node_damages(const struct sim_node *node)
{
    return node->damage.hit_count;
}

bool sim_node_damage_shows(const struct sim_node *node)
{
    return sim_damage_shows(&node->damage);
}

bool sim_node_spoiled(const struct sim_node *node)
{
    return node->damage.spoiled;
}

void sim_world_close(struct sim_world *world)
{
    sim_clients_close(world);
    for (struct sim_node *node = world->nodes, *next = NULL; node != NULL; node = next) {
        next = node->next;
        sim_node_stop(node, SIM_KILL);
    }
    // What is still on its way: segments, and calls that will not be made.
    while (world->heap_count != 0) {
        struct sim_event *const event = world->heap[1].event;

        sim_unschedule(world, event);
        if (event->run == call_run) {
            free(event->owner);
        } else {
            sim_segment_drop(event);
        }
    }
    for (struct sim_node *node = world->nodes, *next = NULL; node != NULL; node = next) {
        next = node->next;
        sim_disk_close(node->disk);
        free(node->descriptors);
        free(node);
    }
    free(world->heap);
    free(world);
}
