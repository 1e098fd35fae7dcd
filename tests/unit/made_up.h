/*
 * Surveys of machines that never were, for verdict, diagnosis and report: one starts as a database that nobody
 * uses, on a machine where everything could be seen; holders and locks are added to it.
 */
#ifndef TESTS_UNIT_MADE_UP_H
#define TESTS_UNIT_MADE_UP_H

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/survey.h"

enum { MADE_UP_HOLDERS = 64 }; /* so that a holder's address stays good */

/* A database in that mode: 1024 pages of 4096 bytes; in WAL mode with 312 frames, 31 checkpointed. */
static inline void made_up_start(struct survey *survey, enum journal_mode mode)
{
	*survey = (struct survey){
		.given = memory_copy_text("data/bot.db"),
		.database = memory_copy_text("/srv/data/bot.db"),
		.taken = { .tv_sec = 1795349700, .tv_nsec = 123000000 },
		.header = { .is_database = true, .page_size = 4096, .mode = mode },
		.mode = mode,
		.exists = { [FILE_MAIN] = true },
		.size = { [FILE_MAIN] = 4194304 },
		.inode = 131,
		.filesystem = memory_copy_text("ext4"),
		.filesystem_options = memory_copy_text("rw"),
		.trust = FILESYSTEM_LOCAL,
		.journal_empty = true,
		.certificate = CERTIFICATE_NONE,
		.scanned = true,
		.consistent = true,
		.initial_pid_namespace = true,
		.sampled_seconds = 0.25,
	};
	survey->holders.items = memory_allocate(MADE_UP_HOLDERS, sizeof *survey->holders.items);
	survey->holders.capacity = MADE_UP_HOLDERS;
	if (mode != JOURNAL_WAL)
		return;
	survey->exists[FILE_WAL] = survey->exists[FILE_SHM] = true;
	survey->size[FILE_WAL] = 32 + 312 * 4120;
	survey->size[FILE_SHM] = 32768;
	survey->index_known = true;
	survey->index = (struct wal_index){
		.page_size = 4096,
		.change_counter = 7,
		.frames = 312,
		.checkpointed = 31,
		.marks = { 0, 312, 31, WAL_MARK_UNUSED, WAL_MARK_UNUSED },
	};
}

static inline struct held_file *made_up_file(struct holder *holder, enum database_file file, int fd,
					     bool writable)
{
	holder->files = memory_grow(holder->files, &holder->file_capacity, holder->file_count + 1,
				    sizeof *holder->files);
	holder->files[holder->file_count] =
		(struct held_file){ .file = file, .fd = fd, .writable = writable };
	return &holder->files[holder->file_count++];
}

static inline void made_up_word(struct process *process, const char *word)
{
	char **words = memory_allocate(process->command_count + 1, sizeof *words);

	if (process->command_count)
		memcpy(words, process->command, process->command_count * sizeof *words);
	free(process->command);
	words[process->command_count++] = memory_copy_text(word);
	process->command = words;
}

/*
 * A process of user "bot", asleep through both samples, with nothing open. The words of its command line are
 * separated by single blanks.
 */
static inline struct holder *made_up_process(struct survey *survey, pid_t pid, const char *exe,
					     const char *command)
{
	struct holder *holder = memory_append(&survey->holders);
	struct process *process = &holder->process;

	process->pid = pid;
	process->known = true;
	process->start_ticks = 1000;
	process->ppid = 1;
	process->uid = 1000;
	process->user = memory_copy_text("bot");
	process->name = memory_copy_text("python3");
	process->exe = memory_copy_text(exe);
	process->cwd = memory_copy_text("/srv");
	while (*command) {
		const size_t length = strcspn(command, " ");
		char *word = memory_copy(command, length);

		made_up_word(process, word);
		free(word);
		command += length + (command[length] == ' ');
	}
	holder->path = memory_copy_text("/srv/data/bot.db");
	holder->before = holder->after = (struct activity){
		.seen = true,
		.state = PROCESS_SLEEPING,
		.start_ticks = 1000,
	};
	holder->sampled_seconds = 0.25;
	return holder;
}

