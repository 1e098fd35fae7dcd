/*
 * JSON, made with jansson; no other file calls it.
 *
 * Text from outside may hold any bytes. What is valid UTF-8 goes in as it is; in anything else the bad
 * bytes become U+FFFD, and the exact bytes follow in hex under "<key>_hex". Lines are ASCII only
 * (\uXXXX for the rest), so that they cannot harm a terminal either.
 *
 * Values belong to the object they were put into; whoever makes the outermost hands it to
 * json_take_line() or json_release().
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

struct json_t;

struct json_t *json_new_object(void) __attribute__((returns_nonnull, warn_unused_result));
struct json_t *json_new_array(void) __attribute__((returns_nonnull, warn_unused_result));
void json_release(struct json_t *value);

/* Puts `value` (taken over) under `key`. */
void json_put(struct json_t *object, const char *key, struct json_t *value);

/* An empty object or array put under `key`; it stays owned by `object`. */
struct json_t *json_put_object(struct json_t *object, const char *key);
struct json_t *json_put_array(struct json_t *object, const char *key);

/* NULL text becomes null. */
void json_put_text(struct json_t *object, const char *key, const char *text);
void json_put_number(struct json_t *object, const char *key, int64_t number);
void json_put_seconds(struct json_t *object, const char *key,
		      double seconds); /* to the millisecond */
void json_put_short_seconds(struct json_t *object, const char *key,
			    double seconds); /* to the microsecond */
void json_put_bool(struct json_t *object, const char *key, bool value);
void json_put_null(struct json_t *object, const char *key);

/* An array of `count` texts under `key`; if one is not UTF-8, "<key>_hex" has them all in hex. */
void json_put_texts(struct json_t *object, const char *key, char *const *texts, size_t count);

void json_add(struct json_t *array, struct json_t *value); /* takes over `value` */
void json_add_number(struct json_t *array, int64_t number);
void json_add_text(struct json_t *array, const char *text); /* for our own words: valid UTF-8 */

/*
 * Reading. What a getter returns belongs to the document; a key that is missing or of another type gives NULL or
 * false. `length` bytes are read as one document; NULL with *err set when they are not JSON. Duplicate keys are
 * refused: two readers could understand two different things.
 */
struct json_t *json_parse(const char *bytes, size_t length, struct error *err);
struct json_t *json_get(const struct json_t *object, const char *key);
const char *json_get_text(const struct json_t *object, const char *key);
const char *json_text(const struct json_t *value); /* NULL when it is no text */
bool json_get_number(const struct json_t *object, const char *key, int64_t *number);
/* Seconds as json_put_seconds() wrote them. */
bool json_get_seconds(const struct json_t *object, const char *key, double *seconds);
/* The exact bytes that json_put_text() was given, from "<key>_hex" where it had to be written; free() it. */
char *json_get_exact_text(const struct json_t *object, const char *key);
bool json_get_bool(const struct json_t *object, const char *key);
bool json_is_nothing(const struct json_t *value); /* null, said so */
bool json_is_list(const struct json_t *value);
size_t json_count(const struct json_t *array); /* 0 for anything else */
struct json_t *json_at(const struct json_t *array, size_t index);

/* {"schema":1,"tool":…,"database":…,"error":{"status":…,"message":…}}; no database when NULL. */
struct json_t *json_failure(const char *tool, const char *database, const struct error *err)
	__attribute__((returns_nonnull, warn_unused_result));

/* Puts "error" into a document that also tells what was done before. */
void json_put_error(struct json_t *document, const struct error *err);

/* The document on one line, without a newline; releases it. free() the line. */
char *json_take_line(struct json_t *document) __attribute__((returns_nonnull, warn_unused_result));

#endif
