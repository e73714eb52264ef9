#include "core/cpu.h"

#include "core/check.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/slice.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PATH_BYTES = 2048,      // of a cgroup's file: mount point, path and name
    LIMIT_FILE_BYTES = 256, // of a file that holds a limit
    MILLI = 1000,
};

static_assert(LIMIT_CPUS <= CPU_SETSIZE, "a cpu_set_t holds all of them");

// A hierarchy of cgroups as it is mounted: <mount>/<path> is this process's own.
struct cgroup {
    char mount[PATH_BYTES / 2]; // with the injected root
    char path[PATH_BYTES / 2];  // "" or "/a/b"
};

// The limit that one directory of a hierarchy sets; UINT64_MAX: none.
typedef uint64_t cgroup_limit_fn(const char *directory);

// Cuts off the first line, or what precedes `separator`, and terminates it. NULL at the end.
static char *cpu_cut(char **rest, char separator)
{
    char *part = *rest;

    if (part == NULL || *part == '\0') {
        return NULL;
    }
    char *end = strchr(part, separator);
    if (end == NULL) {
        *rest = part + strlen(part);
    } else {
        *end = '\0';
        *rest = end + 1;
    }
    return part;
}

// Whether `word` is one of a list with commas.
static bool cpu_listed(const char *list, const char *word)
{
    const size_t size = strlen(word);

    while (list != NULL) {
        if (strncmp(list, word, size) == 0 && (list[size] == ',' || list[size] == '\0')) {
            return true;
        }
        list = strchr(list, ',');
        list = list == NULL ? NULL : list + 1;
    }
    return false;
}

static char *cpu_read(const char *root, const char *path, size_t bound)
{
    char full[PATH_BYTES];
    char *bytes;
    size_t size;

    const int length = snprintf(full, sizeof(full), "%s%s", root, path);
    if (length < 0 || (size_t)length >= sizeof(full) ||
        file_read(full, bound, &bytes, &size) != 0) {
        return NULL;
    }
    return bytes;
}

// /proc/self/cgroup: lines of hierarchy:controllers:path, of version 2 "0::path". False if the
// controller is in none.
static bool cgroup_find_path(const char *root, const char *controller, char *ret_path)
{
    char *bytes = cpu_read(root, "/proc/self/cgroup", LIMIT_PROC_FILE_BYTES);
    char *rest = bytes;
    bool found = false;

    for (char *line = cpu_cut(&rest, '\n'); line != NULL && !found; line = cpu_cut(&rest, '\n')) {
        char *controllers = strchr(line, ':');
        char *path = controllers == NULL ? NULL : strchr(controllers + 1, ':');
        if (path == NULL) {
            continue;
        }
        *path++ = '\0';
        controllers++;
        found = controller == NULL ? strcmp(line, "0:") == 0 : cpu_listed(controllers, controller);
        if (found) {
            const int size = snprintf(ret_path, PATH_BYTES / 2, "%s", path);
            found = size >= 0 && size < PATH_BYTES / 2;
        }
    }
    memory_free(bytes);
    return found;
}

// One line of /proc/self/mountinfo (proc(5)): ID PARENT DEVICE ROOT MOUNT_POINT OPTIONS [TAG ...] -
// TYPE SOURCE SUPER_OPTIONS. False if it is not the hierarchy that is looked for.
static bool cgroup_parse_mount(char *line, const char *controller, const char **ret_root,
                               const char **ret_mount)
{
    char *separator = strstr(line, " - ");
    char *rest = line;

    if (separator == NULL) {
        return false;
    }
    *separator = '\0';
    char *tail = separator + strlen(" - ");
    const char *type = cpu_cut(&tail, ' ');
    (void)cpu_cut(&tail, ' ');
    if (type == NULL || strcmp(type, controller == NULL ? "cgroup2" : "cgroup") != 0 ||
        (controller != NULL && !cpu_listed(tail, controller))) {
        return false;
    }
    for (int i = 0; i < 3; i++) {
        (void)cpu_cut(&rest, ' ');
    }
    *ret_root = cpu_cut(&rest, ' ');
    *ret_mount = cpu_cut(&rest, ' ');
    return *ret_root != NULL && *ret_mount != NULL;
}

