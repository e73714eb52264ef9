// A run's faults: drawn, and played into the world.
#include "tests/sim/sim_faults.h"

#include "tests/sim/sim_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    PPM = 1000 * 1000,
    STOPS_IDLE_PER_MILLE = 90, // of ends of processes that do not wait for a write
    STOP_LOOK_NS = 20 * 1000,
    BUSY_NS = 200 * 1000 * 1000,
    LEAST_NS = 20 * 1000 * 1000,
    NOTICED_NS = 700 * 1000 * 1000, // in which a node looks how full its disk is, and refuses
};

static const uint64_t ms = 1000 * 1000;
static const uint64_t second_ns = UINT64_C(1000000000);

static_assert(SIM_FAULT_KINDS <= 32, "kinds are bits");

struct playing {
    struct sim_faults *faults;
    struct sim_fault fault;
    uint32_t number; // as it was drawn
    uint32_t level;  // of descriptors: those open when it began, and those left
    bool in_force;
};

struct sim_faults {
    struct sim_faults_shape shape;
    struct playing list[SIM_FAULTS_MAX];
    uint32_t count;
    struct sim_world *world;
    struct sim_profile base; // the world's before the first
    struct sim_fault_targets targets;
    struct random random; // what is decided while they are in force
    bool hung[SIM_FAULT_NODES_MAX][SIM_FAULT_CORES_MAX];
    bool down[SIM_FAULT_NODES_MAX];
    uint64_t disk_fails_until_ns[SIM_FAULT_NODES_MAX];
};

// Names ---------------------------------------------------------------------------------------

static const char *const kind_names[SIM_FAULT_KINDS] = {
#define KIND_NAME(name, text, what) [SIM_FAULT_##name] = (text),
    SIM_FAULTS(KIND_NAME)
#undef KIND_NAME
};

static const char *const profile_names[SIM_FAULT_PROFILE_COUNT] = {
#define PROFILE_NAME(name, text, what) [SIM_FAULT_PROFILE_##name] = (text),
    SIM_FAULT_PROFILES(PROFILE_NAME)
#undef PROFILE_NAME
};

const char *sim_fault_name(enum sim_fault_kind kind)
{
    return kind_names[kind];
}

const char *sim_fault_profile_name(enum sim_fault_profile profile)
{
    return profile_names[profile];
}

bool sim_fault_profile_parse(const char *text, enum sim_fault_profile *ret_profile)
{
    for (uint32_t i = 0; i < SIM_FAULT_PROFILE_COUNT; i++) {
        if (strcmp(profile_names[i], text) == 0) {
            *ret_profile = (enum sim_fault_profile)i;
            return true;
        }
    }
    return false;
}

#define BIT(name) (UINT32_C(1) << SIM_FAULT_##name)

uint32_t sim_fault_profile_kinds(enum sim_fault_profile profile)
{
    static const uint32_t kinds[SIM_FAULT_PROFILE_COUNT] = {
        [SIM_FAULT_PROFILE_CALM] = 0,
        [SIM_FAULT_PROFILE_DISK] = BIT(SLOW_DISK) | BIT(DISK_ERROR) | BIT(DISK_FULL) | BIT(ROT) |
                                   BIT(LOST_WRITE) | BIT(MISDIRECTED),
        [SIM_FAULT_PROFILE_NETWORK] = BIT(CUT) | BIT(CUT_IN) | BIT(CUT_OUT) | BIT(LOSSY) |
                                      BIT(SLOW_NETWORK) | BIT(NARROW) | BIT(RESET),
        [SIM_FAULT_PROFILE_CRASH] =
            BIT(KILL) | BIT(POWER_LOSS) | BIT(PAUSE) | BIT(FREEZE) | BIT(JUMP) | BIT(DRIFT),
        [SIM_FAULT_PROFILE_OVERLOAD] = BIT(PAUSE) | BIT(BUSY) | BIT(NARROW) | BIT(DESCRIPTORS) |
                                       BIT(LATE_BUFFERS) | BIT(SLOW_NETWORK),
        [SIM_FAULT_PROFILE_EVERYTHING] = (UINT32_C(1) << SIM_FAULT_KINDS) - 1,
    };

    return kinds[profile];
}

void sim_fault_print(const struct sim_fault *fault, uint64_t began_ns, char *text, size_t size)
{
    (void)snprintf(text, size, "%.6f s for %.6f s: %s at node %u, core %u, %" PRIu64,
                   (double)(fault->at_ns - began_ns) / 1e9, (double)fault->for_ns / 1e9,
                   sim_fault_name(fault->kind), fault->node, fault->core, fault->amount);
}

