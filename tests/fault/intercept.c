/*
 * The wrappers: every call of the C library that makes, changes, names or syncs files.
 *
 * SQLite imports open64, pwrite64, ftruncate64, fdatasync, unlink and so on, the tools the plain names: both are here.
 * fcntl() is not, since locks must stay exactly as they are; close() is looked at, but never fails.
 */

/* The header's inline open() and so on would stand in the way of those that are defined here. */
#undef _FORTIFY_SOURCE

#include "tests/fault/intercept.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

struct log *fault_log;
static size_t log_size;
static char root[PATH_MAX];
static dev_t root_device;

/* The next definition of a function: the C library's own. */
#define REAL(function) ((__typeof__(&function))dlsym(RTLD_NEXT, #function))

/* A call of the C library, with what is said about it before and after. */
#define CARRY_OUT(operation, call)                           \
	({                                                   \
		int64_t result_ = -1;                        \
		if (!is_watched(operation)) {                \
			result_ = (call);                    \
		} else if (before_operation(operation)) {    \
			result_ = (call);                    \
			const int errno_ = errno;            \
			after_operation(operation, result_); \
			errno = errno_;                      \
		}                                            \
		result_;                                     \
	})

/* --- the log ---------------------------------------------------------------------------------- */

__attribute__((constructor)) static void begin(void)
{
	const char *folder = getenv("FAULT_ROOT"), *path = getenv("FAULT_LOG");
	struct stat status = { 0 };

	if (!folder || !path || !realpath(folder, root) || stat(root, &status))
		return;
	root_device = status.st_dev;

	const int fd = REAL(open)(path, O_RDWR | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &status) || (size_t)status.st_size < sizeof(struct log))
		return;
	log_size = (size_t)status.st_size;
	fault_log = mmap(NULL, log_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fault_log == MAP_FAILED)
		fault_log = NULL;
	REAL(close)(fd);
}

static char *append(char *at, const void *bytes, size_t length)
{
	memcpy(at, bytes, length);
	return at + length;
}

void log_operation(const struct operation *operation, int error)
{
	const size_t name = strlen(operation->name) + 1, path = strlen(operation->path) + 1,
		     second = strlen(operation->second) + 1, data = operation->data_length;
	const size_t size = (sizeof(struct log_entry) + name + path + second + data + 7) & ~7UL;
	const uint64_t at = atomic_fetch_add(&fault_log->used, size);

	if (sizeof(struct log) + at + size > log_size) {
		fprintf(stderr, "the log is full: %s\n", operation->path);
		abort();
	}

	char *place = (char *)(fault_log + 1) + at;
	struct log_entry *entry = (struct log_entry *)place;

	*entry = (struct log_entry){ .traits = operation->traits,
				     .pid = getpid(),
				     .error = error,
				     .inode = operation->inode,
				     .offset = operation->offset,
				     .length = operation->length,
				     .data_length = data };
	place = append(place + sizeof(*entry), operation->name, name);
	place = append(place, operation->path, path);
	place = append(place, operation->second, second);
	if (data > 0)
		append(place, operation->data, data);
	entry->size = (uint32_t)size;
}

/* --- which file it is ------------------------------------------------------------------------- */

static bool is_below_root(const char *path)
{
	const size_t length = strlen(root);

	return !strncmp(path, root, length) && (path[length] == '/' || path[length] == '\0');
}

static bool is_watched(const struct operation *operation)
{
	return fault_log && operation->path[0] != '\0';
}

/* What is mounted over a part of the root is not what is written there: it gets a name of its own. */
static void name_covered(int fd, char path[PATH_MAX])
{
	const size_t length = strlen(root), covered = strlen(COVERED), rest = strlen(path) - length;
	struct stat status = { 0 };

	if (fstat(fd, &status) || status.st_dev == root_device ||
	    length + covered + rest >= PATH_MAX)
		return;
	memmove(path + length + covered, path + length, rest + 1);
	memcpy(path + length, COVERED, covered);
}

/* Where an open file is; "" when it is not below the root. */
static void locate_fd(int fd, char path[PATH_MAX])
{
	char link[32];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);

	const ssize_t length = fault_log ? readlink(link, path, PATH_MAX - 1) : 0;

	path[length > 0 ? length : 0] = '\0';
	if (!is_below_root(path))
		path[0] = '\0';
	else
		name_covered(fd, path);
}

static void inode_of_fd(struct operation *operation, int fd)
{
	struct stat status = { 0 };

	if (operation->path[0] != '\0' && fstat(fd, &status) == 0)
		operation->inode = status.st_ino;
}

