#include "common/base/digest.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "common/base/memory.h"

void digest_release(struct digest *digest)
{
	EVP_MD_CTX_free(digest->context);
	digest->context = NULL;
}

void digest_start(struct digest *digest)
{
	digest_release(digest);
	digest->context = EVP_MD_CTX_new();
	if (!digest->context || EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) != 1)
		memory_give_up();
}

void digest_add(struct digest *digest, const void *bytes, size_t length)
{
	if (EVP_DigestUpdate(digest->context, bytes, length) != 1)
		memory_give_up();
}

void digest_finish(struct digest *digest, char text[DIGEST_TEXT_SIZE])
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned length = 0;

	if (EVP_DigestFinal_ex(digest->context, bytes, &length) != 1 || length != 32)
		memory_give_up();
	for (unsigned i = 0; i < length; i++)
		(void)snprintf(text + 2 * (size_t)i, 3, "%02x", bytes[i]);
	digest_release(digest);
}
