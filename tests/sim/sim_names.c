// Names of a simulated disk: directories, and the log of changes that are not durable.
#include "tests/sim/sim_disk_internal.h"
#include "tests/sim/sim_internal.h"

#include <string.h>

// Inodes ----------------------------------------------------------------------------------------

static struct sim_inode *inode_new(struct sim_disk *disk, enum sim_inode_kind kind)
{
    struct sim_inode *const inode = sim_allocate(sizeof *inode);

    inode->disk = disk;
    inode->kind = kind;
    inode->references = 1;
    return inode;
}

static struct sim_inode *inode_get(struct sim_inode *inode)
{
    inode->references++;
    return inode;
}

static void names_free(struct sim_name **names)
{
    while (*names != NULL) {
        struct sim_name *const name = *names;

        *names = name->next;
        sim_inode_put(name->inode);
        free(name);
    }
}

void sim_inode_put(struct sim_inode *inode)
{
    CHECK(inode->references > 0);
    if (--inode->references > 0) {
        return;
    }
    names_free(&inode->names);
    names_free(&inode->durable_names);
    sim_inode_free_pages(inode);
    free(inode);
}

// Directories -------------------------------------------------------------------------------------

// Where the name is, or would be: names are in order, so that a listing is the same in every run.
static struct sim_name **name_place(struct sim_name **names, const char *text)
{
    while (*names != NULL && strcmp((*names)->text, text) < 0) {
        names = &(*names)->next;
    }
    return names;
}

static struct sim_inode *name_find(struct sim_inode *directory, const char *text)
{
    struct sim_name *const name = *name_place(&directory->names, text);

    return name != NULL && strcmp(name->text, text) == 0 ? name->inode : NULL;
}

// Gives the name to the inode, or takes it away with NULL.
static void name_set(struct sim_name **names, const char *text, struct sim_inode *inode)
{
    struct sim_name **const place = name_place(names, text);
    struct sim_name *name = *place;

    if (inode != NULL) {
        inode_get(inode);
    }
    if (name != NULL && strcmp(name->text, text) == 0) {
        sim_inode_put(name->inode);
        name->inode = inode;
        if (inode == NULL) {
            *place = name->next;
            free(name);
        }
    } else if (inode != NULL) {
        name = sim_allocate(sizeof *name);
        memcpy(name->text, text, strlen(text));
        name->inode = inode;
        name->next = *place;
        *place = name;
    }
}

// The directory that the path's last name is in (not counted), and that name. 0 or -errno.
static int path_walk(struct sim_disk *disk, const char *path, struct sim_inode **ret_directory,
                     char *ret_name)
{
    struct sim_inode *directory = disk->root;
    const char *at = path + strspn(path, "/");

    ret_name[0] = '\0'; // the root itself
    for (;;) {
        const size_t size = strcspn(at, "/");
        const char *const next = at + size + strspn(at + size, "/");

        if (size == 0) {
            break;
        }
        if (size > SIM_NAME_BYTES_MAX) {
            return -ENAMETOOLONG;
        }
        if (!(size == 1 && at[0] == '.')) {
            if (ret_name[0] != '\0') { // so the name before it is that of a directory
                directory = name_find(directory, ret_name);
                if (directory == NULL) {
                    return -ENOENT;
                }
                if (directory->kind != SIM_INODE_DIRECTORY) {
                    return -ENOTDIR;
                }
            }
            memcpy(ret_name, at, size);
            ret_name[size] = '\0';
        }
        at = next;
    }
    *ret_directory = directory;
    return path[0] == '\0' ? -ENOENT : 0;
}

// Records ---------------------------------------------------------------------------------------

static struct sim_record *record_new(struct sim_disk *disk)
{
    struct sim_record *const record = sim_allocate(sizeof *record);

    record->number = ++disk->record_last;
    *disk->records_end = record;
    disk->records_end = &record->next;
    return record;
}

static void record_add(struct sim_record *record, struct sim_inode *directory, const char *text,
                       struct sim_inode *inode)
{
    struct sim_name_change *const change = &record->changes[record->count++];

    change->directory = inode_get(directory);
    change->inode = inode != NULL ? inode_get(inode) : NULL;
    memcpy(change->text, text, strlen(text));
    name_set(&directory->names, text, inode);
}

static void record_free(struct sim_record *record)
{
    for (uint32_t i = 0; i < record->count; i++) {
        if (record->changes[i].inode != NULL) {
            sim_inode_put(record->changes[i].inode);
        }
        sim_inode_put(record->changes[i].directory);
    }
    free(record);
}

static void record_commit(const struct sim_record *record)
{
    for (uint32_t i = 0; i < record->count; i++) {
        name_set(&record->changes[i].directory->durable_names, record->changes[i].text,
                 record->changes[i].inode);
    }
}

