// The few calls outside core/io.h: files at start, the log's file, the supervisor's socket.
#include "core/file.h"
#include "core/log_file.h"
#include "core/memory.h"
#include "core/notify.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct place {
    char folder[64];
    char path[128];
};

static struct place place_make(void)
{
    struct place place = {.folder = "/tmp/rldb_file_XXXXXX"};

    cr_assert_not_null(mkdtemp(place.folder));
    snprintf(place.path, sizeof(place.path), "%s/file", place.folder);
    return place;
}

static void place_remove(const struct place *place)
{
    unlink(place->path);
    cr_assert_eq(rmdir(place->folder), 0);
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

Test(core_file, files_are_read_whole_up_to_the_bound)
{
    static char content[20000];
    const struct place place = place_make();
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 20000};

    memset(content, 'c', sizeof(content));
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *bytes = NULL;
        size_t size = 99;
        write_file(place.path, content, sizes[i]);
        cr_assert_eq(file_read(place.path, sizes[i], &bytes, &size), 0);
        cr_expect_eq(size, sizes[i]);
        cr_expect_eq(memcmp(bytes, content, size), 0);
        cr_expect_eq(bytes[size], '\0');
        memory_free(bytes);
        if (sizes[i] > 0) {
            cr_expect_eq(file_read(place.path, sizes[i] - 1, &bytes, &size), -EFBIG);
        }
    }
    place_remove(&place);
}

// A FIFO without a writer would hold the reader for ever.
Test(core_file, what_is_no_file_is_refused, .timeout = 5)
{
    const struct place place = place_make();
    char *bytes;
    size_t size;

    cr_expect_eq(file_read(place.path, 10, &bytes, &size), -ENOENT);
    cr_expect_eq(file_readable(place.path), -ENOENT);
    cr_assert_eq(mkfifo(place.path, 0600), 0);
    cr_expect_eq(file_read(place.path, 10, &bytes, &size), -EINVAL);
    cr_expect_eq(file_read(place.folder, 10, &bytes, &size), -EISDIR);
    cr_expect_eq(file_read("/dev/zero", 10, &bytes, &size), -EFBIG);
    cr_assert_eq(file_read("/dev/null", 10, &bytes, &size), 0); // as good as an empty file
    cr_expect_eq(size, 0);
    memory_free(bytes);
    cr_expect_eq(file_readable("/etc/passwd"), 0);
    place_remove(&place);
}

Test(core_file, directories_to_be)
{
    const struct place place = place_make();
    char path[256];

    cr_expect_eq(file_directory_usable(place.folder), 0);
    cr_expect_eq(file_directory_usable(place.path), 0, "its parent is there");
    snprintf(path, sizeof(path), "%s///", place.path);
    cr_expect_eq(file_directory_usable(path), 0);
    snprintf(path, sizeof(path), "%s/deeper", place.path);
    cr_expect_eq(file_directory_usable(path), -ENOENT);
    cr_expect_eq(file_directory_usable("a-name-alone"), 0);
    write_file(place.path, "x", 1);
    cr_expect_eq(file_directory_usable(place.path), -ENOTDIR);
    cr_expect_eq(file_directory_usable(path), -ENOTDIR);
    place_remove(&place);
}

Test(core_file, files_to_be_written)
{
    const struct place place = place_make();
    struct stat stat_of;
    char path[256];

    cr_expect_eq(file_appendable(place.path), 0, "its parent is there");
    cr_expect_eq(stat(place.path, &stat_of), -1, "it was made");
    cr_expect_eq(file_appendable(place.folder), -EISDIR);
    cr_expect_eq(file_appendable("a-name-alone"), 0);
    cr_expect_eq(file_appendable("/dev/null"), 0);
    snprintf(path, sizeof(path), "%s/deeper", place.path);
    cr_expect_eq(file_appendable(path), -ENOENT);
    write_file(place.path, "x", 1);
    cr_expect_eq(file_appendable(place.path), 0);
    cr_expect_eq(file_appendable(path), -ENOTDIR);
    place_remove(&place);
}

static void log_one(struct log_file *file, const char *line)
{
    log_file_write(file, LOG_LEVEL_INFO, line, strlen(line));
}

