#include "common/backup_manifest.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/memory.h"
#include "common/base/parse.h"
#include "common/base/scope.h"

#ifndef DBLOCKTOOLS_VERSION
#define DBLOCKTOOLS_VERSION "unknown"
#endif

/* No lock is held for longer; what is beyond was not written by us, and may be no number that can be shown. */
enum { MOST_SECONDS = 1000000000 };

void backup_manifest_release(struct backup_manifest *manifest)
{
	free(manifest->file);
	free(manifest->source);
	free(manifest->host);
	free(manifest->method);
	*manifest = (struct backup_manifest){ 0 };
}

char *backup_host(void)
{
	char name[HOST_NAME_MAX + 1] = "";

	if (gethostname(name, sizeof name - 1) != 0)
		name[0] = '\0';
	return memory_copy_text(name);
}

bool backup_manifest_same_source(const struct backup_manifest *a, const struct backup_manifest *b)
{
	return strcmp(a->source, b->source) == 0 &&
	       (strcmp(a->host, b->host) == 0 || a->inode == b->inode);
}

void backup_manifest_put(struct json_t *object, const struct backup_manifest *manifest)
{
	const struct timespec when = { .tv_sec = (time_t)(manifest->time / 1000),
				       .tv_nsec = (long)(manifest->time % 1000) * 1000000 };
	char stamp[CLOCK_STAMP_SIZE], mode[8];

	clock_stamp(when, stamp);
	(void)snprintf(mode, sizeof mode, "%04o", (unsigned)manifest->mode & 07777);
	json_put_text(object, "tool_version", DBLOCKTOOLS_VERSION);
	json_put_text(object, "file", manifest->file);
	json_put_text(object, "source", manifest->source);
	json_put_text(object, "host", manifest->host);
	json_put_number(object, "inode", (int64_t)manifest->inode);
	json_put_text(object, "time", stamp);
	json_put_number(object, "size_bytes", (int64_t)manifest->size);
	json_put_number(object, "file_size_bytes", (int64_t)manifest->file_size);
	json_put_number(object, "page_size_bytes", manifest->facts.page_size);
	json_put_number(object, "pages", manifest->facts.pages);
	json_put_text(object, "sha256", manifest->digest);
	json_put_text(object, "database_sha256", manifest->database_digest);
	json_put_text(object, "compression", manifest->packed ? "zstd" : NULL);
	json_put_number(object, "user_version", manifest->facts.user_version);
	json_put_number(object, "application_id", manifest->facts.application_id);
	json_put_text(object, "revision",
		      manifest->facts.has_revision ? manifest->facts.revision : NULL);
	json_put_text(object, "journal_mode",
		      journal_mode_name(manifest->was_wal ? JOURNAL_WAL : JOURNAL_ROLLBACK));
	json_put_text(object, "verified", integrity_name(manifest->verified));
	json_put_text(object, "method", manifest->method);
	json_put_short_seconds(object, "read_lock_seconds", manifest->lock_seconds);
	json_put_text(object, "mode", mode);
	json_put_number(object, "uid", manifest->uid);
	json_put_number(object, "gid", manifest->gid);
}

char *backup_manifest_text(const struct backup_manifest *manifest)
{
	struct json_t *object = json_new_object();

	json_put_number(object, "schema", 1);
	json_put_text(object, "tool", "dbbackup");
	backup_manifest_put(object, manifest);

	auto_free char *line = json_take_line(object);

	return memory_format("%s\n", line);
}

static bool read_digest(const struct json_t *object, const char *key, char digest[DIGEST_TEXT_SIZE])
{
	const char *text = json_get_text(object, key);

	if (!text || strlen(text) != DIGEST_TEXT_SIZE - 1 ||
	    strspn(text, "0123456789abcdef") != DIGEST_TEXT_SIZE - 1)
		return false;
	memcpy(digest, text, DIGEST_TEXT_SIZE);
	return true;
}

static bool read_size(const struct json_t *object, const char *key, uint64_t *size)
{
	int64_t number = 0;
	const bool good = json_get_number(object, key, &number) && number >= 0;

	*size = good ? (uint64_t)number : 0;
	return good;
}

