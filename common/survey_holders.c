#include "common/survey_holders.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/linux/open_files.h"

/* The holder with this PID, added (with its first sample taken) if it is new. */
static struct holder *note_holder(struct survey *survey, const struct proc_root *root, pid_t pid)
{
	struct holder *holder = survey_find(survey, pid);

	if (!holder) {
		holder = memory_append(&survey->holders);
		holder->process.pid = pid;
		holder->before = activity_look(root, pid);
		holder->first_look = clock_now();
	}
	return holder;
}

static bool is_owned(const struct lock_line *line)
{
	return !line->waiting && line->pid > 0 &&
	       (line->class == LOCK_POSIX || line->class == LOCK_FLOCK);
}

void holders_note_owners(struct survey *survey, const struct proc_root *root,
			 const struct lock_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		if (is_owned(&table->items[i]))
			(void)note_holder(survey, root, table->items[i].pid);
}

/* What to look for in /proc: the target's files, and the paths where replaced ones were. */
struct wanted_files {
	struct open_target targets[FILE_COUNT];
	char *paths[FILE_COUNT];
	struct mounts mounts;
	const char **avoid; /* mount points of file systems that may hang; point into `mounts` */
	struct open_query query;
};

#define auto_wanted __attribute__((cleanup(wanted_release))) struct wanted_files

static void wanted_release(struct wanted_files *wanted)
{
	for (enum database_file file = 0; file < FILE_COUNT; file++)
		free(wanted->paths[file]);
	free(wanted->avoid);
	mounts_release(&wanted->mounts);
}

/*
 * A server that does not answer hangs whoever follows a link onto its file system. Nobody there has our
 * database open, unless it lies there itself.
 */
static void avoid_servers(struct wanted_files *wanted, const struct proc_root *root,
			  const struct target *target)
{
	struct error ignored = { 0 };
	size_t capacity = 0;

	if (target->trust == FILESYSTEM_SHARED || !mounts_read(root, &wanted->mounts, &ignored))
		return;
	for (size_t i = 0; i < wanted->mounts.count; i++) {
		const struct mount *mount = &wanted->mounts.items[i];

		if (filesystem_trust(mount->type) != FILESYSTEM_SHARED)
			continue;
		wanted->avoid = memory_grow(wanted->avoid, &capacity, wanted->query.avoid_count + 1,
					    sizeof *wanted->avoid);
		wanted->avoid[wanted->query.avoid_count++] = mount->point;
	}
	wanted->query.avoid = wanted->avoid;
}

static void wanted_fill(struct wanted_files *wanted, const struct proc_root *root,
			const struct target *target)
{
	for (enum database_file file = 0; file < FILE_COUNT; file++) {
		const struct target_file *one = &target->files[file];

		wanted->paths[file] =
			memory_format("%s%s", target->resolved, database_file_suffix(file));
		wanted->targets[file] = (struct open_target){
			.wanted = one->path_fd >= 0,
			.major = one->major,
			.minor = one->minor,
			.inode = one->stat.st_ino,
			.path = wanted->paths[file],
			.key = one->key,
		};
	}
	wanted->query = (struct open_query){
		.targets = wanted->targets,
		.count = FILE_COUNT,
		.self = root->self,
	};
	avoid_servers(wanted, root, target);
}

/* Walks over all processes; those that have one of the files open become holders. */
bool holders_walk(struct survey *survey, const struct proc_root *root, const struct target *target,
		  bool deep, bool *unsettled, struct error *err)
{
	auto_wanted wanted = { 0 };
	auto_open_files found = { 0 };

	wanted_fill(&wanted, root, target);
	if (!open_files_walk(root, &wanted.query, deep, &found, err))
		return false;
	for (size_t i = 0; i < found.count; i++)
		(void)note_holder(survey, root, found.items[i].pid);
	survey->scanned = true;
	survey->hidden_processes = found.hidden;
	*unsettled = found.unsettled;
	return true;
}

/* Reads who they are, for holders from index `from` on. */
bool holders_identify(struct survey *survey, const struct proc_root *root, size_t from,
		      struct error *err)
{
	for (size_t i = from; i < survey->holders.count; i++) {
		struct process *process = &survey->holders.items[i].process;

		if (!processes_read(root, process, 1, err))
			return false;
	}
	return true;
}

static void add_lock_on(struct lock_bytes *locks, enum database_file file,
			const struct lock_line *line)
{
	if (line->waiting || line->class == LOCK_LEASE || line->class == LOCK_OTHER)
		return;
	if (line->class == LOCK_FLOCK) /* SQLite places none, and none of its locks meets one */
		locks->foreign = true;
	else
		lock_bytes_add(locks, file, line->first, line->last, line->write);
}

static void add_lock(struct holder *holder, const struct target *target,
		     const struct lock_line *line)
{
	enum database_file file = FILE_MAIN;

	if (lock_view_file(target, line, &file))
		add_lock_on(&holder->locks, file, line);
}

static void add_wanted(struct holder *holder, const struct target *target,
		       const struct lock_line *line)
{
	enum database_file file = FILE_MAIN;

	if (line->class == LOCK_POSIX && lock_view_file(target, line, &file))
		lock_bytes_add(&holder->wanted, file, line->first, line->last, line->write);
}

