#include "common/report_metrics.h"

#include <string.h>

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/target.h"
#include "common/transaction.h"

/* Names and meanings are promises: dashboards and alerts are made of them. */
static const struct {
	const char *name, *help;
} families[METRIC_COUNT] = {
	[METRIC_UP] = { "up", "Whether the database could be surveyed." },
	[METRIC_STATE] = { "state", "1 for the state that the database is in, 0 for the others." },
	[METRIC_CAN] = { "can", "Whether a new connection could read or write now, and whether no "
				"process stands in the way of a migration." },
	[METRIC_HOLDERS] = { "holders",
			     "Processes that are seen to have the database open, by what they do." },
	[METRIC_WAL] = { "wal_bytes", "Size of the write-ahead log." },
	[METRIC_WAL_PENDING] = { "wal_pending_bytes",
				 "What the write-ahead log has that is not checkpointed." },
	[METRIC_OLDEST_READER] = { "oldest_reader_seconds",
				   "How long the oldest read transaction is known to be open; none "
				   "when one is open for an unknown time." },
	[METRIC_WRITE_LOCK] = { "write_lock_held_seconds",
				"How long the lock to write is known to be held; none when it is "
				"held for an unknown time." },
	[METRIC_HIDDEN_PROCESSES] = { "hidden_processes",
				      "Processes that could not be looked into." },
};

void metrics_release(struct metrics *metrics)
{
	for (enum metric metric = 0; metric < METRIC_COUNT; metric++)
		text_release(&metrics->samples[metric]);
	names_release(&metrics->databases);
}

/* Whether the format can tell the whole path exactly, and a terminal comes to no harm by it. */
static bool is_exact(const char *path)
{
	for (;;) {
		const size_t length = strcspn(path, "\\\n");
		auto_free char *piece = memory_copy(path, length);
		auto_free char *printable = text_printable(piece);

		if (strcmp(piece, printable) != 0)
			return false;
		if (path[length] == '\0')
			return true;
		path += length + 1;
	}
}

/*
 * The path as a label's value: UTF-8 in which a backslash, a quote and a newline are escaped. One with other bytes that
 * cannot be shown is told as people are told it, and marked, so that it is never the label of another path.
 */
static char *label_of(const struct metrics *metrics, const char *path)
{
	auto_free char *value = is_exact(path) ? memory_copy_text(path) : text_printable(path);
	struct text label = { 0 };

	if (!is_exact(path))
		text_append(&label, "escaped:");
	for (const char *at = value; *at; at++) {
		if (*at == '\n')
			text_append(&label, "\\n");
		else
			text_append(&label, "%s%c", *at == '\\' || *at == '"' ? "\\" : "", *at);
	}
	if (metrics->container) /* a name that needs no escape */
		text_append(&label, "\",container=\"%s", metrics->container);
	return text_take(&label);
}

/* One sample; `key` and `word`, a second label of our own words, may be NULL. */
static void add_sample(struct metrics *metrics, enum metric metric, const char *label,
		       const char *key, const char *word, double value)
{
	struct text *text = &metrics->samples[metric];

	text_append(text, "dblockcheck_%s{database=\"%s\"", families[metric].name, label);
	if (key)
		text_append(text, ",%s=\"%s\"", key, word);
	text_append(text, "} %.15g\n", value);
}

static void add_answers(struct metrics *metrics, const char *label, const struct verdict *verdict)
{
	for (enum database_status status = DATABASE_FREE; status <= DATABASE_UNKNOWN; status++)
		add_sample(metrics, METRIC_STATE, label, "state", database_status_name(status),
			   verdict->status == status);
	for (enum question question = 0; question < QUESTION_COUNT; question++)
		if (verdict->can[question] != ANSWER_UNKNOWN)
			add_sample(metrics, METRIC_CAN, label, "question", question_name(question),
				   verdict->can[question] == ANSWER_YES);
}

/* How long something is known to go on; zero means that it does not, so what goes on for an unknown time has no sample. */
static void add_seconds(struct metrics *metrics, enum metric metric, const char *label, double most,
			bool goes_on)
{
	if (most > 0 || !goes_on)
		add_sample(metrics, metric, label, NULL, NULL, most);
}

