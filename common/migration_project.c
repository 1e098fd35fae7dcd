#include "common/migration_project.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/parse.h"
#include "common/base/scope.h"
#include "common/base/text.h"

static const char *const engines[] = {
	[ENGINE_AUTO] = "auto",
	[ENGINE_SQL] = "sql",
	[ENGINE_ALEMBIC] = "alembic",
	[ENGINE_COMMAND] = "command",
};

/* Where SQL files are looked for, in a project's folder. */
static const char *const sql_folders[] = { "db/migrations", "migrations" };

const char *migration_engine_name(enum migration_engine engine)
{
	return engines[engine];
}

bool migration_engine_parse(const char *word, enum migration_engine *engine)
{
	for (enum migration_engine i = ENGINE_AUTO; i <= ENGINE_COMMAND; i++) {
		if (strcmp(word, engines[i]) == 0) {
			*engine = i;
			return true;
		}
	}
	return false;
}

void project_release(struct project *project)
{
	free(project->folder);
	free(project->ini);
	migration_folder_release(&project->files);
	names_release(&project->alembic);
	*project = (struct project)PROJECT_NONE;
}

/* FOLDER/NAME; free() it. */
static char *beside(const char *folder, const char *name)
{
	return memory_format("%s%s%s", folder, strcmp(folder, "/") == 0 ? "" : "/", name);
}

static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash > path ? memory_copy(path, (size_t)(slash - path)) : memory_copy_text("/");
}

static bool is_file(const char *path)
{
	struct stat stat_of = { 0 };

	return stat(path, &stat_of) == 0 && S_ISREG(stat_of.st_mode);
}

/* --- what lies in a folder ------------------------------------------------------------------------------------- */

static bool take_alembic(struct project *project, const char *folder)
{
	auto_free char *ini = beside(folder, "alembic.ini");

	if (!is_file(ini))
		return false;
	project->engine = ENGINE_ALEMBIC;
	project->folder = memory_copy_text(folder);
	project->ini = take_pointer(&ini);
	return true;
}

static bool has_sql_files(const char *path)
{
	auto_dir DIR *entries = opendir(path);
	const struct dirent *entry = NULL;

	while (entries && (entry = readdir(entries))) {
		const char *dot = strrchr(entry->d_name, '.');

		if (*entry->d_name >= '0' && *entry->d_name <= '9' && dot &&
		    strcmp(dot, ".sql") == 0)
			return true;
	}
	return false;
}

/* Whether there is a folder with SQL files in it; its path. */
static char *find_sql(const char *folder)
{
	for (size_t i = 0; i < sizeof sql_folders / sizeof *sql_folders; i++) {
		auto_free char *path = beside(folder, sql_folders[i]);

		if (has_sql_files(path))
			return take_pointer(&path);
	}
	return NULL;
}

static bool take_sql(struct project *project, const char *folder, const char *path,
		     struct error *err)
{
	project->engine = ENGINE_SQL;
	project->folder = memory_copy_text(folder);
	return migration_folder_read(&project->files, path, err);
}

static void add_place(const char *folder, struct names *places)
{
	if (!names_has(places, folder))
		names_add(places, folder);
}

static void add_places_of(const char *path, struct names *places)
{
	auto_free char *own = parent_of(path);
	auto_free char *above = parent_of(own);

	add_place(own, places);
	add_place(above, places);
}

/* The folders to look in: the current one, the database's, that one's parent; each once. A link's own place comes first. */
static void list_places(const struct target *target, struct names *places)
{
	auto_free char *here = getcwd(NULL, 0);

	if (here)
		add_place(here, places);
	if (target) {
		add_places_of(target->absolute, places);
		add_places_of(target->resolved, places);
	}
}

static bool found_nothing(enum migration_engine engine, const struct names *places,
			  struct error *err)
{
	auto_text list = { 0 };

	names_append_printable(&list, places, ", ");
	return fail(err, STATUS_TROUBLE, "found no %s in %s",
		    engine == ENGINE_ALEMBIC ? "alembic.ini"
		    : engine == ENGINE_SQL   ? "db/migrations or migrations with SQL files"
					     : "alembic.ini, db/migrations or migrations",
		    text_string(&list));
}

static bool look_around(struct project *project, enum migration_engine engine,
			const struct target *target, struct error *err)
{
	auto_names places = { 0 };

	list_places(target, &places);
	for (size_t i = 0; i < places.count; i++) {
		auto_free char *sql = NULL;

		if (engine != ENGINE_SQL && take_alembic(project, places.items[i]))
			return true;
		if (engine == ENGINE_ALEMBIC)
			continue;
		sql = find_sql(places.items[i]);
		if (sql)
			return take_sql(project, places.items[i], sql, err);
	}
	return found_nothing(engine, &places, err);
}

/* --- what the options say ----------------------------------------------------------------------------------------- */

static bool take_given_alembic(struct project *project, const char *given, struct error *err)
{
	struct stat stat_of = { 0 };
	auto_free char *absolute = target_absolute(given);
	auto_free char *folder = NULL;

	if (stat(given, &stat_of) != 0) {
		auto_free char *shown = text_printable(given);

		return fail_errno(err, STATUS_TROUBLE, "%s: cannot be opened", shown);
	}
	if (S_ISDIR(stat_of.st_mode)) {
		auto_free char *shown = text_printable(given);

		return take_alembic(project, absolute) ||
		       fail(err, STATUS_TROUBLE, "%s: has no alembic.ini", shown);
	}
	folder = parent_of(absolute);
	project->engine = ENGINE_ALEMBIC;
	project->folder = take_pointer(&folder);
	project->ini = take_pointer(&absolute);
	return true;
}

