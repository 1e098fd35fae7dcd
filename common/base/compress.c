#include "common/base/compress.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#include "common/base/io.h"
#include "common/base/memory.h"
#include "common/base/scope.h"

enum { BUFFER_SIZE = 256 << 10, JOB_SIZE = 1 << 20, MOST_WORKERS = 8 };

/* Windows of up to 8 MiB, which is all that our levels make. */
enum { WINDOW_LOG = 23 };

struct buffers {
	char *in, *out;
};

static void release_buffers(struct buffers *buffers)
{
	free(buffers->in);
	free(buffers->out);
}

static void release_packer(ZSTD_CCtx **packer)
{
	(void)ZSTD_freeCCtx(*packer); /* NULL is fine, and nothing else can go wrong */
}

static void release_unpacker(ZSTD_DCtx **unpacker)
{
	(void)ZSTD_freeDCtx(*unpacker); /* NULL is fine, and nothing else can go wrong */
}

#define auto_buffers __attribute__((cleanup(release_buffers))) struct buffers

static bool zstd_failed(size_t result, enum status status, struct error *err)
{
	return fail(err, status, "zstd: %s", ZSTD_getErrorName(result));
}

/* Reads the next piece; *input is empty at the end of the file. */
static bool fill(struct compress *compress, char *bytes, ZSTD_inBuffer *input, struct error *err)
{
	ssize_t got = 0;

	if (compress->stop && compress->stop())
		return fail(err, STATUS_TROUBLE, "interrupted");
	got = io_read(compress->from, bytes, BUFFER_SIZE);
	if (got < 0)
		return fail_errno(err, STATUS_TROUBLE, "cannot be read");
	*input = (ZSTD_inBuffer){ bytes, (size_t)got, 0 };
	compress->read += (uint64_t)got;
	if (compress->done)
		atomic_store(compress->done, compress->read);
	return true;
}

static bool drain(struct compress *compress, struct digest *digest, const ZSTD_outBuffer *output,
		  struct error *err)
{
	digest_add(digest, output->dst, output->pos);
	compress->written += output->pos;
	return io_write(compress->to, output->dst, output->pos) ||
	       fail_errno(err, STATUS_TROUBLE, "cannot be written");
}

static bool set_up(ZSTD_CCtx *packer, int level, struct error *err)
{
	const long processors = sysconf(_SC_NPROCESSORS_ONLN);
	const struct {
		ZSTD_cParameter parameter;
		int value;
	} settings[] = {
		{ ZSTD_c_compressionLevel, level },
		{ ZSTD_c_checksumFlag, 1 },
		{ ZSTD_c_nbWorkers, processors > MOST_WORKERS ? MOST_WORKERS : (int)processors },
		{ ZSTD_c_jobSize, JOB_SIZE },
	};

	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
		const size_t result =
			ZSTD_CCtx_setParameter(packer, settings[i].parameter, settings[i].value);

		/* A library without threads packs on one processor. */
		if (ZSTD_isError(result) && settings[i].parameter != ZSTD_c_nbWorkers &&
		    settings[i].parameter != ZSTD_c_jobSize)
			return zstd_failed(result, STATUS_TROUBLE, err);
	}
	return true;
}

bool compress_pack(struct compress *compress, int level, struct error *err)
{
	__attribute__((cleanup(release_packer))) ZSTD_CCtx *packer = ZSTD_createCCtx();
	auto_buffers buffers = { memory_allocate(BUFFER_SIZE, 1), memory_allocate(BUFFER_SIZE, 1) };
	auto_digest digest = { 0 };
	bool end = false;

	if (!packer)
		memory_give_up();
	if (!set_up(packer, level, err))
		return false;
	digest_start(&digest);
	while (!end) {
		ZSTD_inBuffer input = { 0 };
		size_t left = 0;

		if (!fill(compress, buffers.in, &input, err))
			return false;
		end = input.size == 0;
		do {
			ZSTD_outBuffer output = { buffers.out, BUFFER_SIZE, 0 };

			left = ZSTD_compressStream2(packer, &output, &input,
						    end ? ZSTD_e_end : ZSTD_e_continue);
			if (ZSTD_isError(left))
				return zstd_failed(left, STATUS_TROUBLE, err);
			if (!drain(compress, &digest, &output, err))
				return false;
		} while (end ? left != 0 : input.pos < input.size);
	}
	digest_finish(&digest, compress->digest);
	return true;
}

bool compress_unpack(struct compress *compress, struct error *err)
{
	__attribute__((cleanup(release_unpacker))) ZSTD_DCtx *unpacker = ZSTD_createDCtx();
	auto_buffers buffers = { memory_allocate(BUFFER_SIZE, 1), memory_allocate(BUFFER_SIZE, 1) };
	auto_digest digest = { 0 };
	size_t left = 1; /* 0: at the end of a frame */

	if (!unpacker ||
	    ZSTD_isError(ZSTD_DCtx_setParameter(unpacker, ZSTD_d_windowLogMax, WINDOW_LOG)))
		memory_give_up();
	digest_start(&digest);
	for (;;) {
		ZSTD_inBuffer input = { 0 };

		if (!fill(compress, buffers.in, &input, err))
			return false;
		if (input.size == 0)
			break;
		bool full = false; /* there may be more to come from what was read already */

		while (input.pos < input.size || full) {
			ZSTD_outBuffer output = { buffers.out, BUFFER_SIZE, 0 };

			left = ZSTD_decompressStream(unpacker, &output, &input);
			if (ZSTD_isError(left))
				return zstd_failed(left, STATUS_NO, err);
			full = output.pos == output.size &&
			       left != 0; /* 0: all of the frame has come */
			if (compress->written + output.pos > compress->most)
				return fail(err, STATUS_NO, "unpacks to more than it should");
			if (!drain(compress, &digest, &output, err))
				return false;
		}
	}
	digest_finish(&digest, compress->digest);
	return left == 0 || fail(err, STATUS_NO, "zstd: the file is cut off");
}
