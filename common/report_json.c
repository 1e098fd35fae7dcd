#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/report.h"

typedef struct json_t json;

static void put_pids(json *object, const char *key, const struct pid_list *pids)
{
	json *array = json_put_array(object, key);

	for (size_t i = 0; i < pids->count; i++)
		json_add_number(array, pids->items[i]);
}

static void put_answers(json *document, const struct verdict *verdict)
{
	json *can = json_put_object(document, "can"),
	     *blockers = json_put_object(document, "blockers");

	for (enum question question = 0; question < QUESTION_COUNT; question++) {
		const char *name = question_name(question);

		if (verdict->can[question] == ANSWER_UNKNOWN)
			json_put_null(can, name);
		else
			json_put_bool(can, name, verdict->can[question] == ANSWER_YES);
		put_pids(blockers, name, &verdict->blockers[question]);
	}
}

/* Zero means "not known" for these, and SQLite knows no such page size. */
static void put_page_size(json *document, const struct survey *survey)
{
	if (survey->header.page_size)
		json_put_number(document, "page_size_bytes", survey->header.page_size);
	else
		json_put_null(document, "page_size_bytes");
}

static void put_read_marks(json *wal, const struct survey *survey)
{
	if (!survey->index_known) {
		json_put_null(wal, "read_marks");
		return;
	}

	json *marks = json_put_array(wal, "read_marks");

	for (size_t slot = 0; slot < READ_SLOTS; slot++) {
		json *mark = json_new_object();

		json_put_number(mark, "slot", (int64_t)slot);
		if (survey->index.marks[slot] == WAL_MARK_UNUSED)
			json_put_null(mark, "frame");
		else
			json_put_number(mark, "frame", survey->index.marks[slot]);

		json *readers = json_put_array(mark, "pids");

		for (size_t i = 0; i < survey->holders.count; i++)
			if (lock_bytes_reads(&survey->holders.items[i].locks,
					     (enum lock_slot)(SLOT_READ0 + slot)))
				json_add_number(readers, survey->holders.items[i].process.pid);
		json_add(marks, mark);
	}
}

static void put_wal(json *document, const struct survey *survey)
{
	const struct wal_index *index = &survey->index;

	if (!survey->exists[FILE_WAL]) {
		json_put_null(document, "wal");
		return;
	}

	json *wal = json_put_object(document, "wal");

	json_put_number(wal, "size_bytes", (int64_t)survey->size[FILE_WAL]);
	if (survey->index_known) {
		json_put_number(wal, "frames", index->frames);
		json_put_number(wal, "checkpointed_frames", index->checkpointed);
		json_put_number(wal, "pending_bytes",
				(int64_t)(index->frames - index->checkpointed) * index->page_size);
	} else {
		json_put_null(wal, "frames");
		json_put_null(wal, "checkpointed_frames");
		json_put_null(wal, "pending_bytes");
	}
	put_read_marks(wal, survey);
}

static void put_files(json *document, const struct survey *survey)
{
	json_put_text(document, "journal_mode", journal_mode_name(survey->mode));
	json_put_number(document, "size_bytes", (int64_t)survey->size[FILE_MAIN]);
	put_page_size(document, survey);
	put_wal(document, survey);

	json *journal = json_put_object(document, "journal");

	json_put_bool(journal, "present", survey->exists[FILE_JOURNAL]);
	json_put_bool(journal, "hot", survey->journal_hot);

	json *filesystem = json_put_object(document, "filesystem");

	json_put_text(filesystem, "type", survey->filesystem);
	json_put_number(filesystem, "inode", (int64_t)survey->inode);
	json_put_bool(filesystem, "network", survey->trust == FILESYSTEM_SHARED);
}

static void put_supervisor(json *object, const struct supervisor *supervisor)
{
	if (supervisor->kind == SUPERVISOR_NONE) {
		json_put_null(object, "supervisor");
		return;
	}

	json *value = json_put_object(object, "supervisor");

	json_put_text(value, "kind", supervisor_kind_name(supervisor->kind));
	json_put_text(value, "name", *supervisor->name ? supervisor->name : NULL);
	json_put_text(value, "id", *supervisor->id ? supervisor->id : NULL);
	json_put_text(value, "restart", *supervisor->restart ? supervisor->restart : NULL);
	json_put_text(value, "project", *supervisor->project ? supervisor->project : NULL);
	json_put_text(value, "service", *supervisor->service ? supervisor->service : NULL);
	json_put_bool(value, "paused", supervisor->paused);
}

/* Who it is; of a process known only by its lock, nulls. */
static void put_identity(json *object, const struct process *process)
{
	json_put_number(object, "pid", process->pid);
	if (!process->known) {
		static const char *const keys[] = { "start_ticks", "ppid",	"user", "uid",
						    "name",	   "command",	"exe",	"tty",
						    "cwd",	   "supervisor" };

		for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
			json_put_null(object, keys[i]);
		json_put_null(object, "container_pid");
		return;
	}
	json_put_number(object, "start_ticks", (int64_t)process->start_ticks);
	json_put_number(object, "ppid", process->ppid);
	json_put_text(object, "user", process->user);
	json_put_number(object, "uid", process->uid);
	json_put_text(object, "name", process->name);
	json_put_texts(object, "command", process->command, process->command_count);
	json_put_text(object, "exe", process->exe);
	json_put_text(object, "tty", process->tty);
	json_put_text(object, "cwd", process->cwd);
	put_supervisor(object, &process->supervisor);
	if (process->container_pid)
		json_put_number(object, "container_pid", process->container_pid);
	else
		json_put_null(object, "container_pid");
}