// Drawing -------------------------------------------------------------------------------------

static uint64_t draw_between(struct random *random, uint64_t min, uint64_t max)
{
    return min + random_below(random, max - min + 1);
}

// Of any order of magnitude between two.
static uint64_t draw_size(struct random *random, uint64_t min, uint64_t max)
{
    uint64_t top = min;

    while (top < max && random_below(random, 8) != 0) {
        top *= 2;
    }
    return draw_between(random, min, top < max ? top : max);
}

static uint64_t draw_amount(struct random *random, enum sim_fault_kind kind)
{
    switch (kind) {
    case SIM_FAULT_LOSSY: // per mille
        return draw_size(random, 5, 400);
    case SIM_FAULT_SLOW_NETWORK: // times
        return draw_size(random, 2, 500);
    case SIM_FAULT_NARROW: // bytes of the largest window
        return draw_size(random, 60, 3000);
    case SIM_FAULT_JUMP: // ms, and half a day is the middle
        return draw_size(random, 1, 24 * 3600 * 1000);
    case SIM_FAULT_DRIFT: // millionths, and half of PPM is the middle
        return draw_between(random, 0, PPM);
    case SIM_FAULT_SLOW_DISK: // times
    case SIM_FAULT_BUSY:
        return draw_size(random, 2, 200);
    case SIM_FAULT_DISK_ERROR: // per mille; odd: of reads alone
        return draw_size(random, 10, 600);
    case SIM_FAULT_ROT: // how often, once for all; odd: blocks that cannot be read
        return draw_size(random, 1, 30);
    case SIM_FAULT_LOST_WRITE: // per mille
    case SIM_FAULT_MISDIRECTED:
        return draw_size(random, 5, 1000);
    case SIM_FAULT_DISK_FULL: // nothing but how long it is
        return random_u64(random);
    case SIM_FAULT_DESCRIPTORS: // that are left
        return draw_between(random, 0, 3);
    case SIM_FAULT_LATE_BUFFERS: // ns, the longest
        return draw_size(random, 1000, 20 * ms);
    default:
        return 0;
    }
}

static void draw_one(const struct sim_faults_shape *shape, struct random *random, uint32_t kinds,
                     struct sim_fault *ret_fault)
{
    uint32_t kind = 0;

    do {
        kind = (uint32_t)random_below(random, SIM_FAULT_KINDS);
    } while ((kinds >> kind & 1) == 0);
    const uint64_t time_ns = shape->until_ns - shape->from_ns;
    const uint64_t long_ns = time_ns < 3 * second_ns ? time_ns : 3 * second_ns;

    ret_fault->kind = (enum sim_fault_kind)kind;
    ret_fault->node = (uint32_t)random_below(random, shape->nodes);
    ret_fault->core = (uint32_t)random_below(random, shape->cores);
    // Half of them while there is much going on.
    const uint64_t within_ns =
        random_below(random, 2) == 0 && time_ns > BUSY_NS ? BUSY_NS : time_ns;

    ret_fault->at_ns = shape->from_ns + random_below(random, within_ns);
    ret_fault->for_ns = draw_size(random, 100 * 1000, long_ns > ms ? long_ns : ms);
    ret_fault->amount = draw_amount(random, ret_fault->kind);
    if (kind == SIM_FAULT_KILL || kind == SIM_FAULT_POWER_LOSS || kind == SIM_FAULT_DISK_ERROR ||
        kind == SIM_FAULT_DISK_FULL) {
        ret_fault->for_ns += LEAST_NS; // so that it meets a write
    }
    // A fourth of these is over before a node has looked at its disk or read anything that is cold.
    if ((kind == SIM_FAULT_DISK_FULL || kind == SIM_FAULT_DISK_ERROR) &&
        ret_fault->amount / 2 % 4 != 0) {
        ret_fault->for_ns += NOTICED_NS;
    }
}

struct sim_faults *sim_faults_draw(const struct sim_faults_shape *shape)
{
    struct sim_faults *const faults = sim_allocate(sizeof *faults);
    const uint32_t kinds = sim_fault_profile_kinds(shape->profile) & shape->kinds;
    const uint64_t seconds = (shape->until_ns - shape->from_ns) / second_ns;
    struct random random;

