#include "common/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/state_folder.h"

void ledger_release(struct ledger *ledger)
{
	for (size_t i = 0; i < ledger->count; i++)
		free(ledger->items[i].version);
	free(ledger->items);
	*ledger = (struct ledger){ 0 };
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct ledger_entry *)a)->version,
		      ((const struct ledger_entry *)b)->version);
}

static void append(struct ledger *ledger, const char *version, const char *digest)
{
	struct ledger_entry *entry = memory_append(ledger);

	entry->version = memory_copy_text(version);
	(void)snprintf(entry->digest, sizeof entry->digest, "%s", digest);
}

static void sort(struct ledger *ledger)
{
	if (ledger->count > 0)
		qsort(ledger->items, ledger->count, sizeof *ledger->items, compare);
}

bool ledger_read(int state_fd, const struct target *target, struct ledger *ledger,
		 struct error *err)
{
	auto_free char *name = state_file_name(target, "migrations");
	struct json_t *document = state_file_read(state_fd, name, err);
	const struct json_t *list = document ? json_get(document, "migrations") : NULL;

	for (size_t i = 0; i < json_count(list); i++) {
		const char *version = json_get_text(json_at(list, i), "version");
		const char *digest = json_get_text(json_at(list, i), "sha256");

		if (version && digest)
			append(ledger, version, digest);
	}
	sort(ledger);
	if (document)
		json_release(document);
	return err->status == STATUS_OK;
}

bool ledger_write(int state_fd, const struct target *target, struct ledger *ledger,
		  struct error *err)
{
	auto_free char *name = state_file_name(target, "migrations");
	struct json_t *document = json_new_object();
	struct json_t *list = NULL;

	sort(ledger);
	json_put_number(document, "schema", 1);
	json_put_text(document, "database", target->name);
	list = json_put_array(document, "migrations");
	for (size_t i = 0; i < ledger->count; i++) {
		struct json_t *entry = json_new_object();

		json_put_text(entry, "version", ledger->items[i].version);
		json_put_text(entry, "sha256", ledger->items[i].digest);
		json_add(list, entry);
	}
	return state_file_write(state_fd, name, document, err);
}

static struct ledger_entry *find(const struct ledger *ledger, const char *version)
{
	const struct ledger_entry wanted = { .version = (char *)(uintptr_t)version };

	return ledger->count == 0 ? NULL
				  : bsearch(&wanted, ledger->items, ledger->count,
					    sizeof *ledger->items, compare);
}

const char *ledger_find(const struct ledger *ledger, const char *version)
{
	const struct ledger_entry *entry = find(ledger, version);

	return entry ? entry->digest : NULL;
}

void ledger_set(struct ledger *ledger, const char *version, const char *digest)
{
	struct ledger_entry *entry = find(ledger, version);

	if (entry) {
		(void)snprintf(entry->digest, sizeof entry->digest, "%s", digest);
		return;
	}
	append(ledger, version, digest);
	sort(ledger);
}

void ledger_forget(struct ledger *ledger, const char *version)
{
	struct ledger_entry *entry = find(ledger, version);

	if (!entry)
		return;
	free(entry->version);
	*entry = ledger->items[--ledger->count];
	sort(ledger);
}

void rehearsal_release(struct rehearsal *rehearsal)
{
	free(rehearsal->fingerprint);
	free(rehearsal->time);
	free(rehearsal->to);
	*rehearsal = (struct rehearsal){ 0 };
}

bool rehearsal_read(int state_fd, const struct target *target, struct rehearsal *rehearsal,
		    struct error *err)
{
	auto_free char *name = state_file_name(target, "rehearsed");
	struct json_t *document = state_file_read(state_fd, name, err);

	if (!document)
		return err->status == STATUS_OK;
	rehearsal->fingerprint = memory_copy_text(json_get_text(document, "fingerprint"));
	rehearsal->time = memory_copy_text(json_get_text(document, "time"));
	rehearsal->to = json_get_exact_text(document, "to");
	rehearsal->known = rehearsal->fingerprint && rehearsal->time;
	json_release(document);
	return true;
}

bool rehearsal_write(int state_fd, const struct target *target, const struct rehearsal *rehearsal,
		     struct error *err)
{
	auto_free char *name = state_file_name(target, "rehearsed");
	struct json_t *document = json_new_object();

	json_put_number(document, "schema", 1);
	json_put_text(document, "fingerprint", rehearsal->fingerprint);
	json_put_text(document, "time", rehearsal->time);
	json_put_text(document, "to", rehearsal->to);
	return state_file_write(state_fd, name, document, err);
}