// Finds the hierarchy of a version 1 controller, or with NULL that of version 2.
static bool cgroup_find(const char *root, const char *controller, struct cgroup *ret_cgroup)
{
    struct cgroup cgroup;
    bool found = false;

    if (!cgroup_find_path(root, controller, cgroup.path)) {
        return false;
    }
    char *bytes = cpu_read(root, "/proc/self/mountinfo", LIMIT_PROC_FILE_BYTES);
    char *rest = bytes;
    for (char *line = cpu_cut(&rest, '\n'); line != NULL && !found; line = cpu_cut(&rest, '\n')) {
        const char *mount_root;
        const char *mount;
        if (!cgroup_parse_mount(line, controller, &mount_root, &mount)) {
            continue;
        }
        const int size = snprintf(cgroup.mount, sizeof(cgroup.mount), "%s%s", root, mount);
        found = size >= 0 && (size_t)size < sizeof(cgroup.mount);
        // A container sees a part of the hierarchy mounted, and its path from the real root.
        const size_t skip = strcmp(mount_root, "/") == 0 ? 0 : strlen(mount_root);
        if (strncmp(cgroup.path, mount_root, skip) == 0) {
            memmove(cgroup.path, cgroup.path + skip, strlen(cgroup.path + skip) + 1);
        } else {
            cgroup.path[0] = '\0';
        }
    }
    memory_free(bytes);
    if (found) {
        *ret_cgroup = cgroup;
    }
    return found;
}

// The smallest limit of this process's cgroup and all those above it.
static uint64_t cgroup_limit(const char *root, const char *controller, cgroup_limit_fn *limit_of)
{
    struct cgroup cgroup;
    char directory[PATH_BYTES];
    uint64_t least = UINT64_MAX;

    if (!cgroup_find(root, controller, &cgroup)) {
        return UINT64_MAX;
    }
    for (;;) {
        const int size = snprintf(directory, sizeof(directory), "%s%s", cgroup.mount, cgroup.path);
        CHECK(size > 0 && (size_t)size < sizeof(directory));
        const uint64_t limit = limit_of(directory);
        least = limit < least ? limit : least;
        char *last = strrchr(cgroup.path, '/');
        if (last == NULL) {
            return least;
        }
        *last = '\0';
    }
}

// The number at the front of a file; false when there is none ("max", "-1", no file).
static bool cpu_read_number(const char *directory, const char *name, uint64_t *ret_value,
                            uint64_t *ret_second)
{
    char *bytes = cpu_read(directory, name, LIMIT_FILE_BYTES);
    bool found = false;

    if (bytes != NULL && bytes[0] >= '0' && bytes[0] <= '9') {
        char *end;
        *ret_value = strtoull(bytes, &end, 10);
        if (ret_second != NULL) {
            *ret_second = strtoull(end, NULL, 10);
        }
        found = true;
    }
    memory_free(bytes);
    return found;
}

static uint64_t cpu_millicpus(uint64_t quota_us, uint64_t period_us)
{
    if (period_us == 0 || quota_us > UINT64_MAX / MILLI) {
        return UINT64_MAX;
    }
    return quota_us * MILLI / period_us;
}

static uint64_t cgroup2_cpu_limit(const char *directory)
{
    uint64_t quota_us;
    uint64_t period_us;

    if (!cpu_read_number(directory, "/cpu.max", &quota_us, &period_us)) {
        return UINT64_MAX;
    }
    return cpu_millicpus(quota_us, period_us);
}

static uint64_t cgroup1_cpu_limit(const char *directory)
{
    uint64_t quota_us;
    uint64_t period_us;

    if (!cpu_read_number(directory, "/cpu.cfs_quota_us", &quota_us, NULL) ||
        !cpu_read_number(directory, "/cpu.cfs_period_us", &period_us, NULL)) {
        return UINT64_MAX;
    }
    return cpu_millicpus(quota_us, period_us);
}

