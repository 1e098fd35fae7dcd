#include "common/base/json.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/base/parse.h"
#include "common/base/scope.h"
#include "common/base/text.h"

/*
 * jansson returns NULL or -1 when memory ran out or a string was not UTF-8. The second is ruled out
 * here, and the first ends the program as it does everywhere (memory.h): a key must not be missing.
 */
static json_t *sure(json_t *value)
{
	if (!value)
		memory_give_up();
	return value;
}

static void sure_done(int result)
{
	if (result != 0)
		memory_give_up();
}

json_t *json_new_object(void)
{
	return sure(json_object());
}

json_t *json_new_array(void)
{
	return sure(json_array());
}

void json_release(json_t *value)
{
	json_decref(value);
}

void json_put(json_t *object, const char *key, json_t *value)
{
	sure_done(json_object_set_new(object, key, sure(value)));
}

json_t *json_put_object(json_t *object, const char *key)
{
	json_t *child = json_new_object();

	json_put(object, key, child);
	return child;
}

json_t *json_put_array(json_t *object, const char *key)
{
	json_t *child = json_new_array();

	json_put(object, key, child);
	return child;
}

/* The text with each byte that is not part of valid UTF-8 as U+FFFD. */
static json_t *readable(const char *bytes)
{
	static const char replacement[] = "\xef\xbf\xbd";
	const size_t length = strlen(bytes);
	auto_text text = { 0 };
	uint32_t character = 0;

	if (text_is_utf8(bytes, length))
		return sure(json_stringn(bytes, length));
	for (size_t at = 0; at < length;) {
		const size_t size = text_decode(bytes + at, length - at, &character);

		text_append_bytes(&text, size ? bytes + at : replacement, size ? size : 3);
		at += size ? size : 1;
	}
	return sure(json_stringn(text_string(&text), text.length));
}

static json_t *hex(const char *bytes)
{
	auto_text text = { 0 };

	for (; *bytes; bytes++)
		text_append(&text, "%02x", (unsigned char)*bytes);
	return sure(json_string(text_string(&text)));
}

static char *hex_key(const char *key)
{
	return memory_format("%s_hex", key);
}

void json_put_text(json_t *object, const char *key, const char *text)
{
	if (!text) {
		json_put_null(object, key);
		return;
	}
	json_put(object, key, readable(text));
	if (!text_is_utf8(text, strlen(text))) {
		auto_free char *name = hex_key(key);

		json_put(object, name, hex(text));
	}
}

void json_put_number(json_t *object, const char *key, int64_t number)
{
	json_put(object, key, json_integer(number));
}

void json_put_seconds(json_t *object, const char *key, double seconds)
{
	json_put(object, key, json_real(round(seconds * 1000) / 1000));
}

void json_put_short_seconds(json_t *object, const char *key, double seconds)
{
	json_put(object, key, json_real(round(seconds * 1e6) / 1e6));
}

void json_put_bool(json_t *object, const char *key, bool value)
{
	json_put(object, key, json_boolean(value));
}

void json_put_null(json_t *object, const char *key)
{
	json_put(object, key, json_null());
}

void json_put_texts(json_t *object, const char *key, char *const *texts, size_t count)
{
	json_t *array = json_put_array(object, key);
	bool all_utf8 = true;

	for (size_t i = 0; i < count; i++) {
		json_add(array, readable(texts[i]));
		all_utf8 = all_utf8 && text_is_utf8(texts[i], strlen(texts[i]));
	}
	if (all_utf8)
		return;

	auto_free char *name = hex_key(key);
	json_t *exact = json_put_array(object, name);

	for (size_t i = 0; i < count; i++)
		json_add(exact, hex(texts[i]));
}

void json_add(json_t *array, json_t *value)
{
	sure_done(json_array_append_new(array, sure(value)));
}

void json_add_number(json_t *array, int64_t number)
{
	json_add(array, json_integer(number));
}

void json_add_text(json_t *array, const char *text)
{
	json_add(array, readable(text));
}

json_t *json_parse(const char *bytes, size_t length, struct error *err)
{
	json_error_t where = { 0 };
	json_t *document = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, &where);

	if (!document) {
		auto_free char *reason = text_printable(where.text);

		(void)fail(err, STATUS_TROUBLE, "not JSON: %s", reason);
	}
	return document;
}

json_t *json_get(const json_t *object, const char *key)
{
	return json_object_get(object, key);
}

const char *json_get_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

const char *json_text(const json_t *value)
{
	return json_string_value(value);
}

bool json_get_number(const json_t *object, const char *key, int64_t *number)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value))
		return false;
	*number = json_integer_value(value);
	return true;
}

bool json_get_seconds(const json_t *object, const char *key, double *seconds)
{
	const json_t *value = json_object_get(object, key);

	*seconds = json_number_value(value);
	return json_is_number(value);
}

/* Two hex digits a byte, no NUL among them. */
static char *read_hex(const char *hex)
{
	auto_free char *bytes = memory_allocate(strlen(hex) / 2 + 1, 1);
	size_t length = 0;

	for (; *hex; hex += 2) {
		const char pair[] = { hex[0], hex[1], '\0' };
		const char *cursor = pair;
		uint64_t value = 0;

		if (!parse_number_at(&cursor, 16, UINT8_MAX, &value) || cursor != pair + 2 ||
		    value == 0)
			return NULL;
		bytes[length++] = (char)value;
	}
	return take_pointer(&bytes);
}

char *json_get_exact_text(const json_t *object, const char *key)
{
	auto_free char *hex_key = memory_format("%s_hex", key);
	const char *hex = json_get_text(object, hex_key);

	return hex ? read_hex(hex) : memory_copy_text(json_get_text(object, key));
}

bool json_get_bool(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

bool json_is_nothing(const json_t *value)
{
	return json_is_null(value);
}

bool json_is_list(const json_t *value)
{
	return json_is_array(value);
}

size_t json_count(const json_t *array)
{
	return json_array_size(array);
}

json_t *json_at(const json_t *array, size_t index)
{
	return json_array_get(array, index);
}

void json_put_error(json_t *document, const struct error *err)
{
	json_t *error = json_put_object(document, "error");

	json_put_number(error, "status", err->status);
	json_put_text(error, "message", err->text);
}

json_t *json_failure(const char *tool, const char *database, const struct error *err)
{
	json_t *document = json_new_object();

	json_put_number(document, "schema", 1);
	json_put_text(document, "tool", tool);
	if (database)
		json_put_text(document, "database", database);
	json_put_error(document, err);
	return document;
}

/* jansson leaves DEL (0x7f) as it is: the one byte that a terminal may obey. Takes over `line`. */
static char *without_delete(char *line)
{
	auto_free char *given = line;
	auto_text text = { 0 };

	if (!strchr(line, 0x7f))
		return take_pointer(&given);
	for (const char *at = line; *at; at++)
		if (*at == 0x7f)
			text_append(&text, "\\u007f");
		else
			text_append_bytes(&text, at, 1);
	return text_take(&text);
}

char *json_take_line(json_t *document)
{
	char *line =
		json_dumps(document, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(12));

	if (!line)
		memory_give_up();
	json_decref(document);
	return without_delete(line);
}
