/* proc.c - making and unmaking processes. */
#include "kernel.h"

struct proc procs[PROCS];
struct proc *current;
static u32 next_pid;

/* The boot stack becomes process 0, which runs when nobody else can. */
void proc_init(void) {
  current = &procs[0];
  current->name = "idle";
  current->state = RUNNABLE;
  current->pid = next_pid++;
}

struct proc *proc_find(u32 pid) {
  for (u32 i = 0; i < PROCS; i++)
    if (procs[i].state != UNUSED && procs[i].pid == pid) return &procs[i];
  return NULL;
}

static struct proc *proc_create(const char *name) {
  for (u32 i = 0; i < PROCS; i++) {
    struct proc *proc = &procs[i];
    if (proc->state != UNUSED) continue;
    memset(proc, 0, sizeof *proc);
    proc->stack = palloc();
    if (proc->stack == NULL) return NULL;
    proc->name = name;
    proc->pid = next_pid++;
    return proc;
  }
  return NULL;
}

/* What switch_stacks() pops: s0..s7, fp, ra. */
struct switch_frame {
  u32 s[8], fp, ra;
};

/* Lay out a stack so that the first switch to it "returns" to `start`. */
static void prepare_switch(struct proc *proc, u32 top, void (*start)(void), u32 s0) {
  struct switch_frame *saved = (struct switch_frame *)top - 1;
  saved->s[0] = s0;
  saved->ra = (u32)start;
  proc->sp = (u32)saved;
  proc->state = RUNNABLE;
}

struct proc *thread_create(const char *name, void (*run)(void)) {
  struct proc *proc = proc_create(name);
  if (proc == NULL) panic("no memory for thread %s", name);
  prepare_switch(proc, (u32)proc->stack + PAGE_SIZE - 16, enter_thread, (u32)run);
  return proc;
}

/* A process that starts at the image's entry with (program, a, b) as arguments. */
struct proc *user_create(const char *name, u32 program, u32 a, u32 b) {
  extern char user_image[];
  struct proc *proc = proc_create(name);
  if (proc == NULL) return NULL;
  if (!space_create(&proc->space)) {
    pfree(proc->stack);
    return NULL;
  }
  proc->user = true;

  /* The frame an exception from user mode would have left: see enter_user. */
  struct frame *frame = (struct frame *)(proc->stack + PAGE_SIZE) - 1;
  frame->r[4] = program;
  frame->r[5] = a;
  frame->r[6] = b;
  frame->r[29] = USER_STACK_TOP - 16;
  frame->epc = *(u32 *)user_image; /* the image header's entry */
  frame->status = STATUS_IM7 | STATUS_IM2 | STATUS_UM | STATUS_EXL | STATUS_IE;
  prepare_switch(proc, (u32)frame - 16, enter_user, 0);
  return proc;
}

/* End the current process. Its stack is still in use here: proc_reap() frees it. */
void proc_exit(void) {
  trace(EVENT_EXIT, current->result, 0);
  space_free(&current->space);
  current->state = ZOMBIE;
  wakeup(current);
  schedule();
  panic("a zombie runs");
}

/* Wait until a process has ended; it can still be looked at until proc_reap(). */
void proc_wait(struct proc *proc) {
  while (proc->state != ZOMBIE) sleep_on(proc);
}

void proc_reap(void) {
  for (u32 i = 0; i < PROCS; i++) {
    if (procs[i].state != ZOMBIE) continue;
    pfree(procs[i].stack);
    procs[i].state = UNUSED;
  }
}
