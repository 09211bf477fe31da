/* SHA-256 (FIPS 180-4) and HMAC with it (RFC 2104), by the processor's own instructions where it has them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BLOCK = 64, SHA256_DIGEST = 32 };

struct sha256 {
    uint32_t state[8];
    uint64_t length;  /* bytes so far */
    unsigned char rest[SHA256_BLOCK];  /* of a block that is not full yet */
};

void sha256_begin(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *data, size_t length);
void sha256_end(struct sha256 *hash, unsigned char digest[SHA256_DIGEST]);

/* One key, and the two hashes that begin with it. */
struct hmac {
    struct sha256 inner, outer;
};

void hmac_key(struct hmac *mac, const unsigned char key[SHA256_DIGEST]);
/* Of one text after another. */
void hmac_of(const struct hmac *mac, const void *first, size_t first_length, const void *second, size_t second_length,
             unsigned char digest[SHA256_DIGEST]);
