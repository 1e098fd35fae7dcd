#include "common/migration_program.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/backup.h"
#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/engine_alembic.h"
#include "common/linux/guest.h"
#include "common/linux/user.h"
#include "common/state_folder.h"

/* Seconds that a program may take that only tells something. */
static const double asking_limit = 120;

/* The most of what it says that is read. */
enum { MOST_SAID = 64 << 20 };

const char *program_cover_name(enum program_cover cover)
{
	static const char *const names[] = {
		[COVER_OVERLAY] = "overlay",
		[COVER_URL] = "url",
		[COVER_ENVIRONMENT] = "environment",
		[COVER_NONE] = "in-place",
	};

	return names[cover];
}

enum program_cover program_cover_find(const struct migration *migration,
				      const struct sandbox *sandbox)
{
	const bool alembic = migration->project.engine == ENGINE_ALEMBIC;
	struct error why = { 0 };
	auto_text line = { 0 };

	if (sandbox_can_cover(sandbox, &why))
		return COVER_OVERLAY;
	text_append(
		&line,
		"%s: the copy cannot stand at the real path (%s); the program is given its path %s",
		migration->shown, why.text,
		alembic ? "as sqlalchemy.url" : "in DBMIGRATE_DATABASE");
	if (migration->note)
		migration->note(text_string(&line));
	return alembic ? COVER_URL : COVER_ENVIRONMENT;
}

/* --- what it is given -------------------------------------------------------------------------------------------- */

static char *database_path(const struct migration *migration, const struct sandbox *sandbox)
{
	return sandbox ? memory_format("%s/%s", sandbox->path, migration->target.name)
		       : memory_copy_text(migration->target.resolved);
}

static char *database_folder(const struct migration *migration, const struct sandbox *sandbox)
{
	const char *slash = strrchr(migration->target.resolved, '/');

	return sandbox ? memory_copy_text(sandbox->path)
		       : memory_copy(migration->target.resolved,
				     (size_t)(slash - migration->target.resolved));
}

/* Its environment: ours, and where it works. */
static char **make_environment(const struct migration *migration, const struct sandbox *sandbox,
			       uid_t uid)
{
	static const char quiet[] = "PYTHONDONTWRITEBYTECODE=1", soon[] = "PYTHONUNBUFFERED=1";
	const char *const without[] = { quiet, soon, NULL };

	/* No compiled files beside the project's own, which may be read-only, or another user's. */
	if (!migration->target.resolved)
		return guest_environment(uid, without);

	auto_free char *path = database_path(migration, sandbox);
	auto_free char *folder = database_folder(migration, sandbox);
	auto_free char *database = memory_format("DBMIGRATE_DATABASE=%s", path);
	auto_free char *place = memory_format("DBMIGRATE_FOLDER=%s", folder);
	const char *const extra[] = { database, place, quiet, soon, NULL };

	return guest_environment(uid, extra);
}

/* The owner's own group; without an account the file's, unless that is root's, which gives rights that the owner has not. */
static gid_t group_of(const struct stat *owner)
{
	auto_user user = { 0 };

	if (user_find(owner->st_uid, &user))
		return user.gid;
	return owner->st_gid != 0 || owner->st_uid == 0 ? owner->st_gid : (gid_t)owner->st_uid;
}

static void fill(struct guest *guest, const struct migration *migration,
		 const struct names *arguments)
{
	struct stat owner = migration->target.files[FILE_MAIN].stat;

	/* Without a database (a new migration) it is the project's owner who gets the file. */
	if (!migration->target.resolved && stat(migration->project.folder, &owner) != 0)
		owner = (struct stat){ .st_uid = geteuid(), .st_gid = getegid() };
	/* memory_append() keeps no NULL behind the last one: the callers add it. */
	guest->arguments = (const char *const *)arguments->items;
	guest->folder = migration->project.folder;
	guest->uid = geteuid() == 0 ? owner.st_uid : geteuid();
	guest->gid = geteuid() == 0 ? group_of(&owner) : getegid();
}

/* An argv: the names, and NULL. */
static void end_arguments(struct names *arguments)
{
	arguments->items = memory_grow(arguments->items, &arguments->capacity, arguments->count + 1,
				       sizeof *arguments->items);
	arguments->items[arguments->count] = NULL;
}

static void copy_arguments(const struct names *from, struct names *to)
{
	for (size_t i = 0; i < from->count; i++)
		names_add(to, from->items[i]);
}

/* --- the log ------------------------------------------------------------------------------------------------------ */

/* "bot-20261122T121500.123Z.migrate.log" beside the backup; without one in the state folder. */
static int open_log(struct migration *migration, struct error *err)
{
	const struct timespec now = clock_wall();
	const int64_t time = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	auto_free char *as_backup = backup_name(&migration->target, time, false);
	char *dot = strrchr(as_backup, '.');
	const char *slash = strrchr(migration->target.resolved, '/');
	auto_free char *state =
		memory_format("%.*s/" STATE_FOLDER "/", (int)(slash - migration->target.resolved),
			      migration->target.resolved);
	auto_free char *folder =
		migration->backup ? memory_copy(migration->backup,
						strrchr(migration->backup, '/')
							? (size_t)(strrchr(migration->backup, '/') -
								   migration->backup + 1)
							: 0)
				  : take_pointer(&state);
	auto_free char *name = NULL;
	int fd = -1;

	if (dot)
		*dot = '\0';
	name = memory_format("%s.migrate.log", as_backup);
	migration->log = memory_format("%s%s", folder, name);
	fd = openat(migration->backup ? migration->backup_fd : migration->state_fd, name,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		auto_free char *shown = text_printable(migration->log);

		(void)fail_errno(err, STATUS_TROUBLE, "%s: cannot be made", shown);
		free(take_pointer(&migration->log));
	}
	return fd;
}

