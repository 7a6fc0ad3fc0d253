/* SPDX-License-Identifier: MIT */

/*
 * SipHash-2-4, by Aumasson and Bernstein: short texts from strangers are told apart by it, who could make any
 * two texts collide under a hash without a key.
 */

#include "util/siphash.h"

struct state {
        uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t value, unsigned int bits) {
        return value << bits | value >> (64 - bits);
}

static void mix(struct state *s) {
        s->v0 += s->v1;
        s->v2 += s->v3;
        s->v1 = rotate(s->v1, 13) ^ s->v0;
        s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 = rotate(s->v0, 32);
        s->v2 += s->v1;
        s->v0 += s->v3;
        s->v1 = rotate(s->v1, 17) ^ s->v2;
        s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v2 = rotate(s->v2, 32);
}

static void take(struct state *s, uint64_t word) {
        s->v3 ^= word;
        mix(s);
        mix(s);
        s->v0 ^= word;
}

/* Up to eight bytes, the first one lowest, on every machine. */
static uint64_t word_at(const unsigned char *bytes, size_t size) {
        uint64_t word = 0;

        for (size_t i = 0; i < size; i++)
                word |= (uint64_t) bytes[i] << (8 * i);
        return word;
}

uint64_t siphash24(const uint64_t key[2], const void *bytes, size_t size) {
        struct state s = {
                .v0 = key[0] ^ UINT64_C(0x736f6d6570736575),
                .v1 = key[1] ^ UINT64_C(0x646f72616e646f6d),
                .v2 = key[0] ^ UINT64_C(0x6c7967656e657261),
                .v3 = key[1] ^ UINT64_C(0x7465646279746573),
        };
        const unsigned char *p = bytes;
        size_t left = size;

        for (; left >= 8; left -= 8, p += 8)
                take(&s, word_at(p, 8));
        take(&s, word_at(p, left) | (uint64_t) size << 56);
        s.v2 ^= 0xff;
        for (unsigned int i = 0; i < 4; i++)
                mix(&s);
        return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