/*
 * Where a name is: its folder is opened, so that /proc/self/fd/N/name, "..", links and mounts are what the
 * kernel takes them for. The last part is not followed.
 */
static void locate(int folder, const char *name, char path[PATH_MAX])
{
	const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
	char parent[PATH_MAX] = ".";
	const int saved = errno;

	path[0] = '\0';
	if (!fault_log || strlen(name) >= sizeof(parent))
		return;
	if (slash)
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - name) + 1, name);

	const int fd = (int)syscall(SYS_openat, folder, parent, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		locate_fd(fd, path);
		REAL(close)(fd);
		if (path[0] != '\0' && strlen(path) + 1 + strlen(base) < PATH_MAX)
			strcat(strcat(path, "/"), base);
	}
	errno = saved;
}

static void inode_of_path(struct operation *operation, const char *path)
{
	const size_t length = strlen(root), covered = strlen(COVERED);
	char real[PATH_MAX];
	struct stat status = { 0 };
	const int saved = errno;

	strcpy(real, path);
	if (path[0] != '\0' && !strncmp(path + length, COVERED "/", covered + 1))
		memmove(real + length, real + length + covered,
			strlen(path + length + covered) + 1);
	if (real[0] != '\0' && lstat(real, &status) == 0)
		operation->inode = status.st_ino;
	errno = saved;
}

/* An operation on an open file, and one on a name. */
static struct operation on_fd(const char *name, unsigned traits, int fd)
{
	struct operation operation = { .name = name, .traits = traits };
	const int saved = errno;

	locate_fd(fd, operation.path);
	inode_of_fd(&operation, fd);
	errno = saved;
	return operation;
}

static struct operation on_name(const char *name, unsigned traits, int folder, const char *path)
{
	struct operation operation = { .name = name, .traits = traits };

	locate(folder, path, operation.path);
	inode_of_path(&operation, operation.path);
	return operation;
}

/* --- files that are made or emptied ----------------------------------------------------------- */

static int open_file(int folder, const char *path, int flags, mode_t mode)
{
	if (!(flags & (O_CREAT | O_TRUNC)) && (flags & O_TMPFILE) != O_TMPFILE)
		return REAL(openat)(folder, path, flags, mode);

	struct operation operation = on_name("open", TAKES_SPACE | IS_INTERRUPTIBLE, folder, path);
	const uint64_t before = operation.inode;
	const bool unnamed = (flags & O_TMPFILE) == O_TMPFILE;

	operation.length = flags & O_TRUNC ? 1 : 0;

	int64_t fd = -1;

	if (!is_watched(&operation))
		return REAL(openat)(folder, path, flags, mode);
	if (!before_operation(&operation))
		return -1;
	fd = REAL(openat)(folder, path, flags, mode);

	const int saved = errno;

	if (fd >= 0) {
		locate_fd((int)fd, operation.path);
		inode_of_fd(&operation, (int)fd);
		if (unnamed || before == 0)
			operation.traits |= HAS_CREATED;
	}
	after_operation(&operation, fd);
	errno = saved;
	return (int)fd;
}

/* The mode is there only when a file may be made. */
#define OPEN_MODE(flags)                                    \
	({                                                  \
		mode_t mode_ = 0;                           \
		if ((flags) & (O_CREAT | __O_TMPFILE)) {    \
			va_list arguments_;                 \
			va_start(arguments_, flags);        \
			mode_ = va_arg(arguments_, mode_t); \
			va_end(arguments_);                 \
		}                                           \
		mode_;                                      \
	})

int open(const char *path, int flags, ...)
{
	return open_file(AT_FDCWD, path, flags, OPEN_MODE(flags));
}

int open64(const char *path, int flags, ...)
{
	return open_file(AT_FDCWD, path, flags, OPEN_MODE(flags));
}

int openat(int folder, const char *path, int flags, ...)
{
	return open_file(folder, path, flags, OPEN_MODE(flags));
}

int openat64(int folder, const char *path, int flags, ...)
{
	return open_file(folder, path, flags, OPEN_MODE(flags));
}

