/* sha256.c - SHA-256 (FIPS 180-4) of 16 KiB. */
#include "bench.h"

#define SIZE 16384
#define BLOCK 64

static u8 data[SIZE];

static const u32 k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline u32 rotate(u32 x, u32 by) { return x >> by | x << (32 - by); }

static void compress(u32 h[8], const u8 *block) {
  u32 w[64], s[8];
  for (u32 i = 0; i < 16; i++, block += 4)
    w[i] = (u32)block[0] << 24 | (u32)block[1] << 16 | (u32)block[2] << 8 | block[3];
  for (u32 i = 16; i < 64; i++) {
    u32 a = w[i - 15], b = w[i - 2];
    w[i] = w[i - 16] + w[i - 7] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
  }
  for (u32 i = 0; i < 8; i++) s[i] = h[i];
  for (u32 i = 0; i < 64; i++) {
    u32 e = s[4], a = s[0];
    u32 t1 = s[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & s[5]) ^ (~e & s[6])) + k[i] + w[i];
    u32 t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
    s[7] = s[6], s[6] = s[5], s[5] = e, s[4] = s[3] + t1, s[3] = s[2], s[2] = s[1], s[1] = a, s[0] = t1 + t2;
  }
  for (u32 i = 0; i < 8; i++) h[i] += s[i];
}

/* The size is a multiple of the block's: the padding is a block of its own. */
static u32 first_word_of_digest(void) {
  u32 h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  u8 padding[BLOCK] = {0x80};
  for (u32 at = 0; at < SIZE; at += BLOCK) compress(h, data + at);
  for (u32 i = 0; i < 4; i++) padding[BLOCK - 1 - i] = (u8)(SIZE * 8 >> 8 * i);
  compress(h, padding);
  return h[0];
}

/* In one round the checksum is the beginning of the digest of bytes 0, 1, 2 ... 255, 0, 1 ... */
u32 sha256(u32 rounds) {
  u32 result = 0;
  for (u32 i = 0; i < SIZE; i++) data[i] = (u8)i;
  for (u32 round = 0; round < rounds; round++) {
    result = first_word_of_digest();
    data[round % SIZE] += (u8)result | 1;
  }
  return result;
}
