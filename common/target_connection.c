#include "common/target_connection.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/linux/worker.h"

char *connection_path(int folder_fd, const char *name)
{
	return memory_format("/proc/self/fd/%d/%s", folder_fd, name);
}

bool target_is_same_file(const struct target *target)
{
	const struct stat *ours = &target->files[FILE_MAIN].stat;
	struct stat there = { 0 };

	return fstatat(target->folder_fd, target->name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       there.st_dev == ours->st_dev && there.st_ino == ours->st_ino;
}

/* Lets SQLite take away again what it made beside the database for us, where nobody has used it. */
static void clean_up(const struct target *target, struct connection *connection)
{
	auto_free char *name = memory_format("%s%s", target->name, database_file_suffix(FILE_WAL));
	struct stat wal = { 0 };

	if (connection->db && target->files[FILE_WAL].path_fd < 0 &&
	    fstatat(target->folder_fd, name, &wal, AT_SYMLINK_NOFOLLOW) == 0 && wal.st_size == 0)
		connection_allow_checkpoint(connection);
}

/*
 * What opening it would do harm to. Beside an empty file SQLite removes a -wal or -journal, which may be all that is left of
 * somebody's data. And a -wal or -shm that a stranger makes belongs to the stranger: then the application, which may not
 * write to it, is locked out (root gives them to the database's owner).
 */
static bool may_be_opened(const struct target *target, const char *shown, struct error *err)
{
	const struct target_file *files = target->files;
	struct database_header header = { 0 };
	const bool owner = geteuid() == 0 || geteuid() == files[FILE_MAIN].stat.st_uid;

	for (enum database_file file = FILE_WAL; file < FILE_COUNT; file++)
		if (file != FILE_SHM && files[FILE_MAIN].stat.st_size == 0 &&
		    files[file].path_fd >= 0 && files[file].stat.st_size > 0)
			return fail(
				err, STATUS_TROUBLE,
				"%s: is empty, but the %s beside it is not: keep a copy of both before "
				"anything opens it",
				shown, database_file_suffix(file));
	if (owner || (files[FILE_WAL].path_fd >= 0 && files[FILE_SHM].path_fd >= 0))
		return true;
	/* No connection to it is open yet in this process, so its file may be opened and closed (target.h). */
	return !target_header(target, &header) || header.mode != JOURNAL_WAL ||
	       fail(err, STATUS_TROUBLE,
		    "%s: is in WAL mode and its -wal or -shm is not there; what would be made belongs to you "
		    "and locks its owner out: run this as the owner, or as root",
		    shown);
}

bool target_connect(const struct target *target, double wait, const char *shown,
		    struct connection *connection, struct error *err)
{
	auto_free char *path = connection_path(target->folder_fd, target->name);

	if (!may_be_opened(target, shown, err))
		return false;
	connection_stop_when(worker_should_stop);
	if (!connection_open(connection, path, CONNECTION_WRITE, wait, shown, err) ||
	    !connection_pin(connection, err)) {
		clean_up(target, connection);
		return false;
	}
	return (!connection_has_moved(connection) && target_is_same_file(target)) ||
	       fail(err, STATUS_TROUBLE, "%s: was replaced while it was being opened", shown);
}

bool target_disconnect(const struct target *target, struct connection *connection,
		       struct error *err)
{
	if (!connection_run(connection, "ROLLBACK", "cannot end reading", err))
		return false;
	clean_up(target, connection);
	return connection_close(connection, err);
}

bool target_guard(const struct target *target, double wait, bool strict, const char *shown,
		  struct connection *connection, struct error *err)
{
	auto_free char *path = connection_path(target->folder_fd, target->name);

	if (!may_be_opened(target, shown, err))
		return false;
	connection_stop_when(worker_should_stop);
	if (!connection_open(connection, path, CONNECTION_ALONE, wait, shown, err))
		return false;
	/* Before the first look at the schema, where a stand-in would be made. */
	if (strict)
		connection_refuse_stand_ins(connection);
	if (!connection_make_durable(connection, err) ||
	    !connection_run(connection, "PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT",
			    "cannot be locked", err)) {
		clean_up(target, connection);
		return false;
	}
	return (!connection_has_moved(connection) && target_is_same_file(target)) ||
	       fail(err, STATUS_TROUBLE, "%s: was replaced while it was being opened", shown);
}

bool target_unguard(const struct target *target, struct connection *connection, struct error *err)
{
	clean_up(target, connection);
	/* A WAL that we made has nothing that was committed: closing takes it away. */
	if (target->files[FILE_WAL].path_fd < 0)
		connection_allow_checkpoint(connection);
	return connection_close(connection, err);
}