/* --- running ------------------------------------------------------------------------------------------------------ */

/* Listens to a program, for the line that tells most: a Python traceback does not end with it. */
struct listener {
	const struct migration *migration;
	char telling[400]; /* "" when there was none */
};

static void listen(void *context, const char *line)
{
	static const char *const signs[] = { "Error: ", "Exception: ", "FAILED: ", "error: " };
	struct listener *listener = context;
	const struct migration *migration = listener->migration;

	for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
		if (strstr(line, signs[i])) {
			(void)snprintf(listener->telling, sizeof listener->telling, "%s", line);
			break;
		}
	if (migration->talk)
		migration->talk(migration->progress, line);
}

/* What a program's failure is called; `end` is "; nothing was changed" or so. */
static bool tell_failure(const struct listener *listener, const struct guest *guest,
			 const char *end, struct error *err)
{
	const struct migration *migration = listener->migration;
	const char *said = *listener->telling ? listener->telling : guest->last_line;
	auto_free char *name = text_printable(guest->arguments[0]);
	auto_free char *log = text_printable(migration->log);
	auto_text how = { 0 };

	/* 255 is no signal: ssh and docker-compose give it. */
	if (guest->status > 128 && guest->status < 128 + NSIG)
		text_append(&how, "ended by signal %d", guest->status - 128);
	else
		text_append(&how, "status %d", guest->status);
	return fail(err, STATUS_TROUBLE, "%s failed (%s)%s%s%s; all that it printed is in %s", name,
		    text_string(&how), *said ? ": " : "", said, end, log);
}

static bool fill_program(const struct migration *migration, const struct sandbox *sandbox,
			 enum program_cover cover, struct names *arguments, struct error *err)
{
	char *const *program = migration->options.project.program;

	if (migration->project.engine == ENGINE_ALEMBIC)
		return engine_alembic_arguments(migration, cover == COVER_URL ? sandbox : NULL,
						arguments, err);
	for (size_t i = 0; program[i]; i++)
		names_add(arguments, program[i]);
	return true;
}

static void note_daemons(const struct migration *migration, const struct guest *guest)
{
	auto_free char *line =
		memory_format("%u process%s that the migration left behind %s ended", guest->ended,
			      guest->ended == 1 ? "" : "es", guest->ended == 1 ? "was" : "were");

	if (guest->ended > 0 && migration->note)
		migration->note(line);
}

bool migration_program_run(struct migration *migration, const struct sandbox *sandbox,
			   enum program_cover cover, struct error *err)
{
	auto_names arguments = { 0 };
	auto_close int log_fd = open_log(migration, err);
	struct listener listener = { .migration = migration };
	struct guest guest = {
		.timeout = migration->options.timeout,
		.log_fd = log_fd,
		.talk = listen,
		.context = &listener,
		.sandbox = cover == COVER_OVERLAY ? sandbox : NULL,
		.database_name = migration->target.name,
	};
	char **environment = NULL;
	struct error ignored = { 0 };
	bool good = false;

	migration->sandbox = program_cover_name(cover);
	if (log_fd < 0 || !fill_program(migration, sandbox, cover, &arguments, err))
		return false;
	end_arguments(&arguments);
	fill(&guest, migration, &arguments);
	if (!project_is_trusted(&migration->project, guest.uid, err))
		return false;
	environment = make_environment(migration, sandbox, guest.uid);
	guest.environment = environment;
	good = (!sandbox || sandbox_lend(sandbox, err)) && guest_run(&guest, err);
	guest_environment_release(environment);
	if (sandbox && !sandbox_take_back(sandbox, good ? err : &ignored))
		good = false;
	note_daemons(migration, &guest);
	if (!good) {
		const struct error failure = *err;

		return fail(err, failure.status, "%s%s", failure.text,
			    cover == COVER_NONE ? "" : "; nothing was changed");
	}
	return guest.status == 0 ||
	       tell_failure(&listener, &guest, cover == COVER_NONE ? "" : "; nothing was changed",
			    err);
}

static char *read_said(int fd)
{
	struct stat stat = { 0 };
	const bool known = fstat(fd, &stat) == 0;
	const size_t length = known && stat.st_size < MOST_SAID ? (size_t)stat.st_size : 0;
	char *text = memory_allocate(length + 1, 1);

	if (io_read_at(fd, text, length, 0) != (ssize_t)length)
		*text = '\0';
	return text;
}

bool migration_program_ask(const struct migration *migration, const struct names *asked,
			   char **output, bool *failed, struct error *err)
{
	auto_names arguments = { 0 };
	auto_close int said = memfd_create("said", MFD_CLOEXEC);
	struct guest guest = { .timeout = asking_limit, .log_fd = said };
	char **environment = NULL;
	bool good = false;

	if (said < 0)
		return fail_errno(err, STATUS_TROUBLE, "no room for what a program says");
	copy_arguments(asked, &arguments);
	end_arguments(&arguments);
	fill(&guest, migration, &arguments);
	if (!project_is_trusted(&migration->project, guest.uid, err))
		return false;
	environment = make_environment(migration, NULL, guest.uid);
	guest.environment = environment;
	good = guest_run(&guest, err);
	guest_environment_release(environment);
	if (!good)
		return false;
	if (guest.status != 0) {
		auto_free char *name = text_printable(guest.arguments[0]);

		*failed = true;
		return fail(err, STATUS_TROUBLE, "%s failed (status %d): %s", name, guest.status,
			    guest.last_line);
	}
	*output = read_said(said);
	return !guest.log_cut ||
	       fail(err, STATUS_TROUBLE, "%s: says more than can be read", guest.arguments[0]);
}
