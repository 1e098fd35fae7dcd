/*
 * The only place that asks for memory. These never return NULL: out of memory ends the program here,
 * with a message and STATUS_TROUBLE, because no tool can tell the truth with half of its facts.
 * What they return is released with free() (or auto_free).
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

/* Ends the program as described above; for libraries that ask for memory themselves. */
void memory_give_up(void) __attribute__((noreturn));

/* Zeroed memory for count things of size bytes each. */
void *memory_allocate(size_t count, size_t size)
	__attribute__((returns_nonnull, warn_unused_result, malloc));

/* A copy of length bytes followed by a NUL. */
char *memory_copy(const void *bytes, size_t length)
	__attribute__((returns_nonnull, warn_unused_result));

/* A copy of a string; NULL gives NULL. */
char *memory_copy_text(const char *text) __attribute__((warn_unused_result));

/* printf into a new string. */
char *memory_format(const char *format, ...)
	__attribute__((format(printf, 1, 2), returns_nonnull, warn_unused_result));

/*
 * Room for at least `needed` elements of `size` bytes: returns `array`, moved if it had to grow, with
 * *capacity updated. It at least doubles, so appending one by one is linear.
 */
void *memory_grow(void *array, size_t *capacity, size_t needed, size_t size)
	__attribute__((returns_nonnull, warn_unused_result));

/* Appends one zeroed element to a growing array and gives its address. */
#define memory_append(list)                                                                      \
	({                                                                                       \
		(list)->items = memory_grow((list)->items, &(list)->capacity, (list)->count + 1, \
					    sizeof *(list)->items);                              \
		memset(&(list)->items[(list)->count], 0, sizeof *(list)->items);                 \
		&(list)->items[(list)->count++];                                                 \
	})

#endif
