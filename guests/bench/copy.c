/* copy.c - copies of memory and strings, long and short, aligned and not, and what else string functions do. */
#include "bench.h"

#define SIZE 32768
#define LINE 48

static u32 from_words[SIZE / 4], to_words[SIZE / 4];
static char lines[SIZE / LINE][LINE], copies[SIZE / LINE][LINE];

/* Functions of their own, as in a library: the compiler must not know what they are called with. */
#define LIBRARY __attribute__((noinline, noclone)) static

LIBRARY void copy_words(u32 *to, const u32 *from, u32 count) {
  for (; count >= 4; count -= 4, to += 4, from += 4) {
    u32 a = from[0], b = from[1], c = from[2], d = from[3];
    to[0] = a, to[1] = b, to[2] = c, to[3] = d;
  }
  for (; count > 0; count--) *to++ = *from++;
}

LIBRARY void copy_bytes(u8 *to, const u8 *from, u32 count) {
  for (; count > 0; count--) *to++ = *from++;
}

LIBRARY void move_up(u8 *bytes, u32 by, u32 count) {
  while (count-- > 0) bytes[by + count] = bytes[count];
}

LIBRARY void fill(u8 *to, u8 value, u32 count) {
  for (; count > 0; count--) *to++ = value;
}

LIBRARY void copy_string(char *to, const char *from) {
  while ((*to++ = *from++) != 0) continue;
}

LIBRARY u32 string_length(const char *text) {
  const char *at = text;
  while (*at != 0) at++;
  return (u32)(at - text);
}

LIBRARY int compare_strings(const char *a, const char *b) {
  while (*a != 0 && *a == *b) a++, b++;
  return (u8)*a - (u8)*b;
}

u32 copy(u32 rounds) {
  u32 seed = 521288629u, sum = 0;
  for (u32 i = 0; i < SIZE / 4; i++) from_words[i] = next_random(&seed);
  for (u32 i = 0; i < SIZE / LINE; i++) {
    u32 length = next_random(&seed) % (LINE - 1);
    for (u32 j = 0; j < length; j++) lines[i][j] = (char)('a' + (i + j) % 26);
  }
  for (u32 round = 0; round < rounds; round++) {
    u8 *to = (u8 *)to_words;
    for (u32 i = 0; i < 4; i++) copy_words(to_words, from_words, SIZE / 4);
    copy_bytes(to + 1, (const u8 *)from_words + 2, SIZE / 2);
    move_up(to, 5, SIZE / 2);
    fill(to + round % 1024, (u8)round, SIZE / 4);
    sum = add_to(sum, to_words[round % (SIZE / 4)]);
    for (u32 i = 0; i < SIZE / LINE; i++) {
      copy_string(copies[i], lines[(i + round) % (SIZE / LINE)]);
      sum += string_length(copies[i]);
      sum += compare_strings(copies[i], lines[i]) > 0;
    }
    from_words[round % (SIZE / 4)] ^= sum;
  }
  return sum;
}