/* What _FORTIFY_SOURCE makes of an open() without a mode; no header names them. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int folder, const char *path, int flags);
int __openat64_2(int folder, const char *path, int flags);

int __open_2(const char *path, int flags)
{
	return open_file(AT_FDCWD, path, flags, 0);
}

int __open64_2(const char *path, int flags)
{
	return open_file(AT_FDCWD, path, flags, 0);
}

int __openat_2(int folder, const char *path, int flags)
{
	return open_file(folder, path, flags, 0);
}

int __openat64_2(int folder, const char *path, int flags)
{
	return open_file(folder, path, flags, 0);
}

int creat(const char *path, mode_t mode)
{
	return open_file(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

int creat64(const char *path, mode_t mode)
{
	return open_file(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

int mkdirat(int folder, const char *path, mode_t mode)
{
	struct operation operation = on_name("mkdir", TAKES_SPACE | MAKES_NAME, folder, path);

	return (int)CARRY_OUT(&operation, REAL(mkdirat)(folder, path, mode));
}

int mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

int symlinkat(const char *text, int folder, const char *path)
{
	struct operation operation = on_name("symlink", TAKES_SPACE | MAKES_NAME, folder, path);

	snprintf(operation.second, sizeof(operation.second), "%s", text);
	return (int)CARRY_OUT(&operation, REAL(symlinkat)(text, folder, path));
}

int symlink(const char *text, const char *path)
{
	return symlinkat(text, AT_FDCWD, path);
}

/* --- content ---------------------------------------------------------------------------------- */

/* `at` is -1 for the file's own position. */
static ssize_t write_file(int fd, const void *data, size_t length, off_t at)
{
	struct operation operation =
		on_fd("write", TAKES_SPACE | IS_INTERRUPTIBLE | IS_DIVISIBLE, fd);
	struct stat status = { 0 };

	operation.length = length;
	operation.data = data;
	operation.data_length = length;
	if (is_watched(&operation)) {
		operation.offset = at >= 0 ? at : lseek(fd, 0, SEEK_CUR);
		if (at < 0 && fcntl(fd, F_GETFL) & O_APPEND && fstat(fd, &status) == 0)
			operation.offset = status.st_size;
	}
	if (at >= 0)
		return CARRY_OUT(&operation, REAL(pwrite64)(fd, data, operation.length, at));
	return CARRY_OUT(&operation, REAL(write)(fd, data, operation.length));
}

ssize_t write(int fd, const void *data, size_t length)
{
	return write_file(fd, data, length, -1);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t at)
{
	return write_file(fd, data, length, at);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t at)
{
	return write_file(fd, data, length, at);
}

/* The pieces become one write, as they are one for the file. */
static ssize_t write_pieces(int fd, const struct iovec *pieces, int count, off_t at)
{
	size_t length = 0;

	for (int i = 0; i < count; i++)
		length += pieces[i].iov_len;

	char *bytes = malloc(length + 1), *end = bytes;

	if (!bytes)
		return -1;
	for (int i = 0; i < count; i++)
		end = append(end, pieces[i].iov_base, pieces[i].iov_len);

	const ssize_t written = write_file(fd, bytes, length, at);

	free(bytes);
	return written;
}

ssize_t writev(int fd, const struct iovec *pieces, int count)
{
	return write_pieces(fd, pieces, count, -1);
}

ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t at)
{
	return write_pieces(fd, pieces, count, at);
}

ssize_t pwritev64(int fd, const struct iovec *pieces, int count, off64_t at)
{
	return write_pieces(fd, pieces, count, at);
}

/*
 * The bytes that the kernel has copied into `to`, for the record. A file that is open for writing only is read where
 * they came from: opening it once more would drop the locks that the process has on it. The caller frees what is
 * returned.
 */
static char *take_copied(struct operation *operation, int from, off_t from_at, int to,
			 size_t length)
{
	char *bytes = malloc(length + 1);
	ssize_t got = bytes ? pread(to, bytes, length, operation->offset) : -1;

	if (bytes && got < 0)
		got = pread(from, bytes, length, from_at);
	operation->data = bytes;
	operation->data_length = got > 0 ? (size_t)got : 0;
	return bytes;
}

ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t length,
			unsigned flags)
{
	struct operation operation =
		on_fd("copy_file_range", TAKES_SPACE | IS_INTERRUPTIBLE | IS_DIVISIBLE, to);

	if (!is_watched(&operation))
		return REAL(copy_file_range)(from, from_at, to, to_at, length, flags);

	const off_t source = from_at ? *from_at : lseek(from, 0, SEEK_CUR);
	struct stat status = { 0 };

	/* "As much as there is" is asked for by a length beyond the end, of which no half can be taken. */
	operation.length = length;
	if (fstat(from, &status) == 0 && status.st_size > source &&
	    length > (size_t)(status.st_size - source))
		operation.length = (uint64_t)(status.st_size - source);
	operation.offset = to_at ? *to_at : lseek(to, 0, SEEK_CUR);
	if (!before_operation(&operation))
		return -1;

	const ssize_t copied =
		REAL(copy_file_range)(from, from_at, to, to_at, operation.length, flags);
	const int saved = errno;
	char *bytes = NULL;

	if (copied > 0)
		bytes = take_copied(&operation, from, source, to, (size_t)copied);
	after_operation(&operation, copied);
	free(bytes);
	errno = saved;
	return copied;
}

