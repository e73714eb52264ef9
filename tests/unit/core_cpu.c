// The machine is read under a root of the test's own, with the files as kernels write them.
#include "core/cpu.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 32 };

struct machine {
    char root[64];
    char made[FILES_MAX][256];
    unsigned count;
};

static struct machine machine_make(void)
{
    struct machine machine = {.root = "/tmp/rldb_cpu_XXXXXX"};

    cr_assert_not_null(mkdtemp(machine.root));
    return machine;
}

static void machine_note(struct machine *machine, const char *path)
{
    cr_assert_lt(machine->count, FILES_MAX);
    snprintf(machine->made[machine->count++], sizeof(machine->made[0]), "%s", path);
}

// Makes a file under the root, and the folders on its way.
static void machine_file(struct machine *machine, const char *name, const char *content)
{
    char path[256];

    snprintf(path, sizeof(path), "%s%s", machine->root, name);
    for (char *slash = strchr(path + strlen(machine->root) + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0700) == 0) {
            machine_note(machine, path);
        }
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(content, file);
    fclose(file);
    machine_note(machine, path);
}

static void machine_remove(struct machine *machine)
{
    while (machine->count > 0) {
        remove(machine->made[--machine->count]);
    }
    cr_assert_eq(rmdir(machine->root), 0);
}

static const char meminfo[] = "MemTotal:        8000000 kB\nMemFree:         1 kB\n";

Test(core_cpu, without_cgroups_there_is_no_limit)
{
    struct machine machine = machine_make();
    uint64_t bytes = 0;

    cr_expect_eq(cpu_memory_bytes(machine.root, &bytes), -ENOENT);
    machine_file(&machine, "/proc/meminfo", meminfo);
    cr_expect_eq(cpu_quota_millicpus(machine.root), 0);
    cr_expect_eq(cpu_memory_bytes(machine.root, &bytes), 0);
    cr_expect_eq(bytes, UINT64_C(8000000) * 1024);
    machine_remove(&machine);
}

Test(core_cpu, version_2_takes_the_smallest_on_the_way_up)
{
    struct machine machine = machine_make();
    uint64_t bytes = 0;

    machine_file(&machine, "/proc/meminfo", meminfo);
    machine_file(&machine, "/proc/self/cgroup", "0::/app.slice/rldb.service\n");
    machine_file(&machine, "/proc/self/mountinfo",
                 "22 1 0:20 / /proc rw shared:5 - proc proc rw\n"
                 "30 1 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n");
    machine_file(&machine, "/sys/fs/cgroup/app.slice/rldb.service/cpu.max", "max 100000\n");
    cr_expect_eq(cpu_quota_millicpus(machine.root), 0);
    machine_file(&machine, "/sys/fs/cgroup/app.slice/rldb.service/cpu.max", "350000 100000\n");
    cr_expect_eq(cpu_quota_millicpus(machine.root), 3500);
    machine_file(&machine, "/sys/fs/cgroup/app.slice/cpu.max", "150000 100000\n");
    cr_expect_eq(cpu_quota_millicpus(machine.root), 1500);
    machine_file(&machine, "/sys/fs/cgroup/cpu.max", "20000 50000\n");
    cr_expect_eq(cpu_quota_millicpus(machine.root), 400);
    machine_file(&machine, "/sys/fs/cgroup/app.slice/rldb.service/memory.max", "max\n");
    machine_file(&machine, "/sys/fs/cgroup/app.slice/memory.max", "1073741824\n");
    cr_expect_eq(cpu_memory_bytes(machine.root, &bytes), 0);
    cr_expect_eq(bytes, 1073741824);
    machine_remove(&machine);
}

