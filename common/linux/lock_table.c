#include "common/linux/lock_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/base/scope.h"

/* A million locks of 80 bytes: far more than any machine has, and a bound all the same. */
enum { MOST_BYTES = 80 * 1000 * 1000 };

void lock_table_release(struct lock_table *table)
{
	free(table->items);
	*table = (struct lock_table){ 0 };
}

bool lock_key_matches(const struct lock_key *key, const struct lock_line *line)
{
	return line->inode == key->inode && line->major == key->major && line->minor == key->minor;
}

static bool is_wanted(const struct lock_key *keys, size_t count, const struct lock_line *line)
{
	for (size_t i = 0; i < count; i++)
		if (lock_key_matches(&keys[i], line))
			return true;
	return false;
}

static int order(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_lines(const void *left, const void *right)
{
	const struct lock_line *a = left, *b = right;
	const int keys[] = {
		order(a->inode, b->inode),     order(a->major, b->major),
		order(a->minor, b->minor),     (a->pid > b->pid) - (a->pid < b->pid),
		order(a->class, b->class),     order(a->first, b->first),
		order(a->last, b->last),       order(a->write, b->write),
		order(a->waiting, b->waiting),
	};

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		if (keys[i] != 0)
			return keys[i];
	return 0;
}

static void sort_and_deduplicate(struct lock_table *table)
{
	size_t kept = 0;

	if (table->count < 2)
		return;
	qsort(table->items, table->count, sizeof *table->items, compare_lines);
	for (size_t i = 1; i < table->count; i++)
		if (!lock_line_equal(&table->items[kept], &table->items[i]))
			table->items[++kept] = table->items[i];
	table->count = kept + 1;
}

bool lock_table_read(const struct proc_root *root, const struct lock_key *keys, size_t count,
		     struct lock_table *table, struct error *err)
{
	auto_free char *text = proc_read(root->fd, "locks", MOST_BYTES, NULL);

	if (!text && errno == ENOENT)
		return true;
	if (!text)
		return fail_errno(err, STATUS_TROUBLE, "/proc/locks: cannot read");
	table->readable = true;
	for (const char *line = text; *line;) {
		const size_t length = strcspn(line, "\n");
		struct lock_line lock = { 0 };

		if (lock_line_read(line, &lock) && is_wanted(keys, count, &lock))
			*memory_append(table) = lock;
		line += length + (line[length] == '\n');
	}
	sort_and_deduplicate(table);
	return true;
}

bool lock_table_equal(const struct lock_table *a, const struct lock_table *b)
{
	if (a->count != b->count || a->readable != b->readable)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!lock_line_equal(&a->items[i], &b->items[i]))
			return false;
	return true;
}
