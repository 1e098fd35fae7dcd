/*
 * The private place in which a program works on a copy of a database: a folder of its own with the copy in it, and a
 * view of the machine in which that copy, and nothing else, stands at the database's real path.
 *
 *     PARENT/.dbmigrate.0123456789abcdef    private (0700), locked for as long as its maker lives
 *     ├── upper                             what differs from the database's folder: the copy, under its real name
 *     ├── hidden                            marks that hide the live database's sidecars, between the two
 *     └── work                              overlayfs's own
 *
 * In the view an overlay lies over the database's folder: what a program changes there goes to `upper`, whatever file it
 * is, and the real folder stays as it is. `upper` itself holds no such marks: a container's engine, which is outside of the view,
 * may be given its path, and what SQLite finds in there is as it should be. Where the kernel refuses an overlay (on another overlay, on FUSE), `upper`
 * itself is mounted over the folder, with the folder's other entries mounted into it: then only the database is a copy,
 * and what the program does to its neighbours is real.
 *
 * Everybody outside of the view sees the real folder.
 */
#ifndef LINUX_SANDBOX_H
#define LINUX_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/error.h"
#include "common/linux/work_folder.h"

#define SANDBOX_PREFIX ".dbmigrate."

/* Where there is no overlay, a folder with more entries than this is not covered. */
enum { SANDBOX_MOST_ENTRIES = 1000 };

struct sandbox {
	int folder_fd;	   /* the database's folder; owned by the caller */
	char *folder_path; /* of it, absolute */
	int parent_fd;	   /* -1: there is no sandbox */
	int fd;		   /* the private folder; it holds the lock */
	int upper_fd;	   /* where the copy belongs */
	int work_fd;
	int hidden_fd;
	uid_t uid; /* whose copy it is */
	gid_t gid;
	char *path;		   /* of `upper`, absolute, as everybody sees it */
	char name[WORK_NAME_SIZE]; /* of the private folder */
};

#define SANDBOX_NONE                                                                       \
	{                                                                                  \
		.folder_fd = -1, .parent_fd = -1, .fd = -1, .upper_fd = -1, .work_fd = -1, \
		.hidden_fd = -1                                                            \
	}

#define auto_sandbox __attribute__((cleanup(sandbox_remove))) struct sandbox

/*
 * Makes one that has room for `bytes`: beside the database's folder (`folder_fd`, O_PATH is enough; `folder_path` is
 * absolute) if that is the same file system and not everybody's, else in $TMPDIR, else in /var/tmp; what killed runs left
 * there goes first. `uid` and `gid` are the database's owner, who can reach the copy if his program does so by `path`.
 * `shown` is the database, printable. When there is room nowhere, nothing is made.
 */
bool sandbox_make(struct sandbox *sandbox, int folder_fd, const char *folder_path, uid_t uid,
		  gid_t gid, uint64_t bytes, const char *shown, struct error *err);

/*
 * Lets the owner of the copy into the private folder, for a program of his; and takes it back: nobody but us can make, rename or
 * open anything in `upper` then. Until it is lent it is ours alone. Nothing happens where we are the owner.
 */
bool sandbox_lend(const struct sandbox *sandbox, struct error *err);
bool sandbox_take_back(const struct sandbox *sandbox, struct error *err);

/* Removes it with all that is in it. What cannot be removed is left for the next sweep. */
void sandbox_remove(struct sandbox *sandbox);

/* Removes what killed runs left in `parent_fd`; returns how many. As root, those of all users. */
size_t sandbox_sweep(int parent_fd);

/* Tries in a child process whether sandbox_enter() can work here; false with the reason. The copy need not be there yet. */
bool sandbox_can_cover(const struct sandbox *sandbox, struct error *err);

/*
 * Puts this process, for good, into a view in which the copy stands at the database's path: for a forked child only. The
 * copy must be in `upper` under `name`. A live -wal, -shm or -journal is not seen in the view; those that an earlier program
 * has left beside the copy are. Without CAP_SYS_ADMIN the process gets a user namespace in which it has the one user and
 * group that it had. Paths are resolved anew: folders opened before still are the real ones.
 */
bool sandbox_enter(const struct sandbox *sandbox, const char *name, struct error *err);

#endif