/* Somebody has it open who cannot be seen: nobody knows what they do, and since when. */
static bool somebody_is_hidden(const struct survey *survey)
{
	return survey->hidden_locks > 0 || survey->hidden_opener;
}

static void add_holders(struct metrics *metrics, const char *label, const struct survey *survey)
{
	size_t counts[ROLE_RECOVERING + 1] = { 0 };
	const bool hidden = somebody_is_hidden(survey);
	bool is_written = hidden;
	double reading = 0, writing = 0;

	for (size_t i = 0; i < survey->holders.count; i++) {
		const struct holder *holder = &survey->holders.items[i];
		const double reads = transaction_read_seconds(survey, holder);
		const double writes = transaction_write_seconds(survey, holder);

		counts[holder_role(holder, survey->mode)]++;
		is_written = is_written || transaction_writes(holder);
		reading = reads > reading ? reads : reading;
		writing = writes > writing ? writes : writing;
	}
	for (enum holder_role role = ROLE_OPEN; role <= ROLE_RECOVERING; role++)
		if (counts[role] > 0 || !hidden)
			add_sample(metrics, METRIC_HOLDERS, label, "role", holder_role_name(role),
				   (double)counts[role]);
	add_seconds(metrics, METRIC_OLDEST_READER, label, reading,
		    hidden || counts[ROLE_READER] > 0);
	add_seconds(metrics, METRIC_WRITE_LOCK, label, writing, is_written);
}

static void add_wal(struct metrics *metrics, const char *label, const struct survey *survey)
{
	const struct wal_index *index = &survey->index;
	const bool has_wal = survey->exists[FILE_WAL];

	add_sample(metrics, METRIC_WAL, label, NULL, NULL,
		   has_wal ? (double)survey->size[FILE_WAL] : 0);
	if (!has_wal)
		add_sample(metrics, METRIC_WAL_PENDING, label, NULL, NULL, 0);
	else if (survey->index_known)
		add_sample(metrics, METRIC_WAL_PENDING, label, NULL, NULL,
			   (double)(index->frames - index->checkpointed) * index->page_size);
}

/* False when that database is in already. */
static bool is_new(struct metrics *metrics, const char *database)
{
	if (names_has(&metrics->databases, database))
		return false;
	names_add(&metrics->databases, database);
	return true;
}

void metrics_add(struct metrics *metrics, const struct survey *survey,
		 const struct verdict *verdict)
{
	const char *database = survey->inside ? survey->inside : survey->database;
	auto_free char *label = label_of(metrics, database);

	if (!is_new(metrics, database))
		return;
	add_sample(metrics, METRIC_UP, label, NULL, NULL, 1);
	add_answers(metrics, label, verdict);
	add_wal(metrics, label, survey);
	/* Without a walk only those with a lock are known, unless it is certain that there is nobody. */
	if (survey->scanned || survey->certificate == CERTIFICATE_FREE) {
		add_holders(metrics, label, survey);
		if (survey->initial_pid_namespace && !survey->proc_hides)
			add_sample(metrics, METRIC_HIDDEN_PROCESSES, label, NULL, NULL,
				   (double)survey->hidden_processes);
	}
}

void metrics_add_failure(struct metrics *metrics, const char *database)
{
	auto_free char *absolute = target_absolute(database);
	auto_free char *label = label_of(metrics, absolute);

	if (is_new(metrics, absolute))
		add_sample(metrics, METRIC_UP, label, NULL, NULL, 0);
}

void metrics_text(const struct metrics *metrics, struct text *text)
{
	for (enum metric metric = 0; metric < METRIC_COUNT; metric++) {
		const struct text *samples = &metrics->samples[metric];
		const char *name = families[metric].name;

		if (samples->length > 0)
			text_append(text,
				    "# HELP dblockcheck_%s %s\n# TYPE dblockcheck_%s gauge\n%s",
				    name, families[metric].help, name, text_string(samples));
	}
}
