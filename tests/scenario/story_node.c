// The cast of one node, rldbd whole, and its clients.
//
//     node CORES [YAML]     starts it; YAML is what its configuration has beside addresses. The
//                           memory engine, unless that says something of storage. Its
//                           sections have a `;` between them
//     bound credits N [hops M]
//                           so many requests may be under way from one core to another; and of a
//                           core in all
//     connect NAME CORE     a client, on that core's own port
//     say NAME WORDS [; NAME WORDS ...]
//                           an inline command, and more at the same moment
//     where KEY ...         which core has it
//     wait TIME
//     hang CORE, resume CORE    the system does not let it run; it does again
//     interleave            from now on the other core takes its step in the middle of one's step,
//                           where that looks at the clock
//     lose-wake             the next wake gets lost
//     hide-wakes            wakes are not told of any more
//     disk TIME             an operation on it takes so long
//     disk fails WHAT [HOW], disk works
//                           operations of one kind (read, write, sync ...) fail with EIO, or EPERM,
//                           or EMLINK
//     disk full, disk roomy the file system has no more room, or has
//     show nothing|disk [counted|above]
//                           what is told of the disk, from now on: nothing, as at first; all;
//                           counted: of what an engine does in its directory how often; above:
//                           nothing of that
//     list DIRECTORY        the names in it
//     kill, power-loss [nothing|names|everything|sectors N]
//                           the process or its machine ends: of what was not durable that much is
//                           there
//     stop                  SIGTERM
//     restart [CORES]       as soon as it is down: until it is up
//     restore NAME [CORES]  likewise, on that snapshot
//
// After a command the world runs for 50 ms.
#include "core/text.h"
#include "ring/placement.h"
#include "ring/slot.h"
#include "tests/scenario/story.h"
#include "tests/scenario/story_disk.h"
#include "tests/sim/sim_internal.h"
#include "tests/sim/sim_rldb.h"
#include "tests/sim/sim_talk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DATA_DIRECTORY "data"

enum {
    TALKS = 8,
    NAME_BYTES = 16,
    CONFIG_BYTES = 1024,
    AFTER_MS = 50,
    PORT = 7379,
};

struct person {
    char name[NAME_BYTES];
    struct sim_talk *talk;
    bool ended;
};

struct play {
    struct story *story;
    struct sim_world *world;
    struct sim_rldb *rldb;
    struct person persons[TALKS];
    uint32_t person_count;
    bool lose_wake;
    bool hide_wakes;
    bool disk;
    bool counted;
    bool above;
    bool stopping;
    char failing[NAME_BYTES]; // operations that fail; "": none
    int failing_error;        // -errno
    char config[2 * CONFIG_BYTES];
};

static uint32_t core_number(const struct play *play, uint32_t of_world)
{
    return of_world - sim_core_of(sim_rldb_shard(play->rldb, 0)->io)->index;
}

static bool wake_lost(void *context, uint32_t from, uint32_t to)
{
    struct play *const play = context;
    const bool lost = play->lose_wake;

    play->lose_wake = false;
    if (play->rldb != NULL && !play->hide_wakes &&
        core_number(play, from) < sim_rldb_node(play->rldb)->shard_count) {
        story_tell(play->story, "core %u wakes core %u%s", core_number(play, from),
                   core_number(play, to), lost ? ", and it gets lost" : "");
    }
    return lost;
}

// What the disk does
// -------------------------------------------------------------------------------

static int disk_error(void *context, const struct sim_node *node, const char *what)
{
    const struct play *const play = context;

    (void)node;
    return strcmp(play->failing, what) == 0 ? play->failing_error : 0;
}

// The path as it is inside the data directory: of that itself, its name.
static void path_inside(const char *path, char *ret_path)
{
    const char *at = strncmp(path, "./", 2) == 0 ? path + 2 : path;
    const size_t above = strlen(DATA_DIRECTORY "/");

    if (strncmp(at, DATA_DIRECTORY "/", above) == 0 && at[above] != '\0') {
        at += above;
    }
    (void)snprintf(ret_path, STORY_LINE_BYTES, "%s", *at == '\0' ? "." : at);
    if (ret_path[strlen(ret_path) - 1] == '/') {
        ret_path[strlen(ret_path) - 1] = '\0'; // of a directory
    }
}

// Whether it happens in an engine's directory, or to its names: that directory.
static bool is_engines(const struct sim_disk_event *event, const char *path, char *ret_directory)
{
    const char *const shard = strstr(path, "/shard-");
    const char *const slash = shard == NULL ? NULL : strchr(shard + 1, '/');

    (void)snprintf(ret_directory, STORY_LINE_BYTES, "%.*s",
                   slash == NULL ? (int)strlen(path) : (int)(slash - path), path);
    return slash != NULL || (shard != NULL && strcmp(event->what, "sync") == 0);
}