static void records_remove_first(struct sim_disk *disk, struct sim_record **at)
{
    struct sim_record *const record = *at;

    *at = record->next;
    if (*at == NULL) {
        disk->records_end = at;
    }
    record_free(record);
}

static bool record_touches(const struct sim_record *record, const struct sim_inode *directory)
{
    for (uint32_t i = 0; i < record->count; i++) {
        if (record->changes[i].directory == directory) {
            return true;
        }
    }
    return false;
}

// Whether a later marked record shares a directory with it: then it must be durable too.
static bool record_needed(const struct sim_record *record)
{
    for (const struct sim_record *later = record->next; later != NULL; later = later->next) {
        for (uint32_t i = 0; later->marked && i < later->count; i++) {
            if (record_touches(record, later->changes[i].directory)) {
                return true;
            }
        }
    }
    return false;
}

uint64_t sim_names_last(const struct sim_disk *disk)
{
    return disk->record_last;
}

void sim_names_commit(struct sim_inode *directory, uint64_t last)
{
    struct sim_disk *const disk = directory->disk;
    bool marked = true;

    for (struct sim_record *record = disk->records; record != NULL; record = record->next) {
        record->marked = record->number <= last && record_touches(record, directory);
    }
    while (marked) { // until nothing is added
        marked = false;
        for (struct sim_record *record = disk->records; record != NULL; record = record->next) {
            if (!record->marked && record_needed(record)) {
                record->marked = true;
                marked = true;
            }
        }
    }
    for (struct sim_record **at = &disk->records; *at != NULL;) {
        if ((*at)->marked) {
            record_commit(*at);
            records_remove_first(disk, at);
        } else {
            at = &(*at)->next;
        }
    }
}

// Calls -----------------------------------------------------------------------------------------

int sim_disk_find(struct sim_disk *disk, const char *path, struct sim_inode **ret_inode)
{
    char text[SIM_NAME_BYTES_MAX + 1];
    struct sim_inode *directory = NULL;
    const int result = path_walk(disk, path, &directory, text);
    struct sim_inode *inode = NULL;

    if (result != 0) {
        return result;
    }
    inode = text[0] == '\0' ? disk->root : name_find(directory, text);
    if (inode == NULL) {
        return -ENOENT;
    }
    *ret_inode = inode_get(inode);
    return 0;
}

int sim_disk_create(struct sim_disk *disk, const char *path, enum sim_inode_kind kind,
                    struct sim_inode **ret_inode)
{
    char text[SIM_NAME_BYTES_MAX + 1];
    struct sim_inode *directory = NULL;
    const int result = path_walk(disk, path, &directory, text);

    if (result != 0) {
        return result;
    }
    if (text[0] == '\0' || name_find(directory, text) != NULL) {
        return -EEXIST;
    }
    struct sim_inode *const inode = inode_new(disk, kind);

    inode->links = 1;
    record_add(record_new(disk), directory, text, inode);
    *ret_inode = inode;
    return 0;
}

int sim_disk_unlink(struct sim_disk *disk, const char *path, bool directory)
{
    char text[SIM_NAME_BYTES_MAX + 1];
    struct sim_inode *parent = NULL;
    const int result = path_walk(disk, path, &parent, text);
    struct sim_inode *inode = NULL;

    if (result != 0) {
        return result;
    }
    inode = text[0] != '\0' ? name_find(parent, text) : NULL;
    if (inode == NULL) {
        return text[0] != '\0' ? -ENOENT : -EBUSY;
    }
    if (directory != (inode->kind == SIM_INODE_DIRECTORY)) {
        return directory ? -ENOTDIR : -EISDIR;
    }
    if (inode->names != NULL) {
        return -ENOTEMPTY;
    }
    inode->links--;
    sim_inode_settle(inode);
    record_add(record_new(disk), parent, text, NULL);
    return 0;
}

static bool is_inside(struct sim_inode *directory, const struct sim_inode *inode)
{
    bool inside = directory == inode;

    for (struct sim_name *name = directory->names; name != NULL && !inside; name = name->next) {
        inside = name->inode->kind == SIM_INODE_DIRECTORY && is_inside(name->inode, inode);
    }
    return inside;
}

// Whether a rename may put `inode` over `over`.
static int rename_check(struct sim_inode *inode, const struct sim_inode *over,
                        const struct sim_inode *to_directory)
{
    if (inode->kind == SIM_INODE_DIRECTORY && is_inside(inode, to_directory)) {
        return -EINVAL;
    }
    if (over == NULL || over == inode) {
        return 0;
    }
    if (inode->kind == SIM_INODE_DIRECTORY && over->kind != SIM_INODE_DIRECTORY) {
        return -ENOTDIR;
    }
    if (inode->kind != SIM_INODE_DIRECTORY && over->kind == SIM_INODE_DIRECTORY) {
        return -EISDIR;
    }
    return over->names != NULL ? -ENOTEMPTY : 0;
}

