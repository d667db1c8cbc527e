/* memory.c - loads and stores over 512 KiB: words, halfwords and bytes, in steps and at random. */
#include "bench.h"

#define WORDS 131072
static u32 words[WORDS];

void main(void) {
  u32 sum = 0, x = 1;
  for (u32 i = 0; i < WORDS; i++) words[i] = i * 2654435761u;
  for (u32 round = 0; round < 1000; round++) {
    for (u32 i = 0; i < WORDS; i++) words[i] += words[(i + 4099) % WORDS] >> 3;
    for (u32 i = 0; i < WORDS; i += 4) sum += ((u8 *)words)[i * 3 + 1] + ((unsigned short *)words)[i];
    for (u32 i = 0; i < WORDS / 4; i++) {
      x = x * 1664525u + 1013904223u;
      words[x >> 15] ^= sum;
    }
  }
  for (u32 i = 0; i < WORDS; i++) sum = sum * 31 + words[i];
  report("memory", sum);
}