Test(core_cpu, version_1_has_a_hierarchy_for_each_controller)
{
    struct machine machine = machine_make();
    uint64_t bytes = 0;

    machine_file(&machine, "/proc/meminfo", meminfo);
    machine_file(&machine, "/proc/self/cgroup",
                 "12:cpuset:/x\n4:memory:/docker/abc\n3:cpuacct,cpu:/docker/abc\n"
                 "1:name=systemd:/docker/abc\n");
    // In a container the mount shows only the part of the hierarchy that is the container's.
    machine_file(
        &machine, "/proc/self/mountinfo",
        "41 1 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
        "42 1 0:31 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n"
        "43 1 0:32 / /sys/fs/cgroup/memory rw master:9 - cgroup cgroup rw,memory\n");
    machine_file(&machine, "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    machine_file(&machine, "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    cr_expect_eq(cpu_quota_millicpus(machine.root), 0);
    machine_file(&machine, "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000\n");
    cr_expect_eq(cpu_quota_millicpus(machine.root), 2500);
    machine_file(&machine, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    cr_expect_eq(cpu_memory_bytes(machine.root, &bytes), 0);
    cr_expect_eq(bytes, UINT64_C(8000000) * 1024);
    machine_file(&machine, "/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "536870912\n");
    cr_expect_eq(cpu_memory_bytes(machine.root, &bytes), 0);
    cr_expect_eq(bytes, 536870912);
    machine_remove(&machine);
}

Test(core_cpu, both_versions_at_once)
{
    struct machine machine = machine_make();

    machine_file(&machine, "/proc/self/cgroup", "2:cpu:/a\n0::/b\n");
    machine_file(&machine, "/proc/self/mountinfo",
                 "41 1 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
                 "42 1 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    machine_file(&machine, "/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "300000\n");
    machine_file(&machine, "/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
    cr_expect_eq(cpu_quota_millicpus(machine.root), 3000);
    machine_file(&machine, "/sys/fs/cgroup/unified/b/cpu.max", "200000 100000\n");
    cr_expect_eq(cpu_quota_millicpus(machine.root), 2000);
    machine_remove(&machine);
}

Test(core_cpu, nonsense_is_no_limit)
{
    struct machine machine = machine_make();

    machine_file(&machine, "/proc/self/cgroup", "\n0\n0:\nrubbish\n0::/b\n");
    machine_file(&machine, "/proc/self/mountinfo",
                 "\n - \n1 2 - cgroup2\n42 1 0:31 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    machine_file(&machine, "/sys/fs/cgroup/b/cpu.max", "100000 0\n");
    cr_expect_eq(cpu_quota_millicpus(machine.root), 0);
    machine_file(&machine, "/sys/fs/cgroup/b/cpu.max", "");
    cr_expect_eq(cpu_quota_millicpus(machine.root), 0);
    machine_file(&machine, "/sys/fs/cgroup/b/cpu.max", "99999999999999999999999 1");
    cr_expect_eq(cpu_quota_millicpus(machine.root), 0);
    machine_remove(&machine);
}

static struct cpu_facts facts(uint32_t cpus, uint64_t quota)
{
    struct cpu_facts facts = {.allowed.count = cpus, .quota_millicpus = quota};

    for (uint32_t i = 0; i < cpus; i++) {
        facts.allowed.ids[i] = (uint16_t)(2 * i);
    }
    return facts;
}

Test(core_cpu, auto_is_what_never_gets_throttled)
{
    static const struct {
        uint32_t cpus;
        uint64_t quota;
        uint32_t shards;
    } table[] = {
        {1, 0, 1},    {2, 0, 2},    {2, 500, 1},
        {2, 1000, 1}, {2, 1999, 1}, {2, 2000, 2},
        {4, 2900, 2}, {4, 9000, 4}, {LIMIT_CPUS, 0, LIMIT_SHARDS},
        {1, 1, 1},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const struct cpu_facts of = facts(table[i].cpus, table[i].quota);
        cr_expect_eq(cpu_shards_auto(&of), table[i].shards, "row %zu", i);
    }
}

Test(core_cpu, pinned_is_what_leaves_no_choice)
{
    const struct cpu_facts four = facts(4, 0);
    const struct cpu_list told = {.count = 2, .ids = {6, 2}};
    uint16_t cpus[4];

    cpu_plan(&four, 4, NULL, cpus);
    cr_expect_eq(cpus[0], 0);
    cr_expect_eq(cpus[3], 6);
    cpu_plan(&four, 3, NULL, cpus);
    cr_expect_eq(cpus[0], CPU_NONE);
    cr_expect_eq(cpus[2], CPU_NONE);
    cpu_plan(&four, 2, &told, cpus);
    cr_expect_eq(cpus[0], 6);
    cr_expect_eq(cpus[1], 2);
}

Test(core_cpu, the_real_machine_can_be_read_and_pinned_to)
{
    struct cpu_facts real;

    cr_assert_eq(cpu_facts_read("", &real), 0);
    cr_expect_geq(real.allowed.count, 1);
    cr_expect_gt(real.memory_bytes, 1 << 20);
    const uint16_t last = real.allowed.ids[real.allowed.count - 1];
    cr_expect_eq(cpu_pin_thread(CPU_NONE), 0);
    cr_assert_eq(cpu_pin_thread(last), 0);
    cr_expect_eq(sched_getcpu(), last);
    struct cpu_list now;
    cr_assert_eq(cpu_allowed(&now), 0);
    cr_expect_eq(now.count, 1);
    cr_expect_eq(now.ids[0], last);
    cr_expect_eq(cpu_pin_thread(LIMIT_CPUS - 1), -EINVAL, "there is no such CPU here");
    cr_expect_eq(cpu_pin_thread(LIMIT_CPUS), -EINVAL);
}
