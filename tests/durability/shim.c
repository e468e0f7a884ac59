/* Loaded into a server with LD_PRELOAD, this writes down what is done to files and sockets, in order, and lets calls
 * fail that the test wants to fail.
 *
 * SHIM_FOLDER   only files in this folder are looked at, and all sockets
 * SHIM_TRACE    where to write: one line for each call, "BEGIN END CALL FD RESULT ERRNO PATH BYTES", times in
 *               nanoseconds, the bytes in hexadecimal
 * SHIM_FAULTS   a file with one line for each fault, "CALL ERRNO SKIP COUNT PART": of calls on paths that contain PART,
 *               COUNT fail after SKIP that did not; it may be replaced at any time, and is then counted anew. An error
 *               below zero is no error: the call takes so many milliseconds longer
 *
 * While the server runs it must not allocate, since the allocator makes system calls too.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { FAULTS = 8, PATH = 512, SHOWN = 1 << 16 };

struct fault { char call[24], part[128]; int error; long skip, count; };

static const char *folder, *faults_path;
static int trace = -1;
static struct fault faults[FAULTS];
static int fault_count;
static ino_t faults_file;
static struct timespec faults_changed;
static atomic_flag busy = ATOMIC_FLAG_INIT;

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }
#define REAL(result, name, ...) static result (*it)(__VA_ARGS__); if (!it) it = real(#name)

__attribute__((constructor)) static void begin(void) {
    /* Copies, because a server may write its title over its environment. */
    folder = getenv("SHIM_FOLDER") ? strdup(getenv("SHIM_FOLDER")) : NULL;
    faults_path = getenv("SHIM_FAULTS") ? strdup(getenv("SHIM_FAULTS")) : NULL;
    const char *path = getenv("SHIM_TRACE");
    if (path)
        trace = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int is_ours(const char *path) {
    /* The server works in its folder, so relative paths are in it. */
    return folder && (path[0] != '/' || strncmp(path, folder, strlen(folder)) == 0);
}

/* Says whether the descriptor matters, and what it is. */
static int known(int fd, char *path) {
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return strncmp(path, "socket:", 7) == 0 || is_ours(path);
}

static void read_faults(void) {
    struct stat found;
    if (stat(faults_path, &found) != 0) { fault_count = 0; return; }
    if (found.st_ino == faults_file && found.st_mtim.tv_nsec == faults_changed.tv_nsec) return;
    faults_file = found.st_ino;
    faults_changed = found.st_mtim;
    fault_count = 0;
    char text[2048];
    int fd = syscall(SYS_openat, AT_FDCWD, faults_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    long length = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    text[length > 0 ? length : 0] = 0;
    for (char *line = text; *line && fault_count < FAULTS;) {
        struct fault *it = &faults[fault_count];
        it->part[0] = 0;
        if (sscanf(line, "%23s %d %ld %ld %127s", it->call, &it->error, &it->skip, &it->count, it->part) >= 4)
            fault_count++;
        line = strchr(line, '\n');
        if (!line++) break;
    }
}

/* The error a call must end with, or 0. */
static int fails(const char *call, const char *path) {
    if (!faults_path) return 0;
    int error = 0;
    while (atomic_flag_test_and_set(&busy));
    read_faults();
    for (int i = 0; i < fault_count && !error; i++) {
        struct fault *it = &faults[i];
        if (strcmp(it->call, call) || !strstr(path, it->part)) continue;
        if (it->skip > 0) it->skip--;
        else if (it->count > 0) { it->count--; error = it->error; }
    }
    atomic_flag_clear(&busy);
    return error;
}

static void tell(long long from, const char *call, int fd, long result, int error, const char *path, const void *bytes, size_t length) {
    if (trace < 0) return;
    /* One write for each line, so that lines of several threads do not mix. */
    static __thread char line[2 * SHOWN + PATH + 200];
    int at = snprintf(line, PATH + 150, "%lld %lld %s %d %ld %d %s ", from, now(), call, fd, result, error, path);
    if (length > SHOWN) length = SHOWN;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = ((const unsigned char *)bytes)[i];
        line[at++] = "0123456789abcdef"[byte >> 4];
        line[at++] = "0123456789abcdef"[byte & 15];
    }
    if (!length) line[at++] = '-';
    line[at++] = '\n';
    syscall(SYS_write, trace, line, at);
}

