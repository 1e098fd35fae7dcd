/* A digest over the files that a migration depends on, to tell whether they changed since it was rehearsed. */

#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/digest.h"
#include "common/base/io.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/engine_alembic.h"
#include "common/migration_project.h"

enum { BUFFER_SIZE = 64 << 10, MOST_ENTRIES = 20000 };

/* A name or a text with its NUL, so that two of them cannot be read as two others. */
static void add_text(struct digest *digest, const char *text)
{
	digest_add(digest, text, strlen(text) + 1);
}

static bool add_file(struct digest *digest, const char *path, struct error *err)
{
	auto_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	auto_free char *buffer = memory_allocate(BUFFER_SIZE, 1);
	auto_free char *shown = text_printable(path);
	struct stat stat = { 0 };
	ssize_t got = -1;

	add_text(digest, path);
	if (fd >= 0 && fstat(fd, &stat) == 0 && !S_ISREG(stat.st_mode))
		return true;
	while (fd >= 0 && (got = io_read(fd, buffer, BUFFER_SIZE)) > 0)
		digest_add(digest, buffer, (size_t)got);
	return got == 0 || fail_errno(err, STATUS_TROUBLE, "%s: cannot be read", shown);
}

static bool is_script(const FTSENT *entry)
{
	const char *dot = strrchr(entry->fts_name, '.');

	return entry->fts_info == FTS_F && dot &&
	       (strcmp(dot, ".py") == 0 || strcmp(dot, ".sql") == 0);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* All scripts below a folder, in the order of their names. */
static bool add_scripts(struct digest *digest, const char *folder, struct error *err)
{
	auto_free char *top = memory_copy_text(folder);
	char *const tops[] = { top, NULL };
	FTS *walk = fts_open(tops, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	FTSENT *entry = NULL;
	int seen = 0;
	bool good = walk != NULL;

	while (good && (entry = fts_read(walk))) {
		if (++seen > MOST_ENTRIES)
			good = fail(err, STATUS_TROUBLE, "%s: has more than %d files", folder,
				    MOST_ENTRIES);
		else if (is_script(entry))
			good = add_file(digest, entry->fts_path, err);
	}
	if (!walk)
		(void)fail_errno(err, STATUS_TROUBLE, "%s: cannot be read", folder);
	else
		(void)fts_close(walk); /* only read from */
	return good;
}

static bool add_alembic(const struct project *project, uid_t uid, struct digest *digest,
			struct error *err)
{
	auto_free char *scripts = engine_alembic_scripts(project->ini, project->folder, uid, err);

	return scripts && add_file(digest, project->ini, err) && add_scripts(digest, scripts, err);
}

/* The database may be among its arguments, and changes while the bot works. */
static bool is_database(const char *path, const struct target *target)
{
	const struct stat *own = &target->files[FILE_MAIN].stat;
	struct stat there = { 0 };

	return stat(path, &there) == 0 && there.st_ino == own->st_ino &&
	       there.st_dev == own->st_dev;
}

static bool add_program(char *const *program, const struct target *target, struct digest *digest,
			struct error *err)
{
	bool good = true;

	for (size_t i = 0; good && program && program[i]; i++) {
		add_text(digest, program[i]);
		if (access(program[i], R_OK) == 0 && !is_database(program[i], target))
			good = add_file(digest, program[i], err);
	}
	return good;
}

char *project_fingerprint(const struct project *project, const struct project_options *options,
			  const struct target *target, struct error *err)
{
	auto_digest digest = { 0 };
	char text[DIGEST_TEXT_SIZE];

	digest_start(&digest);
	add_text(&digest, migration_engine_name(project->engine));
	for (size_t i = 0; i < project->files.count; i++) {
		const struct migration_file *file = &project->files.items[i];

		add_text(&digest, file->name);
		digest_add(&digest, file->bytes ? file->bytes : "", file->length);
		digest_add(&digest, file->down_bytes ? file->down_bytes : "", file->down_length);
	}
	if (project->engine == ENGINE_ALEMBIC &&
	    !add_alembic(project, target->files[FILE_MAIN].stat.st_uid, &digest, err))
		return NULL;
	if (project->engine == ENGINE_COMMAND &&
	    !add_program(options->program, target, &digest, err))
		return NULL;
	digest_finish(&digest, text);
	return memory_copy_text(text);
}
