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

/* Moves on to the next tick, which also acknowledges the interrupt. False if that is over
 * already: Compare is written before Count is looked at, or Count might slip past it in
 * between, and would take 43 seconds to come round. */
static bool next_tick(void) {
  next_compare += COUNT_PER_TICK;
  write_compare(next_compare);
  hazard();
  return (int)(read_count() - next_compare) < 0;
}

void timer_init(void) {
  next_compare = read_count();
  while (!next_tick())
    ;
}

void timer_interrupt(void) {
  stats.timer_interrupts++;
  /* Interrupts may have been off for several ticks: count them all. */
  do {
    ticks++;
    current->ticks++;
  } while (!next_tick());
  wakeup_ticks();
  reschedule = true;
}
