/*
 * daemons.c - the background processes. Each works for a while, long enough for the
 * clock to interrupt some of them, reports a number for `ps`, and sleeps.
 */
#include "user.h"

/* Count primes by trial division, some 20 ms at a time: longer than a time slice. */
void primes(void) {
  u32 found = 0, candidate = 2;
  for (;;) {
    for (u32 budget = 0; budget < 500000; candidate++) {
      u32 divisor = 2;
      while (divisor * divisor <= candidate && candidate % divisor != 0) divisor++;
      budget += divisor;
      if (divisor * divisor > candidate) found++;
    }
    report(found);
    sleep(40);
  }
}

/* Walk through memory, one word per page and a different one each time. */
void walker(void) {
  u32 pages = 24, laps = 0;
  char *memory = map(pages * PAGE_SIZE);
  for (;; laps++) {
    for (u32 page = 0; page < pages; page++) {
      u32 *word = (u32 *)(memory + page * PAGE_SIZE) + laps % (PAGE_SIZE / 4);
      *word += page + laps;
    }
    report(laps);
    sleep(25);
  }
}

static char sentence[] = "a guest that thinks it owns the machine";

/* Reverse a sentence in place, and count how often it reads forwards again. */
void reverser(void) {
  for (u32 turns = 0;; turns++) {
    u32 left = 0, right = sizeof sentence - 2;
    while (left < right) {
      char swap = sentence[left];
      sentence[left++] = sentence[right];
      sentence[right--] = swap;
    }
    report(turns / 2);
    sleep(10);
  }
}

/* Count seconds. */
void ticker(void) {
  for (u32 seconds = 0;; seconds++) {
    report(seconds);
    sleep(100);
  }
}
