#include "common/sqlite/pour.h"

#include <sqlite3.h>

#include "common/base/clock.h"

static const double pause_seconds = 0.01;

enum { PAGES_AT_ONCE = 1024 };

static bool is_busy(int code)
{
	return (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED;
}

bool pour_begin(struct pour *pour, struct connection *from, struct connection *to, double wait,
		struct error *err)
{
	const double until = clock_now() + wait;
	int code = SQLITE_OK;

	*pour = (struct pour){ from, to, sqlite3_backup_init(to->db, "main", from->db, "main") };
	if (!pour->backup)
		return connection_fail(to, sqlite3_extended_errcode(to->db), "cannot be written",
				       err);
	/* No page yet: this takes the write lock only. sqlite3_backup_step() does not ask the busy handler. */
	while (is_busy(code = sqlite3_backup_step(pour->backup, 0)) && clock_now() < until &&
	       !connection_was_stopped())
		clock_sleep_until(clock_now() + pause_seconds);
	if (code == SQLITE_OK)
		return true;
	pour_drop(pour);
	if (code ==
	    SQLITE_DONE) /* without a single page it has committed already, before anybody could look */
		return fail(err, STATUS_TROUBLE, "%s: has no page to copy", from->shown);
	return connection_fail(to, code, "cannot be locked for writing", err);
}

void pour_progress(const struct pour *pour, uint64_t *done, uint64_t *total)
{
	const int all = sqlite3_backup_pagecount(pour->backup);
	const int left = sqlite3_backup_remaining(pour->backup);

	*total = all > 0 ? (uint64_t)all : 0;
	*done = all > left ? (uint64_t)(all - left) : 0;
}

bool pour_step(struct pour *pour, int pages, bool *more, struct error *err)
{
	const int code = sqlite3_backup_step(pour->backup, pages);

	*more = code == SQLITE_OK;
	return code == SQLITE_OK || code == SQLITE_DONE ||
	       connection_fail(pour->to, code, "cannot be written", err);
}

bool pour_finish(struct pour *pour, struct error *err)
{
	struct sqlite3_backup *backup = pour->backup;

	pour->backup = NULL;

	const int code = sqlite3_backup_finish(backup);

	return code == SQLITE_OK || connection_fail(pour->to, code, "cannot be committed", err);
}

bool pour_all(struct pour *pour, struct pour_watch *watch, struct error *err)
{
	uint64_t done = 0, total = 0;
	bool more = true;

	watch->begun = true;
	pour_progress(pour, &done, &total);
	while (more) {
		watch->committing = total - done <= PAGES_AT_ONCE;
		if (connection_was_stopped())
			return fail(err, STATUS_TROUBLE, "interrupted");
		if (!pour_step(pour, PAGES_AT_ONCE, &more, err))
			return false;
		pour_progress(pour, &done, &total);
		atomic_store(&watch->total, total);
		atomic_store(&watch->done, done);
	}
	return pour_finish(pour, err);
}

void pour_drop(struct pour *pour)
{
	/* After an error was reported, or when it was only tried: there is nothing to add to it. */
	if (pour->backup)
		(void)sqlite3_backup_finish(pour->backup);
	pour->backup = NULL;
}