#define AROUND(call, fd, path, bytes, length, act)                                                                     \
    long long from = now();                                                                                            \
    int error = fails(call, path);                                                                                     \
    if (error < 0) { usleep(-error * 1000); error = 0; }                                                               \
    long result = -1;                                                                                                  \
    if (!error) { result = act; error = result < 0 ? errno : 0; }                                                      \
    tell(from, call, fd, result, error, path, bytes, length);                                                          \
    errno = error;                                                                                                     \
    return result

ssize_t write(int fd, const void *bytes, size_t length) {
    REAL(ssize_t, write, int, const void *, size_t);
    char path[PATH];
    if (!known(fd, path)) return it(fd, bytes, length);
    AROUND("write", fd, path, bytes, result > 0 ? (size_t)result : 0, it(fd, bytes, length));
}

ssize_t send(int fd, const void *bytes, size_t length, int flags) {
    REAL(ssize_t, send, int, const void *, size_t, int);
    char path[PATH];
    if (!known(fd, path)) return it(fd, bytes, length, flags);
    AROUND("send", fd, path, bytes, result > 0 ? (size_t)result : 0, it(fd, bytes, length, flags));
}

static size_t gather(const struct iovec *parts, int count, long taken, char *into) {
    size_t at = 0;
    for (int i = 0; i < count; i++)
        for (size_t j = 0; j < parts[i].iov_len && (long)at < taken && at < SHOWN; j++)
            into[at++] = ((const char *)parts[i].iov_base)[j];
    return at;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(ssize_t, writev, int, const struct iovec *, int);
    static __thread char all[SHOWN];
    char path[PATH];
    if (!known(fd, path)) return it(fd, parts, count);
    AROUND("writev", fd, path, all, gather(parts, count, result, all), it(fd, parts, count));
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    REAL(ssize_t, sendmsg, int, const struct msghdr *, int);
    static __thread char all[SHOWN];
    char path[PATH];
    if (!known(fd, path)) return it(fd, message, flags);
    AROUND("sendmsg", fd, path, all, gather(message->msg_iov, message->msg_iovlen, result, all), it(fd, message, flags));
}

#define ON_FILE(name)                                                                                                  \
    int name(int fd) {                                                                                                 \
        REAL(int, name, int);                                                                                          \
        char path[PATH];                                                                                               \
        if (!known(fd, path)) return it(fd);                                                                           \
        AROUND(#name, fd, path, "", 0, it(fd));                                                                        \
    }
ON_FILE(fsync)
ON_FILE(fdatasync)

#define TRUNCATES(name, type)                                                                                          \
    int name(int fd, type length) {                                                                                    \
        REAL(int, name, int, type);                                                                                    \
        char path[PATH];                                                                                               \
        if (!known(fd, path)) return it(fd, length);                                                                   \
        AROUND("ftruncate", fd, path, "", 0, it(fd, length));                                                          \
    }
TRUNCATES(ftruncate, off_t)
TRUNCATES(ftruncate64, off64_t)

#define OPENS(name)                                                                                                    \
    int name(const char *path, int flags, ...) {                                                                       \
        REAL(int, name, const char *, int, ...);                                                                       \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0;                                              \
        va_end(rest);                                                                                                  \
        if (!is_ours(path)) return it(path, flags, mode);                                                              \
        AROUND("open", -1, path, "", 0, it(path, flags, mode));                                                        \
    }
OPENS(open)
OPENS(open64)

int rename(const char *old, const char *new) {
    REAL(int, rename, const char *, const char *);
    if (!is_ours(new)) return it(old, new);
    AROUND("rename", -1, new, old, strlen(old), it(old, new));
}

int unlink(const char *path) {
    REAL(int, unlink, const char *);
    if (!is_ours(path)) return it(path);
    AROUND("unlink", -1, path, "", 0, it(path));
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, mkdir, const char *, mode_t);
    if (!is_ours(path)) return it(path, mode);
    AROUND("mkdir", -1, path, "", 0, it(path, mode));
}
