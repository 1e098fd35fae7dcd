/* Reading and writing descriptors, to the end: not cut short by a signal or a short count. False and -1 set errno. */
#ifndef BASE_IO_H
#define BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

bool io_write(int fd, const void *bytes, size_t length);
bool io_write_at(int fd, const void *bytes, size_t length, uint64_t offset);

/* What one read(2) gives. */
ssize_t io_read(int fd, void *bytes, size_t length);

/* As many bytes as there are, up to `length`. */
ssize_t io_read_at(int fd, void *bytes, size_t length, uint64_t offset);

#endif
