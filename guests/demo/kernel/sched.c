/* sched.c - who runs next. Round robin, 10 ms each; the monitor goes first. */
#include "kernel.h"

extern u32 kernel_sp; /* trap.c */

bool reschedule;   /* someone else might want to run */
bool hold_daemons; /* a workload is being measured: leave it alone */

static u32 last_slot;

static bool can_run(const struct proc *proc) {
  return proc->state == RUNNABLE && !(proc->daemon && hold_daemons);
}

static struct proc *pick(void) {
  for (u32 i = 1; i < PROCS; i++)
    if (can_run(&procs[i]) && !procs[i].user) return &procs[i];
  for (u32 i = 1; i <= PROCS; i++) {
    u32 slot = (last_slot + i) % PROCS;
    if (slot == 0 || !can_run(&procs[slot])) continue;
    last_slot = slot;
    return &procs[slot];
  }
  return &procs[0]; /* idle */
}

/* Run whoever is next. Returns when the caller is picked again. */
void schedule(void) {
  reschedule = false;
  struct proc *previous = current, *next = pick();
  if (next == previous) return;
  stats.switches++;
  trace(EVENT_SWITCH, next->pid, 0);
  current = next;
  kernel_sp = (u32)next->stack + PAGE_SIZE;

  /* A kernel thread has no user addresses, so it may run under any ASID; but it
   * must not leave the page tables of a process that may end meanwhile in use. */
  if (next->user) space_activate(&next->space);
  else current_pgd = kernel_pgd;
  switch_stacks(&previous->sp, next->sp);
}

/* Nothing can come between here and schedule(): interrupts are off. */
void sleep_on(void *channel) {
  current->channel = channel;
  current->state = SLEEPING;
  schedule();
}

static void wake(struct proc *proc) {
  proc->channel = NULL;
  proc->state = RUNNABLE;
  reschedule = true;
}

void wakeup(void *channel) {
  for (u32 i = 0; i < PROCS; i++)
    if (procs[i].state == SLEEPING && procs[i].channel == channel) wake(&procs[i]);
}

/* Called at each tick: wake the processes whose time has come. */
void wakeup_ticks(void) {
  for (u32 i = 0; i < PROCS; i++)
    if (procs[i].state == SLEEPING && procs[i].channel == &ticks && (int)(ticks - procs[i].wake_tick) >= 0)
      wake(&procs[i]);
}

void idle(void) {
  for (;;) {
    schedule();
    idle_wait();
  }
}