static void disk_event(void *context, const struct sim_node *node,
                       const struct sim_disk_event *event)
{
    struct play *const play = context;
    char line[STORY_LINE_BYTES];
    char path[STORY_LINE_BYTES];
    char directory[STORY_LINE_BYTES];
    const char *what = NULL;

    (void)node;
    path_inside(event->path, path);
    const enum story_disk_kind kind = story_disk_words(event, path, event->name_to, line, &what);

    if (!play->disk || kind == STORY_DISK_NOTHING) {
        return;
    }
    const bool engines = is_engines(event, path, directory);

    if (engines && play->above) {
        return;
    }
    if (engines && play->counted) {
        story_count(play->story, directory, what, line);
    } else {
        story_tell(play->story, "%s", line);
    }
}

// What is said
// -------------------------------------------------------------------------------------

// What has come, a line of the trace for each line of a reply.
static void hear_all(struct play *play)
{
    for (uint32_t i = 0; i < play->person_count; i++) {
        struct person *const person = &play->persons[i];
        const char *at = sim_talk_hear(person->talk, 0, NULL);

        while (*at != '\0') {
            const size_t size = strcspn(at, "\r");

            story_tell(play->story, "%s hears %.*s", person->name, (int)size, at);
            at += size + strspn(at + size, "\r\n");
        }
        if (sim_talk_ended(person->talk) && !person->ended) {
            person->ended = true;
            story_tell(play->story, "%s's connection ends", person->name);
        }
    }
}

static void time_is_over(void *context)
{
    (void)context; // the world stops here, and not at what comes later
}

static void run(struct play *play, uint64_t time_ns)
{
    const uint64_t end_ns = sim_world_now_ns(play->world) + time_ns;

    sim_world_at(play->world, end_ns, time_is_over, NULL);
    while (!play->story->met && sim_world_now_ns(play->world) < end_ns &&
           sim_world_step(play->world)) {
        hear_all(play);
    }
}

static void run_after(struct play *play)
{
    run(play, UINT64_C(1000000) * AFTER_MS);
}

static bool is_up(struct play *play)
{
    if (play->rldb == NULL || !sim_rldb_up(play->rldb)) {
        story_wrong(play->story, "the node is not up");
        return false;
    }
    return true;
}

static uint32_t core_of(struct play *play, const char *word)
{
    const uint64_t core = story_bytes(play->story, word);

    if (!is_up(play) || core >= sim_rldb_node(play->rldb)->shard_count) {
        story_wrong(play->story, "no core: %s", word);
        return 0;
    }
    return (uint32_t)core;
}

static void join(char *text, size_t size, char **words, size_t from, size_t to)
{
    size_t at = 0;

    text[0] = '\0';
    for (size_t i = from; i < to && at < size; i++) {
        at += (size_t)snprintf(text + at, size - at, "%s%s", i == from ? "" : " ", words[i]);
    }
}

static void command_node(struct story *story, char **words, size_t count)
{
    static const struct io_uring_options options = {64, 256, 4096};
    struct play *const play = story->cast;
    char more[CONFIG_BYTES];
    char *const config = play->config;

    join(more, sizeof more, words, 2, count);
    for (char *at = strstr(more, " ; "); at != NULL; at = strstr(at, " ; ")) {
        memmove(at + 1, at + 3, strlen(at + 3) + 1);
        *at = '\n';
    }
    (void)snprintf(config, sizeof play->config,
                   "listen: { client: '10.0.0.1:%u' }\n"
                   "auth: { insecure: true }\n%s%s\n",
                   PORT, strstr(more, "storage") == NULL ? "storage: { engine: memory }\n" : "",
                   more);
    play->rldb = sim_rldb_start(play->world, "10.0.0.1", (uint32_t)story_bytes(story, words[1]),
                                config, &options);
    story_tell(story, "the node is up");
}

static void command_bound(struct story *story, char **words, size_t count)
{
    struct play *const play = story->cast;

    const bool hops = count == 5 && strcmp(words[3], "hops") == 0;

    if (count < 3 || strcmp(words[1], "credits") != 0 || (count != 3 && !hops)) {
        story_wrong(story, "bound credits N [hops M]");
    } else if (is_up(play)) {
        const struct sim_rldb_bounds bounds = {.credits = (uint32_t)story_bytes(story, words[2]),
                                               .hops = hops ? (uint32_t)story_bytes(story, words[4])
                                                            : 0};

        sim_rldb_bound(play->rldb, &bounds);
    }
}

