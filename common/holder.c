#include "common/holder.h"

#include <stdlib.h>

#include "common/base/text.h"

void holder_release(struct holder *holder)
{
	process_release(&holder->process);
	free(holder->files);
	free(holder->path);
	free(holder->elsewhere);
	*holder = (struct holder){ 0 };
}

static bool any_file(const struct holder *holder, bool replaced)
{
	for (size_t i = 0; i < holder->file_count; i++)
		if (holder->files[i].replaced == replaced)
			return true;
	return false;
}

bool holder_uses_current(const struct holder *holder)
{
	return any_file(holder, false) || !lock_bytes_none(&holder->locks);
}

bool holder_uses_replaced(const struct holder *holder)
{
	return any_file(holder, true);
}

bool holder_has_open(const struct holder *holder, enum database_file file)
{
	for (size_t i = 0; i < holder->file_count; i++)
		if (holder->files[i].file == file)
			return true;
	return false;
}

bool holder_can_write(const struct holder *holder, enum database_file file)
{
	for (size_t i = 0; i < holder->file_count; i++)
		if (holder->files[i].file == file && holder->files[i].writable)
			return true;
	return false;
}

bool holder_can_write_current(const struct holder *holder, enum database_file file)
{
	for (size_t i = 0; i < holder->file_count; i++)
		if (holder->files[i].file == file && holder->files[i].writable &&
		    !holder->files[i].replaced)
			return true;
	return false;
}

const struct lock_bytes *holder_locks(const struct holder *holder)
{
	return holder_uses_current(holder) ? &holder->locks : &holder->old_locks;
}

bool holder_is_bystander(const struct holder *holder)
{
	return lock_bytes_none(holder_locks(holder)) && !holder_can_write(holder, FILE_MAIN) &&
	       !holder_has_open(holder, FILE_WAL) && !holder_has_open(holder, FILE_SHM) &&
	       !holder_has_open(holder, FILE_JOURNAL);
}

static bool reads_wal(const struct lock_bytes *locks)
{
	for (enum lock_slot slot = SLOT_READ0; slot <= SLOT_READ4; slot++)
		if (lock_bytes_reads(locks, slot))
			return true;
	return false;
}

enum holder_role holder_role(const struct holder *holder, enum journal_mode mode)
{
	const struct lock_bytes *locks = holder_locks(holder);

	if (lock_bytes_writes(locks, SLOT_RECOVER))
		return ROLE_RECOVERING;
	if (lock_bytes_writes(locks, SLOT_CKPT))
		return ROLE_CHECKPOINTER;
	if (lock_bytes_writes(locks, SLOT_WRITE) || lock_bytes_writes(locks, SLOT_RESERVED) ||
	    lock_bytes_writes(locks, SLOT_PENDING) || lock_bytes_writes(locks, SLOT_SHARED))
		return ROLE_WRITER;
	if (reads_wal(locks))
		return ROLE_READER;

	const bool shared = lock_bytes_reads(locks, SLOT_SHARED);
	const bool connected = lock_bytes_holds(locks, SLOT_DMS);

	/* In WAL mode every connection keeps SHARED for as long as it lives. */
	if (shared && !connected && mode != JOURNAL_WAL)
		return ROLE_READER;
	return shared || connected ? ROLE_CONNECTED : ROLE_OPEN;
}

const char *holder_role_name(enum holder_role role)
{
	static const char *const names[] = {
		[ROLE_OPEN] = "open",
		[ROLE_CONNECTED] = "connected",
		[ROLE_READER] = "reader",
		[ROLE_WRITER] = "writer",
		[ROLE_CHECKPOINTER] = "checkpointer",
		[ROLE_RECOVERING] = "recovering",
	};

	return names[role];
}

bool holder_is_idle(const struct holder *holder)
{
	return holder->sampled_seconds > 0 &&
	       activity_was_idle(&holder->before, &holder->after, holder->sampled_seconds);
}

bool holder_is_stopped(const struct holder *holder)
{
	return holder->after.state == PROCESS_STOPPED || holder->after.state == PROCESS_TRACED;
}

char *holder_command(const struct holder *holder)
{
	const struct process *process = &holder->process;
	struct text text = { 0 };

	for (size_t i = 0; i < process->command_count; i++) {
		if (i > 0)
			text_append(&text, " ");
		text_append_printable(&text, process->command[i]);
	}
	if (process->command_count == 0 && process->name) {
		text_append(&text, "[");
		text_append_printable(&text, process->name);
		text_append(&text, "]");
	}
	if (!process->known)
		text_append(&text, "? (its locks are all that can be seen)");
	return text_take(&text);
}