static void put_locks(json *object, const struct lock_bytes *locks)
{
	const char *names[LOCK_NAMES];
	const size_t count = lock_bytes_names(locks, names);
	char compact[LOCK_COMPACT_SIZE];
	json *array = json_put_array(object, "locks");

	for (size_t i = 0; i < count; i++)
		json_add_text(array, names[i]);
	lock_bytes_compact(locks, compact);
	json_put_text(object, "locks_text", compact);
}

static void put_signals(json *object, const struct process *process)
{
	if (!process->known) {
		json_put_null(object, "catches");
		return;
	}

	json *array = json_put_array(object, "catches");

	for (int signal = 1; signal < SIGRTMIN && signal <= 64; signal++) {
		const char *name = sigabbrev_np(signal);
		char full[32] = "SIG";

		if (!name || !(process->catches >> (signal - 1) & 1))
			continue;
		(void)strncat(full, name, sizeof full - 4);
		json_add_text(array, full);
	}
}

static void put_descriptors(json *object, const struct holder *holder)
{
	json *array = json_put_array(object, "fds");

	for (size_t i = 0; i < holder->file_count; i++)
		if (holder->files[i].fd >= 0)
			json_add_number(array, holder->files[i].fd);
}

static json *holder_json(const struct survey *survey, const struct holder *holder)
{
	json *object = json_new_object();

	put_identity(object, &holder->process);
	put_locks(object, holder_locks(holder));
	json_put_text(object, "role", holder_role_name(holder_role(holder, survey->mode)));
	if (holder->after.seen)
		json_put_text(object, "state", process_state_name(holder->after.state));
	else
		json_put_null(object, "state");
	if (holder->sampled_seconds > 0 && holder->after.seen)
		json_put_bool(object, "idle", holder_is_idle(holder));
	else
		json_put_null(object, "idle");
	json_put_bool(object, "replaced", holder_uses_replaced(holder));
	put_descriptors(object, holder);
	json_put_text(object, "path", holder->path);
	put_signals(object, &holder->process);
	return object;
}

/* Who sleeps in the kernel, or is only guessed, has no figures: nulls. */
static json *waiter_json(const struct waiter *waiter)
{
	json *object = json_new_object(), *behind = NULL;

	json_put_number(object, "pid", waiter->process.pid);
	json_put_texts(object, "command", waiter->process.command, waiter->process.command_count);
	json_put_text(object, "wants", waiter->wants);
	behind = json_put_array(object, "behind");
	for (size_t i = 0; i < waiter->behind_count; i++)
		json_add_number(behind, waiter->behind[i]);
	if (waiter->guessed || waiter->in_kernel) {
		json_put_null(object, "seconds");
		json_put_null(object, "attempts");
	} else {
		json_put_seconds(object, "seconds", waiter->seconds);
		json_put_number(object, "attempts", waiter->attempts);
	}
	json_put_text(object, "source",
		      waiter->guessed	  ? "guess"
		      : waiter->in_kernel ? "locks"
					  : "trace");
	return object;
}

static void put_findings(json *document, const struct diagnosis *diagnosis)
{
	json *findings = json_put_array(document, "findings");

	for (size_t i = 0; i < diagnosis->count; i++) {
		const struct finding *finding = &diagnosis->items[i];
		json *object = json_new_object();

		json_put_text(object, "id", finding->id);
		json_put_text(object, "severity", severity_name(finding->severity));
		put_pids(object, "pids", &finding->pids);
		json_put_text(object, "why", finding->why);
		json_put_text(object, "fix", finding->fix);
		json_add(findings, object);
	}
}

/* Where it was asked for, the database in the words of a container; only then, since it is no key of every answer. */
static void put_container(json *document, const struct survey *survey)
{
	if (!survey->container)
		return;

	json *container = json_put_object(document, "container");

	json_put_text(container, "name", survey->container);
	json_put_text(container, "path", survey->inside);
}

json *report_json(const char *tool, const struct survey *survey, const struct verdict *verdict,
		  const struct diagnosis *diagnosis)
{
	json *document = json_new_object();
	char stamp[CLOCK_STAMP_SIZE], host[256] = "";

	clock_stamp(survey->taken, stamp);
	(void)gethostname(host, sizeof host - 1); /* "" when it is longer than a name may be */
	json_put_number(document, "schema", 1);
	json_put_text(document, "tool", tool);
	json_put_text(document, "host", host);
	json_put_text(document, "time", stamp);
	json_put_text(document, "database", survey->database);
	put_container(document, survey);
	json_put_text(document, "status", database_status_name(verdict->status));
	json_put_bool(document, "certified", survey->certificate == CERTIFICATE_FREE);
	json_put_bool(document, "certified_no_writer",
		      survey->certificate == CERTIFICATE_FREE ||
			      survey->certificate == CERTIFICATE_NO_WRITER);
	put_answers(document, verdict);
	put_files(document, survey);

	json *holders = json_put_array(document, "holders");

	for (size_t i = 0; i < survey->holders.count; i++)
		json_add(holders, holder_json(survey, &survey->holders.items[i]));

	json *waiters = json_put_array(document, "waiters");

	for (size_t i = 0; i < survey->waiters.count; i++)
		json_add(waiters, waiter_json(&survey->waiters.items[i]));

	json *hidden = json_put_object(document, "hidden");

	json_put_number(hidden, "processes", (int64_t)survey->hidden_processes);
	json_put_number(hidden, "locks", (int64_t)survey->hidden_locks);
	put_findings(document, diagnosis);
	return document;
}