/* "python3 bot.py" with the main file open for reading and writing. */
static inline struct holder *made_up_user(struct survey *survey, pid_t pid)
{
	struct holder *holder =
		made_up_process(survey, pid, "/usr/bin/python3.11", "python3 bot.py");

	(void)made_up_file(holder, FILE_MAIN, 3, true);
	return holder;
}

/* A lock on a slot, seen in /proc/locks and by F_GETLK. */
static inline void made_up_lock(struct survey *survey, struct holder *holder, enum lock_slot slot,
				bool write)
{
	const struct lock_range range = lock_slot_range(slot);
	const enum lock_conflict conflict = write ? CONFLICT_WRITE : CONFLICT_READ;

	lock_bytes_add(&holder->locks, range.file, range.start, range.start + range.length - 1,
		       write);
	if (conflict > survey->probes[slot].conflict)
		survey->probes[slot] = (struct lock_probe){ conflict, holder->process.pid };
}

/* A lock that only F_GETLK sees. */
static inline void made_up_hidden_lock(struct survey *survey, enum lock_slot slot, bool write)
{
	survey->probes[slot] = (struct lock_probe){ write ? CONFLICT_WRITE : CONFLICT_READ, 0 };
	survey->hidden_locks++;
}

/* A connection in WAL mode, between two transactions. */
static inline struct holder *made_up_connection(struct survey *survey, pid_t pid)
{
	struct holder *holder = made_up_user(survey, pid);

	(void)made_up_file(holder, FILE_WAL, 4, true);
	(void)made_up_file(holder, FILE_SHM, 5, true);
	made_up_lock(survey, holder, SLOT_SHARED, false);
	made_up_lock(survey, holder, SLOT_DMS, false);
	return holder;
}

/* A writer in rollback mode, whose strongest lock is this one (RESERVED, PENDING; SHARED means EXCLUSIVE). */
static inline struct holder *made_up_writer(struct survey *survey, pid_t pid,
					    enum lock_slot strongest)
{
	struct holder *holder = made_up_user(survey, pid);

	survey->exists[FILE_JOURNAL] = true;
	survey->size[FILE_JOURNAL] = 4616;
	survey->journal_empty = false;
	survey->changed[FILE_JOURNAL] = survey->taken;
	(void)made_up_file(holder, FILE_JOURNAL, 4, true);
	made_up_lock(survey, holder, SLOT_RESERVED, true);
	if (strongest != SLOT_RESERVED)
		made_up_lock(survey, holder, SLOT_PENDING, true);
	made_up_lock(survey, holder, SLOT_SHARED, strongest == SLOT_SHARED);
	return holder;
}

/* One who was refused that lock, by its name, 12 times in 1.25 s; NULL where it is only a guess. `behind` of 0 is nobody. */
static inline struct waiter *made_up_waiter(struct survey *survey, pid_t pid, const char *wants,
					    pid_t behind)
{
	struct waiter *waiter = memory_append(&survey->waiters);

	*waiter = (struct waiter){
		.process = { .pid = pid },
		.wants = wants,
		.behind = memory_allocate(1, sizeof *waiter->behind),
		.behind_count = behind != 0,
		.attempts = wants ? 12 : 0,
		.seconds = wants ? 1.25 : 0,
		.guessed = !wants,
	};
	waiter->behind[0] = behind;
	return waiter;
}

/* It worked between the two samples. */
static inline void made_up_busy(struct holder *holder)
{
	holder->after.state = PROCESS_RUNNING;
	holder->after.cpu_ticks += 20;
}

static inline void made_up_stopped(struct holder *holder)
{
	holder->before.state = holder->after.state = PROCESS_STOPPED;
}

#endif
