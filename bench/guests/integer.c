/* integer.c - an integer loop that stays in registers: shifts, adds, exclusive ors, a multiplication. */
#include "bench.h"

void main(void) {
  u32 x = 2463534242u, sum = 0;
  for (u32 i = 0; i < 400000000u; i++) {
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    sum = (sum << 1 | sum >> 31) + (x ^ i);
  }
  report("integer", sum * 2654435761u);
}
