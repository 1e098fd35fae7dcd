#include "tests/fuzz/fuzz.h"

#include "common/engine_alembic.h"

static size_t count_of(const char *text, const char *word)
{
	size_t count = 0;

	for (; (text = strstr(text, word)); text += strlen(word))
		count++;
	return count;
}

/* What `alembic history` printed: nothing is in a revision that is not in the text. */
static void check_history(const char *text)
{
	struct revisions revisions = { 0 };

	engine_alembic_read(text, &revisions);
	CHECK(revisions.count <= count_of(text, " -> "));
	CHECK(revisions.current.count == 0 && revisions.problems.count == 0);
	for (size_t i = 0; i < revisions.count; i++) {
		const struct revision *revision = &revisions.items[i];

		CHECK(*revision->version && !strpbrk(revision->version, " ,\n"));
		CHECK(strstr(text, revision->version) && strstr(text, revision->name));
		CHECK(!strchr(revision->name, '\n') && !revision->applied && !*revision->file);
		for (size_t j = 0; j < revision->parents.count; j++) {
			const char *parent = revision->parents.items[j];

			CHECK(*parent && !strpbrk(parent, " ,()\n"));
			CHECK(strcmp(parent, "<base>") != 0 && strstr(text, parent));
		}
	}
	for (size_t i = 0; i < revisions.heads.count; i++)
		CHECK(revisions_find(&revisions, revisions.heads.items[i]));
	revisions_release(&revisions);
}

/* The copy's URL is in it. */
static void check_rewrite(const char *ini)
{
	char *text = engine_alembic_rewrite(ini, "/f%o", "/d%b");

	CHECK(strstr(text, ":////d%%b"));
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);

	check_history(text);
	check_rewrite(text);
	free(text);
	return 0;
}
