#include "common/target_connection.h"

#include <fcntl.h>
#include <sys/stat.h>

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

bool target_connect(const struct target *target, double wait, const char *shown,
		    struct connection *connection, struct error *err)
{
	auto_free char *path = connection_path(target->folder_fd, target->name);
	const struct target_file *wal = &target->files[FILE_WAL];

	/* SQLite removes a -wal that lies beside an empty file, which may be all that is left of somebody's data. */
	if (target->files[FILE_MAIN].stat.st_size == 0 && wal->path_fd >= 0 &&
	    wal->stat.st_size > 0)
		return fail(
			err, STATUS_TROUBLE,
			"%s: is empty, but the -wal beside it is not: keep a copy of both before anything "
			"opens it",
			shown);
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
