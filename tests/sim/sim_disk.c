// Files of a simulated disk: pages, what of them is durable, snapshots. Names are in sim_names.c.
#include "tests/sim/sim_disk.h"

#include "tests/sim/sim_disk_internal.h"
#include "tests/sim/sim_internal.h"

#include <stdio.h>
#include <string.h>

struct snapshot_page {
    uint64_t index;
    uint64_t version;
    uint8_t bytes[SIM_PAGE_BYTES];
};

struct sim_snapshot {
    struct sim_inode *inode;
    uint64_t order;      // among the file's snapshots
    uint64_t size_bytes; // of the file
    uint64_t names;      // of a directory: records up to this one
    uint32_t count;
    struct snapshot_page *pages;
};

// Pages -----------------------------------------------------------------------------------------

static struct sim_page *page_at(const struct sim_inode *inode, uint64_t index)
{
    return index < inode->page_count ? &inode->pages[index] : NULL;
}

static void pages_grow(struct sim_inode *inode, uint64_t count)
{
    if (count <= inode->page_count) {
        return;
    }
    uint64_t capacity = inode->page_count == 0 ? 4 : inode->page_count * 2;

    capacity = capacity < count ? count : capacity;
    inode->pages = realloc(inode->pages, capacity * sizeof *inode->pages);
    CHECK(inode->pages != NULL);
    memset(inode->pages + inode->page_count, 0,
           (capacity - inode->page_count) * sizeof *inode->pages);
    inode->page_count = capacity;
}

static void page_take(struct sim_inode *inode, struct sim_page *page)
{
    if (!page->taken) {
        page->taken = true;
        inode->pages_taken++;
        inode->disk->pages_taken += inode->gone ? 0 : 1;
    }
}

static void page_release(struct sim_inode *inode, struct sim_page *page)
{
    page->spoiled = false;
    if (page->taken) {
        page->taken = false;
        inode->pages_taken--;
        inode->disk->pages_taken -= inode->gone ? 0 : 1;
    }
}

// The page's bytes, to be changed: what was durable is put aside.
static uint8_t *page_change(struct sim_inode *inode, struct sim_page *page)
{
    page_take(inode, page);
    if (page->bytes == NULL) {
        page->bytes = sim_allocate(SIM_PAGE_BYTES);
    }
    if (!page->dirty) {
        page->dirty = true;
        page->durable = sim_allocate(SIM_PAGE_BYTES);
        memcpy(page->durable, page->bytes, SIM_PAGE_BYTES);
    }
    page->version = ++inode->version;
    return page->bytes;
}

static void page_clean(struct sim_page *page)
{
    free(page->durable);
    page->durable = NULL;
    page->dirty = false;
}

void sim_inode_free_pages(struct sim_inode *inode)
{
    for (uint64_t i = 0; i < inode->page_count; i++) {
        page_release(inode, &inode->pages[i]);
        free(inode->pages[i].bytes);
        free(inode->pages[i].durable);
    }
    free(inode->pages);
    inode->pages = NULL;
    inode->page_count = 0;
}

// Reading and writing -----------------------------------------------------------------------------

uint32_t sim_inode_read(const struct sim_inode *inode, uint8_t *bytes, uint32_t size,
                        uint64_t offset)
{
    uint32_t done = 0;

    if (offset >= inode->size_bytes) {
        return 0;
    }
    if (size > inode->size_bytes - offset) {
        size = (uint32_t)(inode->size_bytes - offset);
    }
    memset(bytes, 0, size); // most is in pages that hold nothing else
    while (done < size) {
        const struct sim_page *const page = page_at(inode, (offset + done) / SIM_PAGE_BYTES);
        const uint32_t at = (uint32_t)((offset + done) % SIM_PAGE_BYTES);
        const uint32_t rest = SIM_PAGE_BYTES - at;
        const uint32_t part = rest < size - done ? rest : size - done;

        if (page != NULL && page->bytes != NULL) {
            memcpy(bytes + done, page->bytes + at, part);
        }
        done += part;
    }
    return size;
}

// Files are filled with zeros before they are used: pages that hold none but those take no memory.
static bool is_zeros_on_zeros(const struct sim_page *page, const uint8_t *bytes, uint32_t size)
{
    return page->bytes == NULL && size == SIM_PAGE_BYTES && sim_is_zeros(bytes, size);
}

