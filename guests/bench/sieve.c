/* sieve.c - the primes below a million by Eratosthenes' sieve: strides of all lengths through 500 KB. */
#include "bench.h"

#define LIMIT 1000000

/* Whether 2 i + 1 is known to be composite. */
static u8 composite[LIMIT / 2];

/* The checksum is the number of primes, once for each round. */
u32 sieve(u32 rounds) {
  u32 count = 0;
  for (u32 round = 0; round < rounds; round++) {
    for (u32 i = 0; i < LIMIT / 2; i++) composite[i] = 0;
    for (u32 n = 3; n * n < LIMIT; n += 2)
      if (!composite[n / 2])
        for (u32 i = n * n / 2; i < LIMIT / 2; i += n) composite[i] = 1;
    count++; /* 2 */
    for (u32 i = 1; i < LIMIT / 2; i++) count += !composite[i];
  }
  return count;
}
