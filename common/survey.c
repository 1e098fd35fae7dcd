#include "common/survey.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/certificate.h"
#include "common/linux/open_files.h"
#include "common/linux/privileges.h"
#include "common/lock_view.h"
#include "common/target.h"

/* A database that is replaced all the time cannot be surveyed; say so rather than go on for ever. */
enum { MOST_ATTEMPTS = 5 };

/* Of the sample time, what a process that the walk found is watched for at least. */
static const double least_share = 0.25;

void survey_release(struct survey *survey)
{
	for (size_t i = 0; i < survey->holders.count; i++)
		holder_release(&survey->holders.items[i]);
	free(survey->holders.items);
	free(survey->given);
	free(survey->database);
	free(survey->filesystem);
	free(survey->filesystem_options);
	*survey = (struct survey){ 0 };
}

bool survey_saw_everything(const struct survey *survey)
{
	return survey->scanned && survey->hidden_processes == 0 && survey->initial_pid_namespace &&
	       !survey->proc_hides;
}

struct holder *survey_find(const struct survey *survey, pid_t pid)
{
	for (size_t i = 0; i < survey->holders.count; i++)
		if (survey->holders.items[i].process.pid == pid)
			return &survey->holders.items[i];
	return NULL;
}

/* The holder with this PID, added (with its first sample taken) if it is new. */
static struct holder *note_holder(struct survey *survey, const struct proc_root *root, pid_t pid)
{
	struct holder *holder = survey_find(survey, pid);

	if (!holder) {
		holder = memory_append(&survey->holders);
		holder->process.pid = pid;
		holder->before = activity_look(root, pid);
		holder->sampled_seconds = clock_now();
	}
	return holder;
}

static bool is_owned(const struct lock_line *line)
{
	return !line->waiting && line->pid > 0 &&
	       (line->class == LOCK_POSIX || line->class == LOCK_FLOCK);
}

static void note_lock_owners(struct survey *survey, const struct proc_root *root,
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
	struct open_query query;
};

#define auto_wanted __attribute__((cleanup(wanted_release))) struct wanted_files

static void wanted_release(struct wanted_files *wanted)
{
	for (enum database_file file = 0; file < FILE_COUNT; file++)
		free(wanted->paths[file]);
}

static void wanted_fill(struct wanted_files *wanted, const struct target *target)
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
	wanted->query = (struct open_query){ wanted->targets, FILE_COUNT, getpid() };
}

/* Walks over all processes; those that have one of the files open become holders. */
static bool walk(struct survey *survey, const struct proc_root *root, const struct target *target,
		 bool deep, struct error *err)
{
	auto_wanted wanted = { 0 };
	auto_open_files found = { 0 };

	wanted_fill(&wanted, target);
	if (!open_files_walk(root, &wanted.query, deep, &found, err))
		return false;
	for (size_t i = 0; i < found.count; i++)
		(void)note_holder(survey, root, found.items[i].pid);
	survey->scanned = true;
	survey->hidden_processes = found.hidden;
	return true;
}

/* Reads who they are, for holders from index `from` on. */
static bool identify(struct survey *survey, const struct proc_root *root, size_t from,
		     struct error *err)
{
	for (size_t i = from; i < survey->holders.count; i++) {
		struct process *process = &survey->holders.items[i].process;

		if (!processes_read(root, process, 1, err))
			return false;
	}
	return true;
}

static void add_lock(struct holder *holder, const struct target *target, const struct lock_line *line)
{
	enum database_file file = FILE_MAIN;

	if (line->waiting || line->class == LOCK_LEASE || line->class == LOCK_OTHER ||
	    !lock_view_file(target, line, &file))
		return;
	if (line->class == LOCK_FLOCK) /* SQLite places none, and none of its locks meets one */
		holder->locks.foreign = true;
	else
		lock_bytes_add(&holder->locks, file, line->first, line->last, line->write);
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
			lock_bytes_add(&holder->old_locks, file->file, lock->first, lock->last,
				       lock->write);
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
	const double first = holder->sampled_seconds;

	wanted_fill(&wanted, target);
	open_files_of(root, &wanted.query, holder->process.pid, &found);
	for (size_t i = 0; i < found.count; i++)
		add_file(holder, target, &found.items[i], view->table.readable);
	holder->after = activity_look(root, holder->process.pid);
	holder->sampled_seconds = clock_now() - first;
	if (holder->process.known &&
	    (!holder->after.seen || holder->after.start_ticks != holder->process.start_ticks))
		return false;

	/*
	 * btrfs numbers inodes a subvolume while /proc/locks names the whole file system, so a lock may be
	 * on another file of the same number. A process that we can look into has to have ours open.
	 */
	const bool ambiguous = strcmp(target->filesystem, "btrfs") == 0 && !found.hidden &&
			       found.count == 0;

	for (size_t i = 0; i < view->table.count; i++) {
		const struct lock_line *line = &view->table.items[i];
		const bool dead_flock = line->class == LOCK_FLOCK && !holder->after.seen;

		if (is_owned(line) && line->pid == holder->process.pid && !ambiguous && !dead_flock)
			add_lock(holder, target, line);
	}
	return holder_uses_current(holder) || holder_uses_replaced(holder);
}