static uint64_t cgroup2_memory_limit(const char *directory)
{
    uint64_t bytes;

    return cpu_read_number(directory, "/memory.max", &bytes, NULL) ? bytes : UINT64_MAX;
}

// Version 1 writes "none" as a number near 2^63, which is more than any machine has.
static uint64_t cgroup1_memory_limit(const char *directory)
{
    uint64_t bytes;

    return cpu_read_number(directory, "/memory.limit_in_bytes", &bytes, NULL) ? bytes : UINT64_MAX;
}

static uint64_t cpu_least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t cpu_quota_millicpus(const char *root)
{
    const uint64_t least = cpu_least(cgroup_limit(root, NULL, cgroup2_cpu_limit),
                                     cgroup_limit(root, "cpu", cgroup1_cpu_limit));

    if (least == UINT64_MAX) {
        return 0;
    }
    return least == 0 ? 1 : least; // 0 says that there is none
}

int cpu_memory_bytes(const char *root, uint64_t *ret_bytes)
{
    static const char name[] = "MemTotal:";
    char *bytes = cpu_read(root, "/proc/meminfo", LIMIT_PROC_FILE_BYTES);
    const char *line = bytes == NULL ? NULL : strstr(bytes, name);

    if (line == NULL) {
        memory_free(bytes);
        return -ENOENT;
    }
    const uint64_t total = strtoull(line + strlen(name), NULL, 10) * 1024; // in kB
    memory_free(bytes);
    const uint64_t granted = cpu_least(cgroup_limit(root, NULL, cgroup2_memory_limit),
                                       cgroup_limit(root, "memory", cgroup1_memory_limit));
    *ret_bytes = cpu_least(total, granted);
    return 0;
}

int cpu_allowed(struct cpu_list *ret_list)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) != 0) {
        return -errno;
    }
    ret_list->count = 0;
    for (uint32_t cpu = 0; cpu < LIMIT_CPUS; cpu++) {
        if (CPU_ISSET(cpu, &set)) {
            ret_list->ids[ret_list->count] = (uint16_t)cpu;
            ret_list->count++;
        }
    }
    return ret_list->count == 0 ? -ENODEV : 0;
}

int cpu_facts_read(const char *root, struct cpu_facts *ret_facts)
{
    struct cpu_facts facts = {0};

    CHECK(root != NULL);
    int error = cpu_allowed(&facts.allowed);
    if (error == 0) {
        error = cpu_memory_bytes(root, &facts.memory_bytes);
    }
    if (error != 0) {
        return error;
    }
    facts.quota_millicpus = cpu_quota_millicpus(root);
    *ret_facts = facts;
    return 0;
}

uint32_t cpu_shards_auto(const struct cpu_facts *facts)
{
    uint64_t shards = facts->allowed.count;

    CHECK(shards > 0);
    if (facts->quota_millicpus != 0) {
        shards = cpu_least(shards, facts->quota_millicpus / MILLI);
    }
    shards = cpu_least(shards, LIMIT_SHARDS);
    return shards == 0 ? 1 : (uint32_t)shards;
}

void cpu_plan(const struct cpu_facts *facts, uint32_t shards, const struct cpu_list *told,
              uint16_t *ret_cpus)
{
    const bool all = shards == facts->allowed.count;

    CHECK(told == NULL || told->count == shards);
    for (uint32_t i = 0; i < shards; i++) {
        ret_cpus[i] = told != NULL ? told->ids[i]
                      : all        ? facts->allowed.ids[i]
                                   : (uint16_t)CPU_NONE;
    }
}

int cpu_pin_thread(uint16_t cpu)
{
    cpu_set_t set;

    if (cpu == CPU_NONE) {
        return 0;
    }
    if (cpu >= LIMIT_CPUS) {
        return -EINVAL;
    }
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return sched_setaffinity(0, sizeof(set), &set) == 0 ? 0 : -errno;
}