static bool take_given_program(struct project *project, struct error *err)
{
	project->engine = ENGINE_COMMAND;
	project->folder = getcwd(NULL, 0);
	return project->folder ||
	       fail_errno(err, STATUS_TROUBLE, "the current folder cannot be told");
}

/* --- Alembic's program ------------------------------------------------------------------------------------------- */

static bool is_program(const char *path)
{
	return is_file(path) && access(path, X_OK) == 0;
}

/* The one of a virtual environment; its script's first line may name an interpreter that has moved, so that comes second. */
static bool take_environment(struct project *project, const char *folder)
{
	auto_free char *alembic = beside(folder, "bin/alembic");
	auto_free char *python = beside(folder, "bin/python");

	if (is_program(alembic)) {
		names_add(&project->alembic, alembic);
		return true;
	}
	if (!is_program(python))
		return false;
	names_add(&project->alembic, python);
	names_add(&project->alembic, "-m");
	names_add(&project->alembic, "alembic");
	return true;
}

/* Whether a program of that name is in PATH. */
static bool is_in_path(const char *name)
{
	auto_free char *path = memory_copy_text(getenv("PATH"));
	char *rest = path;

	for (const char *folder = NULL; rest && (folder = strsep(&rest, ":"));) {
		auto_free char *program = beside(*folder ? folder : ".", name);

		if (is_program(program))
			return true;
	}
	return false;
}

/* Alembic of the system: its program, or what is left of it where only the module was installed. */
static void take_system(struct project *project)
{
	if (is_in_path("alembic") || !is_in_path("python3")) {
		names_add(&project->alembic, "alembic");
		return;
	}
	names_add(&project->alembic, "python3");
	names_add(&project->alembic, "-m");
	names_add(&project->alembic, "alembic");
}

static void find_alembic(struct project *project, const char *given)
{
	static const char *const environments[] = { ".venv", "venv", "env" };
	const char *active = getenv("VIRTUAL_ENV");

	if (given) {
		names_add(&project->alembic, given);
		return;
	}
	for (size_t i = 0; i < sizeof environments / sizeof *environments; i++) {
		auto_free char *folder = beside(project->folder, environments[i]);

		if (take_environment(project, folder))
			return;
	}
	if (!active || *active != '/' || !take_environment(project, active))
		take_system(project);
}

bool project_find(struct project *project, const struct project_options *options,
		  const struct target *target, struct error *err)
{
	enum migration_engine engine = options->engine;
	bool good = false;

	if (engine == ENGINE_AUTO)
		engine = options->program      ? ENGINE_COMMAND
			 : options->alembic    ? ENGINE_ALEMBIC
			 : options->migrations ? ENGINE_SQL
					       : ENGINE_AUTO;
	if (engine == ENGINE_COMMAND)
		good = take_given_program(project, err);
	else if (engine == ENGINE_ALEMBIC && options->alembic)
		good = take_given_alembic(project, options->alembic, err);
	else if (engine == ENGINE_SQL && options->migrations)
		good = take_sql(project, ".", options->migrations, err);
	else
		good = look_around(project, engine, target, err);
	if (good && project->engine == ENGINE_ALEMBIC)
		find_alembic(project, options->alembic_command);
	return good;
}

/* --- whose code it is ------------------------------------------------------------------------------------------------ */

/* Who called sudo(8), which can become root anyway; root if nobody did. No sign, no leading zero: sudo writes none. */
static uid_t who_called(void)
{
	const char *word = secure_getenv("SUDO_UID");
	uint64_t number = 0;

	/* The highest one means "nobody" in system calls. */
	if (!word || *word == '0' || !parse_whole(word, UINT32_MAX - 1, &number))
		return 0;
	return (uid_t)number;
}

static bool is_of(const struct stat *stat, uid_t uid)
{
	const bool sticky = S_ISDIR(stat->st_mode) && (stat->st_mode & S_ISVTX);

	return (stat->st_uid == 0 || stat->st_uid == uid || stat->st_uid == who_called()) &&
	       ((stat->st_mode & S_IWOTH) == 0 || sticky);
}

/* A file or folder and all folders above it, where it really is. */
static bool is_trusted_path(const char *path, uid_t uid, struct error *err)
{
	auto_free char *at = realpath(path, NULL);
	auto_free char *shown = text_printable(path);
	struct stat stat_of = { 0 };

	if (!at)
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot be found", shown);
	for (;;) {
		if (stat(at, &stat_of) != 0)
			return fail_errno(err, STATUS_TROUBLE, "%s: cannot be looked at", shown);
		if (!is_of(&stat_of, uid)) {
			auto_free char *where = text_printable(at);

			return fail(
				err, STATUS_TROUBLE,
				"%s: user %u can write %s, and it would run as user %u: nothing was "
				"run; the project has to belong to root, to the database's owner or "
				"to who called sudo",
				shown, stat_of.st_uid, where, uid);
		}
		if (strcmp(at, "/") == 0)
			return true;

		char *above = parent_of(at);

		free(at);
		at = above;
	}
}

bool project_is_trusted(const struct project *project, uid_t uid, struct error *err)
{
	const char *program = project->alembic.count > 0 ? project->alembic.items[0] : NULL;

	if (geteuid() != 0)
		return true;
	return is_trusted_path(project->folder, uid, err) &&
	       (!project->ini || is_trusted_path(project->ini, uid, err)) &&
	       (!program || !strchr(program, '/') || is_trusted_path(program, uid, err));
}
