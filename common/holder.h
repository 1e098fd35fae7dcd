/* One process that has a database open, or locks on it, and what follows from that. */
#ifndef COMMON_HOLDER_H
#define COMMON_HOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/linux/activity.h"
#include "common/linux/process.h"
#include "common/sqlite/database_files.h"
#include "common/sqlite/lock_bytes.h"

/* One of its descriptors on one of the database's files. */
struct held_file {
	enum database_file file;
	int fd;	       /* -1: mapped only */
	bool replaced; /* on an unlinked file that was at this path before */
	bool writable;
};

enum holder_role {
	ROLE_OPEN,	/* no lock: an idle connection in rollback mode, or a bystander */
	ROLE_CONNECTED, /* WAL mode: only the locks that a connection keeps between transactions */
	ROLE_READER,
	ROLE_WRITER,
	ROLE_CHECKPOINTER,
	ROLE_RECOVERING,
};

struct holder {
	struct process process;
	struct lock_bytes locks;     /* on the files that are at the path now */
	struct lock_bytes old_locks; /* on replaced ones */
	struct lock_bytes wanted;    /* that it waits for, as far as that was seen */
	struct held_file *files;
	size_t file_count, file_capacity;
	char *path; /* the main file (else another one) as this process sees it; NULL when unknown */
	char *elsewhere; /* a -wal, -shm or -journal beside its name of the database that is not ours; or NULL */
	bool shares; /* has an open file of the database in common with another holder, by fork */
	struct activity before, after; /* the two samples; the same one twice when there was one */
	double first_look;	       /* when `before` was taken, on clock_now() */
	double sampled_seconds;	       /* between them; 0 when there was one */
};

struct holders {
	struct holder *items;
	size_t count, capacity;
};

void holder_release(struct holder *holder);

/* Has one of the files that are at the path now open, or a lock on them. */
bool holder_uses_current(const struct holder *holder);

/* Has a file open that was replaced or deleted. */
bool holder_uses_replaced(const struct holder *holder);

bool holder_has_open(const struct holder *holder, enum database_file file);
bool holder_can_write(const struct holder *holder, enum database_file file);
/* The same of the file that is at the path now. */
bool holder_can_write_current(const struct holder *holder, enum database_file file);

/* The locks to show: those on the current files, or of a user of replaced files only, its old ones. */
const struct lock_bytes *holder_locks(const struct holder *holder);

/*
 * Reads the file without being a user of the database: no lock, no other file of it open, and the main file
 * not open for writing. An editor, an indexer, a cp.
 */
bool holder_is_bystander(const struct holder *holder);

enum holder_role holder_role(const struct holder *holder, enum journal_mode mode);
const char *holder_role_name(enum holder_role role);

/* Asleep, and nothing done between two samples. False when there was only one. */
bool holder_is_idle(const struct holder *holder);
bool holder_is_stopped(const struct holder *holder);

/* The command line for people: printable, arguments separated by blanks. free() it. */
char *holder_command(const struct holder *holder);

#endif
