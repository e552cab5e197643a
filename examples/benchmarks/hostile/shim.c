/* Fails one call of the file system, or every call from it on, below one folder.

   LD_PRELOADed; controlled through its globals from the process itself (ctypes). Counts write,
   pwrite, fsync, fdatasync, ftruncate and rename. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

char shim_folder[4096] = "";
long shim_calls = 0, shim_fail_at = -1;
int shim_errno = 28, shim_sticky = 0;

static int below(const char *path) { return shim_folder[0] && strstr(path, shim_folder) != NULL; }

static int below_fd(int fd) {
  char link[64], path[4096];
  if (!shim_folder[0]) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  if (n < 0) return 0;
  path[n] = 0;
  return below(path);
}

static int fails(int counted) {
  if (!counted) return 0;
  long call = __sync_add_and_fetch(&shim_calls, 1);
  if (shim_fail_at < 0) return 0;
  if (call == shim_fail_at || (shim_sticky && call > shim_fail_at)) { errno = shim_errno; return 1; }
  return 0;
}

#define REAL(fn) static __typeof__(&fn) real; if (!real) real = (__typeof__(&fn))dlsym(RTLD_NEXT, #fn)

ssize_t write(int fd, const void *b, size_t n) {
  REAL(write);
  return fails(below_fd(fd)) ? -1 : real(fd, b, n);
}
ssize_t pwrite64(int fd, const void *b, size_t n, off64_t at) {
  REAL(pwrite64);
  return fails(below_fd(fd)) ? -1 : real(fd, b, n, at);
}
ssize_t pwrite(int fd, const void *b, size_t n, off_t at) {
  REAL(pwrite);
  return fails(below_fd(fd)) ? -1 : real(fd, b, n, at);
}
int fsync(int fd) {
  REAL(fsync);
  return fails(below_fd(fd)) ? -1 : real(fd);
}
int fdatasync(int fd) {
  REAL(fdatasync);
  return fails(below_fd(fd)) ? -1 : real(fd);
}
int ftruncate64(int fd, off64_t n) {
  REAL(ftruncate64);
  return fails(below_fd(fd)) ? -1 : real(fd, n);
}
int ftruncate(int fd, off_t n) {
  REAL(ftruncate);
  return fails(below_fd(fd)) ? -1 : real(fd, n);
}
int rename(const char *a, const char *b) {
  REAL(rename);
  return fails(below(b)) ? -1 : real(a, b);
}