static void expect_content(const char *path, const char *expected)
{
    char *bytes;
    size_t size;

    cr_assert_eq(file_read(path, 1000, &bytes, &size), 0);
    cr_expect_str_eq(bytes, expected);
    memory_free(bytes);
}

Test(core_file, a_log_is_appended_to_and_survives_rotation)
{
    const struct place place = place_make();
    char rotated[256];
    struct log_file file;
    struct stat stat_of;

    snprintf(rotated, sizeof(rotated), "%s.1", place.path);
    cr_assert_eq(log_file_open(&file, place.path), 0);
    cr_assert_eq(stat(place.path, &stat_of), 0);
    cr_expect_eq(stat_of.st_mode & 0007, 0, "others cannot read it");
    log_one(&file, "one\n");
    cr_assert_eq(rename(place.path, rotated), 0);
    log_one(&file, "two\n");
    const int fd = file.fd;
    cr_assert_eq(log_file_reopen(&file), 0);
    cr_expect_eq(file.fd, fd, "threads that hold the number go on");
    log_one(&file, "three\n");
    log_file_close(&file);
    expect_content(rotated, "one\ntwo\n");
    expect_content(place.path, "three\n");
    cr_assert_eq(log_file_open(&file, place.path), 0);
    log_one(&file, "four\n");
    log_file_close(&file);
    expect_content(place.path, "three\nfour\n");
    unlink(rotated);
    place_remove(&place);
}

Test(core_file, a_log_that_cannot_be_opened_anew_goes_on)
{
    const struct place place = place_make();
    struct log_file file;

    cr_expect_eq(log_file_open(&file, "/nonexistent/log"), -ENOENT);
    cr_assert_eq(log_file_open(&file, place.path), 0);
    file.path = "/nonexistent/log";
    cr_expect_eq(log_file_reopen(&file), -ENOENT);
    log_one(&file, "still\n");
    log_file_close(&file);
    expect_content(place.path, "still\n");
    place_remove(&place);
}

Test(core_file, standard_error_is_neither_reopened_nor_closed)
{
    struct log_file file;

    cr_assert_eq(log_file_open(&file, "-"), 0);
    cr_expect_eq(file.fd, STDERR_FILENO);
    cr_expect_eq(log_file_reopen(&file), 0);
    log_file_close(&file);
    cr_expect_geq(dup2(STDERR_FILENO, STDERR_FILENO), 0);
}

static int bound_socket(const char *name, size_t name_size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

    memcpy(address.sun_path, name, name_size);
    cr_assert_eq(bind(fd, (const struct sockaddr *)&address,
                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + name_size)),
                 0);
    return fd;
}

Test(core_file, a_supervisor_is_told)
{
    const struct place place = place_make();
    char abstract[80];
    char got[64] = {0};

    int fd = bound_socket(place.path, strlen(place.path));
    cr_expect_eq(notify_send(place.path, "READY=1"), 0);
    cr_expect_eq(recv(fd, got, sizeof(got), MSG_DONTWAIT), 7);
    cr_expect_str_eq(got, "READY=1");
    close(fd);

    snprintf(abstract, sizeof(abstract), "@%s", place.folder);
    abstract[0] = '\0';
    fd = bound_socket(abstract, strlen(abstract + 1) + 1);
    abstract[0] = '@';
    cr_expect_eq(notify_send(abstract, "STOPPING=1"), 0);
    cr_expect_eq(recv(fd, got, sizeof(got), MSG_DONTWAIT), 10);
    close(fd);
    place_remove(&place);
}

Test(core_file, no_supervisor_is_no_error)
{
    char longest[200];

    memset(longest, 'a', sizeof(longest));
    longest[0] = '/';
    longest[sizeof(longest) - 1] = '\0';
    cr_expect_eq(notify_send(NULL, "READY=1"), 0);
    cr_expect_eq(notify_send("", "READY=1"), 0);
    cr_expect_eq(notify_send("relative", "READY=1"), -EINVAL);
    cr_expect_eq(notify_send(longest, "READY=1"), -EINVAL);
    cr_expect_eq(notify_send("/nonexistent/socket", "READY=1"), -ENOENT);
}
