#include "common/migration_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/memory.h"
#include "common/base/names.h"
#include "common/base/scope.h"
#include "common/base/text.h"

/* One file, before pairs are put together. */
struct entry {
	char *name, *version, *label, *bytes;
	size_t length;
	bool down;
};

struct entries {
	struct entry *items;
	size_t count, capacity;
};

static void release_entries(struct entries *entries)
{
	for (size_t i = 0; i < entries->count; i++) {
		free(entries->items[i].name);
		free(entries->items[i].version);
		free(entries->items[i].label);
		free(entries->items[i].bytes);
	}
	free(entries->items);
}

#define auto_entries __attribute__((cleanup(release_entries))) struct entries

void migration_folder_release(struct migration_folder *folder)
{
	for (size_t i = 0; i < folder->count; i++)
		migration_file_release(&folder->items[i]);
	free(folder->items);
	free(folder->path);
	free(folder->shown);
	scope_close(&folder->fd);
	*folder = (struct migration_folder)MIGRATION_FOLDER_NONE;
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static bool read_names(int folder_fd, struct names *names)
{
	auto_close int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_dir DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry = NULL;

	if (!entries)
		return false;
	(void)take_descriptor(&fd);
	errno = 0;
	while ((entry = readdir(entries)))
		names_add(names, entry->d_name);
	names_sort(names);
	return errno == 0;
}

static bool has_control(const char *name)
{
	const size_t length = strlen(name);
	uint32_t character = 0;

	for (size_t at = 0; at < length;) {
		const size_t size = text_decode(name + at, length - at, &character);

		if (size > 0 && (character < 0x20 || (character >= 0x7f && character < 0xa0)))
			return true;
		at += size ? size : 1;
	}
	return false;
}

/* A number, and ".sql" at the end, whatever is in between. */
static bool looks_like_migration(const char *name)
{
	const char *dot = strrchr(name, '.');

	return *name >= '0' && *name <= '9' && dot && strcmp(dot, ".sql") == 0;
}

static bool is_of(const char *name, enum migration_style style, struct entry *entry)
{
	return migration_name_parse(name, style, &entry->version, &entry->label, &entry->down);
}

static enum migration_style find_style(const struct names *names)
{
	bool pairs = false;

	for (size_t i = 0; i < names->count; i++) {
		auto_entries one = { .items = memory_allocate(1, sizeof *one.items), .count = 1 };

		if (is_of(names->items[i], MIGRATION_PAIRS, one.items))
			pairs = pairs || !one.items->down;
		else if (is_of(names->items[i], MIGRATION_DBMATE, one.items))
			return MIGRATION_DBMATE;
	}
	return pairs ? MIGRATION_PAIRS : MIGRATION_DBMATE;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static bool refuse(const struct migration_folder *folder, const char *name, const char *why,
		   struct error *err)
{
	auto_free char *shown = text_printable(name);

	return fail(err, STATUS_TROUBLE, "%s/%s: %s", folder->shown, shown, why);
}

static bool refuse_errno(const struct migration_folder *folder, const char *name, struct error *err)
{
	const int error = errno;
	auto_free char *shown = text_printable(name);

	errno = error;
	return fail_errno(err, STATUS_TROUBLE, "%s/%s: cannot be read", folder->shown, shown);
}

/* Why a file with those facts is not to be trusted; NULL: it is. */
static const char *why_refused(const struct migration_folder *folder, const struct stat *stat)
{
	struct stat own = { 0 };

	if (S_ISLNK(stat->st_mode))
		return "is a symbolic link";
	if (!S_ISREG(stat->st_mode))
		return "is no regular file";
	if (stat->st_mode & S_IWOTH)
		return "may be written to by everybody";
	if (geteuid() == 0 && stat->st_uid != 0 &&
	    (fstat(folder->fd, &own) != 0 || stat->st_uid != own.st_uid))
		return "belongs neither to root nor to the owner of its folder";
	return stat->st_size > MIGRATION_FILE_MOST ? "is larger than 64 MiB" : NULL;
}

/* Looked at before it is opened, too: to open a device may do something. */
static bool read_file(const struct migration_folder *folder, struct entry *entry, struct error *err)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	struct stat stat = { 0 };
	const char *why = NULL;
	auto_close int fd = -1;

	if (fstatat(folder->fd, entry->name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
		return refuse_errno(folder, entry->name, err);
	why = why_refused(folder, &stat);
	if (why)
		return refuse(folder, entry->name, why, err);
	fd = openat(folder->fd, entry->name, flags);
	if (fd < 0 || fstat(fd, &stat) != 0)
		return refuse_errno(folder, entry->name, err);
	why = why_refused(folder, &stat);
	if (why)
		return refuse(folder, entry->name, why, err);
	entry->length = (size_t)stat.st_size;
	entry->bytes = memory_allocate(entry->length + 1, 1);

	const ssize_t got = io_read_at(fd, entry->bytes, entry->length + 1, 0);

	if (got < 0)
		return refuse_errno(folder, entry->name, err);
	entry->bytes[entry->length] = '\0';
	return (size_t)got == entry->length ||
	       refuse(folder, entry->name, "is being changed by somebody", err);
}

static bool read_files(const struct migration_folder *folder, const struct names *names,
		       struct entries *entries, struct error *err)
{
	for (size_t i = 0; i < names->count; i++) {
		const char *name = names->items[i];
		struct entry found = { 0 };

		if (looks_like_migration(name) && has_control(name))
			return refuse(folder, name, "has control characters in its name", err);
		if (!is_of(name, folder->style, &found))
			continue;
		found.name = memory_copy_text(name);
		*memory_append(entries) = found;
		if (!read_file(folder, &entries->items[entries->count - 1], err))
			return false;
	}
	return true;
}

/* --- putting together --------------------------------------------------------------------------------------------- */

static void add_up(struct migration_folder *folder, struct entry *entry)
{
	struct migration_file *made = memory_append(folder);

	made->version = take_pointer(&entry->version);
	made->name = take_pointer(&entry->name);
	made->label = take_pointer(&entry->label);
	made->bytes = take_pointer(&entry->bytes);
	made->length = entry->length;
}

/* The up file of that number that a down file belongs to: best the one with its label. */
static struct migration_file *find_up(const struct migration_folder *folder,
				      const struct entry *down)
{
	struct migration_file *found = NULL;

	for (size_t i = folder->count; i-- > 0;) {
		struct migration_file *file = &folder->items[i];

		if (migration_version_compare(file->version, down->version, folder->style) != 0)
			break;
		if (file->bytes && !file->down_bytes &&
		    (!found || strcmp(file->label, down->label) == 0))
			found = file;
	}
	return found;
}

static void add_down(struct migration_folder *folder, struct entry *entry)
{
	struct migration_file *file = find_up(folder, entry);

	if (!file) {
		file = memory_append(folder);
		file->version = take_pointer(&entry->version);
		file->label = take_pointer(&entry->label);
		file->name = memory_copy_text(entry->name);
	}
	file->down_name = take_pointer(&entry->name);
	file->down_bytes = take_pointer(&entry->bytes);
	file->down_length = entry->length;
}

/* By number; of one number the up files first. */
static int by_number(const void *a, const void *b)
{
	const struct entry *first = a, *second = b;
	const int order =
		migration_version_compare(first->version, second->version, MIGRATION_PAIRS);

	if (order != 0)
		return order;
	return first->down != second->down ? first->down - second->down
					   : strcmp(first->name, second->name);
}

static void put_together(struct migration_folder *folder, struct entries *entries)
{
	if (folder->style == MIGRATION_PAIRS && entries->count > 0)
		qsort(entries->items, entries->count, sizeof *entries->items, by_number);
	for (size_t i = 0; i < entries->count; i++)
		if (entries->items[i].down)
			add_down(folder, &entries->items[i]);
		else
			add_up(folder, &entries->items[i]);
	for (size_t i = 0; i < folder->count; i++)
		migration_file_parse(&folder->items[i], folder->style);
}

bool migration_folder_read(struct migration_folder *folder, const char *path, struct error *err)
{
	auto_names names = { 0 };
	auto_entries entries = { 0 };

	*folder = (struct migration_folder)MIGRATION_FOLDER_NONE;
	folder->path = memory_copy_text(path);
	folder->shown = text_printable(path);
	folder->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder->fd < 0)
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot open the folder", folder->shown);
	if (!read_names(folder->fd, &names))
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot list the folder", folder->shown);
	folder->style = find_style(&names);
	if (!read_files(folder, &names, &entries, err))
		return false;
	put_together(folder, &entries);
	return true;
}

const struct migration_file *migration_folder_find(const struct migration_folder *folder,
						   const char *version)
{
	for (size_t i = 0; i < folder->count; i++)
		if (migration_version_compare(folder->items[i].version, version, folder->style) ==
		    0)
			return &folder->items[i];
	return NULL;
}