static int by_pid(const void *left, const void *right)
{
	const struct holder *a = left, *b = right;

	return (a->process.pid > b->process.pid) - (a->process.pid < b->process.pid);
}

static void sort_holders(struct survey *survey)
{
	if (survey->holders.count > 1)
		qsort(survey->holders.items, survey->holders.count, sizeof *survey->holders.items,
		      by_pid);
}

/* Looks again at the holders from index `from` on, and forgets those that have let go. */
static void look_again_at_all(struct survey *survey, const struct proc_root *root, size_t from,
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
	survey->holders.count = kept;
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
static bool explain_probes(struct survey *survey, const struct proc_root *root, struct error *err)
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
		if (!identify(survey, root, before, err))
			return false;
	}
	return true;
}

static size_t read_start(const struct target *target, enum database_file file, uint8_t *bytes,
			 size_t size, struct error *err)
{
	auto_close int fd = target->files[file].path_fd >= 0 ? target_reopen(target, file, err) : -1;
	const ssize_t length = fd >= 0 ? pread(fd, bytes, size, 0) : -1;

	return length > 0 ? (size_t)length : 0;
}

static void read_wal_index(struct survey *survey, const struct target *target)
{
	/* A writer that is just changing the header is done in microseconds. */
	enum { TRIES = 10 };
	uint8_t bytes[WAL_INDEX_HEADER_SIZE] = { 0 };
	struct error ignored = { 0 };

	for (int i = 0; i < TRIES && !survey->index_known; i++) {
		const size_t length = read_start(target, FILE_SHM, bytes, sizeof bytes, &ignored);

		survey->index_known = wal_index_read(bytes, length, &survey->index);
	}
}

/* What the files themselves say: header, wal-index, journal. */
static bool read_files(struct survey *survey, const struct target *target, struct error *err)
{
	uint8_t bytes[DATABASE_HEADER_SIZE] = { 0 };
	struct error ignored = { 0 };

	auto_close int fd = target_reopen(target, FILE_MAIN, err);

	if (fd < 0)
		return false;

	const ssize_t length = pread(fd, bytes, sizeof bytes, 0);

	if (length < 0) {
		auto_free char *shown = text_printable(target->given);

		return fail_errno(err, STATUS_TROUBLE, "%s: cannot read", shown);
	}
	database_header_read(bytes, (size_t)length, &survey->header);
	survey->mode = survey->header.mode;
	read_wal_index(survey, target);

	const bool reserved = survey->probes[SLOT_RESERVED].conflict == CONFLICT_WRITE;
	const size_t journal = read_start(target, FILE_JOURNAL, bytes, 1, &ignored);

	survey->journal_empty = journal == 0 || bytes[0] == 0;
	survey->journal_hot = survey->mode != JOURNAL_WAL &&
			      journal_is_hot(bytes, journal, survey->size[FILE_MAIN], reserved);
	return true;
}

static void note_target(struct survey *survey, const struct target *target)
{
	const struct timespec now = clock_wall();

	for (enum database_file file = 0; file < FILE_COUNT; file++) {
		survey->exists[file] = target->files[file].path_fd >= 0;
		survey->size[file] =
			survey->exists[file] ? (uint64_t)target->files[file].stat.st_size : 0;
		survey->changed[file] = target->files[file].stat.st_mtim;
	}
	survey->given = memory_copy_text(target->given);
	survey->database = memory_copy_text(target->absolute);
	survey->inode = target->files[FILE_MAIN].stat.st_ino;
	survey->filesystem = memory_copy_text(target->filesystem);
	survey->filesystem_options = memory_copy_text(target->filesystem_options);
	survey->trust = target->trust;
	survey->has_dotfile = target->has_dotfile;
	survey->dotfile_age = (double)(now.tv_sec - target->dotfile_changed.tv_sec) +
			      (double)(now.tv_nsec - target->dotfile_changed.tv_nsec) / 1e9;
}

static bool anybody_uses_current(const struct survey *survey)
{
	for (size_t i = 0; i < survey->holders.count; i++)
		if (holder_uses_current(&survey->holders.items[i]))
			return true;
	return false;
}

/* The kernel just said that nobody has the file open: whoever was seen with it has let go since. */
static void forget_current_users(struct survey *survey)
{
	size_t kept = 0;

	for (size_t i = 0; i < survey->holders.count; i++) {
		struct holder *holder = &survey->holders.items[i];

		if (holder_uses_replaced(holder))
			survey->holders.items[kept++] = *holder;
		else
			holder_release(holder);
	}
	survey->holders.count = kept;
	survey->hidden_locks = 0;
	for (enum lock_slot slot = 0; slot < SLOT_COUNT; slot++)
		survey->probes[slot] = (struct lock_probe){ 0 };
}