/* FICLONE and FICLONERANGE; every other ioctl passes. */
static int clone_file(int to, unsigned long request, void *argument)
{
	struct operation operation = on_fd("clone", TAKES_SPACE, to);
	struct file_clone_range range = { .src_fd = (int)(intptr_t)argument };
	struct stat status = { 0 };

	if (request == FICLONERANGE)
		range = *(struct file_clone_range *)argument;
	operation.offset = (int64_t)range.dest_offset;
	if (is_watched(&operation) && !before_operation(&operation))
		return -1;

	const int result = REAL(ioctl)(to, request, argument);
	const int saved = errno;
	char *bytes = NULL;

	if (is_watched(&operation)) {
		if (result == 0 && range.src_length == 0 && fstat((int)range.src_fd, &status) == 0)
			range.src_length = (uint64_t)status.st_size - range.src_offset;
		if (result == 0)
			bytes = take_copied(&operation, (int)range.src_fd, (off_t)range.src_offset,
					    to, range.src_length);
		operation.length = range.src_length;
		after_operation(&operation, result);
		free(bytes);
	}
	errno = saved;
	return result;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;

	va_start(arguments, request);
	void *argument = va_arg(arguments, void *);
	va_end(arguments);
	if (request == FICLONE || request == FICLONERANGE)
		return clone_file(fd, request, argument);
	return REAL(ioctl)(fd, request, argument);
}

int ftruncate64(int fd, off64_t size)
{
	struct operation operation = on_fd("truncate", IS_INTERRUPTIBLE, fd);

	operation.length = (uint64_t)size;
	return (int)CARRY_OUT(&operation, REAL(ftruncate64)(fd, size));
}

int ftruncate(int fd, off_t size)
{
	return ftruncate64(fd, size);
}

/* What it makes of the file is a size: no byte that was there is changed with mode 0. */
int fallocate64(int fd, int mode, off64_t at, off64_t length)
{
	struct operation operation =
		on_fd(mode == 0 ? "extend" : "fallocate", TAKES_SPACE | IS_INTERRUPTIBLE, fd);

	operation.length = (uint64_t)(at + length);
	return (int)CARRY_OUT(&operation, REAL(fallocate64)(fd, mode, at, length));
}

int fallocate(int fd, int mode, off_t at, off_t length)
{
	return fallocate64(fd, mode, at, length);
}

int posix_fallocate64(int fd, off64_t at, off64_t length)
{
	const int saved = errno, failed = fallocate64(fd, 0, at, length);
	const int error = failed ? errno : 0;

	errno = saved;
	return error;
}

int posix_fallocate(int fd, off_t at, off_t length)
{
	return posix_fallocate64(fd, at, length);
}

/* --- locks ------------------------------------------------------------------------------------ */

/* Whether this process holds a POSIX lock on the file. */
static bool is_locked_by_us(uint64_t inode)
{
	FILE *locks = REAL(fopen)("/proc/locks", "re");
	char line[256];
	bool found = false;
	uint64_t number = 0;
	int pid = 0;

	while (locks && !found && fgets(line, sizeof(line), locks))
		found = sscanf(line, "%*d: POSIX %*s %*s %d %*x:%*x:%" SCNu64, &pid, &number) ==
				2 &&
			pid == getpid() && number == inode;
	if (locks)
		fclose(locks);
	return found;
}

/*
 * Closing any descriptor of a file drops all locks that the process has on it: also those of a SQLite that has it open
 * by another. SQLite itself lets go of its locks first, but for the -shm.
 */
int close(int fd)
{
	struct operation operation = on_fd("lost-locks", 0, fd);

	if (is_watched(&operation) && !strstr(operation.path, "-shm") &&
	    !strstr(operation.path, COVERED "/") && is_locked_by_us(operation.inode))
		log_operation(&operation, 0);
	return REAL(close)(fd);
}

/* --- durability ------------------------------------------------------------------------------- */

int fsync(int fd)
{
	struct operation operation = on_fd("fsync", IS_SYNC | IS_INTERRUPTIBLE, fd);

	return (int)CARRY_OUT(&operation, REAL(fsync)(fd));
}

int fdatasync(int fd)
{
	struct operation operation = on_fd("fsync", IS_SYNC | IS_INTERRUPTIBLE, fd);

	return (int)CARRY_OUT(&operation, REAL(fdatasync)(fd));
}

