#include "common/lock_view.h"

#include <errno.h>

#include "common/base/scope.h"
#include "common/base/text.h"

/* A writer that commits all the time changes the list all the time; at some point the last answer must do. */
enum { MOST_TRIES = 20 };

void lock_view_release(struct lock_view *view)
{
	lock_table_release(&view->table);
}

bool lock_view_file(const struct target *target, const struct lock_line *line,
		    enum database_file *file)
{
	for (enum database_file which = 0; which < FILE_COUNT; which++)
		if (target->files[which].path_fd >= 0 &&
		    lock_key_matches(&target->files[which].key, line)) {
			*file = which;
			return true;
		}
	return false;
}

static bool read_table(struct lock_table *table, const struct proc_root *root,
		       const struct target *target, struct error *err)
{
	struct lock_key keys[FILE_COUNT] = { 0 };
	size_t count = 0;

	for (enum database_file file = 0; file < FILE_COUNT; file++)
		if (target->files[file].path_fd >= 0)
			keys[count++] = target->files[file].key;
	lock_table_release(table);
	return lock_table_read(root, keys, count, table, err);
}

/* Asks about all the slots of one file. */
static bool probe_file(struct lock_probe probes[SLOT_COUNT], const struct target *target,
		       enum database_file file, struct error *err)
{
	auto_free char *shown = text_printable(target->given);
	auto_close int fd = target_reopen(target, file, err);

	if (fd < 0)
		return false;
	for (enum lock_slot slot = 0; slot < SLOT_COUNT; slot++) {
		const struct lock_range range = lock_slot_range(slot);

		if (range.file == file &&
		    !lock_probe(fd, range.start, range.length, shown, &probes[slot], err))
			return false;
	}
	return true;
}

/* What the list says about one slot, for a file that may not be asked about. */
static struct lock_probe probe_by_table(const struct lock_table *table, const struct lock_key *key,
					struct lock_range range)
{
	struct lock_probe probe = { 0 };

	for (size_t i = 0; i < table->count; i++) {
		const struct lock_line *line = &table->items[i];

		if (line->waiting || (line->class != LOCK_POSIX && line->class != LOCK_OFD) ||
		    !lock_key_matches(key, line) || line->first > range.start + range.length - 1 ||
		    line->last < range.start || (probe.conflict == CONFLICT_WRITE && !line->write))
			continue;
		probe.conflict = line->write ? CONFLICT_WRITE : CONFLICT_READ;
		probe.pid = line->pid;
	}
	return probe;
}

/* A user who may read the main file may not be allowed to read the -shm; /proc/locks is open to everybody. */
static bool probe_shm(struct lock_view *view, const struct target *target, struct error *err)
{
	if (target->files[FILE_SHM].path_fd < 0 || probe_file(view->probes, target, FILE_SHM, err))
		return true;
	if (errno != EACCES)
		return false;
	*err = (struct error){ 0 };
	view->shm_hidden = true;
	for (enum lock_slot slot = 0; slot < SLOT_COUNT; slot++) {
		const struct lock_range range = lock_slot_range(slot);

		if (range.file == FILE_SHM)
			view->probes[slot] =
				probe_by_table(&view->table, &target->files[FILE_SHM].key, range);
	}
	return true;
}

static bool probe_all(struct lock_view *view, const struct target *target, struct error *err)
{
	for (enum lock_slot slot = 0; slot < SLOT_COUNT; slot++)
		view->probes[slot] = (struct lock_probe){ 0 };
	return probe_file(view->probes, target, FILE_MAIN, err) && probe_shm(view, target, err);
}

bool lock_view_take(struct lock_view *view, const struct proc_root *root,
		    const struct target *target, struct error *err)
{
	if (!read_table(&view->table, root, target, err))
		return false;
	for (int try = 0; try < MOST_TRIES && !view->consistent; try++) {
		auto_lock_table after = { 0 };

		if (!file_view_take(&view->files, target, err) || !probe_all(view, target, err) ||
		    !read_table(&after, root, target, err))
			return false;
		view->consistent = lock_table_equal(&view->table, &after);

		const struct lock_table older = view->table;

		view->table = after;
		after = older;
	}
	return true;
}
