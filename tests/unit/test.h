/*
 * What every unit test includes: cmocka, after the four headers that it wants before it.
 *
 * A test is a static function named by what it proves, in a file named after its module.
 */
#ifndef TESTS_UNIT_TEST_H
#define TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

/* cmocka's macro has the name of our function (base/error.h). */
#undef fail
#undef fail_msg
#define fail_msg(...)                      \
	do {                               \
		print_error(__VA_ARGS__);  \
		print_error("\n");         \
		_fail(__FILE__, __LINE__); \
	} while (0)

/* Results leave line by line: a child that a test forks must not write its parent's lines again. */
__attribute__((constructor)) static void test_write_lines_at_once(void)
{
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
}

#endif
