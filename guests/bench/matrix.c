/* matrix.c - products of integer matrices, of words and of halfwords. */
#include "bench.h"

#define N 48

static s32 a[N][N], b[N][N], product[N][N];
static short narrow_a[N][N], narrow_b[N][N];

static void multiply(void) {
  for (u32 i = 0; i < N; i++)
    for (u32 j = 0; j < N; j++) {
      s32 sum = 0;
      for (u32 k = 0; k < N; k++) sum += a[i][k] * b[k][j];
      product[i][j] = sum;
    }
}

/* The inner loop runs along rows of both factors' memory. */
static void add_narrow_product(void) {
  for (u32 i = 0; i < N; i++)
    for (u32 k = 0; k < N; k++) {
      s32 factor = narrow_a[i][k];
      for (u32 j = 0; j < N; j++) product[i][j] += factor * narrow_b[k][j];
    }
}

u32 matrix(u32 rounds) {
  u32 seed = 123456789u, sum = 0;
  for (u32 i = 0; i < N; i++)
    for (u32 j = 0; j < N; j++) {
      a[i][j] = (s32)next_random(&seed) >> 16;
      b[i][j] = (s32)next_random(&seed) >> 16;
      narrow_a[i][j] = (short)next_random(&seed);
      narrow_b[i][j] = (short)next_random(&seed);
    }
  for (u32 round = 0; round < rounds; round++) {
    multiply();
    add_narrow_product();
    for (u32 i = 0; i < N; i++) sum = add_to(sum, (u32)product[i][(i + round) % N]);
    a[round % N][round / N % N] = (s32)sum >> 16;
  }
  return sum;
}