void sim_inode_write(struct sim_inode *inode, const uint8_t *bytes, uint32_t size, uint64_t offset)
{
    pages_grow(inode, (offset + size + SIM_PAGE_BYTES - 1) / SIM_PAGE_BYTES);
    for (uint32_t done = 0; done < size;) {
        struct sim_page *const page = page_at(inode, (offset + done) / SIM_PAGE_BYTES);
        const uint32_t at = (uint32_t)((offset + done) % SIM_PAGE_BYTES);
        const uint32_t rest = SIM_PAGE_BYTES - at;
        const uint32_t part = rest < size - done ? rest : size - done;

        page->spoiled = page->spoiled && part < SIM_PAGE_BYTES;
        if (is_zeros_on_zeros(page, bytes + done, part)) {
            page_take(inode, page);
        } else {
            memcpy(page_change(inode, page) + at, bytes + done, part);
        }
        done += part;
    }
    if (size != 0 && offset + size > inode->size_bytes) {
        inode->size_bytes = offset + size;
    }
}

void sim_inode_truncate(struct sim_inode *inode, uint64_t size)
{
    for (uint64_t i = size / SIM_PAGE_BYTES; i < inode->page_count; i++) {
        struct sim_page *const page = &inode->pages[i];
        const uint64_t keep = size > i * SIM_PAGE_BYTES ? size - i * SIM_PAGE_BYTES : 0;

        if (page->bytes != NULL && keep < SIM_PAGE_BYTES) {
            memset(page_change(inode, page) + keep, 0, SIM_PAGE_BYTES - keep);
        }
        if (keep == 0) {
            page_release(inode, page);
        }
    }
    inode->size_bytes = size;
}

void sim_inode_allocate(struct sim_inode *inode, uint64_t offset, uint64_t size)
{
    const uint64_t end = (offset + size + SIM_PAGE_BYTES - 1) / SIM_PAGE_BYTES;

    pages_grow(inode, end);
    for (uint64_t i = offset / SIM_PAGE_BYTES; i < end; i++) {
        page_take(inode, &inode->pages[i]);
    }
    if (offset + size > inode->size_bytes) {
        inode->size_bytes = offset + size;
    }
}

uint64_t sim_inode_missing(const struct sim_inode *inode, uint64_t offset, uint64_t size)
{
    const uint64_t end = (offset + size + SIM_PAGE_BYTES - 1) / SIM_PAGE_BYTES;
    uint64_t missing = 0;

    for (uint64_t i = offset / SIM_PAGE_BYTES; i < end; i++) {
        const struct sim_page *const page = page_at(inode, i);

        missing += page == NULL || !page->taken ? SIM_PAGE_BYTES : 0;
    }
    return missing;
}

uint64_t sim_inode_fitting(const struct sim_inode *inode, uint64_t offset, uint64_t size,
                           uint64_t free_bytes)
{
    uint64_t at = offset;

    while (at < offset + size) {
        const uint64_t next = (at / SIM_PAGE_BYTES + 1) * SIM_PAGE_BYTES;
        const uint64_t missing = sim_inode_missing(inode, at, 1);

        if (missing > free_bytes) {
            return at - offset;
        }
        free_bytes -= missing;
        at = next;
    }
    return size;
}

// A medium that fails --------------------------------------------------------------------------

bool sim_inode_rot(struct sim_inode *inode, uint64_t bit)
{
    const uint64_t at = bit / 8;
    struct sim_page *const page = page_at(inode, at / SIM_PAGE_BYTES);
    const uint8_t turned = (uint8_t)(1U << bit % 8);

    if (page == NULL || page->bytes == NULL || at >= inode->size_bytes) {
        return false;
    }
    page->bytes[at % SIM_PAGE_BYTES] ^= turned;
    if (page->dirty) {
        page->durable[at % SIM_PAGE_BYTES] ^= turned;
    }
    return true;
}

void sim_inode_spoil(struct sim_inode *inode, uint64_t offset)
{
    struct sim_page *const page = page_at(inode, offset / SIM_PAGE_BYTES);

    if (page != NULL) {
        page->spoiled = true;
    }
}

bool sim_inode_is_spoiled(const struct sim_inode *inode, uint64_t offset, uint64_t size)
{
    for (uint64_t at = offset / SIM_PAGE_BYTES; at * SIM_PAGE_BYTES < offset + size; at++) {
        const struct sim_page *const page = page_at(inode, at);

        if (page == NULL) {
            return false;
        }
        if (page->spoiled) {
            return true;
        }
    }
    return false;
}

