/*
 * workloads.c - the workloads: a user process does the work and marks its start and
 * its end (SYS_MARK); the difference between the marks is what it cost. The daemons
 * are held meanwhile, so a figure depends on nothing but the machine.
 */
#include "kernel.h"

/* Field by field: struct stats is nothing but u32 counters. */
static void subtract(struct stats *result, const struct stats *after, const struct stats *before) {
  for (u32 i = 0; i < sizeof *result / sizeof(u32); i++)
    ((u32 *)result)[i] = ((const u32 *)after)[i] - ((const u32 *)before)[i];
}

static void difference(const struct mark *before, const struct mark *after, struct result *result) {
  result->count = after->count - before->count;
  subtract(&result->stats, &after->stats, &before->stats);
}

/* Wait for a workload process. False, with a message, if it could not do its work. */
static bool finish(struct proc *proc, struct result *result) {
  if (proc == NULL) {
    print("no memory for another process\n");
    return false;
  }
  proc_wait(proc);
  if (!proc->completed) return false;
  difference(&proc->marks[0], &proc->marks[1], result);
  return true;
}

static bool measure(const char *name, u32 program, u32 a, u32 b, struct result *result) {
  hold_daemons = true;
  bool done = finish(user_create(name, program, a, b), result);
  hold_daemons = false;
  proc_reap();
  return done;
}

bool measure_touch(u32 pages, u32 rounds, struct result *result) {
  result->operations = pages * rounds;
  return measure("touch", PROG_TOUCH, pages, rounds, result);
}

bool measure_demand(u32 pages, struct result *result) {
  result->operations = pages;
  return measure("demand", PROG_DEMAND, pages, 0, result);
}

bool measure_spin(u32 loops, struct result *result) {
  result->operations = loops;
  return measure("spin", PROG_SPIN, loops, 0, result);
}

bool measure_syscalls(u32 calls, struct result *result) {
  result->operations = calls;
  return measure("calls", PROG_CALLS, calls, 0, result);
}

bool measure_rdhwr(u32 reads, struct result *result) {
  result->operations = reads;
  return measure("rdhwr", PROG_RDHWR, reads, 0, result);
}

/* Two equal processes yield to each other; the first one's marks count. */
bool measure_pingpong(u32 switches, u32 pages, struct result *result) {
  hold_daemons = true;
  struct proc *ping = user_create("ping", PROG_PINGPONG, switches / 2, pages);
  struct proc *pong = user_create("pong", PROG_PINGPONG, switches / 2, pages);
  bool done = finish(ping, result);
  if (pong != NULL) proc_wait(pong);
  hold_daemons = false;
  proc_reap();
  if (!done || pong == NULL || !pong->completed) return false;
  result->operations = result->stats.switches;
  return true;
}

bool measure_processes(u32 count, struct result *result) {
  struct mark before, after;
  bool done = true;
  hold_daemons = true;
  before.stats = stats;
  before.count = read_count();
  for (u32 i = 0; done && i < count; i++) {
    struct result ignored;
    done = finish(user_create("brief", PROG_BRIEF, 0, 0), &ignored);
    proc_reap();
  }
  after.stats = stats;
  after.count = read_count();
  hold_daemons = false;
  difference(&before, &after, result);
  result->operations = count;
  return done;
}

static void report(const char *what, const struct result *result) {
  print("%u %s in %u Count ticks: ", result->operations, what, result->count);
  print_ratio(result->count, result->operations, 0);
  print(" each\n%u TLB refills (", result->stats.refills);
  print_ratio(result->stats.refills, result->operations, 0);
  print(" each), %u invalid, %u modified, %u system calls, %u switches\n",
        result->stats.invalid_loads + result->stats.invalid_stores, result->stats.modified,
        result->stats.syscalls, result->stats.switches);
}

/* Count wraps after 43 s, so a workload has to stay below that. */
#define MOST 50000000

/* What free memory allows one process, with some left for its page tables. */
static u32 most_pages(void) { return memory.free / 4; }

void run_touch(int argc, char **argv) {
  struct result result;
  u32 pages = argument(argc, argv, 1, 256, 1, most_pages());
  u32 rounds = argument(argc, argv, 2, 50, 1, MOST / pages);
  if (measure_touch(pages, rounds, &result)) report("touches", &result);
}

void run_demand(int argc, char **argv) {
  struct result result;
  u32 pages = argument(argc, argv, 1, 256, 1, most_pages());
  if (measure_demand(pages, &result)) report("new pages", &result);
}

void run_asid(int argc, char **argv) {
  struct result result;
  u32 switches = argument(argc, argv, 1, 1000, 2, 1000000);
  u32 pages = argument(argc, argv, 2, 16, 1, MOST / switches < 1024 ? MOST / switches : 1024);
  if (measure_pingpong(switches, pages, &result)) report("switches", &result);
}

void run_spin(int argc, char **argv) {
  struct result result;
  if (measure_spin(argument(argc, argv, 1, 1000000, 1, 1000000000), &result)) report("loops", &result);
}

void run_syscall(int argc, char **argv) {
  struct result result;
  if (measure_syscalls(argument(argc, argv, 1, 10000, 1, 10000000), &result)) report("system calls", &result);
}

void run_rdhwr(int argc, char **argv) {
  struct result result;
  if (measure_rdhwr(argument(argc, argv, 1, 10000, 1, MOST), &result)) report("reads", &result);
}

void run_churn(int argc, char **argv) {
  struct result result;
  if (measure_processes(argument(argc, argv, 1, 300, 1, 10000), &result)) report("processes", &result);
}

void run_crash(int argc, char **argv) {
  static const char *const kinds[] = {
      [CRASH_NULL] = "null",         [CRASH_UNALIGNED] = "unaligned", [CRASH_KERNEL] = "kernel",
      [CRASH_PRIVILEGED] = "cp0",    [CRASH_RESERVED] = "reserved",   [CRASH_OVERFLOW] = "overflow",
      [CRASH_BREAK] = "break",       [CRASH_TRAP] = "trap",           [CRASH_TEXT] = "text",
  };
  for (u32 kind = 0; kind < COUNT_OF(kinds); kind++) {
    if (argc > 1 && strcmp(argv[1], kinds[kind]) != 0) continue;
    struct result ignored;
    /* The kernel's own address is passed along: user programs do not know the map. */
    if (measure("crash", PROG_CRASH, kind, KSEG0, &ignored)) print("%s: survived\n", kinds[kind]);
    if (argc > 1) return;
  }
  if (argc <= 1) return;
  print("kinds:");
  for (u32 kind = 0; kind < COUNT_OF(kinds); kind++) print(" %s", kinds[kind]);
  print(", or none for all\n");
}
