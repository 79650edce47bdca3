// A library to preload into a database server. While the file that HOLD_WHILE names
// exists, it holds back every write and every sync of a file whose path contains
// HOLD_PATH, which is that of the server's log.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static void hold(int fd) {
	const char *control = getenv("HOLD_WHILE"), *part = getenv("HOLD_PATH");
	char link[64], path[4096];
	if (control == NULL || part == NULL || access(control, F_OK) != 0)
		return;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof path - 1);
	if (n < 0)
		return;
	path[n] = 0;
	if (strstr(path, part) == NULL)
		return;
	while (access(control, F_OK) == 0)
		usleep(5000);
}

// HELD defines a function that takes a file descriptor first as the next library
// does, but for the wait.
#define HELD(type, name, params, args)                                   \
	type name params {                                               \
		static type(*next) params;                               \
		if (next == NULL)                                        \
			next = (type(*) params)dlsym(RTLD_NEXT, #name);  \
		hold(fd);                                                \
		return next args;                                        \
	}

HELD(ssize_t, write, (int fd, const void *b, size_t n), (fd, b, n))
HELD(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n))
HELD(ssize_t, pwrite, (int fd, const void *b, size_t n, off_t at), (fd, b, n, at))
HELD(ssize_t, pwrite64, (int fd, const void *b, size_t n, off64_t at), (fd, b, n, at))
HELD(ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at))
HELD(ssize_t, pwritev64, (int fd, const struct iovec *v, int n, off64_t at), (fd, v, n, at))
HELD(int, fsync, (int fd), (fd))
HELD(int, fdatasync, (int fd), (fd))
