"""What the checks look for: the layers, and the calls that do not belong in them."""

# What each top folder may include. tests and perf may include anything, and nothing includes them.
LAYERS = {
    "core": {"core"},
    "engines": {"core", "engines"},
    "ring": {"core", "ring"},
    "cluster": {"core", "engines", "ring", "cluster"},
    "cli": {"core", "engines", "ring", "cluster", "cli"},
    "perf": {"core", "engines", "ring", "cluster", "cli", "perf", "tests"},
    "tests": {"core", "engines", "ring", "cluster", "cli", "perf", "tests"},
}
# Whose README has a map of every file. tests/unit mirrors these, name by name.
MAPPED_FOLDERS = ("core", "engines", "ring", "cluster", "cli", "perf")

# Below the programs: what may run under the simulator, many nodes in one process.
LIBRARY_FOLDERS = ("core", "engines", "ring", "cluster")

# The backend that does for real what core/io.h promises, and so may call anything.
BACKEND = "core/io_uring"

# Libraries that belong to some places only: header -> prefixes of the paths that may include it.
HEADERS = {
    "liburing.h": (BACKEND, "tests/", "perf/"),
    "mimalloc.h": ("core/memory.h",),
    "xxhash.h": ("core/",),
    "yaml.h": ("core/config", "tests/"),
    "sodium.h": ("core/", "cluster/", "tests/"),
    "hiredis.h": ("cli/", "tests/", "perf/"),
    "hiredis/hiredis.h": ("cli/", "tests/", "perf/"),
    "jansson.h": ("cli/", "tests/", "perf/"),
    "histedit.h": ("cli/",),
    "editline/readline.h": ("cli/",),
    "criterion/criterion.h": ("tests/unit/",),
    "assert.h": ("",),
    "threads.h": (),
    "stdatomic.h": ("core/spsc", "core/sleep", BACKEND, "tests/", "perf/"),
}

# Calls banned in LIBRARY_FOLDERS outside the backend, each with what to do instead.
OUTSIDE_EFFECTS = "an outside effect: go through core/io.h"
RANDOMNESS = "randomness comes seeded, from core/random.h"
BLOCKING = "a core never sleeps or waits: start a timer"
ALLOCATION = "memory comes from core/memory.h or a bounded pool"
PRINTING = "libraries return errors; only cli/ and a shard's top level log"
LOCKS = "cores share nothing: there are no locks"
BANNED_IN_LIBRARIES = {
    OUTSIDE_EFFECTS: """
        read write pread pwrite readv writev preadv pwritev preadv2 pwritev2 open openat creat close
        fopen fdopen freopen fread fwrite fgets fgetc getc getline fclose fflush
        lseek ftruncate truncate fsync fdatasync sync_file_range fallocate posix_fallocate
        rename renameat renameat2 link linkat unlink unlinkat remove mkdir mkdirat rmdir opendir
        readdir closedir scandir stat fstat lstat fstatat statx access socket socketpair bind listen
        accept accept4 connect shutdown send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg
        setsockopt getsockopt getaddrinfo gethostbyname pipe pipe2 eventfd timerfd_create signalfd
        ioctl fcntl dup dup2 dup3 io_uring_queue_init io_uring_get_sqe io_uring_submit syscall
        clock_gettime gettimeofday time clock ftime timespec_get
    """,
    RANDOMNESS: """
        rand rand_r srand random srandom drand48 lrand48 mrand48 getrandom getentropy arc4random
        arc4random_uniform randombytes_buf randombytes_random randombytes_uniform
    """,
    BLOCKING: """
        sleep usleep nanosleep clock_nanosleep poll ppoll select pselect epoll_wait epoll_pwait
        pause alarm setitimer sigwait wait waitpid sched_yield
    """,
    ALLOCATION: """
        malloc calloc realloc reallocarray free aligned_alloc posix_memalign memalign valloc strdup
        strndup asprintf vasprintf mmap munmap mi_malloc mi_calloc mi_zalloc mi_realloc mi_free
        mi_malloc_aligned
    """,
    PRINTING: "printf vprintf fprintf vfprintf dprintf puts fputs putchar fputc putc perror syslog",
    LOCKS: """
        pthread_mutex_lock pthread_mutex_init pthread_rwlock_rdlock
        pthread_rwlock_wrlock pthread_spin_lock pthread_cond_wait pthread_cond_signal sem_wait
        sem_post mtx_lock cnd_wait flockfile
    """,
    "a node starts its cores' threads, nothing else starts any": "pthread_create thrd_create",
    "CHECK, which stays on in releases": "assert",
    "the process is not a library's to end": "exit _exit _Exit quick_exit abort",
    "the environment and the locale are the programs'": """
        getenv secure_getenv setenv putenv setlocale
    """,
    "no process is started from here": """
        fork vfork execv execve execvp execl execlp popen posix_spawn
    """,
}

# Calls banned in cli/ as well as in LIBRARY_FOLDERS.
BANNED_IN_PROGRAMS = {
    "cannot report an error: use strtol, or core's parsers": "atoi atol atoll atof sscanf",
    "keeps hidden state": """
        strtok localtime gmtime ctime asctime getpwnam getpwuid inet_ntoa tmpnam tempnam mktemp
        readdir_r
    """,
    "jumps over what has to be released": "setjmp longjmp sigsetjmp siglongjmp",
}

# Calls banned everywhere, tests included.
BANNED_EVERYWHERE = {
    "has no bound: use memcpy or snprintf with a size": """
        strcpy strcat sprintf vsprintf gets stpcpy
    """,
    "pads and forgets the NUL: use memcpy with a size": "strncpy strncat",
    "grows the stack by what a stranger says": "alloca",
    "runs a shell": "system",
}

LINE_COLUMNS_MAX = 100
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 800  # past it the top of the file says why it is one thing
FILE_HEAD_LINES = 20  # where that has to stand
