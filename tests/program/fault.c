/* Preloaded into the program, it counts the calls that change or open something below the folder FAULT_UNDER, and lets the
   one numbered FAULT_AT fail with the error FAULT_ERRNO; FAULT_LASTING lets all that follow fail, too. How many there were goes
   into the file FAULT_COUNT when the process ends. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static long count;

static int below(const char *path) {
    const char *under = getenv("FAULT_UNDER");
    if (!under || !path) return 0;
    if (path[0] == '/') return strncmp(path, under, strlen(under)) == 0;
    /* A relative path counts from the working folder, which is the parent of the run folder. */
    const char *name = strrchr(under, '/') + 1;
    return strncmp(path, name, strlen(name)) == 0;
}

static int fails(int concerned) {
    if (!concerned) return 0;
    long n = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    const char *at = getenv("FAULT_AT"), *with = getenv("FAULT_ERRNO");
    if (!at || !with) return 0;
    if (n != atol(at) && !(getenv("FAULT_LASTING") && n > atol(at))) return 0;
    errno = atoi(with);
    return 1;
}

static int open_below(int fd) {
    char link[64], path[4096];
    if (fd < 3) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    return path[0] == '/' && below(path);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define OPEN(name)                                                                                                             \
    int name(const char *path, int flags, ...) {                                                                              \
        va_list rest;                                                                                                          \
        va_start(rest, flags);                                                                                                 \
        mode_t mode = va_arg(rest, mode_t);                                                                                    \
        va_end(rest);                                                                                                          \
        return fails(below(path)) ? -1 : NEXT(name)(path, flags, mode);                                                        \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                                                           \
    int name(int at, const char *path, int flags, ...) {                                                                      \
        va_list rest;                                                                                                          \
        va_start(rest, flags);                                                                                                 \
        mode_t mode = va_arg(rest, mode_t);                                                                                    \
        va_end(rest);                                                                                                          \
        return fails(below(path)) ? -1 : NEXT(name)(at, path, flags, mode);                                                    \
    }
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int fd, const void *data, size_t n) { return fails(open_below(fd)) ? -1 : NEXT(write)(fd, data, n); }
ssize_t writev(int fd, const struct iovec *data, int n) { return fails(open_below(fd)) ? -1 : NEXT(writev)(fd, data, n); }
int fsync(int fd) { return fails(open_below(fd)) ? -1 : NEXT(fsync)(fd); }
int fdatasync(int fd) { return fails(open_below(fd)) ? -1 : NEXT(fdatasync)(fd); }
int ftruncate64(int fd, off64_t n) { return fails(open_below(fd)) ? -1 : NEXT(ftruncate64)(fd, n); }
int rename(const char *a, const char *b) { return fails(below(b)) ? -1 : NEXT(rename)(a, b); }
int unlink(const char *path) { return fails(below(path)) ? -1 : NEXT(unlink)(path); }
int mkdir(const char *path, mode_t mode) { return fails(below(path)) ? -1 : NEXT(mkdir)(path, mode); }

__attribute__((destructor)) static void told(void) {
    const char *place = getenv("FAULT_COUNT");
    FILE *file = place ? fopen(place, "w") : 0;
    if (file) {
        fprintf(file, "%ld", count);
        fclose(file);
    }
}