int syncfs(int fd)
{
	struct operation operation = on_fd("syncfs", IS_SYNC, fd);

	return (int)CARRY_OUT(&operation, REAL(syncfs)(fd));
}

/* It starts the writing, and promises nothing. */
int sync_file_range(int fd, off64_t at, off64_t length, unsigned flags)
{
	struct operation operation = on_fd("sync_file_range", 0, fd);

	return (int)CARRY_OUT(&operation, REAL(sync_file_range)(fd, at, length, flags));
}

/* --- names ------------------------------------------------------------------------------------ */

int renameat2(int from, const char *path, int to, const char *second, unsigned flags)
{
	struct operation operation = on_name("rename", TAKES_SPACE, from, path);

	locate(to, second, operation.second);
	operation.length = flags;
	return (int)CARRY_OUT(&operation, REAL(renameat2)(from, path, to, second, flags));
}

int renameat(int from, const char *path, int to, const char *second)
{
	return renameat2(from, path, to, second, 0);
}

int rename(const char *path, const char *second)
{
	return renameat2(AT_FDCWD, path, AT_FDCWD, second, 0);
}

/* With AT_EMPTY_PATH, or through /proc/self/fd, it names a file that may have no name yet. */
int linkat(int from, const char *path, int to, const char *second, int flags)
{
	struct operation operation = { .name = "link", .traits = TAKES_SPACE };
	struct stat status = { 0 };
	const int saved = errno, follow = flags & AT_SYMLINK_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW;

	if (fstatat(from, path, &status, (flags & AT_EMPTY_PATH) | follow) == 0)
		operation.inode = status.st_ino;
	errno = saved;
	locate(to, second, operation.path);
	snprintf(operation.second, sizeof(operation.second), "%s", operation.path);
	return (int)CARRY_OUT(&operation, REAL(linkat)(from, path, to, second, flags));
}

int link(const char *path, const char *second)
{
	return linkat(AT_FDCWD, path, AT_FDCWD, second, 0);
}

int unlinkat(int folder, const char *path, int flags)
{
	struct operation operation = on_name("unlink", 0, folder, path);

	return (int)CARRY_OUT(&operation, REAL(unlinkat)(folder, path, flags));
}

int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
	return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

/* --- attributes ------------------------------------------------------------------------------- */

int fchmod(int fd, mode_t mode)
{
	struct operation operation = on_fd("chmod", 0, fd);

	return (int)CARRY_OUT(&operation, REAL(fchmod)(fd, mode));
}

int fchmodat(int folder, const char *path, mode_t mode, int flags)
{
	struct operation operation = on_name("chmod", 0, folder, path);

	return (int)CARRY_OUT(&operation, REAL(fchmodat)(folder, path, mode, flags));
}

int chmod(const char *path, mode_t mode)
{
	return fchmodat(AT_FDCWD, path, mode, 0);
}

int fchown(int fd, uid_t user, gid_t group)
{
	struct operation operation = on_fd("chown", 0, fd);

	return (int)CARRY_OUT(&operation, REAL(fchown)(fd, user, group));
}

int fchownat(int folder, const char *path, uid_t user, gid_t group, int flags)
{
	struct operation operation = on_name("chown", 0, folder, path);

	return (int)CARRY_OUT(&operation, REAL(fchownat)(folder, path, user, group, flags));
}

int chown(const char *path, uid_t user, gid_t group)
{
	return fchownat(AT_FDCWD, path, user, group, 0);
}

int lchown(const char *path, uid_t user, gid_t group)
{
	return fchownat(AT_FDCWD, path, user, group, AT_SYMLINK_NOFOLLOW);
}

int fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
	struct operation operation = on_fd("setxattr", TAKES_SPACE, fd);

	return (int)CARRY_OUT(&operation, REAL(fsetxattr)(fd, name, value, size, flags));
}

int setxattr(const char *path, const char *name, const void *value, size_t size, int flags)
{
	struct operation operation = on_name("setxattr", TAKES_SPACE, AT_FDCWD, path);

	return (int)CARRY_OUT(&operation, REAL(setxattr)(path, name, value, size, flags));
}

int futimens(int fd, const struct timespec times[2])
{
	struct operation operation = on_fd("utimes", 0, fd);

	return (int)CARRY_OUT(&operation, REAL(futimens)(fd, times));
}

int utimensat(int folder, const char *path, const struct timespec times[2], int flags)
{
	struct operation operation = on_name("utimes", 0, folder, path);

	return (int)CARRY_OUT(&operation, REAL(utimensat)(folder, path, times, flags));
}
