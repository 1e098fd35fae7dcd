#include "common/linux/lock_line.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "common/base/parse.h"

static void skip_blanks(const char **cursor)
{
	*cursor += strspn(*cursor, " \t");
}

/* The next word, or false at the end of the line. */
static bool next_word(const char **cursor, const char **word, size_t *length)
{
	skip_blanks(cursor);
	*word = *cursor;
	*length = strcspn(*cursor, " \t\n");
	*cursor += *length;
	return *length > 0;
}

static bool is_word(const char *word, size_t length, const char *expected)
{
	return length == strlen(expected) && memcmp(word, expected, length) == 0;
}

static bool read_class(const char **cursor, struct lock_line *lock)
{
	static const struct {
		const char *word;
		enum lock_class class;
	} classes[] = {
		{ "POSIX", LOCK_POSIX }, { "OFDLCK", LOCK_OFD },  { "FLOCK", LOCK_FLOCK },
		{ "LEASE", LOCK_LEASE }, { "DELEG", LOCK_OTHER }, { "ACCESS", LOCK_OTHER },
	};
	const char *word = NULL;
	size_t length = 0;

	if (!next_word(cursor, &word, &length))
		return false;
	if (is_word(word, length, "->")) {
		lock->waiting = true;
		if (!next_word(cursor, &word, &length))
			return false;
	}
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
		if (is_word(word, length, classes[i].word)) {
			lock->class = classes[i].class;
			/* ADVISORY, MANDATORY, ACTIVE, BREAKING…: says nothing that matters here */
			return next_word(cursor, &word, &length);
		}
	return false;
}

static bool read_type(const char **cursor, struct lock_line *lock)
{
	const char *word = NULL;
	size_t length = 0;

	if (!next_word(cursor, &word, &length))
		return false;
	lock->write = is_word(word, length, "WRITE") || is_word(word, length, "RW");
	return lock->write || is_word(word, length, "READ") || is_word(word, length, "UNLCK") ||
	       is_word(word, length, "NONE");
}

static bool read_owner(const char **cursor, struct lock_line *lock)
{
	uint64_t number = 0;

	skip_blanks(cursor);

	/* OFD locks have no process (-1); remote ones of lockd have other negative numbers. */
	const bool negative = parse_word_at(cursor, "-");

	if (!parse_number_at(cursor, 10, INT_MAX, &number))
		return false;
	lock->pid = negative ? -(pid_t)number : (pid_t)number;
	return true;
}

static bool read_inode(const char **cursor, struct lock_line *lock)
{
	uint64_t major = 0, minor = 0;

	skip_blanks(cursor);
	if (parse_word_at(cursor, "<none>:"))
		return parse_number_at(cursor, 10, UINT64_MAX, &lock->inode);
	if (!parse_number_at(cursor, 16, UINT_MAX, &major) || !parse_word_at(cursor, ":") ||
	    !parse_number_at(cursor, 16, UINT_MAX, &minor) || !parse_word_at(cursor, ":") ||
	    !parse_number_at(cursor, 10, UINT64_MAX, &lock->inode))
		return false;
	lock->major = (unsigned)major;
	lock->minor = (unsigned)minor;
	return true;
}

static bool read_range(const char **cursor, struct lock_line *lock)
{
	skip_blanks(cursor);
	if (!parse_number_at(cursor, 10, UINT64_MAX, &lock->first))
		return false;
	skip_blanks(cursor);
	if (parse_word_at(cursor, "EOF"))
		lock->last = UINT64_MAX;
	else if (!parse_number_at(cursor, 10, UINT64_MAX, &lock->last))
		return false;
	skip_blanks(cursor);
	return (**cursor == '\0' || **cursor == '\n') && lock->first <= lock->last;
}

bool lock_line_read(const char *line, struct lock_line *lock)
{
	const char *cursor = line;
	uint64_t position = 0;

	*lock = (struct lock_line){ 0 };
	(void)parse_word_at(&cursor, "lock:");
	skip_blanks(&cursor);
	return parse_number_at(&cursor, 10, UINT64_MAX, &position) && parse_word_at(&cursor, ":") &&
	       read_class(&cursor, lock) && read_type(&cursor, lock) && read_owner(&cursor, lock) &&
	       read_inode(&cursor, lock) && read_range(&cursor, lock);
}

bool lock_line_equal(const struct lock_line *a, const struct lock_line *b)
{
	return a->class == b->class && a->waiting == b->waiting && a->write == b->write &&
	       a->pid == b->pid && a->major == b->major && a->minor == b->minor &&
	       a->inode == b->inode && a->first == b->first && a->last == b->last;
}
