#include "tests/fuzz/fuzz.h"

#include "common/migration_file.h"

static size_t lines_before(const char *from, const char *to)
{
	size_t lines = 0;

	for (; from < to; from++)
		lines += *from == '\n';
	return lines;
}

/* The first line of the input is a name. */
static void check_name(const char *name, enum migration_style style)
{
	char *version = NULL, *label = NULL;
	bool down = false;
	const size_t length = strlen(name);

	if (migration_name_parse(name, style, &version, &label, &down)) {
		const size_t digits = strlen(version);

		CHECK(digits > 0 && strspn(name, "0123456789") == digits);
		CHECK(strncmp(name, version, digits) == 0 && strstr(name + digits, label));
		CHECK(length > 4 && strcmp(name + length - 4, ".sql") == 0);
		CHECK(!strchr(name, '\n') && !strchr(label, '\n'));
		CHECK(style == MIGRATION_PAIRS || !down);
		CHECK(migration_version_compare(version, version, style) == 0);
		if (style == MIGRATION_PAIRS) {
			free(version);
			free(label);
			CHECK(migration_name_parse(name, MIGRATION_DBMATE, &version, &label,
						   &down));
		}
	}
	free(version);
	free(label);
}

static void check_section(const struct migration_file *file,
			  const struct migration_section *section, const char *kind)
{
	const char *at = section->text, *end = at + section->length;

	CHECK(at >= file->bytes && end <= file->bytes + file->length);
	CHECK(at == file->bytes || at[-1] == '\n');
	CHECK(section->first_line == lines_before(file->bytes, at) + 1);
	CHECK(section->length > 2 && at[0] == '-' && at[1] == '-');
	at += 2 + strspn(at + 2, " \t\n\f\r");
	CHECK(strncmp(at, "migrate:", 8) == 0 && strncmp(at + 8, kind, strlen(kind)) == 0);
	CHECK(section->transaction ||
	      memmem(section->text, section->length, "transaction:false", 17));
}

static void check_dbmate(const struct migration_file *file)
{
	if (file->problem) {
		fuzz_check_tame(file->problem, false);
		CHECK(!file->up.text && !file->down.text && !file->has_down);
		return;
	}
	CHECK(file->has_down && !memchr(file->bytes, '\0', file->length));
	check_section(file, &file->up, "up");
	check_section(file, &file->down, "down");
	CHECK(file->up.text + file->up.length == file->down.text);
	CHECK(file->down.text + file->down.length == file->bytes + file->length);
}

static void check_pair(const struct migration_file *file)
{
	CHECK(!file->problem == !memchr(file->bytes, '\0', file->length));
	if (file->problem)
		return;
	CHECK(file->up.text == file->bytes && file->up.length == file->length);
	CHECK(file->up.transaction && file->up.first_line == 1 && !file->has_down);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *name = fuzz_string(data, size);
	const size_t head = strcspn(name, "\n") < size ? strcspn(name, "\n") + 1 : size;

	check_name(name, MIGRATION_DBMATE);
	check_name(name, MIGRATION_PAIRS);
	name[strcspn(name, "\n")] = '\0';
	check_name(name, MIGRATION_DBMATE);
	check_name(name, MIGRATION_PAIRS);
	for (enum migration_style style = MIGRATION_DBMATE; style <= MIGRATION_PAIRS; style++) {
		struct migration_file file = { .length = size - head };

		file.version = strdup("1");
		file.bytes = malloc(file.length + 1);
		CHECK(file.version && file.bytes);
		if (file.length)
			memcpy(file.bytes, data + head, file.length);
		file.bytes[file.length] = '\0';
		migration_file_parse(&file, style);
		CHECK(strlen(file.digest) == DIGEST_TEXT_SIZE - 1);
		if (style == MIGRATION_DBMATE)
			check_dbmate(&file);
		else
			check_pair(&file);
		migration_file_release(&file);
	}
	free(name);
	return 0;
}
