/* faults.c - touches memory for the first time, gives it back, and does so again: a page fault for each page. */
#include "bench.h"
#include "syscall.h"

#define PAGE 4096
#define PAGES 512

/* A round is 512 pages. */
u32 faults(u32 rounds) {
  u32 sum = 0;
  u8 *start = (u8 *)((syscall1(SYS_BRK, 0) + PAGE - 1) & -PAGE);
  for (u32 round = 0; round < rounds; round++) {
    if (syscall1(SYS_BRK, start + PAGES * PAGE) < 0) fail("brk");
    for (u32 page = 0; page < PAGES; page++) {
      u32 *word = (u32 *)(start + page * PAGE + (page * 68 & (PAGE - 4)));
      /* New pages are zero. */
      sum = add_to(sum, *word + page);
      *word = sum;
    }
    if (syscall1(SYS_BRK, start) < 0) fail("brk");
  }
  return sum;
}
