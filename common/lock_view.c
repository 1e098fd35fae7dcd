#include "common/lock_view.h"

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

static bool probe_all(struct lock_probe probes[SLOT_COUNT], const struct target *target,
		      struct error *err)
{
	for (enum lock_slot slot = 0; slot < SLOT_COUNT; slot++)
		probes[slot] = (struct lock_probe){ 0 };
	return probe_file(probes, target, FILE_MAIN, err) &&
	       (target->files[FILE_SHM].path_fd < 0 || probe_file(probes, target, FILE_SHM, err));
}

bool lock_view_take(struct lock_view *view, const struct proc_root *root,
		    const struct target *target, struct error *err)
{
	if (!read_table(&view->table, root, target, err))
		return false;
	for (int try = 0; try < MOST_TRIES && !view->consistent; try++) {
		auto_lock_table after = { 0 };

		if (!file_view_take(&view->files, target, err) ||
		    !probe_all(view->probes, target, err) || !read_table(&after, root, target, err))
			return false;
		view->consistent = lock_table_equal(&view->table, &after);

		const struct lock_table older = view->table;

		view->table = after;
		after = older;
	}
	return true;
}
