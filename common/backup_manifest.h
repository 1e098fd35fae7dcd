/*
 * What is known of one backup: FILE.json beside FILE, one line of JSON. It is what makes a file a backup of ours: the
 * catalogue lists, and retention deletes, nothing else.
 */
#ifndef COMMON_BACKUP_MANIFEST_H
#define COMMON_BACKUP_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/digest.h"
#include "common/base/error.h"
#include "common/snapshot.h"
#include "common/sqlite/integrity.h"
#include "common/sqlite/schema.h"

struct json_t;

struct backup_manifest {
	char *file;	/* its name, without a folder */
	char *source;	/* absolute path of the database, links resolved */
	char *host;	/* name of the machine, or the container, that it was backed up on */
	uint64_t inode; /* of the database */
	char *method;	/* snapshot_method_name() */
	int64_t time;	/* of the snapshot; milliseconds since 1970 */
	uint64_t size, file_size;		/* bytes: of the database, of the file */
	bool packed;				/* with zstd */
	char digest[DIGEST_TEXT_SIZE];		/* SHA-256 of the file */
	char database_digest[DIGEST_TEXT_SIZE]; /* of the database in it */
	struct schema_facts facts;
	bool was_wal; /* the source was in WAL mode; the backup never is */
	enum integrity verified;
	double lock_seconds;
	mode_t mode; /* the source's permissions and owner */
	uid_t uid;
	gid_t gid;
};

#define auto_backup_manifest \
	__attribute__((cleanup(backup_manifest_release))) struct backup_manifest

void backup_manifest_release(struct backup_manifest *manifest);

/* This machine's name, for `host`; free() it. */
char *backup_host(void) __attribute__((returns_nonnull));

/*
 * Whether two backups are of one database: of the same path, and on the same machine or of the same file. Two containers, or
 * two machines that share a folder of backups, may both have a /data/bot.db.
 */
bool backup_manifest_same_source(const struct backup_manifest *a, const struct backup_manifest *b);

/* Puts all keys into `object`. */
void backup_manifest_put(struct json_t *object, const struct backup_manifest *manifest);

/* The whole file, ending with a newline; free() it. */
char *backup_manifest_text(const struct backup_manifest *manifest)
	__attribute__((returns_nonnull, warn_unused_result));

/* Reads a file's bytes; STATUS_NO when it is no manifest that we wrote. */
bool backup_manifest_read(const char *bytes, size_t length, struct backup_manifest *manifest,
			  struct error *err);

#endif
