/*
 * kernel.h - the kernel's types and functions, grouped by the file that owns them.
 *
 * One rule replaces all locks: interrupts are off whenever the kernel runs. The
 * single exception is idle_wait() (entry.S), where nothing is half done.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include "../abi.h"
#include "../cp0.h"
#include "../map.h"
#include "../page.h"

typedef unsigned char u8;
typedef unsigned short u16;
typedef int bool;
#define true 1
#define false 0
#define NULL ((void *)0)
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* main.c: numbers the whole kernel shares. */
struct stats {
  u32 refills; /* must stay first: the refill handler counts it in assembly */
  u32 invalid_loads, invalid_stores, modified;
  u32 kernel_faults; /* those of the above that hit the kernel's mapped segment */
  u32 zero_fills, copies;
  u32 syscalls, timer_interrupts, device_interrupts;
  u32 switches, asids, asid_rollovers;
};
extern struct stats stats;

/* entry.S: what the exception entry saves. Offsets are in frame.h. */
struct frame {
  u32 r[32];
  u32 lo, hi, status, cause, epc, badvaddr;
};
extern char vectors_start[], vectors_end[], idle_check[], idle_done[];
extern void enter_user(void);
extern void enter_thread(void);
extern void idle_wait(void);
extern void switch_stacks(u32 *save_sp, u32 next_sp);

/* trap.c */
void trap_init(void);
void trap(struct frame *frame);

/* syscall.c */
void syscall(struct frame *frame);

/* timer.c: ticks of 10 ms. */
#define COUNT_HZ 100000000
#define TICK_HZ 100
extern u32 ticks;
void timer_init(void);
void timer_interrupt(void);

/* palloc.c: physical pages, by their KSeg0 address. */
struct memory {
  u32 total, free; /* in pages */
};
extern struct memory memory;
void palloc_init(u32 bytes);
void *palloc(void); /* a zeroed page, or NULL */
void pfree(void *page);

/* tlb.c */
extern u32 tlb_entries;
void tlb_init(void);
void tlb_flush(void);
void tlb_update(u32 va, const u32 *pte);
void tlb_dump(void);
u32 asid_activate(u32 *asid);

/* vm.c: page tables, the areas of a process, and page faults. */
struct area {
  const char *name;
  u32 start, end;
  bool writable;
  u32 image; /* KSeg0 address of the initial contents, or 0 */
  u32 image_size;
};
#define AREAS 4
enum { AREA_TEXT, AREA_DATA, AREA_HEAP, AREA_STACK };

struct space {
  u32 *pgd;
  u32 asid; /* generation in the upper bits: see tlb.c */
  u32 pages, tables;
  struct area areas[AREAS];
};
extern u32 *current_pgd; /* what the refill handler walks */
extern u32 *kernel_pgd;
void vm_init(void);
bool space_create(struct space *space);
void space_free(struct space *space);
void space_activate(struct space *space);
bool space_allows(const struct space *space, u32 va, u32 length);
bool space_fault(struct space *space, u32 va, bool store);
bool kernel_fault(u32 va);
u32 space_resident(const struct space *space, const struct area *area);

/* proc.c and sched.c */
enum state { UNUSED, RUNNABLE, SLEEPING, ZOMBIE };

struct mark { /* SYS_MARK's snapshot */
  u32 count;
  struct stats stats;
};

struct proc {
  u32 pid;
  const char *name;
  enum state state;
  bool user;     /* has an address space and a user mode */
  bool daemon;   /* held while a workload is measured */
  u8 *stack;     /* one page */
  u32 sp;        /* saved kernel stack pointer while not running */
  void *channel; /* what a SLEEPING process waits for */
  u32 wake_tick; /* when channel is &ticks */
  u32 ticks, faults, result;
  bool completed; /* left through SYS_EXIT rather than being killed */
  struct mark marks[2];
  struct space space;
};
#define PROCS 16
extern struct proc procs[PROCS];
extern struct proc *current;
extern bool reschedule, hold_daemons;

void proc_init(void);
struct proc *proc_find(u32 pid);
struct proc *thread_create(const char *name, void (*run)(void));
struct proc *user_create(const char *name, u32 program, u32 a, u32 b);
void proc_exit(void);
void proc_wait(struct proc *proc);
void proc_reap(void);

void schedule(void);
void sleep_on(void *channel);
void wakeup(void *channel);
void wakeup_ticks(void);
void idle(void);

/* console.c, irq.c, power.c: the board. */
void console_init(void);
void console_open(void); /* lets input interrupt; after irq_init */
void console_interrupt(void);
void console_put(char c);
void console_flush(void);
int console_get(void);
void irq_init(void);
void irq_interrupt(void);
void power_off(void);

static inline volatile u8 *isa_port(u32 port) { return (volatile u8 *)(UNCACHED + ISA_IO + port); }
static inline volatile u32 *gt_register(u32 offset) {
  return (volatile u32 *)(UNCACHED + GT64120 + offset);
}

/* trace.c: a ring of recent events, in the kernel's mapped segment. */
enum event { EVENT_SWITCH, EVENT_SYSCALL, EVENT_LOAD, EVENT_STORE, EVENT_MODIFIED, EVENT_EXIT };
#define TRACE_EVENTS 1024
struct trace_event {
  u32 tick;
  u16 event, pid;
  u32 value, pc;
};
#define TRACE_SIZE (TRACE_EVENTS * sizeof(struct trace_event))
void trace(enum event event, u32 value, u32 pc);
void trace_dump(u32 count);

/* print.c, string.c */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void panic(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void print_ratio(u32 part, u32 whole, int width);
void *memset(void *to, int value, u32 size);
void *memcpy(void *to, const void *from, u32 size);
int strcmp(const char *a, const char *b);
bool parse_number(const char *text, u32 *value);

/* monitor.c, commands.c, workloads.c, tour.c */
struct command {
  const char *name, *arguments, *help;
  void (*run)(int argc, char **argv);
};
extern const struct command commands[];
extern const u32 command_count;
void monitor(void);
u32 argument(int argc, char **argv, int index, u32 missing, u32 low, u32 high);

struct result { /* what a workload cost, between its two marks */
  u32 operations, count;
  struct stats stats;
};
bool measure_touch(u32 pages, u32 rounds, struct result *result);
bool measure_demand(u32 pages, struct result *result);
bool measure_pingpong(u32 switches, u32 pages, struct result *result);
bool measure_spin(u32 loops, struct result *result);
bool measure_syscalls(u32 calls, struct result *result);
bool measure_rdhwr(u32 reads, struct result *result);
bool measure_processes(u32 count, struct result *result);
void run_touch(int argc, char **argv);
void run_demand(int argc, char **argv);
void run_asid(int argc, char **argv);
void run_spin(int argc, char **argv);
void run_syscall(int argc, char **argv);
void run_rdhwr(int argc, char **argv);
void run_churn(int argc, char **argv);
void run_crash(int argc, char **argv);
void run_tour(int argc, char **argv);

#endif
