/* lz.c - compresses text by references to what came before (LZ77 with a hash table), and unpacks it again. */
#include "bench.h"

#define SIZE 65536
#define HASHES 4096
#define SHORTEST 4
#define LONGEST 131
#define LITERALS 128

static u8 text[SIZE], unpacked[SIZE];
/* The worst case: a length byte for every run of literals. */
static u8 packed[SIZE + SIZE / LITERALS + 1];
static u32 last_seen[HASHES];

/* Words of different frequency with a few numbers between them. */
static void write_text(u32 *seed) {
  static const char *const words[] = {"the",   "of",      "page",   "guest", "and",   "table", "a",    "is",
                                      "entry", "address", "mapped", "host",  "trap",  "to",    "in",   "root",
                                      "walk",  "fault",   "kernel", "by",    "write", "miss",  "tick", "exit"};
  for (u32 at = 0; at < SIZE;) {
    u32 random = next_random(seed);
    /* The product of two numbers is more often small than great. */
    const char *word = words[(random & 31) * (random >> 5 & 31) * 24 / 1024];
    while (*word != 0 && at < SIZE) text[at++] = (u8)*word++;
    if (at < SIZE && random >> 28 == 0) text[at++] = (u8)('0' + (random >> 10) % 10);
    if (at < SIZE) text[at++] = random >> 24 == 7 ? '\n' : ' ';
  }
}

static u32 hash(const u8 *at) {
  return ((u32)at[0] | (u32)at[1] << 8 | (u32)at[2] << 16 | (u32)at[3] << 24) * 2654435761u >> 20;
}

static u8 *put_literals(u8 *out, const u8 *from, const u8 *to) {
  while (from < to) {
    u32 count = (u32)(to - from) < LITERALS ? (u32)(to - from) : LITERALS;
    *out++ = (u8)(count - 1);
    for (; count > 0; count--) *out++ = *from++;
  }
  return out;
}

/* A byte below 128 counts literals less one; any other is a length, before a distance of two bytes. */
static u32 pack(void) {
  const u8 *const end = text + SIZE;
  const u8 *at = text, *unwritten = text;
  u8 *out = packed;
  for (u32 i = 0; i < HASHES; i++) last_seen[i] = SIZE;
  while (at + SHORTEST <= end) {
    u32 slot = hash(at), before = last_seen[slot], length = 0;
    last_seen[slot] = (u32)(at - text);
    if (before != SIZE)
      while (length < LONGEST && at + length < end && text[before + length] == at[length]) length++;
    if (length < SHORTEST) {
      at++;
      continue;
    }
    u32 distance = (u32)(at - text) - before;
    out = put_literals(out, unwritten, at);
    *out++ = (u8)(128 + length - SHORTEST);
    *out++ = (u8)distance;
    *out++ = (u8)(distance >> 8);
    at += length;
    unwritten = at;
  }
  return (u32)(put_literals(out, unwritten, end) - packed);
}

static u32 unpack(u32 size) {
  u8 *out = unpacked;
  for (const u8 *in = packed; in < packed + size;) {
    u32 code = *in++;
    const u8 *from = in;
    u32 count = code + 1;
    if (code >= 128) {
      from = out - (in[0] | (u32)in[1] << 8);
      count = code - 128 + SHORTEST;
      in += 2;
    } else {
      in += count;
    }
    for (; count > 0; count--) *out++ = *from++;
  }
  return (u32)(out - unpacked);
}

u32 lz(u32 rounds) {
  u32 seed = 88675123u, sum = 0;
  for (u32 round = 0; round < rounds; round++) {
    write_text(&seed);
    u32 size = pack();
    if (unpack(size) != SIZE) fail("the text has another length when it is unpacked");
    for (u32 i = 0; i < SIZE; i++)
      if (text[i] != unpacked[i]) fail("the text is another when it is unpacked");
    sum = add_to(sum, size);
  }
  return sum;
}