    CHECK(shape->nodes <= SIM_FAULT_NODES_MAX && shape->cores <= SIM_FAULT_CORES_MAX);
    CHECK(shape->from_ns < shape->until_ns);
    random_seed(&random, shape->seed ^ UINT64_C(0x6661756c74));
    random_seed(&faults->random, shape->seed ^ UINT64_C(0x706c6179));
    faults->shape = *shape;
    if (kinds == 0) {
        return faults;
    }
    // Some runs have few: what follows from one alone is not hidden by others.
    uint64_t count = draw_size(&random, 1, 12) + seconds / 2;

    count = count < SIM_FAULTS_MAX ? count : SIM_FAULTS_MAX;
    for (uint32_t i = 0; i < count; i++) {
        struct playing *const it = &faults->list[faults->count++];

        it->faults = faults;
        it->number = i;
        draw_one(shape, &random, kinds, &it->fault);
    }
    return faults;
}

void sim_faults_close(struct sim_faults *faults)
{
    free(faults);
}

uint32_t sim_faults_count(const struct sim_faults *faults)
{
    return faults->count;
}

const struct sim_fault *sim_faults_at(const struct sim_faults *faults, uint32_t index)
{
    CHECK(index < faults->count);
    return &faults->list[index].fault;
}

void sim_faults_keep(struct sim_faults *faults, const bool *keep)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < faults->count; i++) {
        if (keep[i]) {
            faults->list[kept++] = faults->list[i];
        }
    }
    faults->count = kept;
}

void sim_faults_fail_disk(struct sim_faults *faults, uint32_t node, uint64_t until_ns)
{
    CHECK(node < faults->shape.nodes);
    faults->disk_fails_until_ns[node] = until_ns;
}

uint64_t sim_faults_end_ns(const struct sim_faults *faults)
{
    uint64_t end_ns = faults->shape.from_ns;

    for (uint32_t i = 0; i < faults->count; i++) {
        const struct sim_fault *const it = &faults->list[i].fault;

        end_ns = it->at_ns + it->for_ns > end_ns ? it->at_ns + it->for_ns : end_ns;
    }
    return end_ns;
}

uint32_t sim_faults_kinds(const struct sim_faults *faults)
{
    uint32_t kinds = 0;

    for (uint32_t i = 0; i < faults->count; i++) {
        kinds |= sim_fault_bit(faults->list[i].fault.kind);
    }
    return kinds;
}

uint32_t sim_faults_now(const struct sim_faults *faults, uint32_t node)
{
    uint32_t kinds = 0;

    for (uint32_t i = 0; i < faults->count; i++) {
        if (faults->list[i].in_force && faults->list[i].fault.node == node) {
            kinds |= sim_fault_bit(faults->list[i].fault.kind);
        }
    }
    return kinds;
}

// In force ------------------------------------------------------------------------------------

static uint32_t node_of(const struct sim_faults *faults, const struct sim_node *machine)
{
    uint32_t node = 0;

    while (node < faults->shape.nodes &&
           faults->targets.machine(faults->targets.context, node) != machine) {
        node++;
    }
    return node; // shape.nodes: none of them, a client's
}

static uint64_t play_delay(void *context, const struct sim_node *from, const struct sim_node *to,
                           uint64_t delay_ns)
{
    struct sim_faults *const faults = context;
    const uint32_t sender = node_of(faults, from);
    const uint32_t receiver = node_of(faults, to);

    for (uint32_t i = 0; i < faults->count; i++) {
        const struct sim_fault *const it = &faults->list[i].fault;

        if (!faults->list[i].in_force || (it->node != sender && it->node != receiver)) {
            continue;
        }
        if (it->kind == SIM_FAULT_CUT || (it->kind == SIM_FAULT_CUT_IN && it->node == receiver) ||
            (it->kind == SIM_FAULT_CUT_OUT && it->node == sender) ||
            (it->kind == SIM_FAULT_LOSSY && random_below(&faults->random, 1000) < it->amount)) {
            return SIM_NEVER;
        }
        if (it->kind == SIM_FAULT_SLOW_NETWORK) {
            const uint64_t times = random_below(&faults->random, 20) == 0 ? it->amount : 2;

            delay_ns += random_below(&faults->random, delay_ns * times + 1);
        }
    }
    return delay_ns;
}

static int play_disk_error(void *context, const struct sim_node *machine, const char *what)
{
    struct sim_faults *const faults = context;
    const uint32_t node = node_of(faults, machine);
    const bool reads = strcmp(what, "read") == 0;

    if (node < faults->shape.nodes &&
        sim_world_now_ns(faults->world) < faults->disk_fails_until_ns[node]) {
        return -EIO;
    }
    for (uint32_t i = 0; i < faults->count; i++) {
        const struct sim_fault *const it = &faults->list[i].fault;

        if (faults->list[i].in_force && it->kind == SIM_FAULT_DISK_ERROR && it->node == node &&
            (reads || it->amount % 2 == 0) && random_below(&faults->random, 1000) < it->amount) {
            return -EIO;
        }
    }
    return 0;
}

