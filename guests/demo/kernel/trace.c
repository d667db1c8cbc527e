/*
 * trace.c - the last events, in a ring in the kernel's mapped segment.
 *
 * It could as well be an array. It lives there so that the kernel itself, in the
 * middle of handling an exception, takes TLB refills (and at first page faults) of
 * its own, as kernels with mapped memory do.
 */
#include "kernel.h"

static struct trace_event *const ring = (struct trace_event *)KSEG2;
static u32 written;

void trace(enum event event, u32 value, u32 pc) {
  struct trace_event *slot = &ring[written++ % TRACE_EVENTS];
  slot->tick = ticks;
  slot->event = (u16)event;
  slot->pid = (u16)current->pid;
  slot->value = value;
  slot->pc = pc;
}

static const char *const event_names[] = {
    [EVENT_SWITCH] = "switch to pid", [EVENT_SYSCALL] = "system call",  [EVENT_LOAD] = "first load",
    [EVENT_STORE] = "first store",    [EVENT_MODIFIED] = "copy on write", [EVENT_EXIT] = "exit",
};

void trace_dump(u32 count) {
  u32 available = written < TRACE_EVENTS ? written : TRACE_EVENTS;
  if (count > available) count = available;
  print("    tick  pid  event          value     pc\n");
  for (u32 i = written - count; i != written; i++) {
    const struct trace_event *event = &ring[i % TRACE_EVENTS];
    print("%8u %4u  %-13s  %08x  ", event->tick, event->pid, event_names[event->event], event->value);
    if (event->pc != 0) print("%08x", event->pc);
    print("\n");
  }
}
