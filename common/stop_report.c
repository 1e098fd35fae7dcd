#include "common/stop_report.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/scope.h"

typedef struct json_t json;

static bool was_stopped(const struct stop_subject *subject)
{
	return subject->reason == STOP_CHOSEN;
}

static void append_left(struct text *text, const struct stop *stop)
{
	for (size_t i = 0; i < stop->subjects.count; i++) {
		const struct stop_subject *subject = &stop->subjects.items[i];

		auto_free char *command = stop_short_command(subject->command);

		if (!was_stopped(subject))
			text_append(text, "  left     %d  %s: %s\n", subject->pid,
				    stop_reason_name(subject->reason), command);
	}
}

static void append_hints(struct text *text, const struct stop *stop)
{
	for (size_t i = 0; i < stop->restart_hints.count; i++)
		text_append(text, "%s    %s\n", i ? "" : "  start it again with:\n",
			    stop->restart_hints.items[i]);
}

void stop_plan_text(struct text *text, const struct stop *stop)
{
	text_append_printable(text, stop->path);
	if (stop->subjects.count == 0) {
		text_append(text, ": nobody has it open, nothing to stop\n");
		return;
	}
	text_append(text, ": %zu of %zu processes to be stopped\n", stop_chosen(stop),
		    stop->subjects.count);
	for (size_t i = 0; i < stop->subjects.count; i++) {
		const struct stop_subject *subject = &stop->subjects.items[i];

		auto_free char *command = stop_short_command(subject->command);

		if (was_stopped(subject))
			text_append(text, "  stop     %d  by %s: %s\n", subject->pid, subject->how,
				    command);
	}
	append_left(text, stop);
}

static void append_returns(struct text *text, const struct stop *stop)
{
	for (size_t i = 0; i < stop->returned.count; i++) {
		const struct stop_return *back = &stop->returned.items[i];

		text_append(text, "  back     %d  has opened it again: %s\n", back->pid,
			    back->command);
		if (back->by > 0)
			text_append(text, "           started by %d: %s (stop that one first)\n",
				    back->by, back->by_command);
	}
}

/* What the next opener will find. */
static void append_state(struct text *text, const struct survey *survey)
{
	if (survey->journal_hot)
		text_append(text, "  its journal is hot: the next program that opens it rolls the "
				  "unfinished transaction back\n");
	if (survey->exists[FILE_WAL] && survey->size[FILE_WAL] > 0) {
		text_append(text, "  ");
		text_append_size(text, survey->size[FILE_WAL]);
		text_append(text,
			    " are in the WAL, and stay with the database: keep the -wal file\n");
	}
}

static const char *headline(const struct stop *stop)
{
	if (stop->returned.count > 0)
		return "CAME BACK, somebody opened it again";
	if (stop->written)
		return "WRITTEN TO, by somebody who opens it for a moment only";
	if (stop->released)
		return stop->survey.certificate == CERTIFICATE_NONE
			       ? "RELEASED, no process uses it"
			       : "RELEASED, no process uses it (certified by the kernel)";
	if (stop->uncertain)
		return "UNKNOWN, nobody was seen with it, but not everybody could be looked at";
	return "STILL HELD";
}

void stop_report_text(struct text *text, const struct stop *stop)
{
	text_append_printable(text, stop->path);
	text_append(text, ": %s\n", headline(stop));
	for (size_t i = 0; i < stop->subjects.count; i++) {
		const struct stop_subject *subject = &stop->subjects.items[i];

		auto_free char *command = stop_short_command(subject->command);

		if (was_stopped(subject))
			text_append(text, "  stopped  %d  by %s after %.2f s: %s\n", subject->pid,
				    subject->how, subject->seconds, command);
	}
	append_left(text, stop);
	append_returns(text, stop);
	append_state(text, &stop->survey);
	append_hints(text, stop);
}

static json *identity(pid_t pid, uint64_t start_ticks, const char *command)
{
	json *object = json_new_object();

	json_put_number(object, "pid", pid);
	json_put_number(object, "start_ticks", (int64_t)start_ticks);
	json_put_text(object, "command", command);
	return object;
}

static void put_subjects(json *document, const struct stop *stop, bool is_plan)
{
	json *done = json_put_array(document, is_plan ? "plan" : "stopped");
	json *left = json_put_array(document, "left");

	for (size_t i = 0; i < stop->subjects.count; i++) {
		const struct stop_subject *subject = &stop->subjects.items[i];
		json *object = identity(subject->pid, subject->start_ticks, subject->command);

		if (!was_stopped(subject)) {
			json_put_text(object, "reason", stop_reason_name(subject->reason));
			json_add(left, object);
			continue;
		}
		json_put_text(object, "how", subject->how);
		if (!is_plan)
			json_put_seconds(object, "seconds", subject->seconds);
		json_add(done, object);
	}
}

static void put_returns(json *document, const struct stop *stop)
{
	json *array = json_put_array(document, "reopened_by");

	for (size_t i = 0; i < stop->returned.count; i++) {
		const struct stop_return *back = &stop->returned.items[i];
		json *object = identity(back->pid, back->start_ticks, back->command);

		if (back->by > 0) {
			json *by = json_put_object(object, "restarted_by");

			json_put_number(by, "pid", back->by);
			json_put_text(by, "command", back->by_command);
		} else {
			json_put_null(object, "restarted_by");
		}
		json_add(array, object);
	}
}

json *stop_report_json(const char *tool, const struct stop *stop, bool is_plan)
{
	json *document = json_new_object();
	char stamp[CLOCK_STAMP_SIZE];

	clock_stamp(clock_wall(), stamp);
	json_put_number(document, "schema", 1);
	json_put_text(document, "tool", tool);
	json_put_text(document, "time", stamp);
	json_put_text(document, "database",
		      stop->survey.database ? stop->survey.database : stop->path);
	json_put_bool(document, "released", !is_plan && stop->released);
	put_subjects(document, stop, is_plan);
	put_returns(document, stop);

	json *hints = json_put_array(document, "restart_hint");

	for (size_t i = 0; i < stop->restart_hints.count; i++)
		json_add_text(hints, stop->restart_hints.items[i]);

	if (stop->survey.database) {
		json *state = json_put_object(document, "database_state");

		json_put_bool(state, "hot_journal", stop->survey.journal_hot);
		json_put_number(state, "wal_bytes", (int64_t)stop->survey.size[FILE_WAL]);
	} else { /* it could not be looked at any more */
		json_put_null(document, "database_state");
	}
	if (stop->trouble.status != STATUS_OK)
		json_put_error(document, &stop->trouble);
	return document;
}
