/* alu.c - integer arithmetic in registers: long chains of dependent operations, some branches, no memory. */
#include "bench.h"

u32 alu(u32 rounds) {
  u32 a = 0x12345678, b = 0x9abcdef0, c = 1, sum = 0;
  for (u32 round = 0; round < rounds; round++) {
    for (u32 i = 0; i < 10000; i++) {
      a += b << 3;
      b = (b ^ a) - (c >> 5);
      c = c * 69069u + 1;
      a = a << 7 | a >> 25;
      if ((s32)b < (s32)c) b += 0x61c88647;
      else a ^= 0x5bd1e995;
      sum += (a & b) | (c & ~b);
    }
    /* Division now and then, as programs have it. */
    sum += a / (b | 1) + c % (a | 1);
  }
  return add_to(add_to(add_to(sum, a), b), c);
}
