/* syscall.c - system calls: an array indexed by number (abi.h). */
#include "kernel.h"

static u32 sys_exit(u32 code) {
  current->result = code;
  current->completed = true;
  proc_exit();
  return 0;
}

static u32 sys_write(u32 text, u32 length) {
  /* The check makes the loads below safe: at worst they fault the page in. */
  if (!space_allows(&current->space, text, length)) return 0;
  for (u32 i = 0; i < length; i++) console_put(((const char *)text)[i]);
  return length;
}

static u32 sys_yield(void) {
  schedule();
  return 0;
}

static u32 sys_getpid(void) { return current->pid; }

static u32 sys_sleep(u32 duration) {
  current->wake_tick = ticks + duration;
  if (duration != 0) sleep_on(&ticks);
  return 0;
}

static u32 sys_map(u32 bytes) {
  struct area *heap = &current->space.areas[AREA_HEAP];
  u32 start = heap->end;
  u32 limit = USER_STACK_TOP - USER_STACK_SIZE;
  if (bytes > limit - start) return 0;
  heap->end = (start + bytes + PAGE_SIZE - 1) & -PAGE_SIZE; /* the pages come when touched */
  return start;
}

static u32 sys_mark(u32 which) {
  struct mark *mark = &current->marks[which & 1];
  mark->stats = stats;
  mark->count = read_count();
  return 0;
}

static u32 sys_report(u32 value) {
  current->result = value;
  return 0;
}

typedef u32 handler(u32 a, u32 b, u32 c);

static handler *const handlers[SYS_COUNT] = {
    [SYS_EXIT] = (handler *)sys_exit,     [SYS_WRITE] = (handler *)sys_write,
    [SYS_YIELD] = (handler *)sys_yield,   [SYS_GETPID] = (handler *)sys_getpid,
    [SYS_SLEEP] = (handler *)sys_sleep,   [SYS_MAP] = (handler *)sys_map,
    [SYS_MARK] = (handler *)sys_mark,     [SYS_REPORT] = (handler *)sys_report,
};

void syscall(struct frame *frame) {
  u32 number = frame->r[2];
  trace(EVENT_SYSCALL, number, frame->epc);
  frame->r[2] = number < SYS_COUNT ? handlers[number](frame->r[4], frame->r[5], frame->r[6]) : (u32)-1;
}