static uint64_t pages_held(const struct sim_inode *inode)
{
    uint64_t held = 0;

    for (uint64_t i = 0; i < inode->page_count; i++) {
        held += inode->pages[i].bytes != NULL && i * SIM_PAGE_BYTES < inode->size_bytes;
    }
    return held;
}

struct pick {
    uint64_t skip; // files that hold something, before it is the one
    uint64_t files;
    struct sim_inode *found;
    char *path;
    size_t size;
};

static void pick_in(struct pick *pick, const struct sim_inode *directory, const char *path)
{
    for (const struct sim_name *at = directory->names; at != NULL && !pick->found; at = at->next) {
        char inner[SIM_PATH_BYTES_MAX];

        (void)snprintf(inner, sizeof inner, "%.700s/%s", path, at->text);
        if (at->inode->kind == SIM_INODE_DIRECTORY) {
            pick_in(pick, at->inode, inner);
        } else if (pages_held(at->inode) != 0 && pick->files++ == pick->skip) {
            pick->found = at->inode;
            (void)snprintf(pick->path, pick->size, "%s", inner);
        }
    }
}

struct sim_inode *sim_disk_pick(struct sim_disk *disk, uint64_t number, char *ret_path, size_t size,
                                uint64_t *ret_offset)
{
    struct pick pick = {.skip = UINT64_MAX, .path = ret_path, .size = size};

    pick_in(&pick, disk->root, "");
    if (pick.files == 0) {
        return NULL;
    }
    pick.skip = number % pick.files;
    number /= pick.files;
    pick.files = 0;
    pick_in(&pick, disk->root, "");
    uint64_t skip = number % pages_held(pick.found);

    for (uint64_t i = 0; i < pick.found->page_count; i++) {
        if (pick.found->pages[i].bytes != NULL && i * SIM_PAGE_BYTES < pick.found->size_bytes &&
            skip-- == 0) {
            *ret_offset = i * SIM_PAGE_BYTES;
            return pick.found;
        }
    }
    CHECK(false);
    return NULL;
}

void sim_inode_stat(const struct sim_inode *inode, struct io_stat *ret_stat)
{
    *ret_stat = (struct io_stat){
        .size_bytes = inode->size_bytes,
        .blocks_bytes = inode->pages_taken * SIM_PAGE_BYTES,
        .links = inode->links,
        .directory = inode->kind == SIM_INODE_DIRECTORY,
    };
}

enum sim_inode_kind sim_inode_kind(const struct sim_inode *inode)
{
    return inode->kind;
}

bool sim_inode_lock(struct sim_inode *inode, const void *owner)
{
    if (inode->lock_owner != NULL && inode->lock_owner != owner) {
        return false;
    }
    inode->lock_owner = owner;
    return true;
}

void sim_inode_unlock(struct sim_inode *inode, const void *owner)
{
    if (inode->lock_owner == owner) {
        inode->lock_owner = NULL;
    }
}

void sim_inode_settle(struct sim_inode *inode)
{
    const bool gone = inode->links == 0 && inode->opens == 0;

    if (gone && !inode->gone) {
        inode->disk->pages_taken -= inode->pages_taken;
    } else if (!gone && inode->gone) {
        inode->disk->pages_taken += inode->pages_taken;
    }
    inode->gone = gone;
}

void sim_inode_opened(struct sim_inode *inode)
{
    inode->opens++;
    sim_inode_settle(inode);
}

void sim_inode_closed(struct sim_inode *inode)
{
    CHECK(inode->opens > 0);
    inode->opens--;
    sim_inode_settle(inode);
}

uint64_t sim_disk_used(const struct sim_disk *disk)
{
    return disk->pages_taken * SIM_PAGE_BYTES;
}

// Durability --------------------------------------------------------------------------------------