static bool read_facts(const struct json_t *object, struct schema_facts *facts)
{
	auto_free char *revision = json_get_exact_text(object, "revision");

	facts->has_revision = revision != NULL;
	(void)snprintf(facts->revision, sizeof facts->revision, "%s", revision ? revision : "");
	return (revision || json_is_nothing(json_get(object, "revision"))) &&
	       json_get_number(object, "page_size_bytes", &facts->page_size) &&
	       json_get_number(object, "pages", &facts->pages) && facts->page_size >= 0 &&
	       facts->pages >= 0 && json_get_number(object, "user_version", &facts->user_version) &&
	       json_get_number(object, "application_id", &facts->application_id);
}

/* Owner and permissions; the numbers are only ever used when a missing database is made anew. */
static bool read_owner(const struct json_t *object, struct backup_manifest *manifest)
{
	const char *mode = json_get_text(object, "mode");
	uint64_t bits = 0;
	int64_t uid = -1, gid = -1;

	if (!mode || !parse_number_at(&mode, 8, 07777, &bits) || *mode ||
	    !json_get_number(object, "uid", &uid) || !json_get_number(object, "gid", &gid) ||
	    uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return false;
	manifest->mode = (mode_t)bits;
	manifest->uid = (uid_t)uid;
	manifest->gid = (gid_t)gid;
	return true;
}

/* A name in the manifest's own folder, and nothing else. */
static bool is_plain_name(const char *name)
{
	return name && *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       !strchr(name, '/');
}

static bool read_keys(const struct json_t *object, struct backup_manifest *manifest)
{
	const char *tool = json_get_text(object, "tool"), *time = json_get_text(object, "time");
	const char *verified = json_get_text(object, "verified");
	const char *packed = json_get_text(object, "compression");
	const char *mode = json_get_text(object, "journal_mode");
	int64_t schema = 0, last = 0, inode = 0;

	manifest->file = json_get_exact_text(object, "file");
	manifest->source = json_get_exact_text(object, "source");
	manifest->host = json_get_exact_text(object, "host");
	manifest->method = json_get_exact_text(object, "method");
	manifest->packed = packed && strcmp(packed, "zstd") == 0;
	manifest->was_wal = mode && strcmp(mode, journal_mode_name(JOURNAL_WAL)) == 0;
	const bool good =
		tool && strcmp(tool, "dbbackup") == 0 &&
		json_get_number(object, "schema", &schema) && schema == 1 &&
		is_plain_name(manifest->file) && manifest->source && *manifest->source == '/' &&
		manifest->method && manifest->host && json_get_number(object, "inode", &inode) &&
		(!packed || manifest->packed) && mode &&
		(manifest->was_wal || strcmp(mode, journal_mode_name(JOURNAL_ROLLBACK)) == 0) &&
		(packed || json_is_nothing(json_get(object, "compression"))) && time &&
		clock_parse(time, &manifest->time, &last) && verified &&
		integrity_parse(verified, &manifest->verified) &&
		read_size(object, "size_bytes", &manifest->size) &&
		read_size(object, "file_size_bytes", &manifest->file_size) &&
		read_digest(object, "sha256", manifest->digest) &&
		read_digest(object, "database_sha256", manifest->database_digest) &&
		json_get_seconds(object, "read_lock_seconds", &manifest->lock_seconds) &&
		manifest->lock_seconds >= 0 && manifest->lock_seconds < MOST_SECONDS &&
		read_facts(object, &manifest->facts) && read_owner(object, manifest);

	manifest->inode = (uint64_t)inode;
	return good;
}

bool backup_manifest_read(const char *bytes, size_t length, struct backup_manifest *manifest,
			  struct error *err)
{
	struct json_t *object = json_parse(bytes, length, err);

	if (!object) {
		err->status = STATUS_NO;
		return false;
	}

	const bool good = read_keys(object, manifest);

	json_release(object);
	return good || fail(err, STATUS_NO, "is no manifest of dbbackup's");
}
