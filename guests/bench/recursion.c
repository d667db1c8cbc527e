/* recursion.c - functions that call themselves: one and two calls deep in each other, with few and many arguments. */
#include "bench.h"

/* Otherwise the compiler unrolls the recursion into few great functions. */
#define RECURSIVE __attribute__((noinline, noclone)) static

RECURSIVE u32 fibonacci(u32 n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

RECURSIVE u32 ackermann(u32 m, u32 n) {
  if (m == 0) return n + 1;
  return ackermann(m - 1, n == 0 ? 1 : ackermann(m, n - 1));
}

/* Takeuchi's function. */
RECURSIVE s32 tak(s32 x, s32 y, s32 z) {
  return y >= x ? z : tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y));
}

/* Counts the ways to place queens on rows `row` to 7 of a chess board. */
RECURSIVE u32 queens(u32 row, u32 columns, u32 left, u32 right) {
  if (row == 8) return 1;
  u32 count = 0;
  for (u32 free = ~(columns | left | right) & 255; free != 0; free &= free - 1) {
    u32 queen = free & -free;
    count += queens(row + 1, columns | queen, (left | queen) << 1, (right | queen) >> 1);
  }
  return count;
}

u32 recursion(u32 rounds) {
  u32 sum = 0;
  for (u32 round = 0; round < rounds; round++) {
    sum = add_to(sum, fibonacci(18 + round % 3));
    sum = add_to(sum, ackermann(2, 40 + round % 8));
    sum = add_to(sum, (u32)tak(12, 8, (s32)(round % 5)));
    sum = add_to(sum, queens(0, 0, 0, 0));
  }
  return sum;
}