/* Takes over one open file: what it is, and the locks that are only told there. */
static void add_file(struct holder *holder, const struct target *target, struct open_file *open,
		     bool table_readable)
{
	struct held_file *file = memory_grow(holder->files, &holder->file_capacity,
					     holder->file_count + 1, sizeof *file);

	holder->files = file;
	file += holder->file_count++;
	*file = (struct held_file){ (enum database_file)open->target, open->fd, open->replaced,
				    open->writable };
	if (!holder->path || (open->target == FILE_MAIN && !open->replaced)) {
		free(holder->path);
		holder->path = take_pointer(&open->path);
	}
	for (size_t i = 0; i < open->lock_count; i++) {
		const struct lock_line *lock = &open->locks[i];

		if (open->replaced)
			add_lock_on(&holder->old_locks, file->file, lock);
		else if (lock->class != LOCK_POSIX || !table_readable)
			add_lock(holder, target, lock);
	}
}

/*
 * The second look at one holder: what it has open now, and what it does. Returns false when the process is no
 * longer the one that was identified (it ended, and its PID may be somebody else's).
 */
static bool look_again(struct holder *holder, const struct proc_root *root,
		       const struct target *target, const struct lock_view *view)
{
	auto_wanted wanted = { 0 };
	auto_open_files found = { 0 };

	wanted_fill(&wanted, root, target);
	open_files_of(root, &wanted.query, holder->process.pid, true, &found);
	for (size_t i = 0; i < found.count; i++)
		add_file(holder, target, &found.items[i], view->table.readable);
	holder->after = activity_look(root, holder->process.pid);
	holder->sampled_seconds = clock_now() - holder->first_look;
	if (holder->process.known &&
	    (!holder->after.seen || holder->after.start_ticks != holder->process.start_ticks))
		return false;

	/*
	 * btrfs numbers inodes a subvolume while /proc/locks names the whole file system, so a lock may be
	 * on another file of the same number. A process that we can look into has to have ours open.
	 */
	const bool ambiguous =
		strcmp(target->filesystem, "btrfs") == 0 && !found.hidden && found.count == 0;

	for (size_t i = 0; i < view->table.count; i++) {
		const struct lock_line *line = &view->table.items[i];
		const bool dead_flock = line->class == LOCK_FLOCK && !holder->after.seen;

		if (is_owned(line) && line->pid == holder->process.pid && !ambiguous && !dead_flock)
			add_lock(holder, target, line);
		if (line->waiting && line->pid == holder->process.pid)
			add_wanted(holder, target, line);
	}
	return holder_uses_current(holder) || holder_uses_replaced(holder);
}

/* Looks again at the holders from index `from` on, and forgets those that have let go. */
size_t holders_look_again(struct survey *survey, const struct proc_root *root, size_t from,
			  const struct target *target, const struct lock_view *view)
{
	size_t kept = from;

	for (size_t i = from; i < survey->holders.count; i++) {
		struct holder *holder = &survey->holders.items[i];

		if (look_again(holder, root, target, view))
			survey->holders.items[kept++] = *holder;
		else
			holder_release(holder);
	}
	const size_t let_go = survey->holders.count - kept;

	survey->holders.count = kept;
	return let_go;
}

/* Whether some holder's locks explain a conflict that the kernel reports on a slot. */
static bool is_explained(const struct survey *survey, enum lock_slot slot)
{
	const bool write = survey->probes[slot].conflict == CONFLICT_WRITE;

	for (size_t i = 0; i < survey->holders.count; i++) {
		const struct lock_bytes *locks = &survey->holders.items[i].locks;

		if (write ? lock_bytes_writes(locks, slot) : lock_bytes_holds(locks, slot))
			return true;
	}
	return false;
}

/* Locks that only F_GETLK knows of: their owner, if it is known at all, is a holder too. */
bool holders_explain_probes(struct survey *survey, const struct proc_root *root, struct error *err)
{
	for (enum lock_slot slot = 0; slot < SLOT_COUNT; slot++) {
		const struct lock_probe *probe = &survey->probes[slot];
		const struct lock_range range = lock_slot_range(slot);
		const size_t before = survey->holders.count;

		if (probe->conflict == CONFLICT_NONE || is_explained(survey, slot))
			continue;
		if (probe->pid <= 0) {
			survey->hidden_locks++;
			continue;
		}

		struct holder *holder = note_holder(survey, root, probe->pid);

		if (survey->holders.count > before) {
			holder->after = holder->before;
			holder->sampled_seconds = 0;
		}
		lock_bytes_add(&holder->locks, range.file, range.start,
			       range.start + range.length - 1, probe->conflict == CONFLICT_WRITE);
		if (!holders_identify(survey, root, before, err))
			return false;
	}
	return true;
}

enum held survey_still_held(const struct proc_root *root, const char *path, pid_t pid,
			    struct error *err)
{
	auto_target target = TARGET_NONE;
	auto_lock_view view = { 0 };
	auto_wanted wanted = { 0 };
	auto_open_files found = { 0 };

	if (!target_open(&target, root, path, err))
		return access(path, F_OK) != 0 && errno == ENOENT ? HELD_NO : HELD_UNKNOWN;
	wanted_fill(&wanted, root, &target);
	open_files_of(root, &wanted.query, pid, true, &found);
	if (found.count > 0)
		return HELD_YES;
	if (!lock_view_take(&view, root, &target, err))
		return HELD_UNKNOWN;
	for (size_t i = 0; i < view.table.count; i++)
		if (is_owned(&view.table.items[i]) && view.table.items[i].pid == pid)
			return HELD_YES;
	if (found.hidden == 0)
		return HELD_NO;
	(void)fail(err, STATUS_TROUBLE, "process %d: cannot look into it any more", pid);
	return HELD_UNKNOWN;
}