static void snapshot_take_page(struct sim_snapshot *snapshot, uint64_t index)
{
    const struct sim_page *const page = page_at(snapshot->inode, index);

    if (page == NULL || !page->dirty) {
        return;
    }
    if ((snapshot->count & (snapshot->count - 1)) == 0) { // full: room for twice as many
        const size_t room = snapshot->count == 0 ? 1 : 2 * (size_t)snapshot->count;

        snapshot->pages = realloc(snapshot->pages, room * sizeof(struct snapshot_page));
        CHECK(snapshot->pages != NULL);
    }
    struct snapshot_page *const taken = &snapshot->pages[snapshot->count++];

    taken->index = index;
    taken->version = page->version;
    memcpy(taken->bytes, page->bytes, SIM_PAGE_BYTES);
}

struct sim_snapshot *sim_snapshot_take(struct sim_inode *inode, uint64_t offset, uint64_t size)
{
    struct sim_snapshot *const snapshot = sim_allocate(sizeof *snapshot);
    const uint64_t end = size == UINT64_MAX ? inode->page_count
                                            : (offset + size + SIM_PAGE_BYTES - 1) / SIM_PAGE_BYTES;

    inode->references++;
    snapshot->inode = inode;
    snapshot->order = ++inode->snapshots;
    snapshot->size_bytes = inode->size_bytes;
    snapshot->names = sim_names_last(inode->disk);
    for (uint64_t i = offset / SIM_PAGE_BYTES; i < end; i++) {
        snapshot_take_page(snapshot, i);
    }
    return snapshot;
}

void sim_snapshot_commit(struct sim_snapshot *snapshot)
{
    struct sim_inode *const inode = snapshot->inode;

    for (uint32_t i = 0; i < snapshot->count; i++) {
        const struct snapshot_page *const taken = &snapshot->pages[i];
        struct sim_page *const page = page_at(inode, taken->index);

        if (page == NULL || !page->dirty || taken->version <= page->durable_version) {
            continue; // something newer is durable already
        }
        page->durable_version = taken->version;
        if (page->version == taken->version) {
            page_clean(page);
        } else {
            memcpy(page->durable, taken->bytes, SIM_PAGE_BYTES);
        }
    }
    if (inode->kind == SIM_INODE_DIRECTORY) {
        sim_names_commit(inode, snapshot->names);
    } else if (snapshot->order > inode->durable_size_order) {
        inode->durable_size_order = snapshot->order;
        inode->durable_size_bytes = snapshot->size_bytes;
    }
    sim_snapshot_drop(snapshot);
}

void sim_snapshot_drop(struct sim_snapshot *snapshot)
{
    sim_inode_put(snapshot->inode);
    free(snapshot->pages);
    free(snapshot);
}

// Whether a sector that was not durable is left as it was.
static bool sector_is_lost(struct sim_loss *loss, struct random *random)
{
    if (loss->keep == SIM_KEEP_SOME) {
        return random_below(random, 2) == 0;
    }
    if (loss->keep == SIM_KEEP_NOTHING && loss->sectors != 0) {
        loss->sectors--;
        return false;
    }
    return loss->keep == SIM_KEEP_NOTHING;
}

// Each sector that was not durable is old or new.
static void page_crash(struct sim_page *page, struct sim_loss *loss, struct random *random)
{
    if (!page->dirty) {
        return;
    }
    for (uint32_t at = 0; at < SIM_PAGE_BYTES; at += SIM_SECTOR_BYTES) {
        if (sector_is_lost(loss, random)) {
            memcpy(page->bytes + at, page->durable + at, SIM_SECTOR_BYTES);
        }
    }
    page_clean(page);
}

void sim_inode_crash(struct sim_inode *inode, struct sim_loss loss, struct random *random)
{
    uint64_t size_bytes = inode->durable_size_bytes;

    // A size that was not durable: as it was, as it is, or on the way between.
    if (loss.keep != SIM_KEEP_SOME) {
        size_bytes = loss.keep == SIM_KEEP_ALL ? inode->size_bytes : size_bytes;
    } else if (inode->size_bytes > size_bytes) {
        size_bytes += random_below(random, inode->size_bytes - size_bytes + 1);
    } else if (inode->size_bytes < size_bytes && random_below(random, 2) == 0) {
        size_bytes = inode->size_bytes;
    }
    for (uint64_t i = 0; i < inode->page_count; i++) {
        page_crash(&inode->pages[i], &loss, random);
    }
    sim_inode_truncate(inode, size_bytes);
    for (uint64_t i = 0; i < inode->page_count; i++) {
        page_clean(&inode->pages[i]);
    }
    inode->durable_size_bytes = size_bytes;
    inode->lock_owner = NULL;
}