// Who a node is lies in one small file, and whoever loses that has to restore it from a copy: it is
// spared. A disk damages what people can do something about.
static const char spared_file[] = "CURRENT";

static enum sim_fate play_write_fate(void *context, const struct sim_node *machine,
                                     const char *name, uint64_t *ret_number)
{
    struct sim_faults *const faults = context;
    const uint32_t node = node_of(faults, machine);

    for (uint32_t i = 0; i < faults->count; i++) {
        const struct sim_fault *const it = &faults->list[i].fault;
        const bool misdirected = it->kind == SIM_FAULT_MISDIRECTED;

        if (faults->list[i].in_force && it->node == node &&
            (misdirected || it->kind == SIM_FAULT_LOST_WRITE) &&
            strncmp(name, spared_file, strlen(spared_file)) != 0 &&
            random_below(&faults->random, 1000) < it->amount) {
            *ret_number = random_u64(&faults->random);
            return misdirected ? SIM_FATE_MISDIRECTED : SIM_FATE_LOST;
        }
    }
    return SIM_FATE_KEPT;
}

static void play_rot(struct sim_faults *faults, const struct sim_fault *fault,
                     struct sim_node *machine)
{
    for (uint64_t i = 0; i < fault->amount; i++) {
        (void)sim_node_damage(machine, random_u64(&faults->random), fault->amount % 2 != 0,
                              spared_file);
    }
}

static void profile_change(struct sim_profile *profile, const struct playing *it)
{
    const struct sim_fault *const fault = &it->fault;

    switch (fault->kind) {
    case SIM_FAULT_NARROW:
        profile->cut_per_mille = profile->cut_per_mille < 700 ? 700 : profile->cut_per_mille;
        profile->socket_bytes_max = (uint32_t)fault->amount;
        profile->socket_bytes_min = (uint32_t)fault->amount / 4;
        break;
    case SIM_FAULT_SLOW_DISK:
        profile->disk_ns_max *= fault->amount;
        profile->disk_ns_max = // several at once; what is asked may not outlast the liveness phase
            profile->disk_ns_max < 10 * second_ns ? profile->disk_ns_max : 10 * second_ns;
        break;
    case SIM_FAULT_DISK_FULL:
        profile->disk_bytes_max = 0;
        break;
    case SIM_FAULT_BUSY:
        profile->step_ns_max *= fault->amount;
        profile->step_ns_max =
            profile->step_ns_max < 5 * ms ? profile->step_ns_max : 5 * ms; // a slot of a scheduler
        break;
    case SIM_FAULT_DESCRIPTORS:
        profile->descriptors_max =
            it->level < profile->descriptors_max ? it->level : profile->descriptors_max;
        break;
    case SIM_FAULT_LATE_BUFFERS:
        profile->buffer_ns_max = fault->amount;
        break;
    default:
        break;
    }
}

static void play_hangs(struct sim_faults *faults, uint32_t node)
{
    for (uint32_t core = 0; core < faults->shape.cores; core++) {
        bool hang = false;

        for (uint32_t i = 0; i < faults->count; i++) {
            const struct sim_fault *const it = &faults->list[i].fault;

            hang = hang || (faults->list[i].in_force && it->node == node &&
                            (it->kind == SIM_FAULT_FREEZE ||
                             (it->kind == SIM_FAULT_PAUSE && it->core == core)));
        }
        if (hang != faults->hung[node][core]) {
            faults->hung[node][core] = hang;
            if (!faults->down[node]) {
                faults->targets.hang(faults->targets.context, node, core, hang);
            }
        }
    }
}

static void play_stop(struct sim_faults *faults, const struct sim_fault *fault)
{
    if (!faults->down[fault->node]) {
        faults->down[fault->node] = true;
        faults->targets.stop(faults->targets.context, fault->node,
                             fault->kind == SIM_FAULT_KILL ? SIM_KILL : SIM_POWER_LOSS);
    }
}

