#include "common/database_summary.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/handover.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/linux/worker.h"
#include "common/target_connection.h"

/* What the worker is given, and gives back; its tables come as JSON through a file in memory. */
struct looking {
	const struct target *target; /* or NULL and the next two */
	int folder_fd;
	const char *name;
	const char *shown;
	double wait;
	bool count;
	int tables_fd;
	struct schema_facts facts;
};

void database_summary_release(struct database_summary *summary)
{
	schema_tables_release(&summary->tables);
	*summary = (struct database_summary){ 0 };
}

static bool hand_over(const struct looking *looking, const struct schema_tables *tables,
		      struct error *err)
{
	struct json_t *list = json_new_array();

	for (size_t i = 0; i < tables->count; i++) {
		struct json_t *table = json_new_object();

		json_put_text(table, "name", tables->items[i].name);
		json_put_number(table, "rows", tables->items[i].rows);
		json_add(list, table);
	}

	return handover_put(looking->tables_fd, list, err);
}

static bool open_either(const struct looking *looking, struct connection *connection,
			struct error *err)
{
	if (looking->target)
		return target_connect(looking->target, looking->wait, looking->shown, connection,
				      err);

	auto_free char *path = connection_path(looking->folder_fd, looking->name);

	return connection_open(connection, path, CONNECTION_READ, 0, looking->shown, err) &&
	       connection_pin(connection, err);
}

static bool look(void *argument, struct error *err)
{
	struct looking *looking = argument;
	auto_connection connection = { 0 };
	auto_schema_tables tables = { 0 };

	if (!open_either(looking, &connection, err))
		return false;
	if (!schema_read(&connection, &looking->facts, err) ||
	    !schema_tables_read(&connection, looking->count, &tables, err) ||
	    !hand_over(looking, &tables, err))
		return false;
	return !looking->target || target_disconnect(looking->target, &connection, err);
}

static bool take_tables(int fd, struct schema_tables *tables, struct error *err)
{
	struct json_t *list = handover_take(fd, err);

	if (!list)
		return false;
	for (size_t i = 0; i < json_count(list); i++) {
		char *name = json_get_exact_text(json_at(list, i), "name");
		struct schema_table *table = memory_append(tables);

		table->name = name ? name : memory_copy_text("?");
		(void)json_get_number(json_at(list, i), "rows", &table->rows);
	}
	json_release(list);
	return true;
}

static bool summarise(const struct looking *request, struct database_summary *summary,
		      struct error *err)
{
	auto_close int fd = handover_make(err);
	struct looking *looking = worker_share(sizeof *looking);

	*looking = *request;
	looking->tables_fd = fd;

	const bool good = fd >= 0 &&
			  worker_run("looking at the database", look, looking, NULL, err) &&
			  take_tables(fd, &summary->tables, err);

	summary->known = good;
	summary->facts = looking->facts;
	summary->size = (uint64_t)(looking->facts.pages * looking->facts.page_size);
	worker_unshare(looking, sizeof *looking);
	return good;
}

bool database_summary_of_target(const struct target *target, double wait, bool count,
				struct database_summary *summary, struct error *err)
{
	auto_free char *shown = text_printable(target->given);
	const struct looking looking = {
		.target = target,
		.shown = shown,
		.wait = wait,
		.count = count,
	};

	return summarise(&looking, summary, err);
}

bool database_summary_of_file(int folder_fd, const char *name, const char *shown, bool count,
			      struct database_summary *summary, struct error *err)
{
	const struct looking looking = {
		.folder_fd = folder_fd,
		.name = name,
		.shown = shown,
		.count = count,
	};

	return summarise(&looking, summary, err);
}

bool database_summary_is_strange(const struct database_summary *a, const struct database_summary *b)
{
	for (size_t i = 0; i < a->tables.count; i++)
		for (size_t j = 0; j < b->tables.count; j++)
			if (strcasecmp(a->tables.items[i].name, b->tables.items[j].name) == 0)
				return false;
	return a->tables.count > 0 && b->tables.count > 0;
}