static struct person *person_find(struct play *play, const char *name)
{
    for (uint32_t i = 0; i < play->person_count; i++) {
        if (strcmp(play->persons[i].name, name) == 0) {
            return &play->persons[i];
        }
    }
    return NULL;
}

static void command_connect(struct story *story, char **words, size_t count)
{
    struct play *const play = story->cast;
    struct person *person = person_find(play, words[1]);
    char to[32];

    (void)count;
    (void)snprintf(to, sizeof to, "10.0.0.1:%u", PORT + 1 + core_of(play, words[2]));
    if (person != NULL) {
        sim_talk_close(person->talk, false);
    } else if (play->person_count < TALKS) {
        person = &play->persons[play->person_count++];
    } else {
        story_wrong(story, "too many clients");
        return;
    }
    *person = (struct person){.talk = sim_talk_open(play->world, NULL, to)};
    (void)snprintf(person->name, sizeof person->name, "%s", words[1]);
    run_after(play);
}

static void command_say(struct story *story, char **words, size_t count)
{
    struct play *const play = story->cast;
    char text[STORY_LINE_BYTES];

    for (size_t from = 1, to = 0; from < count; from = to + 1) {
        for (to = from; to < count && strcmp(words[to], ";") != 0; to++) {
        }
        struct person *const person = person_find(play, words[from]);

        if (person == NULL) {
            story_wrong(story, "nobody is called %s", words[from]);
            return;
        }
        join(text, sizeof text, words, from + 1, to);
        sim_talk_say(person->talk, text);
        sim_talk_say(person->talk, "\r\n");
    }
    run_after(play);
}

static void command_where(struct story *story, char **words, size_t count)
{
    struct play *const play = story->cast;

    for (size_t i = 1; i < count && is_up(play); i++) {
        const uint16_t slot = slot_of_key(slice_from_text(words[i]));

        story_tell(story, "%s lives on core %u", words[i],
                   placement_of_slot(sim_rldb_node(play->rldb)->placement, slot).core);
    }
}

static void command_wait(struct story *story, char **words, size_t count)
{
    (void)count;
    run(story->cast, story_time(story, words[1]));
}

static void command_hang(struct story *story, char **words, size_t count)
{
    struct play *const play = story->cast;
    const uint32_t core = core_of(play, words[1]);

    (void)count;
    if (is_up(play)) {
        sim_rldb_hang(play->rldb, core, strcmp(words[0], "hang") == 0);
        run_after(play);
    }
}

static void command_interleave(struct story *story, char **words, size_t count)
{
    struct play *const play = story->cast;

    (void)words;
    (void)count;
    sim_world_profile(play->world)->interleave_per_mille = 1000;
}

static void command_lose_wake(struct story *story, char **words, size_t count)
{
    struct play *const play = story->cast;

    (void)words;
    (void)count;
    play->lose_wake = true;
}

static void command_hide_wakes(struct story *story, char **words, size_t count)
{
    struct play *const play = story->cast;

    (void)words;
    (void)count;
    play->hide_wakes = true;
}

static void command_disk(struct story *story, char **words, size_t count)
{
    struct play *const play = story->cast;
    struct sim_profile *const profile = sim_world_profile(play->world);

    if (strcmp(words[1], "works") == 0) {
        play->failing[0] = '\0';
    } else if (strcmp(words[1], "full") == 0 || strcmp(words[1], "roomy") == 0) {
        profile->disk_bytes_max =
            strcmp(words[1], "full") == 0 ? 0 : sim_profile_default().disk_bytes_max;
    } else if (strcmp(words[1], "fails") == 0 && count > 2) {
        const char *const how = count > 3 ? words[3] : "EIO";

        (void)snprintf(play->failing, sizeof play->failing, "%s", words[2]);
        play->failing_error = strcmp(how, "EPERM") == 0    ? -EPERM
                              : strcmp(how, "EMLINK") == 0 ? -EMLINK
                                                           : -EIO;
    } else {
        profile->disk_ns_min = profile->disk_ns_max = story_time(story, words[1]);
    }
}

static bool list_each(void *context, const char *name)
{
    story_tell(context, "there is %s", name);
    return true;
}

static void command_list(struct story *story, char **words, size_t count)
{
    struct play *const play = story->cast;

    (void)count;
    if (is_up(play) &&
        sim_node_list(sim_rldb_machine(play->rldb), words[1], list_each, story) == 0) {
        story_tell(story, "and no more in %s", words[1]);
    }
}

static void command_show(struct story *story, char **words, size_t count)
{
    struct play *const play = story->cast;

    play->disk = play->counted = play->above = false;
    for (size_t i = 1; i < count; i++) {
        if (strcmp(words[i], "disk") == 0) {
            play->disk = true;
        } else if (strcmp(words[i], "counted") == 0) {
            play->counted = true;
        } else if (strcmp(words[i], "above") == 0) {
            play->above = true;
        } else if (strcmp(words[i], "nothing") != 0) {
            story_wrong(story, "nothing to show: %s", words[i]);
        }
    }
}

