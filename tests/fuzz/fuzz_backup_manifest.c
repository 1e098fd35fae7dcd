#include "tests/fuzz/fuzz.h"

#include "common/backup_manifest.h"

static void check_manifest(const struct backup_manifest *manifest)
{
	CHECK(manifest->file && *manifest->file && !strchr(manifest->file, '/'));
	CHECK(strcmp(manifest->file, ".") != 0 && strcmp(manifest->file, "..") != 0);
	CHECK(manifest->source && *manifest->source == '/');
	CHECK(manifest->host && manifest->method);
	CHECK(backup_manifest_same_source(manifest, manifest));
	CHECK(manifest->time >= 0);
	CHECK(strlen(manifest->digest) == 64 && strlen(manifest->database_digest) == 64);
	CHECK(manifest->verified <= INTEGRITY_FULL);
	CHECK(manifest->mode <= 07777);
	CHECK(strlen(manifest->facts.revision) < REVISION_SIZE);
	CHECK(manifest->facts.has_revision || !*manifest->facts.revision);
}

static void check_same(const struct backup_manifest *a, const struct backup_manifest *b)
{
	CHECK(strcmp(a->file, b->file) == 0 && strcmp(a->source, b->source) == 0);
	CHECK(strcmp(a->host, b->host) == 0 && a->inode == b->inode);
	CHECK(strcmp(a->method, b->method) == 0);
	CHECK(a->time == b->time && a->size == b->size && a->file_size == b->file_size);
	CHECK(a->packed == b->packed && a->was_wal == b->was_wal && a->verified == b->verified);
	CHECK(strcmp(a->digest, b->digest) == 0);
	CHECK(strcmp(a->database_digest, b->database_digest) == 0);
	CHECK(a->facts.user_version == b->facts.user_version);
	CHECK(a->facts.application_id == b->facts.application_id);
	CHECK(a->facts.pages == b->facts.pages && a->facts.page_size == b->facts.page_size);
	CHECK(a->facts.has_revision == b->facts.has_revision);
	CHECK(strcmp(a->facts.revision, b->facts.revision) == 0);
	CHECK(a->mode == b->mode && a->uid == b->uid && a->gid == b->gid);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_backup_manifest manifest = { 0 }, again = { 0 };
	struct error err = { 0 };
	char *bytes = malloc(size ? size : 1);

	CHECK(bytes);
	if (size)
		memcpy(bytes, data, size);
	if (backup_manifest_read(bytes, size, &manifest, &err)) {
		char *text = backup_manifest_text(&manifest);

		check_manifest(&manifest);
		fuzz_check_tame(text, true);
		CHECK(backup_manifest_read(text, strlen(text), &again, &err));
		check_same(&manifest, &again);
		free(text);
	} else {
		CHECK(err.status == STATUS_NO && err.text[0]);
		fuzz_check_tame(err.text, false);
	}
	free(bytes);
	return 0;
}
