/* calls.c - calls, returns and branches that are hard to predict: Fibonacci and Collatz. */
#include "bench.h"

static __attribute__((noinline)) u32 fibonacci(u32 n) {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static __attribute__((noinline)) u32 collatz(u32 n) {
  u32 steps = 0;
  for (; n != 1; steps++) n = n & 1 ? 3 * n + 1 : n >> 1;
  return steps;
}

void main(void) {
  u32 sum = fibonacci(37);
  for (u32 n = 1; n <= 600000; n++) sum = sum * 31 + collatz(n);
  report("calls", sum);
}