static void command_end(struct story *story, char **words, size_t count)
{
    struct play *const play = story->cast;

    if (play->rldb == NULL) {
        story_wrong(story, "there is no node");
        return;
    }
    story_loss(story, words, count, &sim_world_profile(play->world)->loss);
    sim_rldb_kill(play->rldb, strcmp(words[0], "kill") == 0 ? SIM_KILL : SIM_POWER_LOSS);
    hear_all(play);
}

static void command_stop(struct story *story, char **words, size_t count)
{
    struct play *const play = story->cast;

    (void)words;
    (void)count;
    if (!is_up(play)) {
        return;
    }
    sim_rldb_stop(play->rldb);
    while (!story->met && !sim_rldb_stopped(play->rldb) && sim_world_step(play->world)) {
        hear_all(play);
    }
    if (!story->met) {
        hear_all(play);
        sim_rldb_end(play->rldb);
        story_tell(story, "the node has ended");
    }
}

static bool restart_failed(void *context, const char *error)
{
    struct play *const play = context;

    story_tell(play->story, "the node does not start: %s", error);
    play->stopping = true;
    return false;
}

static void command_restart(struct story *story, char **words, size_t count)
{
    struct play *const play = story->cast;
    const struct sim_rldb_hooks hooks = {.context = play, .failed = restart_failed};

    if (play->rldb == NULL || sim_rldb_up(play->rldb)) {
        story_wrong(story, "the node is not down");
        return;
    }
    if (count > 1) {
        sim_rldb_resize(play->rldb, (uint32_t)story_bytes(story, words[1]));
    }
    play->stopping = false;
    sim_rldb_hook(play->rldb, &hooks);
    sim_rldb_restart(play->rldb);
    while (!story->met && !play->stopping && !sim_rldb_up(play->rldb) &&
           sim_world_step(play->world)) {
    }
    if (sim_rldb_up(play->rldb)) {
        story_tell(story, "the node is up");
    }
}

static void command_restore(struct story *story, char **words, size_t count)
{
    struct play *const play = story->cast;
    char config[3 * CONFIG_BYTES];

    (void)snprintf(config, sizeof config, "%snode: { data_dir: data/snapshots/%s }\n", play->config,
                   words[1]);
    if (play->rldb != NULL && !sim_rldb_up(play->rldb)) {
        sim_rldb_configure(play->rldb, config);
    }
    command_restart(story, words + 1, count - 1);
}

static const struct story_command commands[] = {
    {"node", 1, command_node},
    {"bound", 2, command_bound},
    {"connect", 2, command_connect},
    {"say", 2, command_say},
    {"where", 1, command_where},
    {"wait", 1, command_wait},
    {"hang", 1, command_hang},
    {"resume", 1, command_hang},
    {"interleave", 0, command_interleave},
    {"lose-wake", 0, command_lose_wake},
    {"hide-wakes", 0, command_hide_wakes},
    {"disk", 1, command_disk},
    {"kill", 0, command_end},
    {"power-loss", 0, command_end},
    {"stop", 0, command_stop},
    {"show", 1, command_show},
    {"list", 1, command_list},
    {"restart", 0, command_restart},
    {"restore", 1, command_restore},
    {NULL, 0, NULL},
};

static void play_open(struct story *story)
{
    struct play *const play = sim_allocate(sizeof *play);
    struct sim_profile profile = sim_profile_default();

    profile.in_order = true;
    profile.loss.keep = SIM_KEEP_NOTHING;
    profile.hooks = (struct sim_hooks){.context = play,
                                       .wake_lost = wake_lost,
                                       .disk_error = disk_error,
                                       .disk_event = disk_event};
    play->story = story;
    play->world = sim_world_open(1, &profile);
    story->cast = play;
}

static void play_close(struct story *story)
{
    struct play *const play = story->cast;

    story->until = NULL;
    for (uint32_t i = 0; i < play->person_count; i++) {
        sim_talk_close(play->persons[i].talk, false);
    }
    play->person_count = 0;
    if (play->rldb != NULL && sim_rldb_up(play->rldb)) {
        sim_rldb_stop(play->rldb);
        (void)sim_world_run(play->world, SIM_NEVER, sim_rldb_stopped, play->rldb);
    }
    if (play->rldb != NULL) {
        story->leaked = sim_rldb_leaked(play->rldb);
        sim_rldb_close(play->rldb);
    }
    sim_world_close(play->world);
    free(play);
}

const struct story_cast story_node = {"node", commands, play_open, play_close};