int sim_disk_rename(struct sim_disk *disk, const char *from, const char *to)
{
    char from_text[SIM_NAME_BYTES_MAX + 1];
    char to_text[SIM_NAME_BYTES_MAX + 1];
    struct sim_inode *from_directory = NULL;
    struct sim_inode *to_directory = NULL;
    int result = path_walk(disk, from, &from_directory, from_text);

    if (result == 0) {
        result = path_walk(disk, to, &to_directory, to_text);
    }
    if (result != 0) {
        return result;
    }
    if (from_text[0] == '\0' || to_text[0] == '\0') {
        return -EBUSY;
    }
    struct sim_inode *const inode = name_find(from_directory, from_text);
    struct sim_inode *const over = name_find(to_directory, to_text);

    if (inode == NULL) {
        return -ENOENT;
    }
    result = rename_check(inode, over, to_directory);
    if (result != 0 || over == inode) {
        return result; // two names of one file stay as they are, rename(2)
    }
    if (over != NULL) {
        over->links--;
        sim_inode_settle(over);
    }
    struct sim_record *const record = record_new(disk);

    record_add(record, to_directory, to_text, inode);
    record_add(record, from_directory, from_text, NULL);
    return 0;
}

int sim_disk_link(struct sim_disk *disk, const char *from, const char *to)
{
    char text[SIM_NAME_BYTES_MAX + 1];
    struct sim_inode *directory = NULL;
    struct sim_inode *inode = NULL;
    int result = sim_disk_find(disk, from, &inode);

    if (result != 0) {
        return result;
    }
    if (inode->kind == SIM_INODE_DIRECTORY) {
        result = -EPERM;
    } else {
        result = path_walk(disk, to, &directory, text);
    }
    if (result == 0 && (text[0] == '\0' || name_find(directory, text) != NULL)) {
        result = -EEXIST;
    }
    if (result == 0) {
        inode->links++;
        record_add(record_new(disk), directory, text, inode);
    }
    sim_inode_put(inode);
    return result;
}

int sim_disk_list(struct sim_disk *disk, const char *path, io_list_fn *each, void *context)
{
    struct sim_inode *inode = NULL;
    const int result = sim_disk_find(disk, path, &inode);

    if (result != 0) {
        return result;
    }
    if (inode->kind != SIM_INODE_DIRECTORY) {
        sim_inode_put(inode);
        return -ENOTDIR;
    }
    // `each` may remove the name that it was called with.
    for (struct sim_name *name = inode->names, *next = NULL; name != NULL; name = next) {
        next = name->next;
        if (!each(context, name->text)) {
            break;
        }
    }
    sim_inode_put(inode);
    return 0;
}

// Life ------------------------------------------------------------------------------------------

struct sim_disk *sim_disk_open(void)
{
    struct sim_disk *const disk = sim_allocate(sizeof *disk);

    disk->records_end = &disk->records;
    disk->root = inode_new(disk, SIM_INODE_DIRECTORY);
    disk->root->links = 1;
    return disk;
}

// The durable names become the names, all the way down; each inode is looked at once.
static void directory_crash(struct sim_inode *directory, struct sim_loss loss,
                            struct random *random)
{
    names_free(&directory->names);
    for (struct sim_name *name = directory->durable_names; name != NULL; name = name->next) {
        struct sim_inode *const inode = name->inode;

        name_set(&directory->names, name->text, inode);
        if (inode->crashed == inode->disk->crashes) {
            inode->links++;
            continue;
        }
        inode->crashed = inode->disk->crashes;
        inode->links = 1;
        inode->opens = 0;
        sim_inode_settle(inode);
        if (inode->kind == SIM_INODE_DIRECTORY) {
            directory_crash(inode, loss, random);
        } else {
            sim_inode_crash(inode, loss, random);
        }
    }
}

void sim_disk_crash(struct sim_disk *disk, struct sim_loss loss, struct random *random)
{
    uint64_t count = 0;

    for (const struct sim_record *record = disk->records; record != NULL; record = record->next) {
        count++;
    }
    // What had been written on the way: some of the changes, in their order.
    if (loss.keep != SIM_KEEP_ALL && !loss.names) {
        count = loss.keep == SIM_KEEP_SOME ? random_below(random, count + 1) : 0;
    }
    for (; count > 0; count--) {
        record_commit(disk->records);
        records_remove_first(disk, &disk->records);
    }
    while (disk->records != NULL) {
        records_remove_first(disk, &disk->records);
    }
    disk->crashes++;
    directory_crash(disk->root, loss, random);
}

void sim_disk_close(struct sim_disk *disk)
{
    while (disk->records != NULL) {
        records_remove_first(disk, &disk->records);
    }
    sim_inode_put(disk->root);
    CHECK(disk->pages_taken == 0); // every inode is gone
    free(disk);
}
