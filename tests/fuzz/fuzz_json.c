#include "tests/fuzz/fuzz.h"

#include <jansson.h>

#include "common/base/json.h"

/* Which bytes a "…_hex" text stands for must be the ones that went in. */
static void check_hex(const char *hex, const char *bytes)
{
	CHECK(strlen(hex) == 2 * strlen(bytes));
	for (size_t i = 0; bytes[i]; i++) {
		unsigned value = 0;

		CHECK(sscanf(hex + 2 * i, "%2x", &value) == 1);
		CHECK(value == (unsigned char)bytes[i]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size), plain[] = "plain";
	char *const words[] = { plain, text };
	json_t *document = json_new_object();

	json_put_text(document, "text", text);
	json_put_texts(document, "words", words, 2);
	json_add_text(json_put_array(document, "list"), text);

	char *line = json_take_line(document);

	for (const char *at = line; *at; at++)
		CHECK((unsigned char)*at >= 0x20 && (unsigned char)*at < 0x7f);

	json_t *parsed = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	const json_t *hex = json_object_get(parsed, "text_hex");
	const char *shown = json_string_value(json_object_get(parsed, "text"));

	CHECK(parsed && shown);
	CHECK(text_is_utf8(shown, strlen(shown)));
	CHECK(!hex == text_is_utf8(text, strlen(text)));
	CHECK(!hex == !json_object_get(parsed, "words_hex"));
	if (hex)
		check_hex(json_string_value(hex), text);
	else
		CHECK(strcmp(shown, text) == 0);
	CHECK(strcmp(json_string_value(json_array_get(json_object_get(parsed, "list"), 0)),
		     shown) == 0);
	json_decref(parsed);
	free(line);
	free(text);
	return 0;
}