// Processes end at any step, and ten times likelier with writes on their way: most wait for one,
// for up to half of the fault's time.
static void play_stop_later(void *context)
{
    struct playing *const it = context;
    struct sim_faults *const faults = it->faults;
    const uint64_t now_ns = sim_world_now_ns(faults->world);

    if (now_ns + STOP_LOOK_NS < it->fault.at_ns + it->fault.for_ns / 2 &&
        !faults->down[it->fault.node] &&
        !faults->targets.writing(faults->targets.context, it->fault.node)) {
        sim_world_at(faults->world, now_ns + STOP_LOOK_NS, play_stop_later, it);
    } else {
        play_stop(faults, &it->fault);
    }
}

// The node comes back when nothing keeps it down any more. A disk that fails, or is full, may keep
// it from starting: then whoever watches it tries again.
static void play_restart(struct sim_faults *faults, uint32_t node)
{
    if (!faults->down[node] ||
        (sim_faults_now(faults, node) & (BIT(KILL) | BIT(POWER_LOSS))) != 0) {
        return;
    }
    faults->down[node] = false;
    faults->targets.restart(faults->targets.context, node); // takes a while
    for (uint32_t core = 0; core < faults->shape.cores; core++) {
        faults->targets.hang(faults->targets.context, node, core, faults->hung[node][core]);
    }
}

static int64_t drift_ppm(const struct sim_faults *faults, uint32_t node)
{
    int64_t ppm = 0;

    for (uint32_t i = 0; i < faults->count; i++) {
        const struct sim_fault *const it = &faults->list[i].fault;

        if (faults->list[i].in_force && it->node == node && it->kind == SIM_FAULT_DRIFT) {
            ppm += (int64_t)it->amount - PPM / 2;
        }
    }
    return ppm > -PPM ? ppm : -PPM + 1; // a clock may be slow, and does not go back by it
}

// What follows from all that are in force.
static void play_all(struct sim_faults *faults, uint32_t node)
{
    struct sim_profile profile = faults->base;

    for (uint32_t i = 0; i < faults->count; i++) {
        if (faults->list[i].in_force) {
            profile_change(&profile, &faults->list[i]);
        }
    }
    *sim_world_profile(faults->world) = profile;
    sim_node_set_drift(faults->targets.machine(faults->targets.context, node),
                       (int32_t)drift_ppm(faults, node));
    play_hangs(faults, node);
}

static void play_end(void *context)
{
    struct playing *const it = context;

    sim_trace(it->faults->world, "fault ends", it->fault.node, it->number, it->fault.kind);
    it->in_force = false;
    play_all(it->faults, it->fault.node);
    for (uint32_t node = 0; node < it->faults->shape.nodes; node++) {
        play_restart(it->faults, node);
    }
}

static void play_begin(void *context)
{
    struct playing *const it = context;
    struct sim_faults *const faults = it->faults;
    struct sim_node *const machine =
        faults->targets.machine(faults->targets.context, it->fault.node);

    sim_trace(faults->world, "fault", it->fault.node, it->number, it->fault.kind);
    it->in_force = true;
    if (it->fault.kind == SIM_FAULT_KILL || it->fault.kind == SIM_FAULT_POWER_LOSS) {
        if (random_below(&faults->random, 1000) < STOPS_IDLE_PER_MILLE) {
            play_stop(faults, &it->fault);
        } else {
            play_stop_later(it);
        }
    } else if (it->fault.kind == SIM_FAULT_DESCRIPTORS) {
        it->level = (uint32_t)sim_node_descriptors(machine) + (uint32_t)it->fault.amount;
    } else if (it->fault.kind == SIM_FAULT_ROT) {
        play_rot(faults, &it->fault, machine);
    } else if (it->fault.kind == SIM_FAULT_RESET) {
        sim_node_reset_connections(machine);
    } else if (it->fault.kind == SIM_FAULT_JUMP) {
        sim_node_set_wall_offset(machine, sim_node_wall_offset(machine) +
                                              (int64_t)it->fault.amount - 12 * 3600 * 1000);
    }
    play_all(faults, it->fault.node);
    sim_world_at(faults->world, it->fault.at_ns + it->fault.for_ns, play_end, it);
}

void sim_faults_begin(struct sim_faults *faults, struct sim_world *world,
                      const struct sim_fault_targets *targets)
{
    faults->world = world;
    faults->targets = *targets;
    faults->base = *sim_world_profile(world);
    faults->base.hooks = (struct sim_hooks){.context = faults,
                                            .network_delay = play_delay,
                                            .disk_error = play_disk_error,
                                            .write_fate = play_write_fate};
    *sim_world_profile(world) = faults->base;
    for (uint32_t i = 0; i < faults->count; i++) {
        sim_world_at(world, faults->list[i].fault.at_ns, play_begin, &faults->list[i]);
    }
}