/*
 * The kernel's word on whether anybody has the file open; when it says yes and nobody was seen, a closer and
 * slower look: at every thread, and at mappings.
 */
static bool certify(struct survey *survey, const struct proc_root *root,
		    const struct target *target, const struct lock_view *view, struct error *err)
{
	const bool expected = anybody_uses_current(survey);

	survey->certificate = certificate_ask(target, expected);
	if (survey->certificate == CERTIFICATE_FREE) {
		forget_current_users(survey);
		return true;
	}
	if (survey->certificate == CERTIFICATE_NONE || expected)
		return true;
	if (survey->scanned) {
		const size_t before = survey->holders.count;

		if (!walk(survey, root, target, true, err) || !identify(survey, root, before, err))
			return false;
		look_again_at_all(survey, root, before, target, view);
		for (size_t i = before; i < survey->holders.count; i++)
			survey->holders.items[i].sampled_seconds = 0;
	}
	survey->hidden_opener = !anybody_uses_current(survey);
	return true;
}

/* The time until the second sample. Nobody there: nothing to wait for. */
static void wait_for_second_sample(const struct survey *survey, double started, double walked,
				   double sample)
{
	const double early = started + sample, late = walked + sample * least_share;

	if (survey->holders.count > 0 && sample > 0)
		clock_sleep_until(early > late ? early : late);
}

/* The first half: who there is, and what they do. */
static bool find_holders(struct survey *survey, const struct proc_root *root,
			 const struct target *target, const struct survey_options *options,
			 struct error *err)
{
	const double started = clock_now();
	auto_lock_view view = { 0 };

	if (!lock_view_take(&view, root, target, err))
		return false;
	note_lock_owners(survey, root, &view.table);
	if (options->scan && !walk(survey, root, target, false, err))
		return false;
	if (!identify(survey, root, 0, err))
		return false;
	wait_for_second_sample(survey, started, clock_now(), options->sample_seconds);
	return true;
}

/* The second half: what they hold now, by the target as it is now. */
static bool settle_holders(struct survey *survey, const struct proc_root *root,
			   const struct target *target, const struct survey_options *options,
			   struct error *err)
{
	const size_t sampled = survey->holders.count;
	auto_lock_view view = { 0 };

	note_target(survey, target);
	if (!lock_view_take(&view, root, target, err))
		return false;
	memcpy(survey->probes, view.probes, sizeof survey->probes);
	note_lock_owners(survey, root, &view.table);
	if (!identify(survey, root, sampled, err))
		return false;
	look_again_at_all(survey, root, 0, target, &view);
	for (size_t i = 0; i < survey->holders.count; i++)
		if (options->sample_seconds <= 0)
			survey->holders.items[i].sampled_seconds = 0;
	survey->sampled_seconds = options->sample_seconds;
	return explain_probes(survey, root, err) && read_files(survey, target, err) &&
	       certify(survey, root, target, &view, err);
}

/* /proc can be mounted so that other users' processes do not show at all (proc(5), hidepid). */
static bool proc_hides_processes(const struct proc_root *root)
{
	auto_mounts mounts = { 0 };
	struct error ignored = { 0 };
	const char *option = NULL;

	if (!mounts_read(root, &mounts, &ignored))
		return true;
	for (size_t i = 0; i < mounts.count; i++)
		if (strcmp(mounts.items[i].point, "/proc") == 0)
			option = strstr(mounts.items[i].options, "hidepid=");
	return option && strncmp(option, "hidepid=0", 9) != 0 &&
	       strncmp(option, "hidepid=off", 11) != 0 && !privileges_see_everything();
}

/* One attempt; *moved when the database was replaced under it. */
static bool attempt(struct survey *survey, const struct proc_root *root, const char *path,
		    const struct survey_options *options, bool *moved, struct error *err)
{
	auto_target first = TARGET_NONE;
	auto_target second = TARGET_NONE;

	*moved = false;
	if (!target_open(&first, root, path, err))
		return false;
	survey->initial_pid_namespace = root->initial_pid_namespace;
	survey->proc_hides = proc_hides_processes(root);
	privileges_raise();

	const bool found = find_holders(survey, root, &first, options, err);

	privileges_lower();
	if (!found || !target_open(&second, root, path, err))
		return false;
	*moved = !target_same(&first, &second);
	if (*moved)
		return true;
	privileges_raise();

	const bool settled = settle_holders(survey, root, &second, options, err);

	privileges_lower();
	sort_holders(survey);
	survey->taken = clock_wall();
	return settled;
}

bool survey_take(struct survey *survey, const struct proc_root *root, const char *path,
		 const struct survey_options *options, struct error *err)
{
	bool moved = true;

	for (int i = 0; i < MOST_ATTEMPTS && moved; i++) {
		survey_release(survey);
		if (!attempt(survey, root, path, options, &moved, err))
			return false;
	}
	if (moved) {
		auto_free char *shown = text_printable(path);

		return fail(err, STATUS_TROUBLE, "%s: is being replaced all the time", shown);
	}
	return true;
}
