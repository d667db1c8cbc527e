/*
 * timer.c - the 100 Hz clock, from Count and Compare.
 *
 * Count is taken to run at 100 MHz, as it does in kseg. QEMU's Malta counts at 160
 * MHz, so seconds are short there; nothing else depends on it.
 */
#include "kernel.h"

#define COUNT_PER_TICK (COUNT_HZ / TICK_HZ)

u32 ticks;
static u32 next_compare;

void timer_init(void) {
  next_compare = read_count() + COUNT_PER_TICK;
  write_compare(next_compare);
}

void timer_interrupt(void) {
  stats.timer_interrupts++;
  /* Interrupts may have been off for several ticks: count them all. Compare is written
   * before Count is looked at, or Count might slip past it in between. */
  do {
    ticks++;
    current->ticks++;
    next_compare += COUNT_PER_TICK;
    write_compare(next_compare); /* also acknowledges the interrupt */
    hazard();
  } while ((int)(read_count() - next_compare) >= 0);
  wakeup_ticks();
  reschedule = true;
}
